//! What is in the deployment that requests are sent to.

use keyward::proto::{self, key::Expiration};

use crate::{
    policies::{policy, strings},
    reader::try_read,
    service::Service,
};

fn key(on: &[(&str, &str)]) -> proto::Key {
    let grant = |(scope, resource): &(&str, &str)| proto::Grant {
        scope: (*scope).into(),
        resource: (*resource).into(),
    };
    let grants = on.iter().map(grant).collect();
    proto::Key { display_name: "a key".into(), grants, ..Default::default() }
}

fn ttl(seconds: i64) -> Option<Expiration> {
    Some(Expiration::Ttl(prost_types::Duration { seconds, nanos: 0 }))
}

/// A key with a bit of everything.
fn full() -> proto::Key {
    proto::Key {
        display_name: "the full one".into(),
        r#type: "robot".into(),
        principal: "workspaces/acme/principals/owner".into(),
        constraint: strings(&["sites/1", "sites/2"]),
        allowed_cidrs: strings(&["192.0.2.0/24", "2001:db8::/32"]),
        expiration: ttl(8_640_000),
        labels: [("env", "prod"), ("team", "shop")].map(|(k, v)| (k.into(), v.into())).into(),
        ..key(&[("area0:read", ""), ("area1:read", "sites/*")])
    }
}

async fn create_policy(service: &mut Service, id: &str, policy: Option<proto::Policy>) {
    let request = proto::CreatePolicyRequest { policy_id: id.into(), policy, ..Default::default() };
    let _: proto::CreatePolicyResponse = service.call("CreatePolicy", &request).await;
}

async fn create_workspace(service: &mut Service, id: &str, policy: &str) {
    let policy = format!("policies/{policy}");
    let request = proto::CreateWorkspaceRequest {
        workspace_id: id.into(),
        workspace: Some(proto::Workspace { policy, ..Default::default() }),
        ..Default::default()
    };
    let _: proto::CreateWorkspaceResponse = service.call("CreateWorkspace", &request).await;
}

async fn create_principal(
    service: &mut Service,
    workspace: &str,
    id: &str,
    principal: proto::Principal,
) {
    let request = proto::CreatePrincipalRequest {
        parent: format!("workspaces/{workspace}"),
        principal_id: id.into(),
        principal: Some(principal),
        ..Default::default()
    };
    let _: proto::CreatePrincipalResponse = service.call("CreatePrincipal", &request).await;
}

/// Two products' policies, three workspaces, owners, keys in every state, and callers.
pub(crate) async fn furnish(service: &mut Service) {
    for (id, hides) in [("acme", false), ("veiled", true)] {
        create_policy(service, id, Some(policy(id, hides))).await;
    }
    for (id, policy) in [("acme", "acme"), ("other", "acme"), ("asleep", "veiled")] {
        create_workspace(service, id, policy).await;
    }
    for (workspace, id) in [("acme", "owner"), ("acme", "gone"), ("other", "owner")] {
        let principal = proto::Principal {
            kind: proto::PrincipalKind::User.into(),
            role: "operator".into(),
            confined_to: strings(&["sites"]),
            ..Default::default()
        };
        create_principal(service, workspace, id, principal).await;
    }
    keys(service).await;
    let name = "workspaces/acme/principals/gone".into();
    let request = proto::DisablePrincipalRequest { name, ..Default::default() };
    let _: proto::Principal = service.call("DisablePrincipal", &request).await;
    let name = "workspaces/asleep".into();
    let request = proto::SuspendWorkspaceRequest { name, ..Default::default() };
    let _: proto::Workspace = service.call("SuspendWorkspace", &request).await;
    shipped(service).await;
}

/// Workspaces of products that have presets, types of resources, and rules of expiry and rotation.
async fn shipped(service: &mut Service) {
    for (id, file) in [
        ("team", include_str!("../../policies/managed-dev.yaml")),
        ("fleet", include_str!("../../policies/aerovy.yaml")),
    ] {
        let policy = Some(try_read(file).unwrap().message);
        create_policy(service, id, policy).await;
        create_workspace(service, id, id).await;
    }
    for (id, role, kind) in [
        ("ada", "owner", proto::PrincipalKind::User),
        ("crew", "service", proto::PrincipalKind::Team),
    ] {
        let principal =
            proto::Principal { kind: kind.into(), role: role.into(), ..Default::default() };
        create_principal(service, "team", id, principal).await;
    }
    let minter = proto::Key {
        r#type: "service".into(),
        principal: "workspaces/team/principals/crew".into(),
        constraint: strings(&["team/1"]),
        ..key(&[("keys:write", ""), ("sites:write", ""), ("jobs:read", "")])
    };
    service.create_key("team", "minter", minter).await;
    let narrow = proto::Key {
        constraint: strings(&["PLACE/Site/**"]),
        ..key(&[("read", "PLACE/Site/7/THING/#/#"), ("write", "")])
    };
    service.create_key("fleet", "filtered", narrow).await;
}

async fn keys(service: &mut Service) {
    let reader = || key(&[("area0:read", "")]);
    let orphan = proto::Key { principal: "workspaces/acme/principals/gone".into(), ..reader() };
    let all = || key(&[("*", "")]);
    let bound = proto::Key { constraint: strings(&["workspaces/acme"]), ..all() };
    for (workspace, id, key) in [
        ("acme", "full", full()),
        ("acme", "reader", reader()),
        ("acme", "writer", key(&[("sites:write", "sites/1/**")])),
        ("acme", "soon", proto::Key { expiration: ttl(1), ..reader() }),
        ("acme", "revoked", reader()),
        ("acme", "rotated", reader()),
        ("acme", "orphan", orphan),
        ("acme", "narrow", proto::Key { plan: "narrow".into(), ..reader() }),
        ("other", "foreign", reader()),
        ("other", "foreign-too", reader()),
        ("asleep", "sleeper", reader()),
        ("system", "bound", bound),
        ("system", "asker", key(&[("introspect", "")])),
        ("system", "looker", key(&[("keys:read", "workspaces/acme/keys/reader")])),
        ("system", "fired", all()),
    ] {
        service.create_key(workspace, id, key).await;
    }
    for (workspace, id) in [("acme", "revoked"), ("system", "fired")] {
        let name = format!("workspaces/{workspace}/keys/{id}");
        let request = proto::RevokeKeyRequest { name, ..Default::default() };
        let _: proto::Key = service.call("RevokeKey", &request).await;
    }
    let request = proto::RotateKeyRequest {
        name: "workspaces/acme/keys/rotated".into(),
        grace: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
        ..Default::default()
    };
    let made: proto::RotateKeyResponse = service.call("RotateKey", &request).await;
    service.secrets.insert("newer".into(), made.secret);
}
