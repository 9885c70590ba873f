//! `GetKey`.

use keyward::proto::{GetKeyRequest, KeyState, RevokeKeyRequest};

use super::{instant, metadata};
use crate::support::{Server, not_found, reader, refused, scope_missing, wrong_fields};

fn request(name: &str) -> GetKeyRequest {
    GetKeyRequest { name: name.to_owned() }
}

#[tokio::test]
async fn a_key_is_read_as_it_was_made_and_reading_changes_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await.key.unwrap();
    let head = root.head().await;
    for _ in 0..2 {
        let read = root.admin.get_key(request("workspaces/acme/keys/ci")).await.unwrap();
        assert_eq!(read.into_inner(), made);
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn expired_and_revoked_keys_stay_on_record() {
    let (_server, mut root) = Server::with_workspaces().await;
    let brief = keyward::proto::Key { expiration: instant(), ..reader() };
    root.create_key("acme", "brief", brief).await;
    root.create_key("acme", "ended", reader()).await;
    let name = "workspaces/acme/keys/ended".to_owned();
    root.admin.revoke_key(RevokeKeyRequest { name, ..Default::default() }).await.unwrap();
    for (id, state) in [("brief", KeyState::Expired), ("ended", KeyState::Revoked)] {
        let read = root.admin.get_key(request(&format!("workspaces/acme/keys/{id}"))).await;
        assert_eq!(read.unwrap().into_inner().state(), state);
    }
}

#[tokio::test]
async fn what_is_no_name_of_a_key_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "ci", reader()).await;
    let huge = "x".repeat(1 << 20);
    for name in [
        "",
        "ci",
        "keys/ci",
        "workspaces/acme",
        "workspaces/acme/keys/",
        "workspaces/acme/keys/ci/",
        "workspaces/acme/keys/CI",
        "/workspaces/acme/keys/ci",
        "workspaces/acme/principals/ci",
        "workspaces//keys/ci",
        "workspaces/acme/keys/ci\0",
        "workspaces/-/keys/ci",
        "workspaces/*/keys/ci",
        &huge,
    ] {
        assert_eq!(wrong_fields(root.admin.get_key(request(name)).await), ["name"]);
    }
}

#[tokio::test]
async fn a_key_of_another_workspace_is_not_found() {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "ci", reader()).await;
    root.create_key("other", "cd", reader()).await;
    not_found(root.admin.get_key(request("workspaces/acme/keys/cd")).await);
    not_found(root.admin.get_key(request("workspaces/other/keys/ci")).await);
    not_found(root.admin.get_key(request("workspaces/nobody/keys/ci")).await);
    let mut bound = server.caller(&["keys:read"], &["workspaces/acme"]).await;
    bound.admin.get_key(request("workspaces/acme/keys/ci")).await.unwrap();
    // What is there and what is not is answered alike.
    for name in ["workspaces/other/keys/cd", "workspaces/other/keys/x", "workspaces/x/keys/cd"] {
        let outcome = bound.admin.get_key(request(name)).await;
        let status = refused(outcome, tonic::Code::NotFound, "RESOURCE_NOT_FOUND");
        assert_eq!(metadata(&status, "resource"), name);
        assert_eq!(status.message(), format!("{name} was not found"));
    }
}

#[tokio::test]
async fn a_caller_bound_to_one_key_reads_that_one() {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "ci", reader()).await;
    root.create_key("acme", "ci2", reader()).await;
    let mut bound = server.caller(&["keys:read"], &["workspaces/acme/keys/ci"]).await;
    bound.admin.get_key(request("workspaces/acme/keys/ci")).await.unwrap();
    not_found(bound.admin.get_key(request("workspaces/acme/keys/ci2")).await);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut other = server.caller(&["principals:write", "introspect"], &[]).await;
    scope_missing(other.admin.get_key(GetKeyRequest::default()).await);
}
