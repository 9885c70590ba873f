//! `UpdateWorkspace`.

use keyward::proto::{self, UpdateWorkspaceRequest};
use tonic::Code;

use super::stored;
use crate::support::{
    Caller, Server, not_found, policy, refused, request_id, scope_missing, strings, wrong_fields,
};

fn request(workspace: proto::Workspace, paths: &[&str]) -> UpdateWorkspaceRequest {
    let update_mask = (!paths.is_empty()).then(|| prost_types::FieldMask { paths: strings(paths) });
    UpdateWorkspaceRequest { workspace: Some(workspace), update_mask, ..Default::default() }
}

fn titled(title: &str) -> proto::Workspace {
    proto::Workspace {
        name: "workspaces/acme".into(),
        display_name: title.into(),
        ..Default::default()
    }
}

async fn update(
    root: &mut Caller,
    workspace: proto::Workspace,
    paths: &[&str],
) -> proto::Workspace {
    let answer = root.admin.update_workspace(request(workspace, paths)).await.unwrap();
    answer.into_inner().workspace.unwrap()
}

#[tokio::test]
async fn a_workspace_is_changed_in_what_is_given_and_in_nothing_else() {
    let (_server, mut root) = Server::with_workspaces().await;
    let before = stored(&mut root, "workspaces/acme").await;
    let other = stored(&mut root, "workspaces/other").await;
    let after = update(&mut root, titled(" Acme Ltd "), &[]).await;
    assert_eq!(after.revision, root.head().await);
    assert!(after.revision > before.revision);
    let expected = proto::Workspace {
        display_name: "Acme Ltd".into(),
        etag: format!("r{}", after.revision),
        revision: after.revision,
        update_time: after.update_time,
        ..before
    };
    assert_eq!(after, expected);
    assert_eq!(stored(&mut root, "workspaces/acme").await, after);
    assert_eq!(stored(&mut root, "workspaces/other").await, other);
}

