//! `ResumeWorkspace`.

use keyward::proto::{
    DenyReason, ResumeWorkspaceRequest, SuspendWorkspaceRequest, Workspace, WorkspaceState,
};
use tonic::Code;

use super::stored;
use crate::support::{
    Caller, Server, not_found, reader, refused, request_id, scope_missing, wrong_fields,
};

const ACME: &str = "workspaces/acme";

fn request(name: &str) -> ResumeWorkspaceRequest {
    ResumeWorkspaceRequest { name: name.to_owned(), ..Default::default() }
}

async fn suspend(root: &mut Caller, name: &str) -> Workspace {
    let request = SuspendWorkspaceRequest { name: name.to_owned(), ..Default::default() };
    root.admin.suspend_workspace(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn the_keys_of_a_resumed_workspace_work_from_the_next_call_on() {
    let (_server, mut root) = Server::with_workspaces().await;
    let here = root.create_key("acme", "ci", reader()).await.secret;
    let there = root.create_key("other", "ci", reader()).await.secret;
    suspend(&mut root, ACME).await;
    suspend(&mut root, "workspaces/other").await;
    assert_eq!(root.ask(&here, &[], "").await.reason(), DenyReason::Disabled);
    let resumed = root.admin.resume_workspace(request(ACME)).await.unwrap().into_inner();
    assert_eq!(resumed.state(), WorkspaceState::Active);
    assert_eq!(resumed.revision, root.head().await);
    let answer = root.ask(&here, &["sites:read"], "").await;
    assert_eq!((answer.active, answer.reason()), (true, DenyReason::Unspecified));
    assert_eq!(answer.revision, resumed.revision);
    assert_eq!(root.ask(&there, &[], "").await.reason(), DenyReason::Disabled);
    assert_eq!(stored(&mut root, ACME).await, resumed);
}

#[tokio::test]
async fn a_workspace_that_works_is_left_as_it_is() {
    let (_server, mut root) = Server::with_workspaces().await;
    let before = stored(&mut root, ACME).await;
    let head = root.head().await;
    for _ in 0..2 {
        let after = root.admin.resume_workspace(request(ACME)).await.unwrap().into_inner();
        assert_eq!(after, before);
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_repeated_request_id_resumes_nothing_again_and_is_refused_for_another_request() {
    let (_server, mut root) = Server::with_workspaces().await;
    suspend(&mut root, ACME).await;
    let request_id = request_id();
    let first = ResumeWorkspaceRequest { request_id: request_id.clone(), ..request(ACME) };
    let once = root.admin.resume_workspace(first.clone()).await.unwrap().into_inner();
    assert_eq!(root.admin.resume_workspace(first.clone()).await.unwrap().into_inner(), once);
    let again = suspend(&mut root, ACME).await;
    assert_eq!(root.admin.resume_workspace(first).await.unwrap().into_inner(), again);
    let other = ResumeWorkspaceRequest { request_id, ..request("workspaces/other") };
    let reused = root.admin.resume_workspace(other).await;
    refused(reused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, again.revision);
}

#[tokio::test]
async fn validation_alone_resumes_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let suspended = suspend(&mut root, ACME).await;
    let checked = ResumeWorkspaceRequest { validate_only: true, ..request(ACME) };
    let would_be = root.admin.resume_workspace(checked).await.unwrap().into_inner();
    assert_eq!(would_be.state(), WorkspaceState::Active);
    assert!(!root.ask(&secret, &[], "").await.active);
    assert_eq!(stored(&mut root, ACME).await, suspended);
    assert_eq!(root.head().await, suspended.revision);
}

#[tokio::test]
async fn an_old_etag_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let etag = stored(&mut root, ACME).await.etag;
    let suspended = suspend(&mut root, ACME).await;
    let stale = ResumeWorkspaceRequest { etag, ..request(ACME) };
    refused(root.admin.resume_workspace(stale).await, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(stored(&mut root, ACME).await, suspended);
    let fresh = ResumeWorkspaceRequest { etag: suspended.etag, ..request(ACME) };
    root.admin.resume_workspace(fresh).await.unwrap();
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let bad = ResumeWorkspaceRequest { request_id: "no uuid".into(), ..request("acme") };
    assert_eq!(wrong_fields(root.admin.resume_workspace(bad).await), ["name", "request_id"]);
}

#[tokio::test]
async fn the_built_in_workspace_is_not_resumed() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let outcome = root.admin.resume_workspace(request("workspaces/system")).await;
    refused(outcome, Code::FailedPrecondition, "BUILT_IN");
}

#[tokio::test]
async fn what_is_not_there_or_not_reached_is_not_found_and_not_touched() {
    let (server, mut root) = Server::with_workspaces().await;
    let suspended = suspend(&mut root, ACME).await;
    not_found(root.admin.resume_workspace(request("workspaces/nothing")).await);
    let mut bound = server.caller(&["workspaces:write"], &["workspaces/other"]).await;
    not_found(bound.admin.resume_workspace(request(ACME)).await);
    assert_eq!(stored(&mut root, ACME).await, suspended);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut reader = server.caller(&["workspaces:read", "principals:write"], &[]).await;
    scope_missing(reader.admin.resume_workspace(request("")).await);
    scope_missing(reader.admin.resume_workspace(request(ACME)).await);
}
