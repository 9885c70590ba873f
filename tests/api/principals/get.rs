//! `GetPrincipal`.

use keyward::proto::GetPrincipalRequest;

use super::{ADA, operator, stored};
use crate::support::{Server, not_found, scope_missing, wrong_fields};

fn request(name: &str) -> GetPrincipalRequest {
    GetPrincipalRequest { name: name.to_owned() }
}

#[tokio::test]
async fn a_principal_is_read_as_it_was_made() {
    let (server, mut root) = Server::with_workspaces().await;
    let made = root.create_principal("acme", "ada", "observer").await;
    let twin = root.create_principal("other", "ada", "owner").await;
    let mut reader = server.caller(&["principals:read"], &[]).await;
    assert_eq!(stored(&mut reader, ADA).await, made);
    assert_eq!(stored(&mut reader, "workspaces/other/principals/ada").await, twin);
    let operator = operator(&mut root).await;
    assert_eq!(stored(&mut reader, &operator.name).await, operator);
}

#[tokio::test]
async fn what_is_no_name_of_a_principal_is_refused_and_what_is_not_there_is_not_found() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "observer").await;
    for name in ["", "ada", "workspaces/acme", "workspaces/acme/keys/ada", &format!("{ADA}/x")] {
        let outcome = root.admin.get_principal(request(name)).await;
        assert_eq!(wrong_fields(outcome), ["name"], "{name}");
    }
    for name in ["acme/principals/ad", "acme/principals/ada2", "nothing/principals/ada"] {
        not_found(root.admin.get_principal(request(&format!("workspaces/{name}"))).await);
    }
}

#[tokio::test]
async fn a_principal_of_another_workspace_is_not_found() {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_principal("other", "ada", "observer").await;
    root.create_principal("acme", "bob", "observer").await;
    not_found(root.admin.get_principal(request(ADA)).await);
    not_found(root.admin.get_principal(request("workspaces/other/principals/bob")).await);
    let mut bound = server.caller(&["*"], &["workspaces/acme"]).await;
    assert_eq!(stored(&mut bound, "workspaces/acme/principals/bob").await.role, "observer");
    not_found(bound.admin.get_principal(request("workspaces/other/principals/ada")).await);
    not_found(bound.admin.get_principal(request("workspaces/system/principals/ada")).await);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut other = server.caller(&["workspaces:write", "policies:write"], &[]).await;
    scope_missing(other.admin.get_principal(request("")).await);
    scope_missing(other.admin.get_principal(request(ADA)).await);
}
