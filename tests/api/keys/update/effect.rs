//! An update is in force when its call returns.

use keyward::proto::{self, Decision, DenyReason, key::Expiration};

use super::{NAME, full, updated};
use crate::{
    keys::{ask_from, in_seconds, instant, read, ttl},
    support::{Server, grants, reader, strings},
};

fn of_grants(scopes: &[&str]) -> proto::Key {
    proto::Key { grants: grants(scopes), ..proto::Key::default() }
}

#[tokio::test]
async fn scopes_are_those_of_the_update() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    let secret = made.secret;
    assert_eq!(root.ask(&secret, &["sites:read"], "").await.decision(), Decision::Allow);
    updated(&mut root, of_grants(&["jobs:read"]), &[]).await;
    let answer = root.ask(&secret, &["sites:read"], "").await;
    assert_eq!(answer.reason(), DenyReason::InsufficientScope);
    assert_eq!(answer.missing_scopes, ["sites:read"]);
    assert_eq!(root.ask(&secret, &["jobs:read"], "").await.decision(), Decision::Allow);
    updated(&mut root, of_grants(&["*"]), &["grants"]).await;
    let answer = root.ask(&secret, &["sites:write", "jobs:read"], "").await;
    assert_eq!(answer.decision(), Decision::Allow);
    assert_eq!(answer.revision, root.head().await);
}

#[tokio::test]
async fn networks_are_those_of_the_update() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    assert_eq!(ask_from(&mut root, &secret, "203.0.113.9").await.decision(), Decision::Allow);
    let bounded = proto::Key { allowed_cidrs: strings(&["192.0.2.0/24"]), ..proto::Key::default() };
    updated(&mut root, bounded, &[]).await;
    for (address, reason) in [
        ("203.0.113.9", DenyReason::IpNotAllowed),
        ("", DenyReason::IpNotAllowed),
        ("2001:db8::1", DenyReason::IpNotAllowed),
        ("192.0.2.9", DenyReason::Unspecified),
        ("::ffff:192.0.2.9", DenyReason::Unspecified),
    ] {
        assert_eq!(ask_from(&mut root, &secret, address).await.reason(), reason, "{address}");
    }
    updated(&mut root, proto::Key::default(), &["allowed_cidrs"]).await;
    assert_eq!(ask_from(&mut root, &secret, "203.0.113.9").await.decision(), Decision::Allow);
}

#[tokio::test]
async fn the_constraint_is_that_of_the_update() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    assert_eq!(root.ask(&secret, &["sites:read"], "sites/2").await.decision(), Decision::Allow);
    let bounded = proto::Key { constraint: strings(&["sites/1"]), ..proto::Key::default() };
    updated(&mut root, bounded, &[]).await;
    for (resource, reason) in [
        ("sites/1", DenyReason::Unspecified),
        ("sites/1/pages/7", DenyReason::Unspecified),
        ("sites/2", DenyReason::OutsideConstraint),
        ("sites/12", DenyReason::OutsideConstraint),
        ("", DenyReason::OutsideConstraint),
    ] {
        let answer = root.ask(&secret, &["sites:read"], resource).await;
        assert_eq!(answer.reason(), reason, "{resource}");
    }
    updated(&mut root, proto::Key::default(), &["constraint"]).await;
    assert_eq!(root.ask(&secret, &["sites:read"], "").await.decision(), Decision::Allow);
}

#[tokio::test]
async fn the_end_is_that_of_the_update() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let ending = |expiration| proto::Key { expiration, ..proto::Key::default() };
    assert!(root.ask(&secret, &[], "").await.active);
    updated(&mut root, ending(instant()), &[]).await;
    assert_eq!(root.ask(&secret, &[], "").await.reason(), DenyReason::Expired);
    let end = in_seconds(3_600);
    updated(&mut root, ending(Some(Expiration::ExpireTime(end))), &["expire_time"]).await;
    assert_eq!(root.ask(&secret, &[], "").await.expire_time, Some(end));
    updated(&mut root, ending(Some(Expiration::NeverExpires(true))), &["never_expires"]).await;
    let answer = root.ask(&secret, &[], "").await;
    assert_eq!((answer.active, answer.expire_time), (true, None));
}

#[tokio::test]
async fn an_update_never_lifts_a_bound_that_it_does_not_name() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", full()).await;
    // Empty lists, unless named, are fields that were left out.
    let title = proto::Key { display_name: "cd".into(), expiration: None, ..proto::Key::default() };
    for paths in [&[][..], &["display_name"], &["labels", "grants", "display_name"]] {
        let change = proto::Key { grants: grants(&["sites:read"]), ..title.clone() };
        updated(&mut root, change, paths).await;
    }
    let (before, after) = (made.key.unwrap(), read(&mut root, NAME).await);
    assert_eq!(after.constraint, before.constraint);
    assert_eq!(after.allowed_cidrs, before.allowed_cidrs);
    assert_eq!(after.expiration, before.expiration);
    assert_eq!(
        ask_from(&mut root, &made.secret, "203.0.113.9").await.reason(),
        DenyReason::IpNotAllowed
    );
    // Nor does one that says no to eternity.
    let no = proto::Key { expiration: Some(Expiration::NeverExpires(false)), ..title };
    updated(&mut root, no, &[]).await;
    assert_eq!(read(&mut root, NAME).await.expiration, before.expiration);
}

#[tokio::test]
async fn the_maximum_of_the_policy_counts_from_the_update() {
    let day = prost_types::Duration { seconds: 86_400, nanos: 0 };
    let rule = proto::ExpiryRule { max_ttl: Some(day), ..Default::default() };
    let (_server, mut root) = crate::keys::under(|policy| policy.expiry = Some(rule)).await;
    let brief = proto::Key { expiration: instant(), ..reader() };
    root.create_key("acme", "ci", brief).await;
    let head = root.head().await;
    for end in [ttl(86_401), Some(Expiration::NeverExpires(true))] {
        let longer = proto::Key { expiration: end, ..proto::Key::default() };
        let outcome = root.admin.update_key(super::update(longer, &[])).await;
        assert_eq!(crate::support::wrong_fields(outcome), ["key.expire_time"]);
    }
    assert_eq!(root.head().await, head);
    let longer = proto::Key { expiration: ttl(86_400), ..proto::Key::default() };
    assert_eq!(updated(&mut root, longer, &[]).await.state(), proto::KeyState::Active);
}