#[tokio::test]
async fn a_mask_says_what_changes_also_to_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let once = update(&mut root, titled("Acme"), &["display_name"]).await;
    assert_eq!(update(&mut root, titled("Other"), &["plan"]).await, once);
    assert_eq!(update(&mut root, titled(""), &[]).await, once);
    assert_eq!(update(&mut root, titled(""), &["*"]).await.display_name, "");
    assert_eq!(update(&mut root, titled("Acme"), &["*"]).await.display_name, "Acme");
    assert_eq!(update(&mut root, titled(""), &["display_name"]).await.display_name, "");
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let bad = proto::Workspace { name: "acme".into(), plan: "pro".into(), ..titled("a\u{2029}b") };
    let paths = ["name", "policy", "state", "*", "display_nam", "display_name", "plan"];
    let bad = UpdateWorkspaceRequest { request_id: "1".into(), ..request(bad, &paths) };
    let mut expected = strings(&["workspace.name", "request_id"]);
    expected.extend((0..5).map(|place| format!("update_mask.paths[{place}]")));
    expected.push("workspace.display_name".to_owned());
    assert_eq!(wrong_fields(root.admin.update_workspace(bad.clone()).await), expected);
    let named =
        proto::Workspace { name: "workspaces/acme".into(), ..bad.workspace.clone().unwrap() };
    let named = UpdateWorkspaceRequest { workspace: Some(named), ..bad };
    expected.remove(0);
    expected.push("workspace.plan".to_owned());
    assert_eq!(wrong_fields(root.admin.update_workspace(named).await), expected);
    let nothing = root.admin.update_workspace(UpdateWorkspaceRequest::default()).await;
    assert_eq!(wrong_fields(nothing), ["workspace.name"]);
    let huge = root.admin.update_workspace(request(titled(&"x".repeat(1 << 20)), &[])).await;
    assert_eq!(wrong_fields(huge), ["workspace.display_name"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn the_policy_is_fixed_once_the_workspace_is_made() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_policy("second", policy()).await;
    let head = root.head().await;
    let moved = proto::Workspace { policy: "policies/second".into(), ..titled("x") };
    let outcome = root.admin.update_workspace(request(moved.clone(), &[])).await;
    assert_eq!(wrong_fields(outcome), ["workspace.policy"]);
    let outcome = root.admin.update_workspace(request(moved.clone(), &["*"])).await;
    assert_eq!(wrong_fields(outcome), ["workspace.policy"]);
    let outcome = root.admin.update_workspace(request(moved, &["policy"])).await;
    assert_eq!(wrong_fields(outcome), ["update_mask.paths[0]", "workspace.policy"]);
    assert_eq!(root.head().await, head);
    let same = proto::Workspace { policy: "policies/acme".into(), ..titled("x") };
    assert_eq!(update(&mut root, same, &["*"]).await.display_name, "x");
}

#[tokio::test]
async fn an_old_etag_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let etag = stored(&mut root, "workspaces/acme").await.etag;
    let guarded =
        |title: &str, etag: &str| proto::Workspace { etag: etag.to_owned(), ..titled(title) };
    let first = update(&mut root, guarded("first", &etag), &[]).await;
    let stale = root.admin.update_workspace(request(guarded("second", &etag), &[])).await;
    refused(stale, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(stored(&mut root, "workspaces/acme").await, first);
    update(&mut root, guarded("second", &first.etag), &[]).await;
}

#[tokio::test]
async fn the_same_call_twice_changes_nothing_more() {
    let (_server, mut root) = Server::with_workspaces().await;
    let once = update(&mut root, titled("Acme"), &[]).await;
    assert_eq!(update(&mut root, titled(" Acme"), &[]).await, once);
    assert_eq!(root.head().await, once.revision);
}

#[tokio::test]
async fn a_repeated_request_id_changes_nothing_again_and_is_refused_for_another_request() {
    let (_server, mut root) = Server::with_workspaces().await;
    let request_id = request_id();
    let first =
        UpdateWorkspaceRequest { request_id: request_id.clone(), ..request(titled("1"), &[]) };
    let once = root.admin.update_workspace(first.clone()).await.unwrap().into_inner();
    assert_eq!(root.admin.update_workspace(first.clone()).await.unwrap().into_inner(), once);
    let second = update(&mut root, titled("2"), &[]).await;
    let again = root.admin.update_workspace(first).await.unwrap().into_inner();
    assert_eq!(again.workspace.unwrap(), second, "the first change must not be made again");
    let other = UpdateWorkspaceRequest { request_id, ..request(titled("3"), &[]) };
    let reused = root.admin.update_workspace(other).await;
    refused(reused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, second.revision);
}

#[tokio::test]
async fn validation_alone_changes_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let before = stored(&mut root, "workspaces/acme").await;
    let head = root.head().await;
    let checked = UpdateWorkspaceRequest { validate_only: true, ..request(titled("x"), &[]) };
    let answer = root.admin.update_workspace(checked).await.unwrap().into_inner();
    assert_eq!(answer.workspace.unwrap().display_name, "x");
    assert_eq!(stored(&mut root, "workspaces/acme").await, before);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn the_built_in_workspace_is_not_changed() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let head = root.head().await;
    let system = proto::Workspace { name: "workspaces/system".into(), ..titled("mine") };
    let outcome = root.admin.update_workspace(request(system, &[])).await;
    refused(outcome, Code::FailedPrecondition, "BUILT_IN");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn what_is_not_there_or_not_reached_is_not_found_and_not_touched() {
    let (server, mut root) = Server::with_workspaces().await;
    let mut bound = server.caller(&["*"], &["workspaces/other"]).await;
    let head = root.head().await;
    let nothing = proto::Workspace { name: "workspaces/nothing".into(), ..titled("x") };
    not_found(root.admin.update_workspace(request(nothing, &[])).await);
    not_found(bound.admin.update_workspace(request(titled("x"), &[])).await);
    not_found(bound.admin.update_workspace(request(titled("a\0"), &["unknown"])).await);
    let system = proto::Workspace { name: "workspaces/system".into(), ..titled("x") };
    not_found(bound.admin.update_workspace(request(system, &[])).await);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut reader = server.caller(&["workspaces:read", "keys:write"], &[]).await;
    scope_missing(reader.admin.update_workspace(UpdateWorkspaceRequest::default()).await);
    scope_missing(reader.admin.update_workspace(request(titled("x"), &[])).await);
}
