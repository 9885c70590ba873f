//! `RotateKey` where the old secret works on for a while.

use keyward::proto::{DenyReason, KeySecret, RevokeKeyRequest, RotationRule, SecretState};
use prost_types::Duration;

use super::*;
use crate::support::{Caller, policy};

const DAY: i64 = 86_400;

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

fn with(grace: Option<Duration>) -> RotateKeyRequest {
    RotateKeyRequest { grace, ..request(NAME) }
}

/// A server with a key whose policy has this rule, and its secret.
async fn under(default_grace: Option<Duration>) -> (Server, Caller, String) {
    let server = Server::start().await;
    let mut root = server.root().await;
    let rule = RotationRule { default_grace, max_grace: seconds(DAY), due_after: None };
    root.create_policy("acme", proto::Policy { rotation: Some(rule), ..policy() }).await;
    root.create_workspace("acme", "policies/acme").await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    (server, root, secret)
}

async fn rotated(root: &mut Caller, grace: Option<Duration>) -> proto::RotateKeyResponse {
    root.admin.rotate_key(with(grace)).await.unwrap().into_inner()
}

#[track_caller]
fn works(answer: &proto::IntrospectResponse, expected: bool) {
    let reason = if expected { DenyReason::Unspecified } else { DenyReason::InvalidKey };
    assert_eq!((answer.active, answer.reason()), (expected, reason));
}

async fn identified(root: &mut Caller, secret: &str) -> SecretState {
    let request = proto::IdentifyKeyRequest { secret: secret.to_owned() };
    root.admin.identify_key(request).await.unwrap().into_inner().secret_state()
}

#[tokio::test]
async fn both_secrets_work_within_the_grace_and_the_key_tells_until_when() {
    let (_server, mut root, old) = under(None).await;
    let answer = rotated(&mut root, seconds(DAY)).await;
    for secret in [&old, &answer.secret] {
        works(&root.ask(secret, &["sites:read"], "").await, true);
    }
    let key = answer.key.unwrap();
    let [newest, older] = <[KeySecret; 2]>::try_from(key.secrets.clone()).unwrap();
    assert_eq!((newest.create_time, newest.not_after_time), (key.update_time, None));
    assert_eq!(older.create_time, key.create_time);
    let end = older.not_after_time.unwrap().seconds - key.update_time.unwrap().seconds;
    assert!((DAY - 1..=DAY + 1).contains(&end), "{end}");
    assert_eq!(read(&mut root, NAME).await, key);
    assert_eq!(identified(&mut root, &old).await, SecretState::Grace);
    assert_eq!(identified(&mut root, &answer.secret).await, SecretState::Current);
}

#[tokio::test]
async fn the_old_secret_stops_when_its_grace_is_over() {
    let (_server, mut root, old) = under(None).await;
    // A microsecond is over when the next call comes.
    let new = rotated(&mut root, Some(Duration { seconds: 0, nanos: 1_000 })).await.secret;
    works(&root.ask(&old, &[], "").await, false);
    works(&root.ask(&new, &[], "").await, true);
    assert_eq!(identified(&mut root, &old).await, SecretState::Replaced);
    assert_eq!(read(&mut root, NAME).await.secrets.len(), 1);
}

#[tokio::test]
async fn where_nothing_is_said_the_grace_is_the_policys_and_none_may_be_asked_for() {
    let (_server, mut root, first) = under(seconds(60)).await;
    let second = rotated(&mut root, None).await.secret;
    works(&root.ask(&first, &[], "").await, true);
    rotated(&mut root, seconds(0)).await;
    for old in [&first, &second] {
        works(&root.ask(old, &[], "").await, false);
    }
    let (_server, mut root, old) = under(None).await;
    rotated(&mut root, None).await;
    works(&root.ask(&old, &[], "").await, false);
}

#[tokio::test]
async fn a_grace_is_no_longer_than_the_policy_allows() {
    let (_server, mut root, old) = under(None).await;
    let head = root.head().await;
    for grace in [seconds(DAY + 1), Some(Duration { seconds: DAY, nanos: 1 }), seconds(i64::MAX)] {
        let status = root.admin.rotate_key(with(grace)).await.unwrap_err();
        assert!(status.message().contains("at most 86400 seconds"), "{status:?}");
        assert_eq!(wrong_fields::<()>(Err(status)), ["grace"]);
    }
    assert_eq!(root.head().await, head);
    works(&root.ask(&old, &[], "").await, true);
}

#[tokio::test]
async fn rotated_again_within_the_grace_the_oldest_stops_at_once() {
    let (_server, mut root, first) = under(None).await;
    let second = rotated(&mut root, seconds(DAY)).await.secret;
    let answer = rotated(&mut root, seconds(DAY)).await;
    for (secret, expected) in [(&first, false), (&second, true), (&answer.secret, true)] {
        works(&root.ask(secret, &[], "").await, expected);
    }
    let key = answer.key.unwrap();
    assert_eq!(key.secrets.len(), 2);
    assert_eq!(read(&mut root, NAME).await, key);
}

#[tokio::test]
async fn revoking_ends_both_secrets() {
    let (_server, mut root, old) = under(None).await;
    let new = rotated(&mut root, seconds(DAY)).await.secret;
    let revoke = RevokeKeyRequest { name: NAME.to_owned(), ..RevokeKeyRequest::default() };
    root.admin.revoke_key(revoke).await.unwrap();
    for secret in [&old, &new] {
        assert_eq!(root.ask(secret, &[], "").await.reason(), DenyReason::Revoked);
    }
    assert_eq!(read(&mut root, NAME).await.secrets, []);
}

#[tokio::test]
async fn validation_alone_tells_of_the_grace_and_changes_nothing() {
    let (_server, mut root, old) = under(None).await;
    let head = root.head().await;
    let checked = RotateKeyRequest { validate_only: true, ..with(seconds(60)) };
    let answer = root.admin.rotate_key(checked).await.unwrap().into_inner();
    assert_eq!((&*answer.secret, answer.key.unwrap().secrets.len()), ("", 2));
    assert_eq!(root.head().await, head);
    assert_eq!(read(&mut root, NAME).await.secrets.len(), 1);
    works(&root.ask(&old, &[], "").await, true);
}
