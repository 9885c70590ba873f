//! `ListPolicies`.

use keyward::proto::{ListPoliciesRequest, ListWorkspacesRequest};

use super::stored;
use crate::support::{Caller, Server, policy, scope_missing, wrong_fields};

fn page(page_size: i32, page_token: &str) -> ListPoliciesRequest {
    ListPoliciesRequest { page_size, page_token: page_token.to_owned() }
}

/// The names on a page and the token of the next.
async fn names(caller: &mut Caller, request: ListPoliciesRequest) -> (Vec<String>, String) {
    let answer = caller.admin.list_policies(request).await.unwrap().into_inner();
    (answer.policies.into_iter().map(|policy| policy.name).collect(), answer.next_page_token)
}

#[tokio::test]
async fn policies_are_listed_by_name_as_they_are() {
    let server = Server::start().await;
    let mut root = server.root().await;
    for id in ["b", "a-1", "a", "0"] {
        root.create_policy(id, policy()).await;
    }
    let listed = root.admin.list_policies(page(0, "")).await.unwrap().into_inner();
    let all: Vec<_> = listed.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(all, ["policies/0", "policies/a", "policies/a-1", "policies/b", "policies/system"]);
    assert_eq!(listed.next_page_token, "");
    assert_eq!(listed.policies[1], stored(&mut root, "policies/a").await);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let server = Server::start().await;
    let mut root = server.root().await;
    for id in ["a", "b", "c"] {
        root.create_policy(id, policy()).await;
    }
    let (first, token) = names(&mut root, page(3, "")).await;
    assert_eq!(first, ["policies/a", "policies/b", "policies/c"]);
    root.create_policy("b-2", policy()).await;
    root.create_policy("d", policy()).await;
    let (second, token) = names(&mut root, page(1, &token)).await;
    assert_eq!(second, ["policies/d"]);
    let (third, token) = names(&mut root, page(i32::MAX, &token)).await;
    assert_eq!((third, token), (vec!["policies/system".to_owned()], String::new()));
}

#[tokio::test]
async fn fifty_are_on_a_page_where_nothing_is_said() {
    let server = Server::start().await;
    let mut root = server.root().await;
    for number in 0..50 {
        root.create_policy(&format!("p{number:02}"), policy()).await;
    }
    let (first, token) = names(&mut root, page(0, "")).await;
    assert_eq!((first.len(), first[49].as_str()), (50, "policies/p49"));
    assert_eq!(names(&mut root, page(0, &token)).await.0, ["policies/system"]);
    assert_eq!(names(&mut root, page(1_001, "")).await.0.len(), 51);
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let server = Server::start().await;
    let mut root = server.root().await;
    root.create_policy("a", policy()).await;
    let bad = root.admin.list_policies(page(-1, "garbage")).await;
    assert_eq!(wrong_fields(bad), ["page_size", "page_token"]);
    let huge = "A".repeat(1 << 20);
    for token in ["e30", "!", "\u{202E}", &huge] {
        let bad = root.admin.list_policies(page(0, token)).await;
        assert_eq!(wrong_fields(bad), ["page_token"]);
    }
}

#[tokio::test]
async fn a_token_of_another_query_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let other = ListWorkspacesRequest { page_size: 1, ..Default::default() };
    let token = root.admin.list_workspaces(other).await.unwrap().into_inner().next_page_token;
    assert_ne!(token, "");
    assert_eq!(wrong_fields(root.admin.list_policies(page(1, &token)).await), ["page_token"]);
}

#[tokio::test]
async fn a_bound_caller_is_listed_what_it_reaches() {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_policy("acme2", policy()).await;
    let mut bound = server.caller(&["policies:read"], &["workspaces/acme"]).await;
    assert_eq!(names(&mut bound, page(0, "")).await, (vec![], String::new()));
    let mut own = server.caller(&["policies:read"], &["policies/acme"]).await;
    let only = (vec!["policies/acme".to_owned()], String::new());
    assert_eq!(names(&mut own, page(0, "")).await, only);
}

#[tokio::test]
async fn a_page_token_tells_a_bound_caller_of_nothing_else() {
    let server = Server::start().await;
    let mut root = server.root().await;
    for id in ["a", "b", "c", "d"] {
        root.create_policy(id, policy()).await;
    }
    let mut bound = server.caller(&["policies:read"], &["policies/b", "policies/d"]).await;
    let (first, token) = names(&mut bound, page(1, "")).await;
    assert_eq!(first, ["policies/b"]);
    let (second, token) = names(&mut bound, page(1, &token)).await;
    assert_eq!((second, token), (vec!["policies/d".to_owned()], String::new()));
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let server = Server::start().await;
    let mut other = server.caller(&["principals:read", "workspaces:read"], &[]).await;
    scope_missing(other.admin.list_policies(page(-1, "garbage")).await);
}
