//! `GetWorkspace`.

use keyward::proto::{GetWorkspaceRequest, WorkspaceState};

use super::stored;
use crate::support::{Server, not_found, scope_missing, wrong_fields};

fn request(name: &str) -> GetWorkspaceRequest {
    GetWorkspaceRequest { name: name.to_owned() }
}

#[tokio::test]
async fn a_workspace_is_read_as_it_was_made() {
    let (server, mut root) = Server::with_workspaces().await;
    let made = root.create_workspace("new", "policies/acme").await;
    let mut reader = server.caller(&["workspaces:read"], &["workspaces/new"]).await;
    assert_eq!(stored(&mut reader, "workspaces/new").await, made);
}

#[tokio::test]
async fn the_built_in_workspace_is_read_like_any_other() {
    let server = Server::start().await;
    let system = stored(&mut server.root().await, "workspaces/system").await;
    assert_eq!(system.policy, "policies/system");
    assert_eq!(system.state(), WorkspaceState::Active);
}

#[tokio::test]
async fn what_is_no_name_of_a_workspace_is_refused_and_what_is_not_there_is_not_found() {
    let (_server, mut root) = Server::with_workspaces().await;
    for name in ["", "acme", "workspaces/ACME", "workspaces/acme/keys/ci", "policies/acme"] {
        let outcome = root.admin.get_workspace(request(name)).await;
        assert_eq!(wrong_fields(outcome), ["name"], "{name}");
    }
    for name in ["workspaces/acm", "workspaces/acme2"] {
        not_found(root.admin.get_workspace(request(name)).await);
    }
}

#[tokio::test]
async fn a_workspace_that_the_caller_does_not_reach_is_answered_like_one_that_is_not_there() {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_workspace("acme2", "policies/acme").await;
    let mut bound = server.caller(&["*"], &["workspaces/acme"]).await;
    assert_eq!(stored(&mut bound, "workspaces/acme").await.name, "workspaces/acme");
    let missing = bound.admin.get_workspace(request("workspaces/other3")).await.unwrap_err();
    for name in ["workspaces/other", "workspaces/acme2", "workspaces/system"] {
        let status = bound.admin.get_workspace(request(name)).await.unwrap_err();
        assert_eq!(status.code(), missing.code());
        let alike = missing.message().replace("workspaces/other3", name);
        assert_eq!(status.message(), alike);
        not_found::<()>(Err(status));
    }
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut other = server.caller(&["introspect", "policies:write", "events:read"], &[]).await;
    scope_missing(other.admin.get_workspace(request("")).await);
    scope_missing(other.admin.get_workspace(request("workspaces/acme")).await);
}
