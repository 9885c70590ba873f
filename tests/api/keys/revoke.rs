//! `RevokeKey`.

use keyward::proto::{self, DenyReason, KeyState, RevokeKeyRequest};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{Server, not_found, reader, refused, request_id, scope_missing, wrong_fields};

fn request(name: &str) -> RevokeKeyRequest {
    RevokeKeyRequest { name: name.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn a_revoked_key_is_denied_from_the_next_call_on_and_stays_on_record() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    let revoked =
        root.admin.revoke_key(request("workspaces/acme/keys/ci")).await.unwrap().into_inner();
    assert_eq!(revoked.state(), KeyState::Revoked);
    assert!(revoked.revoke_time.is_some() && revoked.secrets.is_empty());
    let answer = root.ask(&made.secret, &["sites:read"], "").await;
    assert!(!answer.active);
    assert_eq!(answer.reason(), DenyReason::Revoked);
    let get = proto::GetKeyRequest { name: "workspaces/acme/keys/ci".into() };
    assert_eq!(root.admin.get_key(get).await.unwrap().into_inner(), revoked);
}

#[tokio::test]
async fn a_key_as_large_as_can_be_is_revoked_too() {
    let (_server, mut root) = Server::with_workspaces().await;
    let grants = (0..1_000).map(|number| proto::Grant {
        scope: "sites:read".into(),
        resource: format!("sites/{number:0>72}"),
    });
    let mut key = proto::Key { grants: grants.collect(), ..reader() };
    key.labels.extend((0..64).map(|number| (format!("l{number}"), "x".repeat(255))));
    let creation = |key: &proto::Key| proto::CreateKeyRequest {
        parent: "workspaces/acme".into(),
        key_id: "large".into(),
        key: Some(key.clone()),
        ..Default::default()
    };
    // So many bytes that not one more is allowed, as the fault tells.
    let outcome = root.admin.create_key(creation(&key)).await;
    let status = refused(outcome, Code::InvalidArgument, "INVALID_FIELDS");
    let fault = &status.get_details_bad_request().unwrap().field_violations[0].description;
    let numbers: Vec<usize> =
        fault.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse().ok()).collect();
    let [size, most] = numbers[..] else { panic!("{fault}") };
    let mut more = size - most;
    for value in key.labels.values_mut() {
        let left = value.len().saturating_sub(more);
        more -= value.len() - left;
        value.truncate(left);
    }
    assert_eq!(more, 0, "{size}");
    let secret = root.admin.create_key(creation(&key)).await.unwrap().into_inner().secret;
    root.admin.revoke_key(request("workspaces/acme/keys/large")).await.unwrap();
    assert_eq!(root.ask(&secret, &[], "").await.reason(), DenyReason::Revoked);
}

#[tokio::test]
async fn the_same_call_twice_changes_nothing_more() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "ci", reader()).await;
    let once =
        root.admin.revoke_key(request("workspaces/acme/keys/ci")).await.unwrap().into_inner();
    let head = root.head().await;
    let twice =
        root.admin.revoke_key(request("workspaces/acme/keys/ci")).await.unwrap().into_inner();
    assert_eq!(once, twice);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn validation_alone_revokes_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    let head = root.head().await;
    let checked = RevokeKeyRequest { validate_only: true, ..request("workspaces/acme/keys/ci") };
    assert_eq!(
        root.admin.revoke_key(checked).await.unwrap().into_inner().state(),
        KeyState::Revoked
    );
    assert!(root.ask(&made.secret, &["sites:read"], "").await.active);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn an_old_etag_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    let stale = RevokeKeyRequest { etag: "r1".into(), ..request("workspaces/acme/keys/ci") };
    refused(root.admin.revoke_key(stale).await, Code::Aborted, "ETAG_MISMATCH");
    let fresh =
        RevokeKeyRequest { etag: made.key.unwrap().etag, ..request("workspaces/acme/keys/ci") };
    root.admin.revoke_key(fresh).await.unwrap();
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let bad = RevokeKeyRequest { request_id: "no uuid".into(), ..request("keys/ci") };
    assert_eq!(wrong_fields(root.admin.revoke_key(bad).await), ["name", "request_id"]);
    assert_eq!(wrong_fields(root.admin.revoke_key(RevokeKeyRequest::default()).await), ["name"]);
}

#[tokio::test]
async fn a_key_of_another_workspace_is_not_found_and_not_touched() {
    let (server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("other", "ci", reader()).await;
    not_found(root.admin.revoke_key(request("workspaces/acme/keys/ci")).await);
    let mut bound = server.caller(&["keys:write"], &["workspaces/acme"]).await;
    not_found(bound.admin.revoke_key(request("workspaces/other/keys/ci")).await);
    assert!(root.ask(&made.secret, &["sites:read"], "").await.active);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut reader = server.caller(&["keys:read"], &[]).await;
    scope_missing(reader.admin.revoke_key(RevokeKeyRequest::default()).await);
}

#[tokio::test]
async fn a_repeated_request_id_answers_the_same_and_another_request_with_it_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "ci", reader()).await;
    root.create_key("acme", "cd", reader()).await;
    let request_id = request_id();
    let first =
        RevokeKeyRequest { request_id: request_id.clone(), ..request("workspaces/acme/keys/ci") };
    let once = root.admin.revoke_key(first.clone()).await.unwrap().into_inner();
    assert_eq!(root.admin.revoke_key(first).await.unwrap().into_inner(), once);
    let other = RevokeKeyRequest { request_id, ..request("workspaces/acme/keys/cd") };
    refused(root.admin.revoke_key(other).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
}
