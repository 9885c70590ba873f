//! `ListWorkspaces`.

use keyward::proto::{ListPoliciesRequest, ListWorkspacesRequest};

use super::stored;
use crate::support::{Caller, Server, scope_missing, wrong_fields};

fn page(page_size: i32, page_token: &str) -> ListWorkspacesRequest {
    ListWorkspacesRequest { page_size, page_token: page_token.to_owned() }
}

/// The identifiers on a page and the token of the next.
async fn ids(caller: &mut Caller, request: ListWorkspacesRequest) -> (Vec<String>, String) {
    let answer = caller.admin.list_workspaces(request).await.unwrap().into_inner();
    let names = answer.workspaces.into_iter().map(|workspace| workspace.name);
    (names.map(|name| name.replace("workspaces/", "")).collect(), answer.next_page_token)
}

#[tokio::test]
async fn workspaces_are_listed_by_name_as_they_are() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_workspace("a-1", "policies/acme").await;
    let listed = root.admin.list_workspaces(page(0, "")).await.unwrap().into_inner();
    assert_eq!(listed.next_page_token, "");
    assert_eq!(listed.workspaces[1], stored(&mut root, "workspaces/acme").await);
    assert_eq!(ids(&mut root, page(0, "")).await.0, ["a-1", "acme", "other", "system"]);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let (_server, mut root) = Server::with_workspaces().await;
    let (first, token) = ids(&mut root, page(2, "")).await;
    assert_eq!(first, ["acme", "other"]);
    root.create_workspace("b", "policies/acme").await;
    root.create_workspace("p", "policies/acme").await;
    let (second, token) = ids(&mut root, page(1, &token)).await;
    assert_eq!(second, ["p"]);
    assert_eq!(ids(&mut root, page(i32::MAX, &token)).await, (vec!["system".into()], "".into()));
}

#[tokio::test]
async fn every_bad_field_is_named_at_once_and_a_token_of_another_query_is_one() {
    let (_server, mut root) = Server::with_workspaces().await;
    let bad = root.admin.list_workspaces(page(i32::MIN, "garbage")).await;
    assert_eq!(wrong_fields(bad), ["page_size", "page_token"]);
    let other = ListPoliciesRequest { page_size: 1, ..Default::default() };
    let token = root.admin.list_policies(other).await.unwrap().into_inner().next_page_token;
    assert_ne!(token, "");
    assert_eq!(wrong_fields(root.admin.list_workspaces(page(1, &token)).await), ["page_token"]);
}

#[tokio::test]
async fn a_bound_caller_is_listed_what_it_reaches_and_its_tokens_tell_no_more() {
    let (server, mut root) = Server::with_workspaces().await;
    for id in ["aa", "acme2", "b", "p", "z"] {
        root.create_workspace(id, "policies/acme").await;
    }
    let mut bound = server.caller(&["workspaces:read"], &["workspaces/acme", "workspaces/p"]).await;
    let all = (vec!["acme".to_owned(), "p".to_owned()], String::new());
    assert_eq!(ids(&mut bound, page(0, "")).await, all);
    assert_eq!(ids(&mut bound, page(2, "")).await, all);
    let (first, token) = ids(&mut bound, page(1, "")).await;
    assert_eq!(first, ["acme"]);
    assert_eq!(ids(&mut bound, page(1, &token)).await, (vec!["p".to_owned()], String::new()));
    let mut none = server.caller(&["workspaces:read"], &["workspaces/nothing"]).await;
    assert_eq!(ids(&mut none, page(1, "")).await, (vec![], String::new()));
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let server = Server::start().await;
    let mut other = server.caller(&["policies:read", "principals:write"], &[]).await;
    scope_missing(other.admin.list_workspaces(page(-1, "garbage")).await);
}
