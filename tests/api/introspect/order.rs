//! Of several reasons the first is told. The order is security: of a resource nothing is
//! said to whom may not know of it, and of scopes nothing to whom has no key.

use keyward::proto::{self, DenyReason, IntrospectRequest};

use super::{answer, question};
use crate::{
    callers::minted::{disable, revoke, rotate, short_lived},
    support::{Caller, Server, policy, reader, strings},
};

/// A key against which everything speaks that can, and the question that meets all of it.
async fn hopeless(root: &mut Caller) -> (String, IntrospectRequest) {
    let owner = root.create_principal("acme", "ada", "owner").await.name;
    let key = proto::Key {
        principal: owner.clone(),
        constraint: strings(&["mine"]),
        allowed_cidrs: strings(&["192.0.2.0/24"]),
        ..short_lived(reader())
    };
    let secret = root.create_key("acme", "ci", key).await.secret;
    disable(root, &owner).await;
    let name = "workspaces/acme".to_owned();
    let request = proto::SuspendWorkspaceRequest { name, ..Default::default() };
    root.admin.suspend_workspace(request).await.unwrap();
    let question =
        IntrospectRequest { resource: "theirs".to_owned(), ..question(&secret, &["jobs:read"]) };
    (owner, question)
}

#[tokio::test]
async fn of_several_reasons_the_first_is_told() {
    let (_server, mut root) = Server::with_workspaces().await;
    let (owner, mut question) = hopeless(&mut root).await;
    let key = "workspaces/acme/keys/ci";
    assert_eq!(answer(&mut root, question.clone()).await.reason(), DenyReason::Expired);

    // One reason after the other is lifted, and the next one shows.
    let unending = proto::Key {
        name: key.to_owned(),
        expiration: Some(proto::key::Expiration::NeverExpires(true)),
        ..Default::default()
    };
    let request = proto::UpdateKeyRequest { key: Some(unending), ..Default::default() };
    root.admin.update_key(request).await.unwrap();
    assert_eq!(answer(&mut root, question.clone()).await.reason(), DenyReason::Disabled);

    let name = "workspaces/acme".to_owned();
    let request = proto::ResumeWorkspaceRequest { name, ..Default::default() };
    root.admin.resume_workspace(request).await.unwrap();
    assert_eq!(answer(&mut root, question.clone()).await.reason(), DenyReason::Disabled);
    let request = proto::EnablePrincipalRequest { name: owner, ..Default::default() };
    root.admin.enable_principal(request).await.unwrap();
    assert_eq!(answer(&mut root, question.clone()).await.reason(), DenyReason::IpNotAllowed);

    question.client_ip = "192.0.2.1".to_owned();
    assert_eq!(answer(&mut root, question.clone()).await.reason(), DenyReason::OutsideConstraint);

    question.resource = "mine/1".to_owned();
    assert_eq!(answer(&mut root, question.clone()).await.reason(), DenyReason::InsufficientScope);

    question.required_scopes = strings(&["sites:read"]);
    assert_eq!(answer(&mut root, question.clone()).await.reason(), DenyReason::Unspecified);
}

#[tokio::test]
async fn an_end_for_ever_goes_before_one_in_time_and_a_replaced_secret_before_both() {
    let (_server, mut root) = Server::with_workspaces().await;
    let (_, question) = hopeless(&mut root).await;
    let key = "workspaces/acme/keys/ci";
    let new = rotate(&mut root, key).await;
    revoke(&mut root, key).await;
    assert_eq!(answer(&mut root, question.clone()).await.reason(), DenyReason::InvalidKey);
    let question = IntrospectRequest { secret: new, ..question };
    assert_eq!(answer(&mut root, question).await.reason(), DenyReason::Revoked);
}

#[tokio::test]
async fn a_hidden_resource_is_not_found_whatever_scope_is_missing() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_policy("hiding", proto::Policy { hide_existence: true, ..policy() }).await;
    root.create_workspace("hiding", "policies/hiding").await;
    let key = proto::Key { constraint: strings(&["mine"]), ..reader() };
    let secret = root.create_key("hiding", "", key).await.secret;
    for required in [&["sites:read"][..], &["jobs:read"], &["exec:raw", "sites:read"], &[]] {
        let answer = root.ask(&secret, required, "theirs").await;
        assert_eq!(answer.reason(), DenyReason::NotFound, "{required:?}");
        assert_eq!((answer.missing_scopes, answer.effective_scopes), (vec![], vec![]));
    }
}
