//! `CreateWorkspace`.

use futures_util::future::join_all;
use keyward::proto::{self, CreateWorkspaceRequest, WorkspaceState};
use tonic::Code;

use super::stored;
use crate::support::{
    Server, not_found, policy, reader, refused, request_id, scope_missing, wrong_fields,
};

fn request(id: &str) -> CreateWorkspaceRequest {
    CreateWorkspaceRequest {
        workspace_id: id.to_owned(),
        workspace: Some(under("policies/acme")),
        ..Default::default()
    }
}

fn under(policy: &str) -> proto::Workspace {
    proto::Workspace { policy: policy.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn a_workspace_is_made_as_it_was_sent_and_takes_keys() {
    let (_server, mut root) = Server::with_workspaces().await;
    let sent = proto::Workspace {
        name: "not looked at".into(),
        display_name: " Cafe\u{301} ".into(),
        state: WorkspaceState::Suspended.into(),
        ..under("policies/acme")
    };
    let sent = CreateWorkspaceRequest { workspace: Some(sent), ..request("new") };
    let answer = root.admin.create_workspace(sent).await.unwrap().into_inner();
    assert_eq!(answer.warnings, []);
    let made = answer.workspace.unwrap();
    let revision = root.head().await;
    assert!(made.create_time.is_some());
    assert_eq!(made.create_time, made.update_time);
    let expected = proto::Workspace {
        name: "workspaces/new".into(),
        display_name: "Caf\u{e9}".into(),
        state: WorkspaceState::Active.into(),
        etag: format!("r{revision}"),
        revision,
        create_time: made.create_time,
        update_time: made.update_time,
        ..under("policies/acme")
    };
    assert_eq!(made, expected);
    assert_eq!(stored(&mut root, "workspaces/new").await, made);
    let secret = root.create_key("new", "ci", reader()).await.secret;
    assert_eq!(root.ask(&secret, &["sites:read"], "").await.workspace, "workspaces/new");
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let bad =
        proto::Workspace { display_name: "a\u{202E}b".into(), plan: "pro".into(), ..under("acme") };
    let bad = CreateWorkspaceRequest {
        workspace_id: "-".into(),
        workspace: Some(bad),
        request_id: "1".into(),
        ..Default::default()
    };
    assert_eq!(
        wrong_fields(root.admin.create_workspace(bad).await),
        ["workspace_id", "request_id", "workspace.display_name", "workspace.policy"]
    );
    let planned = proto::Workspace {
        display_name: "a\u{202E}b".into(),
        plan: "pro".into(),
        ..under("policies/acme")
    };
    let planned = CreateWorkspaceRequest { workspace: Some(planned), ..request("-") };
    assert_eq!(
        wrong_fields(root.admin.create_workspace(planned).await),
        ["workspace_id", "workspace.display_name", "workspace.plan"]
    );
    let nothing = root.admin.create_workspace(CreateWorkspaceRequest::default()).await;
    assert_eq!(wrong_fields(nothing), ["workspace_id", "workspace.policy"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn an_identifier_is_a_short_label_and_nothing_else() {
    let (_server, mut root) = Server::with_workspaces().await;
    let (most, more) = ("a".repeat(63), "a".repeat(64));
    let huge = "a".repeat(1 << 20);
    for id in ["", "A", "a_b", "a/b", "-a", "a-", "a b", "\u{430}", "a\0", &more, &huge] {
        let outcome = root.admin.create_workspace(request(id)).await;
        assert_eq!(wrong_fields(outcome), ["workspace_id"]);
    }
    for id in ["0", "a--b", &most] {
        root.create_workspace(id, "policies/acme").await;
    }
}

#[tokio::test]
async fn titles_that_mislead_or_are_huge_are_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let huge = "x".repeat(1 << 20);
    for title in ["a\u{0}b", "a\u{85}b", "\u{2067}a", "\u{200F}a", &"x".repeat(101), &huge] {
        let titled = proto::Workspace { display_name: title.to_owned(), ..under("policies/acme") };
        let request = CreateWorkspaceRequest { workspace: Some(titled), ..request("new") };
        let outcome = root.admin.create_workspace(request).await;
        assert_eq!(wrong_fields(outcome), ["workspace.display_name"]);
    }
}

#[tokio::test]
async fn the_policy_is_there_and_is_not_the_built_in_one() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let of = |policy| CreateWorkspaceRequest { workspace: Some(under(policy)), ..request("new") };
    not_found(root.admin.create_workspace(of("policies/nothing")).await);
    let system = root.admin.create_workspace(of("policies/system")).await;
    assert_eq!(wrong_fields(system), ["workspace.policy"]);
    let checked = CreateWorkspaceRequest { validate_only: true, ..of("policies/nothing") };
    not_found(root.admin.create_workspace(checked).await);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn plans_are_named_to_those_alone_who_may_read_the_policy() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let plan = proto::Plan { name: "hidden-plan".to_owned(), ..Default::default() };
    root.create_policy("acme", proto::Policy { plans: vec![plan], ..policy() }).await;
    for (scopes, is_told) in
        [(&["workspaces:write"][..], false), (&["workspaces:write", "policies:read"], true)]
    {
        let mut caller = server.caller(scopes, &[]).await;
        let near = proto::Workspace { plan: "hiden-plan".into(), ..under("policies/acme") };
        let request = CreateWorkspaceRequest { workspace: Some(near), ..request("new") };
        let outcome = caller.admin.create_workspace(request).await;
        let message = outcome.as_ref().unwrap_err().message().to_owned();
        assert_eq!(wrong_fields(outcome), ["workspace.plan"]);
        assert_eq!(message.contains("hidden-plan"), is_told, "{message}");
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_and_the_workspace_stays_as_it_was() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_policy("second", policy()).await;
    let before = stored(&mut root, "workspaces/acme").await;
    let head = root.head().await;
    for id in ["acme", "system"] {
        let other = Some(under("policies/second"));
        let again = CreateWorkspaceRequest { workspace: other, ..request(id) };
        let outcome = root.admin.create_workspace(again).await;
        refused(outcome, Code::AlreadyExists, "RESOURCE_EXISTS");
    }
    let checked = CreateWorkspaceRequest { validate_only: true, ..request("acme") };
    let outcome = root.admin.create_workspace(checked).await;
    refused(outcome, Code::AlreadyExists, "RESOURCE_EXISTS");
    assert_eq!(stored(&mut root, "workspaces/acme").await, before);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn of_many_at_once_with_one_request_id_all_are_answered_and_one_is_made() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let same = CreateWorkspaceRequest { request_id: request_id(), ..request("new") };
    let calls = (0..8).map(|_| {
        let (mut root, same) = (root.clone(), same.clone());
        async move { root.admin.create_workspace(same).await.unwrap().into_inner() }
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(root.head().await, head + 1);
}

#[tokio::test]
async fn a_repeated_request_id_answers_the_same_and_another_request_with_it_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let request_id = request_id();
    let first = CreateWorkspaceRequest { request_id: request_id.clone(), ..request("new") };
    let once = root.admin.create_workspace(first.clone()).await.unwrap().into_inner();
    let head = root.head().await;
    assert_eq!(root.admin.create_workspace(first).await.unwrap().into_inner(), once);
    let other = CreateWorkspaceRequest { request_id, ..request("newer") };
    let reused = root.admin.create_workspace(other).await;
    refused(reused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn validation_alone_makes_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let checked = CreateWorkspaceRequest { validate_only: true, ..request("new") };
    let answer = root.admin.create_workspace(checked).await.unwrap().into_inner();
    let would_be = answer.workspace.unwrap();
    assert_eq!((would_be.name.as_str(), would_be.revision), ("workspaces/new", 0));
    let get = proto::GetWorkspaceRequest { name: "workspaces/new".into() };
    not_found(root.admin.get_workspace(get).await);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_caller_bound_to_another_workspace_makes_none() {
    let (server, mut root) = Server::with_workspaces().await;
    let mut bound = server.caller(&["workspaces:write"], &["workspaces/acm"]).await;
    let head = root.head().await;
    for id in ["acme", "acm2", "system"] {
        not_found(bound.admin.create_workspace(request(id)).await);
    }
    assert_eq!(root.head().await, head);
    bound.admin.create_workspace(request("acm")).await.unwrap();
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut other = server.caller(&["workspaces:read", "policies:write"], &[]).await;
    scope_missing(other.admin.create_workspace(CreateWorkspaceRequest::default()).await);
    scope_missing(other.admin.create_workspace(request("acme")).await);
}
