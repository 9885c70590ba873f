//! `DisablePrincipal`.

use keyward::proto::{
    self, CreateKeyRequest, DenyReason, DisablePrincipalRequest, EnablePrincipalRequest,
    ListPoliciesRequest, PrincipalState,
};
use tonic::Code;

use super::{ADA, key_of, operator, stored};
use crate::support::{
    Caller, Server, grants, not_found, reader, refused, request_id, scope_missing, wrong_fields,
};

fn request(name: &str) -> DisablePrincipalRequest {
    DisablePrincipalRequest { name: name.to_owned(), ..Default::default() }
}

async fn is_active(root: &mut Caller, secret: &str) -> bool {
    root.ask(secret, &["sites:read"], "").await.active
}

/// A server with `ada`, an observer, and the secret of a key of hers.
async fn with_ada() -> (Server, Caller, String) {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "observer").await;
    let secret = key_of(&mut root, ADA, "ci").await;
    (server, root, secret)
}

#[tokio::test]
async fn every_key_of_a_disabled_principal_is_denied_from_the_next_call_on() {
    let (_server, mut root, first) = with_ada().await;
    let second = key_of(&mut root, ADA, "cd").await;
    let ownerless = root.create_key("acme", "free", reader()).await.secret;
    root.create_principal("other", "ada", "observer").await;
    let twin = key_of(&mut root, "workspaces/other/principals/ada", "ci").await;
    assert!(is_active(&mut root, &first).await);
    let before = stored(&mut root, ADA).await;
    let disabled = root.admin.disable_principal(request(ADA)).await.unwrap().into_inner();
    let expected = proto::Principal {
        state: PrincipalState::Disabled.into(),
        etag: disabled.etag.clone(),
        revision: root.head().await,
        update_time: disabled.update_time,
        ..before.clone()
    };
    assert_eq!(disabled, expected);
    assert_ne!(disabled.etag, before.etag);
    for secret in [&first, &second] {
        let answer = root.ask(secret, &["sites:read"], "").await;
        assert_eq!((answer.active, answer.reason()), (false, DenyReason::Disabled));
        assert_eq!(answer.revision, disabled.revision);
    }
    assert!(is_active(&mut root, &ownerless).await && is_active(&mut root, &twin).await);
    assert_eq!(stored(&mut root, ADA).await, disabled);
}

#[tokio::test]
async fn a_personal_key_dies_with_its_person_and_a_teams_key_lives_on_whoever_minted_it() {
    let (_server, mut root, personal) = with_ada().await;
    let web = "workspaces/acme/principals/web";
    let team = proto::Principal {
        kind: proto::PrincipalKind::Team.into(),
        role: "observer".into(),
        ..Default::default()
    };
    let team = proto::CreatePrincipalRequest {
        parent: "workspaces/acme".into(),
        principal_id: "web".into(),
        principal: Some(team),
        ..Default::default()
    };
    root.admin.create_principal(team).await.unwrap();
    let mut of_team = vec![key_of(&mut root, web, "web").await];
    let minted = CreateKeyRequest {
        parent: "workspaces/acme".into(),
        key: Some(proto::Key { principal: web.into(), ..reader() }),
        minting_key: "workspaces/acme/keys/ci".into(),
        ..Default::default()
    };
    of_team.push(root.admin.create_key(minted).await.unwrap().into_inner().secret);

    root.admin.disable_principal(request(ADA)).await.unwrap();
    assert!(!is_active(&mut root, &personal).await);
    for secret in &of_team {
        assert!(is_active(&mut root, secret).await, "it is the team's");
    }
    let revoke =
        proto::RevokeKeyRequest { name: "workspaces/acme/keys/ci".into(), ..Default::default() };
    root.admin.revoke_key(revoke).await.unwrap();
    let delete = proto::DeletePrincipalRequest { name: ADA.into(), ..Default::default() };
    root.admin.delete_principal(delete).await.unwrap();
    for secret in &of_team {
        assert!(is_active(&mut root, secret).await, "it is the team's");
    }
    root.admin.disable_principal(request(web)).await.unwrap();
    for secret in &of_team {
        assert!(!is_active(&mut root, secret).await);
    }
}

#[tokio::test]
async fn a_disabled_principal_gets_no_keys() {
    let (_server, mut root, _) = with_ada().await;
    let disabled = root.admin.disable_principal(request(ADA)).await.unwrap().into_inner();
    let create = CreateKeyRequest {
        parent: "workspaces/acme".into(),
        key: Some(proto::Key { principal: ADA.into(), ..reader() }),
        ..Default::default()
    };
    let outcome = root.admin.create_key(create).await;
    refused(outcome, Code::FailedPrecondition, "PRINCIPAL_DISABLED");
    assert_eq!(root.head().await, disabled.revision);
}

