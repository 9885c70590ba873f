//! `UpdateKey`.

mod effect;
mod warnings;

use keyward::proto::{self, KeyState, UpdateKeyRequest};
use prost_types::FieldMask;
use tonic::Code;

use super::{end_of, in_seconds, instant, metadata, read, ttl};
use crate::support::{
    Caller, Server, grants, labels, not_found, reader, refused, request_id, scope_missing, strings,
    wrong_fields,
};

const NAME: &str = "workspaces/acme/keys/ci";

/// Asks for a change of [`NAME`] in the named fields; of none, in those that are given.
fn update(key: proto::Key, paths: &[&str]) -> UpdateKeyRequest {
    let mask = (!paths.is_empty()).then(|| FieldMask { paths: strings(paths) });
    UpdateKeyRequest {
        key: Some(proto::Key { name: NAME.to_owned(), ..key }),
        update_mask: mask,
        ..UpdateKeyRequest::default()
    }
}

/// A key with something in every field.
fn full() -> proto::Key {
    proto::Key {
        constraint: strings(&["sites/1"]),
        allowed_cidrs: strings(&["192.0.2.0/24"]),
        labels: labels(&[("team", "web")]),
        expiration: ttl(3_600),
        ..reader()
    }
}

async fn updated(root: &mut Caller, key: proto::Key, paths: &[&str]) -> proto::Key {
    root.admin.update_key(update(key, paths)).await.unwrap().into_inner().key.unwrap()
}

#[tokio::test]
async fn without_a_mask_the_given_fields_change_and_the_others_stay() {
    let (_server, mut root) = Server::with_workspaces().await;
    let before = root.create_key("acme", "ci", full()).await.key.unwrap();
    let titled = proto::Key { display_name: "cd".into(), ..proto::Key::default() };
    let after = updated(&mut root, titled, &[]).await;
    let revision = root.head().await;
    let expected = proto::Key {
        display_name: "cd".into(),
        revision,
        etag: format!("r{revision}"),
        update_time: after.update_time,
        ..before.clone()
    };
    assert_eq!(after, expected);
    assert_ne!((after.revision, after.update_time), (before.revision, before.update_time));
    assert_eq!(read(&mut root, NAME).await, expected);

    let given = proto::Key {
        grants: grants(&["jobs:read"]),
        constraint: strings(&["jobs/1"]),
        allowed_cidrs: strings(&["198.51.100.0/24"]),
        labels: labels(&[("a", "b")]),
        expiration: Some(proto::key::Expiration::ExpireTime(in_seconds(60))),
        ..proto::Key::default()
    };
    let after = updated(&mut root, given.clone(), &[]).await;
    let expected = proto::Key {
        display_name: "cd".into(),
        name: NAME.into(),
        r#type: "live".into(),
        state: KeyState::Active.into(),
        revision: after.revision,
        etag: after.etag.clone(),
        create_time: before.create_time,
        update_time: after.update_time,
        secrets: before.secrets,
        ..given
    };
    assert_eq!(after, expected);
    assert_eq!(read(&mut root, NAME).await, expected);
}

#[tokio::test]
async fn a_named_field_changes_alone() {
    let (_server, mut root) = Server::with_workspaces().await;
    let before = root.create_key("acme", "ci", full()).await.key.unwrap();
    let other = proto::Key {
        display_name: "cd".into(),
        grants: grants(&["*"]),
        constraint: strings(&["*"]),
        allowed_cidrs: strings(&["*"]),
        labels: labels(&[("x", "y")]),
        expiration: Some(proto::key::Expiration::NeverExpires(true)),
        ..proto::Key::default()
    };
    let after = updated(&mut root, other, &["labels"]).await;
    let expected = proto::Key {
        labels: labels(&[("x", "y")]),
        revision: after.revision,
        etag: after.etag.clone(),
        update_time: after.update_time,
        ..before
    };
    assert_eq!(after, expected);
    let emptied = updated(&mut root, proto::Key::default(), &["labels"]).await;
    assert!(emptied.labels.is_empty());
    assert_eq!(emptied.display_name, expected.display_name);
}

#[tokio::test]
async fn an_asterisk_puts_the_given_key_in_place_of_the_old() {
    let (_server, mut root) = Server::with_workspaces().await;
    let before = root.create_key("acme", "ci", full()).await.key.unwrap();
    let head = root.head().await;
    let fields = wrong_fields(root.admin.update_key(update(proto::Key::default(), &["*"])).await);
    assert_eq!(fields, ["key.display_name", "key.grants", "key.expire_time"]);
    // What was read is a valid replacement of itself, and no change.
    let same = updated(&mut root, before.clone(), &["*"]).await;
    assert_eq!((&same, root.head().await), (&before, head));
    let endless = Some(proto::key::Expiration::NeverExpires(true));
    let replacement = proto::Key { expiration: endless, ..reader() };
    let after = updated(&mut root, replacement, &["*"]).await;
    let expected = proto::Key {
        name: NAME.into(),
        r#type: "live".into(),
        state: KeyState::Active.into(),
        revision: after.revision,
        etag: after.etag.clone(),
        create_time: before.create_time,
        update_time: after.update_time,
        secrets: before.secrets,
        expiration: Some(proto::key::Expiration::NeverExpires(true)),
        ..reader()
    };
    assert_eq!(after, expected);
}

