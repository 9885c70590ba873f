//! `GetPolicy`.

use keyward::proto::GetPolicyRequest;

use super::stored;
use crate::support::{Server, not_found, policy, scope_missing, wrong_fields};

fn request(name: &str) -> GetPolicyRequest {
    GetPolicyRequest { name: name.to_owned() }
}

#[tokio::test]
async fn a_policy_is_read_as_it_was_made() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let made = root.create_policy("acme", policy()).await;
    root.create_policy("other", policy()).await;
    let mut reader = server.caller(&["policies:read"], &[]).await;
    assert_eq!(stored(&mut reader, "policies/acme").await, made);
}

#[tokio::test]
async fn the_built_in_policy_is_read_like_any_other() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let system = stored(&mut root, "policies/system").await;
    assert!(system.scopes.iter().any(|scope| scope.name == "policies:write"));
    assert!(system.hide_existence && system.revision > 0);
}

#[tokio::test]
async fn what_is_no_name_of_a_policy_is_refused_and_what_is_not_there_is_not_found() {
    let (_server, mut root) = Server::with_workspaces().await;
    for name in [
        "",
        "acme",
        "policies/",
        "policies/Acme",
        "policies/acme/",
        "/policies/acme",
        "workspaces/acme",
        "policies/-",
        "policies/acm\u{435}",
    ] {
        assert_eq!(wrong_fields(root.admin.get_policy(request(name)).await), ["name"], "{name}");
    }
    let huge = format!("policies/{}", "a".repeat(1 << 20));
    assert_eq!(wrong_fields(root.admin.get_policy(request(&huge)).await), ["name"]);
    for name in ["policies/acm", "policies/acme2", "policies/nothing"] {
        not_found(root.admin.get_policy(request(name)).await);
    }
}

#[tokio::test]
async fn a_caller_bound_to_a_workspace_is_told_that_there_is_no_such_policy() {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_policy("acme2", policy()).await;
    let mut bound = server.caller(&["*"], &["workspaces/acme"]).await;
    not_found(bound.admin.get_policy(request("policies/acme")).await);
    not_found(bound.admin.get_policy(request("policies/system")).await);
    let mut both = server.caller(&["*"], &["workspaces/acme", "policies/acme"]).await;
    assert_eq!(stored(&mut both, "policies/acme").await.name, "policies/acme");
    not_found(both.admin.get_policy(request("policies/acme2")).await);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut other = server.caller(&["introspect", "events:read", "principals:write"], &[]).await;
    scope_missing(other.admin.get_policy(request("")).await);
    scope_missing(other.admin.get_policy(request("policies/acme")).await);
}
