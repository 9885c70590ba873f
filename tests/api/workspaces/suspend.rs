//! `SuspendWorkspace`.

use futures_util::future::join_all;
use keyward::proto::{DenyReason, ResumeWorkspaceRequest, SuspendWorkspaceRequest, WorkspaceState};
use tonic::Code;

use super::stored;
use crate::support::{
    Caller, Server, not_found, reader, refused, request_id, scope_missing, wrong_fields,
};

const ACME: &str = "workspaces/acme";

fn request(name: &str) -> SuspendWorkspaceRequest {
    SuspendWorkspaceRequest { name: name.to_owned(), ..Default::default() }
}

async fn is_active(root: &mut Caller, secret: &str) -> bool {
    root.ask(secret, &["sites:read"], "").await.active
}

#[tokio::test]
async fn every_key_of_a_suspended_workspace_is_denied_from_the_next_call_on() {
    let (_server, mut root) = Server::with_workspaces().await;
    let first = root.create_key("acme", "first", reader()).await.secret;
    let second = root.create_key("acme", "second", reader()).await.secret;
    let other = root.create_key("other", "first", reader()).await.secret;
    assert!(is_active(&mut root, &first).await);
    let before = stored(&mut root, ACME).await;
    let suspended = root.admin.suspend_workspace(request(ACME)).await.unwrap().into_inner();
    assert_eq!(suspended.state(), WorkspaceState::Suspended);
    assert_eq!(suspended.revision, root.head().await);
    assert_ne!(suspended.etag, before.etag);
    assert_eq!(suspended.create_time, before.create_time);
    for secret in [&first, &second] {
        let answer = root.ask(secret, &["sites:read"], "").await;
        assert_eq!((answer.active, answer.reason()), (false, DenyReason::Disabled));
        assert_eq!(answer.revision, suspended.revision);
    }
    assert!(is_active(&mut root, &other).await);
    assert_eq!(stored(&mut root, ACME).await, suspended);
}

#[tokio::test]
async fn a_key_made_in_a_suspended_workspace_waits_too() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.admin.suspend_workspace(request(ACME)).await.unwrap();
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    assert!(!is_active(&mut root, &secret).await);
}

#[tokio::test]
async fn the_same_call_twice_changes_nothing_more() {
    let (_server, mut root) = Server::with_workspaces().await;
    let once = root.admin.suspend_workspace(request(ACME)).await.unwrap().into_inner();
    assert_eq!(root.admin.suspend_workspace(request(ACME)).await.unwrap().into_inner(), once);
    assert_eq!(root.head().await, once.revision);
}

#[tokio::test]
async fn a_repeated_request_id_suspends_nothing_again_and_is_refused_for_another_request() {
    let (_server, mut root) = Server::with_workspaces().await;
    let request_id = request_id();
    let first = SuspendWorkspaceRequest { request_id: request_id.clone(), ..request(ACME) };
    let once = root.admin.suspend_workspace(first.clone()).await.unwrap().into_inner();
    assert_eq!(root.admin.suspend_workspace(first.clone()).await.unwrap().into_inner(), once);
    let resume = ResumeWorkspaceRequest { name: ACME.into(), ..Default::default() };
    let resumed = root.admin.resume_workspace(resume.clone()).await.unwrap().into_inner();
    assert_eq!(root.admin.suspend_workspace(first).await.unwrap().into_inner(), resumed);
    let other =
        SuspendWorkspaceRequest { request_id: request_id.clone(), ..request("workspaces/other") };
    let reused = root.admin.suspend_workspace(other).await;
    refused(reused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    let rpc = ResumeWorkspaceRequest { request_id, ..resume };
    let reused = root.admin.resume_workspace(rpc).await;
    refused(reused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, resumed.revision);
}

#[tokio::test]
async fn of_many_at_once_with_one_request_id_all_are_answered_and_one_suspends() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let same = SuspendWorkspaceRequest { request_id: request_id(), ..request(ACME) };
    let calls = (0..8).map(|_| {
        let (mut root, same) = (root.clone(), same.clone());
        async move { root.admin.suspend_workspace(same).await.unwrap().into_inner() }
    });
    let answers = join_all(calls).await;
    let suspended = stored(&mut root, ACME).await;
    assert_eq!(suspended.state(), WorkspaceState::Suspended);
    assert!(answers.iter().all(|answer| *answer == suspended));
    assert_eq!(root.head().await, head + 1);
}

#[tokio::test]
async fn validation_alone_suspends_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let head = root.head().await;
    let checked = SuspendWorkspaceRequest { validate_only: true, ..request(ACME) };
    let would_be = root.admin.suspend_workspace(checked).await.unwrap().into_inner();
    assert_eq!(would_be.state(), WorkspaceState::Suspended);
    assert!(is_active(&mut root, &secret).await);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn an_old_etag_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let stale = SuspendWorkspaceRequest { etag: "r1".into(), ..request(ACME) };
    refused(root.admin.suspend_workspace(stale).await, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(root.head().await, head);
    let etag = stored(&mut root, ACME).await.etag;
    let fresh = SuspendWorkspaceRequest { etag, ..request(ACME) };
    root.admin.suspend_workspace(fresh).await.unwrap();
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let bad = SuspendWorkspaceRequest { request_id: "no uuid".into(), ..request("acme") };
    assert_eq!(wrong_fields(root.admin.suspend_workspace(bad).await), ["name", "request_id"]);
    assert_eq!(wrong_fields(root.admin.suspend_workspace(request("")).await), ["name"]);
}

#[tokio::test]
async fn the_built_in_workspace_is_not_suspended() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let outcome = root.admin.suspend_workspace(request("workspaces/system")).await;
    refused(outcome, Code::FailedPrecondition, "BUILT_IN");
    assert_eq!(stored(&mut root, "workspaces/system").await.state(), WorkspaceState::Active);
}

#[tokio::test]
async fn what_is_not_there_or_not_reached_is_not_found_and_not_touched() {
    let (server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    not_found(root.admin.suspend_workspace(request("workspaces/nothing")).await);
    let mut bound = server.caller(&["workspaces:write"], &["workspaces/other"]).await;
    not_found(bound.admin.suspend_workspace(request(ACME)).await);
    not_found(bound.admin.suspend_workspace(request("workspaces/system")).await);
    assert!(is_active(&mut root, &secret).await);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut reader = server.caller(&["workspaces:read", "keys:write"], &[]).await;
    scope_missing(reader.admin.suspend_workspace(request("")).await);
    scope_missing(reader.admin.suspend_workspace(request(ACME)).await);
}
