//! `ListPrincipals`.

use keyward::proto::{Grant, Key, ListPrincipalsRequest, ListWorkspacesRequest};

use super::{ADA, stored};
use crate::support::{Caller, Server, not_found, scope_missing, wrong_fields};

fn page(page_size: i32, page_token: &str) -> ListPrincipalsRequest {
    ListPrincipalsRequest {
        parent: "workspaces/acme".to_owned(),
        page_size,
        page_token: page_token.to_owned(),
    }
}

/// The identifiers on a page and the token of the next.
async fn ids(caller: &mut Caller, request: ListPrincipalsRequest) -> (Vec<String>, String) {
    let answer = caller.admin.list_principals(request).await.unwrap().into_inner();
    let names = answer.principals.into_iter().map(|principal| principal.name);
    let ids = names.map(|name| name.replace("workspaces/acme/principals/", "")).collect();
    (ids, answer.next_page_token)
}

async fn with_principals() -> (Server, Caller) {
    let (server, mut root) = Server::with_workspaces().await;
    for id in ["eve", "bob", "ada", "dan"] {
        root.create_principal("acme", id, "observer").await;
    }
    root.create_principal("other", "cyd", "observer").await;
    (server, root)
}

#[tokio::test]
async fn the_principals_of_one_workspace_are_listed_by_name_as_they_are() {
    let (_server, mut root) = with_principals().await;
    assert_eq!(ids(&mut root, page(0, "")).await.0, ["ada", "bob", "dan", "eve"]);
    let listed = root.admin.list_principals(page(0, "")).await.unwrap().into_inner();
    assert_eq!(listed.principals[0], stored(&mut root, ADA).await);
    assert_eq!(listed.next_page_token, "");
    let system = ListPrincipalsRequest { parent: "workspaces/system".into(), ..page(0, "") };
    assert_eq!(ids(&mut root, system).await, (vec![], String::new()));
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let (_server, mut root) = with_principals().await;
    let (first, token) = ids(&mut root, page(2, "")).await;
    assert_eq!(first, ["ada", "bob"]);
    root.create_principal("acme", "abe", "observer").await;
    root.create_principal("acme", "cyd", "observer").await;
    let (second, token) = ids(&mut root, page(1, &token)).await;
    assert_eq!(second, ["cyd"]);
    let rest = ids(&mut root, page(i32::MAX, &token)).await;
    assert_eq!(rest, (vec!["dan".to_owned(), "eve".to_owned()], String::new()));
}

#[tokio::test]
async fn every_bad_field_is_named_at_once_and_a_token_of_another_query_is_one() {
    let (_server, mut root) = with_principals().await;
    let bad = ListPrincipalsRequest { parent: "acme".into(), ..page(-1, "garbage") };
    let outcome = root.admin.list_principals(bad).await;
    assert_eq!(wrong_fields(outcome), ["parent", "page_size", "page_token"]);
    let token = ids(&mut root, page(1, "")).await.1;
    let other = ListPrincipalsRequest { parent: "workspaces/other".into(), ..page(1, &token) };
    assert_eq!(wrong_fields(root.admin.list_principals(other).await), ["page_token"]);
    let other = ListWorkspacesRequest { page_size: 1, ..Default::default() };
    let token = root.admin.list_workspaces(other).await.unwrap().into_inner().next_page_token;
    assert_ne!(token, "");
    assert_eq!(wrong_fields(root.admin.list_principals(page(1, &token)).await), ["page_token"]);
}

#[tokio::test]
async fn a_workspace_that_is_not_there_or_not_reached_is_not_found() {
    let (server, mut root) = with_principals().await;
    let of = |id: &str| ListPrincipalsRequest { parent: format!("workspaces/{id}"), ..page(0, "") };
    not_found(root.admin.list_principals(of("nothing")).await);
    let mut bound = server.caller(&["*"], &["workspaces/acme"]).await;
    assert_eq!(ids(&mut bound, of("acme")).await.0.len(), 4);
    for id in ["other", "acme2", "system"] {
        not_found(bound.admin.list_principals(of(id)).await);
    }
    let token = ids(&mut bound, page(1, "")).await.1;
    let other = ListPrincipalsRequest { page_token: token, ..of("other") };
    not_found(bound.admin.list_principals(other).await);
}

#[tokio::test]
async fn a_caller_that_reaches_some_principals_is_told_of_no_others() {
    let (server, mut root) = with_principals().await;
    let on = |resource: &str| Grant {
        scope: "principals:read".into(),
        resource: format!("workspaces/acme{resource}"),
    };
    let key = Key {
        display_name: "a caller".into(),
        grants: vec![on(""), on("/principals/bob"), on("/principals/dan")],
        ..Default::default()
    };
    let secret = root.create_key("system", "", key).await.secret;
    let mut partly = server.caller_with(Some(&secret)).await;
    let (first, token) = ids(&mut partly, page(1, "")).await;
    assert_eq!(first, ["bob"]);
    let rest = ids(&mut partly, page(1, &token)).await;
    assert_eq!(rest, (vec!["dan".to_owned()], String::new()));
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut other = server.caller(&["workspaces:write", "events:read"], &[]).await;
    scope_missing(other.admin.list_principals(ListPrincipalsRequest::default()).await);
    scope_missing(other.admin.list_principals(page(-1, "garbage")).await);
}
