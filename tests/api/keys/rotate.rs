//! `RotateKey`.

mod grace;

use keyward::proto::{self, DenyReason, KeyState, RotateKeyRequest};
use prost_types::Duration;
use tonic::Code;

use super::{instant, metadata, read};
use crate::support::{Server, not_found, reader, refused, request_id, scope_missing, wrong_fields};

const NAME: &str = "workspaces/acme/keys/ci";

fn request(name: &str) -> RotateKeyRequest {
    RotateKeyRequest { name: name.to_owned(), ..RotateKeyRequest::default() }
}

#[tokio::test]
async fn the_new_secret_works_and_the_old_one_is_none_any_more() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    let other = root.create_key("acme", "cd", reader()).await;
    assert!(root.ask(&made.secret, &["sites:read"], "").await.active);
    let answer = root.admin.rotate_key(request(NAME)).await.unwrap().into_inner();
    assert_ne!(answer.secret, made.secret);
    assert_eq!(answer.secret.len(), made.secret.len());
    assert!(answer.secret.starts_with("acme_live_"));

    let old = root.ask(&made.secret, &["sites:read"], "").await;
    assert_eq!((old.active, old.reason(), &*old.key), (false, DenyReason::InvalidKey, ""));
    // The same answer as for a secret that never was.
    assert_eq!(old, root.ask("acme_live_nothing", &["sites:read"], "").await);
    let new = root.ask(&answer.secret, &["sites:read"], "").await;
    assert_eq!((new.active, &*new.key), (true, NAME));

    let (before, after) = (made.key.unwrap(), answer.key.unwrap());
    let revision = root.head().await;
    let expected = proto::Key {
        revision,
        etag: format!("r{revision}"),
        update_time: after.update_time,
        secrets: vec![proto::KeySecret { create_time: after.update_time, ..Default::default() }],
        ..before.clone()
    };
    assert_eq!(after, expected);
    assert_ne!(after.update_time, before.update_time);
    assert_eq!(read(&mut root, NAME).await, expected);

    assert!(root.ask(&other.secret, &["sites:read"], "").await.active);
    let other = other.key.unwrap();
    assert_eq!(read(&mut root, &other.name).await, other);
}

#[tokio::test]
async fn the_same_call_twice_gives_two_secrets_of_which_the_last_works() {
    let (_server, mut root) = Server::with_workspaces().await;
    let first = root.create_key("acme", "ci", reader()).await.secret;
    let second = root.admin.rotate_key(request(NAME)).await.unwrap().into_inner().secret;
    let third = root.admin.rotate_key(request(NAME)).await.unwrap().into_inner().secret;
    for (secret, active) in [(&first, false), (&second, false), (&third, true)] {
        assert_eq!(root.ask(secret, &[], "").await.active, active);
    }
    assert_eq!(read(&mut root, NAME).await.secrets.len(), 1);
}

#[tokio::test]
async fn a_repeated_request_id_mints_nothing_and_shows_no_secret() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "ci", reader()).await;
    root.create_key("acme", "cd", reader()).await;
    let request_id = request_id();
    let asked = RotateKeyRequest { request_id: request_id.clone(), ..request(NAME) };
    let once = root.admin.rotate_key(asked.clone()).await.unwrap().into_inner();
    assert!(!once.secret.is_empty());
    let head = root.head().await;
    let twice = root.admin.rotate_key(asked).await.unwrap().into_inner();
    assert_eq!((&*twice.secret, twice.key), ("", once.key));
    let other = RotateKeyRequest { request_id, ..request("workspaces/acme/keys/cd") };
    refused(root.admin.rotate_key(other).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, head);
    assert!(root.ask(&once.secret, &[], "").await.active);
}

#[tokio::test]
async fn a_revoked_key_gets_no_secret() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    let revoke = proto::RevokeKeyRequest { name: NAME.into(), ..Default::default() };
    root.admin.revoke_key(revoke).await.unwrap();
    let head = root.head().await;
    for validate_only in [false, true] {
        let late = RotateKeyRequest { validate_only, ..request(NAME) };
        let status =
            refused(root.admin.rotate_key(late).await, Code::FailedPrecondition, "KEY_REVOKED");
        assert_eq!(metadata(&status, "resource"), NAME);
    }
    assert_eq!(root.head().await, head);
    assert_eq!(root.ask(&made.secret, &[], "").await.reason(), DenyReason::Revoked);
}

