//! `EnablePrincipal`.

use keyward::proto::{
    DenyReason, DisablePrincipalRequest, EnablePrincipalRequest, Principal, PrincipalState,
    SuspendWorkspaceRequest,
};
use tonic::Code;

use super::{ADA, key_of, operator, stored};
use crate::support::{Caller, Server, not_found, refused, request_id, scope_missing, wrong_fields};

fn request(name: &str) -> EnablePrincipalRequest {
    EnablePrincipalRequest { name: name.to_owned(), ..Default::default() }
}

async fn disable(root: &mut Caller, name: &str) -> Principal {
    let request = DisablePrincipalRequest { name: name.to_owned(), ..Default::default() };
    root.admin.disable_principal(request).await.unwrap().into_inner()
}

/// A server with `ada`, who is disabled, and the secret of a key of hers.
async fn with_ada() -> (Server, Caller, String) {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "observer").await;
    let secret = key_of(&mut root, ADA, "ci").await;
    disable(&mut root, ADA).await;
    (server, root, secret)
}

#[tokio::test]
async fn the_keys_of_an_enabled_principal_work_from_the_next_call_on() {
    let (_server, mut root, secret) = with_ada().await;
    root.create_principal("acme", "bob", "observer").await;
    let bob = key_of(&mut root, "workspaces/acme/principals/bob", "bob").await;
    disable(&mut root, "workspaces/acme/principals/bob").await;
    assert_eq!(root.ask(&secret, &[], "").await.reason(), DenyReason::Disabled);
    let enabled = root.admin.enable_principal(request(ADA)).await.unwrap().into_inner();
    assert_eq!(enabled.state(), PrincipalState::Active);
    assert_eq!(enabled.revision, root.head().await);
    let answer = root.ask(&secret, &["sites:read"], "").await;
    assert_eq!((answer.active, answer.reason()), (true, DenyReason::Unspecified));
    assert_eq!(answer.revision, enabled.revision);
    assert_eq!(root.ask(&bob, &[], "").await.reason(), DenyReason::Disabled);
    assert_eq!(stored(&mut root, ADA).await, enabled);
}

#[tokio::test]
async fn in_a_suspended_workspace_its_keys_go_on_waiting() {
    let (_server, mut root, secret) = with_ada().await;
    let suspend = SuspendWorkspaceRequest { name: "workspaces/acme".into(), ..Default::default() };
    root.admin.suspend_workspace(suspend).await.unwrap();
    root.admin.enable_principal(request(ADA)).await.unwrap();
    assert_eq!(root.ask(&secret, &[], "").await.reason(), DenyReason::Disabled);
}

#[tokio::test]
async fn the_same_call_twice_changes_nothing_more() {
    let (_server, mut root, _) = with_ada().await;
    let once = root.admin.enable_principal(request(ADA)).await.unwrap().into_inner();
    assert_eq!(root.admin.enable_principal(request(ADA)).await.unwrap().into_inner(), once);
    assert_eq!(root.head().await, once.revision);
}

#[tokio::test]
async fn a_repeated_request_id_enables_nothing_again_and_is_refused_for_another_request() {
    let (_server, mut root, _) = with_ada().await;
    root.create_principal("acme", "bob", "observer").await;
    let request_id = request_id();
    let first = EnablePrincipalRequest { request_id: request_id.clone(), ..request(ADA) };
    let once = root.admin.enable_principal(first.clone()).await.unwrap().into_inner();
    assert_eq!(root.admin.enable_principal(first.clone()).await.unwrap().into_inner(), once);
    let disabled = disable(&mut root, ADA).await;
    assert_eq!(root.admin.enable_principal(first).await.unwrap().into_inner(), disabled);
    let other = request("workspaces/acme/principals/bob");
    let other = EnablePrincipalRequest { request_id, ..other };
    let reused = root.admin.enable_principal(other).await;
    refused(reused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, disabled.revision);
}

#[tokio::test]
async fn validation_alone_enables_nothing() {
    let (_server, mut root, secret) = with_ada().await;
    let head = root.head().await;
    let checked = EnablePrincipalRequest { validate_only: true, ..request(ADA) };
    let would_be = root.admin.enable_principal(checked).await.unwrap().into_inner();
    assert_eq!(would_be.state(), PrincipalState::Active);
    assert!(!root.ask(&secret, &[], "").await.active);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn an_old_etag_is_refused() {
    let (_server, mut root, secret) = with_ada().await;
    let stale = EnablePrincipalRequest { etag: "r1".into(), ..request(ADA) };
    refused(root.admin.enable_principal(stale).await, Code::Aborted, "ETAG_MISMATCH");
    assert!(!root.ask(&secret, &[], "").await.active);
    let etag = stored(&mut root, ADA).await.etag;
    let fresh = EnablePrincipalRequest { etag, ..request(ADA) };
    root.admin.enable_principal(fresh).await.unwrap();
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root, _) = with_ada().await;
    let bad = EnablePrincipalRequest { request_id: "no uuid".into(), ..request("ada") };
    assert_eq!(wrong_fields(root.admin.enable_principal(bad).await), ["name", "request_id"]);
    assert_eq!(wrong_fields(root.admin.enable_principal(request("")).await), ["name"]);
}

#[tokio::test]
async fn owners_of_callers_are_enabled_by_callers_that_may_do_everything() {
    let (server, mut root, _) = with_ada().await;
    let operator = operator(&mut root).await;
    let disabled = disable(&mut root, &operator.name).await;
    let mut partly = server.caller(&["principals:write", "keys:write"], &[]).await;
    let mut bound = server.caller(&["*"], &["workspaces/system"]).await;
    for caller in [&mut partly, &mut bound] {
        scope_missing(caller.admin.enable_principal(request(&operator.name)).await);
    }
    assert_eq!(stored(&mut root, &operator.name).await, disabled);
    root.admin.enable_principal(request(&operator.name)).await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_or_not_reached_is_not_found_and_not_touched() {
    let (server, mut root, secret) = with_ada().await;
    not_found(root.admin.enable_principal(request("workspaces/other/principals/ada")).await);
    let mut bound = server.caller(&["principals:write"], &["workspaces/other"]).await;
    not_found(bound.admin.enable_principal(request(ADA)).await);
    assert!(!root.ask(&secret, &[], "").await.active);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, ..) = with_ada().await;
    let mut reader = server.caller(&["principals:read", "workspaces:write"], &[]).await;
    scope_missing(reader.admin.enable_principal(request("")).await);
    scope_missing(reader.admin.enable_principal(request(ADA)).await);
}
