//! When a key that is made stops working.

use keyward::proto::{self, DenyReason, ExpiryRule, KeyState, key::Expiration};
use prost_types::{Duration, Timestamp};

use crate::{
    keys::{creation, end_of, explained, in_seconds, instant, read, ttl, under},
    support::{Caller, Server, reader},
};

/// The last second that the API can say.
const LAST_SECOND: i64 = 253_402_300_799;
/// How many seconds a call may take.
const SLACK: i64 = 60;

fn ending(expiration: Option<Expiration>) -> proto::Key {
    proto::Key { expiration, ..reader() }
}

fn at(seconds: i64) -> Option<Expiration> {
    Some(Expiration::ExpireTime(Timestamp { seconds, nanos: 0 }))
}

async fn made(root: &mut Caller, expiration: Option<Expiration>) -> proto::Key {
    root.create_key("acme", "", ending(expiration)).await.key.unwrap()
}

/// Sees to it that an end is refused, with these words.
async fn check_refused(root: &mut Caller, expiration: Option<Expiration>, hint: &str) {
    let faults = explained(root.admin.create_key(creation(ending(expiration))).await);
    assert_eq!((faults.len(), &*faults[0].0), (1, "key.expire_time"), "{expiration:?}");
    assert!(faults[0].1.contains(hint), "{expiration:?}: {faults:?}");
}

/// Sees to it that a key made just now ends so many seconds after now.
#[track_caller]
fn check_ends_in(key: &proto::Key, seconds: i64) {
    let left = end_of(key) - in_seconds(0).seconds;
    assert!((seconds - SLACK..=seconds + 1).contains(&left), "{left} seconds are left");
}

#[tokio::test]
async fn an_end_is_kept_to_the_microsecond_and_a_ttl_becomes_one() {
    let (_server, mut root) = Server::with_workspaces().await;
    let end = Timestamp { nanos: 123_456_789, ..in_seconds(3_600) };
    let kept = Timestamp { nanos: 123_456_000, ..end };
    let key = made(&mut root, Some(Expiration::ExpireTime(end))).await;
    assert_eq!(key.expiration, Some(Expiration::ExpireTime(kept)));
    assert_eq!(end_of(&made(&mut root, at(LAST_SECOND)).await), LAST_SECOND);
    check_ends_in(&made(&mut root, ttl(86_400)).await, 86_400);
    for never in [None, Some(Expiration::NeverExpires(true))] {
        assert_eq!(made(&mut root, never).await.expiration, Some(Expiration::NeverExpires(true)));
    }
}

#[tokio::test]
async fn an_end_must_be_in_the_future_and_before_the_year_10000() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let now = in_seconds(0).seconds;
    for past in [at(now), at(now - 1), at(0), at(-1), at(i64::MIN), ttl(0), ttl(-1), ttl(i64::MIN)]
    {
        check_refused(&mut root, past, "must be in the future").await;
    }
    let below = Duration { seconds: 0, nanos: 999 };
    check_refused(&mut root, Some(Expiration::Ttl(below)), "must be in the future").await;
    let far = [at(LAST_SECOND + 1), at(i64::MAX), ttl(LAST_SECOND), ttl(i64::MAX)];
    for far in far {
        check_refused(&mut root, far, "year 9999").await;
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_key_stops_at_its_end() {
    let (_server, mut root) = Server::with_workspaces().await;
    let brief = root.create_key("acme", "brief", ending(instant())).await;
    let answer = root.ask(&brief.secret, &[], "").await;
    assert_eq!((answer.active, answer.reason()), (false, DenyReason::Expired));
    assert_eq!(read(&mut root, "workspaces/acme/keys/brief").await.state(), KeyState::Expired);
    let longer = root.create_key("acme", "longer", ending(ttl(3_600))).await;
    assert!(root.ask(&longer.secret, &[], "").await.active);
}

fn rule(default_ttl: Option<i64>, max_ttl: Option<i64>, required: bool) -> Option<ExpiryRule> {
    let span = |seconds| Duration { seconds, nanos: 0 };
    Some(ExpiryRule { default_ttl: default_ttl.map(span), max_ttl: max_ttl.map(span), required })
}

#[tokio::test]
async fn the_policy_gives_the_default_and_the_maximum() {
    let (_server, mut root) =
        under(|policy| policy.expiry = rule(Some(3_600), Some(86_400), false)).await;
    check_ends_in(&made(&mut root, None).await, 3_600);
    check_ends_in(&made(&mut root, Some(Expiration::NeverExpires(false))).await, 3_600);
    check_ends_in(&made(&mut root, ttl(86_400)).await, 86_400);
    check_ends_in(&made(&mut root, at(in_seconds(86_400).seconds)).await, 86_400);
    let head = root.head().await;
    check_refused(&mut root, ttl(86_401), "at most 86400 seconds").await;
    check_refused(&mut root, at(in_seconds(86_400 + SLACK).seconds), "at most 86400").await;
    check_refused(&mut root, Some(Expiration::NeverExpires(true)), "at most 86400").await;
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn where_only_a_maximum_is_given_it_is_the_default_too() {
    let (_server, mut root) = under(|policy| policy.expiry = rule(None, Some(86_400), false)).await;
    check_ends_in(&made(&mut root, None).await, 86_400);
}

#[tokio::test]
async fn a_policy_may_require_an_end() {
    let (_server, mut root) = under(|policy| policy.expiry = rule(None, None, true)).await;
    let head = root.head().await;
    for never in [None, Some(Expiration::NeverExpires(true)), Some(Expiration::NeverExpires(false))]
    {
        check_refused(&mut root, never, "requires that keys expire").await;
    }
    assert_eq!(root.head().await, head);
    check_ends_in(&made(&mut root, ttl(60)).await, 60);
}