#[tokio::test]
async fn a_caller_whose_owner_is_disabled_does_not_get_in_any_more() {
    let (server, mut root, _) = with_ada().await;
    let operator = operator(&mut root).await;
    let key = proto::Key {
        display_name: "a caller".into(),
        grants: grants(&["policies:read"]),
        principal: operator.name.clone(),
        ..Default::default()
    };
    let secret = root.create_key("system", "", key).await.secret;
    let mut caller = server.caller_with(Some(&secret)).await;
    caller.admin.list_policies(ListPoliciesRequest::default()).await.unwrap();
    root.admin.disable_principal(request(&operator.name)).await.unwrap();
    let outcome = caller.admin.list_policies(ListPoliciesRequest::default()).await;
    refused(outcome, Code::Unauthenticated, "CREDENTIALS_INVALID");
}

#[tokio::test]
async fn the_same_call_twice_changes_nothing_more() {
    let (_server, mut root, _) = with_ada().await;
    let once = root.admin.disable_principal(request(ADA)).await.unwrap().into_inner();
    assert_eq!(root.admin.disable_principal(request(ADA)).await.unwrap().into_inner(), once);
    assert_eq!(root.head().await, once.revision);
}

#[tokio::test]
async fn a_repeated_request_id_disables_nothing_again_and_is_refused_for_another_request() {
    let (_server, mut root, _) = with_ada().await;
    root.create_principal("acme", "bob", "observer").await;
    let request_id = request_id();
    let first = DisablePrincipalRequest { request_id: request_id.clone(), ..request(ADA) };
    let once = root.admin.disable_principal(first.clone()).await.unwrap().into_inner();
    assert_eq!(root.admin.disable_principal(first.clone()).await.unwrap().into_inner(), once);
    let enable = EnablePrincipalRequest { name: ADA.into(), ..Default::default() };
    let enabled = root.admin.enable_principal(enable.clone()).await.unwrap().into_inner();
    assert_eq!(root.admin.disable_principal(first).await.unwrap().into_inner(), enabled);
    let other = request("workspaces/acme/principals/bob");
    let other = DisablePrincipalRequest { request_id: request_id.clone(), ..other };
    let reused = root.admin.disable_principal(other).await;
    refused(reused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    let rpc = EnablePrincipalRequest { request_id, ..enable };
    let reused = root.admin.enable_principal(rpc).await;
    refused(reused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, enabled.revision);
}

#[tokio::test]
async fn validation_alone_disables_nothing() {
    let (_server, mut root, secret) = with_ada().await;
    let head = root.head().await;
    let checked = DisablePrincipalRequest { validate_only: true, ..request(ADA) };
    let would_be = root.admin.disable_principal(checked).await.unwrap().into_inner();
    assert_eq!(would_be.state(), PrincipalState::Disabled);
    assert!(is_active(&mut root, &secret).await);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn an_old_etag_is_refused() {
    let (_server, mut root, secret) = with_ada().await;
    let stale = DisablePrincipalRequest { etag: "r1".into(), ..request(ADA) };
    refused(root.admin.disable_principal(stale).await, Code::Aborted, "ETAG_MISMATCH");
    assert!(is_active(&mut root, &secret).await);
    let etag = stored(&mut root, ADA).await.etag;
    let fresh = DisablePrincipalRequest { etag, ..request(ADA) };
    root.admin.disable_principal(fresh).await.unwrap();
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root, _) = with_ada().await;
    let bad = DisablePrincipalRequest { request_id: "no uuid".into(), ..request("ada") };
    assert_eq!(wrong_fields(root.admin.disable_principal(bad).await), ["name", "request_id"]);
    assert_eq!(wrong_fields(root.admin.disable_principal(request("")).await), ["name"]);
}

#[tokio::test]
async fn owners_of_callers_are_disabled_by_callers_that_may_do_everything() {
    let (server, mut root, _) = with_ada().await;
    let operator = operator(&mut root).await;
    let mut partly = server.caller(&["principals:write", "keys:write"], &[]).await;
    let mut bound = server.caller(&["*"], &["workspaces/system"]).await;
    for caller in [&mut partly, &mut bound] {
        scope_missing(caller.admin.disable_principal(request(&operator.name)).await);
    }
    assert_eq!(stored(&mut root, &operator.name).await, operator);
}

#[tokio::test]
async fn what_is_not_there_or_not_reached_is_not_found_and_not_touched() {
    let (server, mut root, secret) = with_ada().await;
    not_found(root.admin.disable_principal(request("workspaces/other/principals/ada")).await);
    not_found(root.admin.disable_principal(request("workspaces/acme/principals/bob")).await);
    let mut bound = server.caller(&["principals:write"], &["workspaces/other"]).await;
    not_found(bound.admin.disable_principal(request(ADA)).await);
    assert!(is_active(&mut root, &secret).await);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, ..) = with_ada().await;
    let mut reader = server.caller(&["principals:read", "workspaces:write"], &[]).await;
    scope_missing(reader.admin.disable_principal(request("")).await);
    scope_missing(reader.admin.disable_principal(request(ADA)).await);
}
