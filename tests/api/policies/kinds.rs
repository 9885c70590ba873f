//! Key types and roles that are for some kinds of principal only.

use keyward::proto::{self, PrincipalKind};

use crate::support::{Caller, Server, policy, reader, wrong_fields};

/// A server with a policy where the key type `personal` and the role `observer` are for
/// people, and the role `owner` is for teams and services.
async fn under_kinds() -> (Server, Caller) {
    let server = Server::start().await;
    let mut root = server.root().await;
    let mut policy = policy();
    policy.key_types[1].principal_kinds = vec![PrincipalKind::User.into()];
    policy.roles[0].principal_kinds =
        vec![PrincipalKind::Team.into(), PrincipalKind::Service.into()];
    policy.roles[1].principal_kinds = vec![PrincipalKind::User.into()];
    let sent = policy.clone();
    let made = root.create_policy("acme", policy).await;
    assert_eq!((made.key_types, made.roles), (sent.key_types, sent.roles));
    root.create_workspace("acme", "policies/acme").await;
    (server, root)
}

async fn make(
    root: &mut Caller,
    kind: PrincipalKind,
    role: &str,
) -> Result<tonic::Response<proto::CreatePrincipalResponse>, tonic::Status> {
    let principal =
        proto::Principal { kind: kind.into(), role: role.to_owned(), ..Default::default() };
    let request = proto::CreatePrincipalRequest {
        parent: "workspaces/acme".to_owned(),
        principal_id: kind.as_str_name().to_ascii_lowercase().replace('_', "-"),
        principal: Some(principal),
        ..Default::default()
    };
    root.admin.create_principal(request).await
}

fn personal(owner: &str) -> proto::CreateKeyRequest {
    let principal = format!("workspaces/acme/principals/{owner}");
    proto::CreateKeyRequest {
        parent: "workspaces/acme".to_owned(),
        key: Some(proto::Key { r#type: "personal".to_owned(), principal, ..reader() }),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_role_is_given_to_principals_of_its_kinds_alone() {
    let (_server, mut root) = under_kinds().await;
    let head = root.head().await;
    for (kind, role) in [
        (PrincipalKind::User, "owner"),
        (PrincipalKind::Team, "observer"),
        (PrincipalKind::Service, "observer"),
    ] {
        let refused = make(&mut root, kind, role).await;
        let message = refused.as_ref().unwrap_err().message().to_owned();
        assert!(message.contains("is for principals of the kind"), "{message}");
        assert_eq!(wrong_fields(refused), ["principal.role"]);
    }
    assert_eq!(root.head().await, head);
    for (kind, role) in [
        (PrincipalKind::User, "observer"),
        (PrincipalKind::Team, "owner"),
        (PrincipalKind::Service, "owner"),
    ] {
        make(&mut root, kind, role).await.unwrap();
    }
    let raised = proto::Principal {
        name: "workspaces/acme/principals/principal-kind-user".to_owned(),
        role: "owner".to_owned(),
        ..Default::default()
    };
    let request = proto::UpdatePrincipalRequest { principal: Some(raised), ..Default::default() };
    assert_eq!(wrong_fields(root.admin.update_principal(request).await), ["principal.role"]);
}

#[tokio::test]
async fn a_key_type_is_for_principals_of_its_kinds_alone() {
    let (_server, mut root) = under_kinds().await;
    for (kind, role) in [(PrincipalKind::User, "observer"), (PrincipalKind::Team, "owner")] {
        make(&mut root, kind, role).await.unwrap();
    }
    let head = root.head().await;
    let refused = root.admin.create_key(personal("principal-kind-team")).await;
    let message = refused.as_ref().unwrap_err().message().to_owned();
    assert!(message.contains("of the kind USER, not TEAM"), "{message}");
    assert_eq!(wrong_fields(refused), ["key.principal"]);
    assert_eq!(root.head().await, head);
    root.admin.create_key(personal("principal-kind-user")).await.unwrap();
}

#[tokio::test]
async fn what_is_no_kind_of_principal_is_a_fault_of_the_policy() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let mut policy = policy();
    policy.key_types[1].principal_kinds = vec![1, 0];
    policy.roles[0].principal_kinds = vec![77];
    policy.roles[1].principal_kinds = vec![1, 2, 3, 1];
    let request = proto::CreatePolicyRequest {
        policy_id: "acme".to_owned(),
        policy: Some(policy),
        ..Default::default()
    };
    let mut fields = wrong_fields(root.admin.create_policy(request).await);
    fields.sort();
    assert_eq!(
        fields,
        [
            "policy.key_types[1].principal_kinds[1]",
            "policy.roles[0].principal_kinds[0]",
            "policy.roles[1].principal_kinds",
        ]
    );
}