#[tokio::test]
async fn masks_name_only_what_can_change() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "ci", full()).await;
    let head = root.head().await;
    let of = |paths: &[&str]| update(reader(), paths);
    for path in [
        "titel",
        "name",
        "type",
        "principal",
        "state",
        "etag",
        "secrets",
        "",
        "grants[0]",
        "Labels",
    ] {
        let fields = wrong_fields(root.admin.update_key(of(&["labels", path])).await);
        assert_eq!(fields, ["update_mask.paths[1]"], "{path:?}");
    }
    let faults = super::explained(root.admin.update_key(of(&["display_nme"])).await);
    assert!(faults[0].1.contains("did you mean \"display_name\"?"), "{faults:?}");
    let fields = wrong_fields(root.admin.update_key(of(&["*", "labels"])).await);
    assert_eq!(fields, ["update_mask.paths[0]"]);
    let fields = wrong_fields(root.admin.update_key(of(&["labels"; 101])).await);
    assert_eq!(fields, ["update_mask"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn type_and_owner_never_change() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "owner").await;
    root.create_key("acme", "ci", reader()).await;
    let head = root.head().await;
    let moved = proto::Key {
        r#type: "personal".into(),
        principal: "workspaces/acme/principals/ada".into(),
        ..reader()
    };
    for paths in [&[][..], &["*"], &["labels"]] {
        let fields = wrong_fields(root.admin.update_key(update(moved.clone(), paths)).await);
        assert_eq!(fields, ["key.type", "key.principal"], "{paths:?}");
    }
    assert_eq!(root.head().await, head);
    let same = proto::Key { r#type: "live".into(), display_name: "cd".into(), ..reader() };
    assert_eq!(updated(&mut root, same, &[]).await.display_name, "cd");
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "ci", reader()).await;
    let head = root.head().await;
    let wrong = proto::Key {
        display_name: "a\u{202e}b".into(),
        r#type: "personal".into(),
        grants: vec![proto::Grant { scope: "site:read".into(), resource: "a//b".into() }],
        constraint: strings(&["/a/"]),
        allowed_cidrs: strings(&["::ffff:1.2.3.4"]),
        expiration: ttl(-1),
        plan: "pro".into(),
        labels: labels(&[("A", "b")]),
        ..proto::Key::default()
    };
    let expected = [
        "request_id",
        "key.type",
        "key.display_name",
        "key.grants[0].scope",
        "key.grants[0].resource",
        "key.constraint[0]",
        "key.allowed_cidrs[0]",
        "key.expire_time",
        "key.plan",
        "key.labels[\"A\"]",
    ];
    for paths in [&[][..], &["*"]] {
        let bad = UpdateKeyRequest { request_id: "x".into(), ..update(wrong.clone(), paths) };
        assert_eq!(wrong_fields(root.admin.update_key(bad).await), expected);
    }
    let nameless = UpdateKeyRequest { key: None, ..update(reader(), &["nothing"]) };
    let fields = wrong_fields(root.admin.update_key(nameless).await);
    assert_eq!(fields[..2], ["key.name", "update_mask.paths[0]"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_no_event() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", full()).await.key.unwrap();
    let head = root.head().await;
    for paths in [&[][..], &["display_name", "grants", "constraint", "allowed_cidrs", "labels"]] {
        let same = proto::Key { expiration: None, ..full() };
        assert_eq!(updated(&mut root, same, paths).await, made);
    }
    assert_eq!(updated(&mut root, proto::Key::default(), &[]).await, made);
    assert_eq!(root.head().await, head);
    let changed = proto::Key { display_name: "cd".into(), ..proto::Key::default() };
    let once = updated(&mut root, changed.clone(), &[]).await;
    assert_eq!(updated(&mut root, changed, &[]).await, once);
    assert_eq!(root.head().await, head + 1);
}

#[tokio::test]
async fn an_old_etag_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await.key.unwrap();
    let titled = |title: &str, etag: &str| {
        let (display_name, etag) = (title.to_owned(), etag.to_owned());
        update(proto::Key { display_name, etag, ..proto::Key::default() }, &[])
    };
    let fresh = root.admin.update_key(titled("a", &made.etag)).await.unwrap().into_inner();
    let head = root.head().await;
    for stale in [&*made.etag, "r0", "1", "\"*\"", "*"] {
        let outcome = root.admin.update_key(titled("b", stale)).await;
        let status = refused(outcome, Code::Aborted, "ETAG_MISMATCH");
        assert_eq!(metadata(&status, "resource"), NAME);
    }
    assert_eq!(root.head().await, head);
    root.admin.update_key(titled("b", &fresh.key.unwrap().etag)).await.unwrap();
    assert_eq!(read(&mut root, NAME).await.display_name, "b");
}

#[tokio::test]
async fn a_revoked_key_does_not_change_and_an_expired_one_lives_again() {
    let (_server, mut root) = Server::with_workspaces().await;
    let brief = proto::Key { expiration: instant(), ..reader() };
    let made = root.create_key("acme", "ci", brief).await;
    assert!(!root.ask(&made.secret, &[], "").await.active);
    let longer = proto::Key { expiration: ttl(3_600), ..proto::Key::default() };
    let after = updated(&mut root, longer.clone(), &["ttl"]).await;
    assert_eq!(after.state(), KeyState::Active);
    assert!(end_of(&after) > in_seconds(0).seconds);
    assert!(root.ask(&made.secret, &["sites:read"], "").await.active);

    let revoke = proto::RevokeKeyRequest { name: NAME.into(), ..Default::default() };
    root.admin.revoke_key(revoke).await.unwrap();
    let head = root.head().await;
    for validate_only in [false, true] {
        let late = UpdateKeyRequest { validate_only, ..update(longer.clone(), &[]) };
        let status =
            refused(root.admin.update_key(late).await, Code::FailedPrecondition, "KEY_REVOKED");
        assert_eq!(metadata(&status, "resource"), NAME);
    }
    assert_eq!(root.head().await, head);
    assert!(!root.ask(&made.secret, &[], "").await.active);
}

#[tokio::test]
async fn a_key_of_another_workspace_is_not_found_and_not_touched() {
    let (server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("other", "ci", reader()).await.key.unwrap();
    not_found(root.admin.update_key(update(full(), &[])).await);
    let mut bound = server.caller(&["keys:write"], &["workspaces/acme"]).await;
    let foreign = |key| UpdateKeyRequest { key: Some(key), ..UpdateKeyRequest::default() };
    let titled = proto::Key { name: made.name.clone(), ..full() };
    not_found(bound.admin.update_key(foreign(titled)).await);
    let broken = proto::Key { name: made.name.clone(), plan: "x".into(), ..reader() };
    not_found(bound.admin.update_key(foreign(broken)).await);
    assert_eq!(read(&mut root, &made.name).await, made);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut reader = server.caller(&["keys:read"], &[]).await;
    scope_missing(reader.admin.update_key(UpdateKeyRequest::default()).await);
}

#[tokio::test]
async fn validation_alone_shows_the_change_and_makes_none() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    let head = root.head().await;
    let change = proto::Key { grants: grants(&["jobs:read"]), ..proto::Key::default() };
    let checked = UpdateKeyRequest { validate_only: true, ..update(change, &[]) };
    let answer = root.admin.update_key(checked).await.unwrap().into_inner();
    assert_eq!(answer.key.unwrap().grants, grants(&["jobs:read"]));
    assert!(answer.warnings.iter().any(|warning| warning.field == "key.grants"));
    assert_eq!(root.head().await, head);
    assert_eq!(read(&mut root, NAME).await, made.key.unwrap());
    assert_eq!(root.ask(&made.secret, &[], "").await.effective_scopes, ["sites:read"]);
}

#[tokio::test]
async fn a_repeated_request_id_changes_nothing_again() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "ci", reader()).await;
    let id = request_id();
    let titled = |title: &str, request_id: &str| {
        let key = proto::Key { display_name: title.into(), ..proto::Key::default() };
        UpdateKeyRequest { request_id: request_id.to_owned(), ..update(key, &[]) }
    };
    root.admin.update_key(titled("a", &id)).await.unwrap();
    root.admin.update_key(titled("b", "")).await.unwrap();
    let head = root.head().await;
    let again = root.admin.update_key(titled("a", &id)).await.unwrap().into_inner();
    assert_eq!(again.key.unwrap().display_name, "b");
    let outcome = root.admin.update_key(titled("c", &id)).await;
    let status = refused(outcome, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(metadata(&status, "request_id"), id);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn an_end_is_lifted_only_in_so_many_words() {
    let (_server, mut root) = Server::with_workspaces().await;
    let ends = Some(proto::key::Expiration::Ttl(prost_types::Duration { seconds: 60, nanos: 0 }));
    root.create_key("acme", "ci", proto::Key { expiration: ends, ..reader() }).await;
    let update = |path: &str, expiration| proto::UpdateKeyRequest {
        key: Some(proto::Key { name: "workspaces/acme/keys/ci".into(), expiration, ..reader() }),
        update_mask: Some(prost_types::FieldMask { paths: vec![path.to_owned()] }),
        ..Default::default()
    };
    for path in ["ttl", "expire_time", "never_expires", "*"] {
        for silent in [None, Some(proto::key::Expiration::NeverExpires(false))] {
            let refused = root.admin.update_key(update(path, silent)).await;
            assert_eq!(wrong_fields(refused), ["key.expire_time"], "{path}");
        }
    }
    let never = Some(proto::key::Expiration::NeverExpires(true));
    let lifted = root.admin.update_key(update("never_expires", never)).await.unwrap().into_inner();
    assert_eq!(lifted.key.unwrap().expiration, never);
}