#[tokio::test]
async fn a_new_secret_gives_an_expired_key_no_time() {
    let (_server, mut root) = Server::with_workspaces().await;
    let brief = proto::Key { expiration: instant(), ..reader() };
    root.create_key("acme", "ci", brief).await;
    let answer = root.admin.rotate_key(request(NAME)).await.unwrap().into_inner();
    assert_eq!(answer.key.unwrap().state(), KeyState::Expired);
    assert_eq!(root.ask(&answer.secret, &[], "").await.reason(), DenyReason::Expired);
}

#[tokio::test]
async fn grace_is_refused_where_the_policy_allows_none() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    let head = root.head().await;
    let with = |seconds, nanos| RotateKeyRequest {
        grace: Some(Duration { seconds, nanos }),
        ..request(NAME)
    };
    for grace in [with(60, 0), with(0, 1), with(i64::MAX, 0)] {
        assert_eq!(wrong_fields(root.admin.rotate_key(grace).await), ["grace"]);
    }
    assert_eq!(root.head().await, head);
    assert!(root.ask(&made.secret, &[], "").await.active);
    root.admin.rotate_key(with(0, 0)).await.unwrap();
    assert!(!root.ask(&made.secret, &[], "").await.active);
}

#[tokio::test]
async fn a_negative_grace_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    for (seconds, nanos) in [(-1, 0), (0, -1), (i64::MIN, 0), (i64::MIN, i32::MIN)] {
        let grace = Some(Duration { seconds, nanos });
        let negative = RotateKeyRequest { grace, ..request(NAME) };
        assert_eq!(wrong_fields(root.admin.rotate_key(negative).await), ["grace"]);
    }
    assert!(root.ask(&made.secret, &[], "").await.active);
}

#[tokio::test]
async fn validation_alone_shows_no_secret_and_leaves_the_old_one() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    let head = root.head().await;
    let checked = RotateKeyRequest { validate_only: true, ..request(NAME) };
    let answer = root.admin.rotate_key(checked).await.unwrap().into_inner();
    assert_eq!(answer.secret, "");
    assert_eq!(root.head().await, head);
    assert!(root.ask(&made.secret, &["sites:read"], "").await.active);
    assert_eq!(read(&mut root, NAME).await, made.key.unwrap());
}

#[tokio::test]
async fn an_old_etag_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    let head = root.head().await;
    let stale = RotateKeyRequest { etag: "r1".into(), ..request(NAME) };
    refused(root.admin.rotate_key(stale).await, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(root.head().await, head);
    let fresh = RotateKeyRequest { etag: made.key.unwrap().etag, ..request(NAME) };
    root.admin.rotate_key(fresh.clone()).await.unwrap();
    refused(root.admin.rotate_key(fresh).await, Code::Aborted, "ETAG_MISMATCH");
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let bad = RotateKeyRequest {
        grace: Some(Duration { seconds: -60, nanos: 0 }),
        request_id: "no uuid".into(),
        ..request("keys/ci")
    };
    let mut fields = wrong_fields(root.admin.rotate_key(bad).await);
    fields.sort();
    assert_eq!(fields, ["grace", "name", "request_id"]);
    assert_eq!(wrong_fields(root.admin.rotate_key(RotateKeyRequest::default()).await), ["name"]);
}

#[tokio::test]
async fn a_key_of_another_workspace_is_not_found_and_not_touched() {
    let (server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("other", "ci", reader()).await;
    not_found(root.admin.rotate_key(request(NAME)).await);
    let mut bound = server.caller(&["keys:write"], &["workspaces/acme"]).await;
    not_found(bound.admin.rotate_key(request("workspaces/other/keys/ci")).await);
    assert!(root.ask(&made.secret, &["sites:read"], "").await.active);
    assert_eq!(read(&mut root, "workspaces/other/keys/ci").await, made.key.unwrap());
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut reader = server.caller(&["keys:read"], &[]).await;
    scope_missing(reader.admin.rotate_key(RotateKeyRequest::default()).await);
}
