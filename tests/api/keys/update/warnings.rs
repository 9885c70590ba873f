//! What an update takes away, and which bounds it lifts.

use keyward::proto::{self, WarningCode, key::Expiration};

use super::{full, update};
use crate::{
    keys::{in_seconds, told, ttl},
    support::{Server, grants, reader, strings},
};

/// Sees to it that changing a key warns of just this, also on validation alone.
async fn check(
    before: proto::Key,
    change: proto::Key,
    paths: &[&str],
    expected: &[(WarningCode, &str)],
) {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "ci", before).await;
    for validate_only in [true, false] {
        let request = proto::UpdateKeyRequest { validate_only, ..update(change.clone(), paths) };
        let answer = root.admin.update_key(request).await.unwrap().into_inner();
        assert_eq!(told(&answer.warnings), expected);
    }
}

fn change() -> proto::Key {
    proto::Key::default()
}

/// A key that ends in an hour.
fn bounded() -> proto::Key {
    proto::Key { grants: grants(&["sites:write"]), expiration: ttl(3_600), ..reader() }
}

#[tokio::test]
async fn fewer_scopes_are_told_and_more_or_other_words_for_the_same_are_not() {
    let narrowed = (WarningCode::Narrowed, "key.grants");
    let of = |scopes: &[&str]| proto::Key { grants: grants(scopes), ..change() };
    check(bounded(), of(&["sites:read"]), &[], &[narrowed]).await;
    check(bounded(), of(&["jobs:read", "sites:read"]), &[], &[narrowed]).await;
    check(bounded(), of(&["sites:admin"]), &[], &[]).await;
    check(bounded(), of(&["sites:read", "sites:write"]), &[], &[]).await;
    let on = |resource: &str| proto::Key {
        grants: vec![proto::Grant { scope: "sites:write".into(), resource: resource.into() }],
        ..change()
    };
    check(bounded(), on("sites/1"), &[], &[narrowed]).await;
}

#[tokio::test]
async fn a_tighter_constraint_and_a_looser_one_are_told() {
    let constrained = proto::Key { constraint: strings(&["sites/1"]), ..bounded() };
    let to = |patterns: &[&str]| proto::Key { constraint: strings(patterns), ..change() };
    let narrowed = (WarningCode::Narrowed, "key.constraint");
    let lifted = (WarningCode::BoundLifted, "key.constraint");
    check(bounded(), to(&["sites/1"]), &[], &[narrowed]).await;
    check(constrained.clone(), to(&["sites/1/pages"]), &[], &[narrowed]).await;
    check(constrained.clone(), to(&["sites/12"]), &[], &[narrowed]).await;
    check(constrained.clone(), to(&["sites/**"]), &[], &[]).await;
    check(constrained.clone(), to(&[]), &["constraint"], &[lifted]).await;
    check(constrained, to(&[]), &[], &[]).await;
}

#[tokio::test]
async fn fewer_networks_and_none_at_all_are_told() {
    let inside = proto::Key { allowed_cidrs: strings(&["192.0.2.0/24"]), ..bounded() };
    let to = |networks: &[&str]| proto::Key { allowed_cidrs: strings(networks), ..change() };
    let narrowed = (WarningCode::Narrowed, "key.allowed_cidrs");
    let lifted = (WarningCode::BoundLifted, "key.allowed_cidrs");
    let wildcard = (WarningCode::WildcardCidr, "key.allowed_cidrs");
    check(bounded(), to(&["192.0.2.0/24"]), &[], &[narrowed]).await;
    check(inside.clone(), to(&["192.0.2.0/25"]), &[], &[narrowed]).await;
    check(inside.clone(), to(&["192.0.0.0/16"]), &[], &[]).await;
    check(inside.clone(), to(&["0.0.0.0/0"]), &[], &[wildcard]).await;
    check(inside.clone(), to(&[]), &["allowed_cidrs"], &[lifted]).await;
    check(inside, to(&[]), &[], &[]).await;
}

#[tokio::test]
async fn an_earlier_end_is_told_and_a_later_one_is_not() {
    let to = |expiration| proto::Key { expiration, ..change() };
    let narrowed = (WarningCode::Narrowed, "key.expire_time");
    let endless = (WarningCode::NoExpiry, "key.expire_time");
    let at = |seconds| Some(Expiration::ExpireTime(in_seconds(seconds)));
    check(bounded(), to(at(60)), &[], &[narrowed]).await;
    check(bounded(), to(at(7_200)), &[], &[]).await;
    check(bounded(), to(Some(Expiration::NeverExpires(true))), &[], &[endless]).await;
    check(reader(), to(at(60)), &[], &[narrowed]).await;
}

#[tokio::test]
async fn all_that_is_taken_and_lifted_is_told_at_once() {
    let expiration = Some(Expiration::NeverExpires(true));
    let replaced = proto::Key { grants: grants(&["exec:raw"]), expiration, ..reader() };
    let expected = [
        (WarningCode::NoExpiry, "key.expire_time"),
        (WarningCode::IsolatedScope, "key.grants[0].scope"),
        (WarningCode::Narrowed, "key.grants"),
        (WarningCode::BoundLifted, "key.constraint"),
        (WarningCode::BoundLifted, "key.allowed_cidrs"),
    ];
    check(full(), replaced, &["*"], &expected).await;
    check(full(), proto::Key { display_name: "cd".into(), ..change() }, &[], &[]).await;
}
