//! What becomes of keys: listed, rotated, revoked.

use keyward::proto::{self, DenyReason, KeyState};
use prost_types::FieldMask;
use tonic::Code;

use super::SYSTEM;
use crate::{
    harness::{Caller, grants, refused, strings, wrong_fields},
    scenario::{Act, DAY, INVALID, Row, Step, Verdict, ask, check, key, row},
    support::{all_systems, all_systems_and_an_unknown},
};

const NAME: &str = "workspaces/fsckmsft/keys/export";

/// A key with something in each column of the list.
fn export() -> proto::Key {
    proto::Key {
        display_name: "Data Export Script".into(),
        grants: grants(&["read:projects", "read:tasks"]),
        allowed_cidrs: strings(&["203.0.113.0/24", "2001:db8::1/128"]),
        ..proto::Key::default()
    }
}

async fn listed(root: &mut Caller, states: &[KeyState]) -> Vec<proto::Key> {
    let request = proto::ListKeysRequest {
        parent: format!("workspaces/{SYSTEM}"),
        states: states.iter().map(|state| i32::from(*state)).collect(),
        ..Default::default()
    };
    root.admin.list_keys(request).await.unwrap().into_inner().keys
}

fn rotation(grace: Option<prost_types::Duration>) -> proto::RotateKeyRequest {
    proto::RotateKeyRequest { name: NAME.to_owned(), grace, ..Default::default() }
}

#[tokio::test]
async fn each_key_appears_in_the_list_with_its_name_creation_date_scopes_and_ip_restrictions() {
    let (_server, mut root) = all_systems().await;
    assert!(listed(&mut root, &[]).await.is_empty());
    let made = root.create_key(SYSTEM, "export", export()).await.key.unwrap();
    let plain = proto::Key { allowed_cidrs: vec![], ..export() };
    root.create_key(SYSTEM, "plain", plain).await;
    root.create_key("newport", "other", proto::Key { grants: grants(&["admin"]), ..export() })
        .await;

    let keys = listed(&mut root, &[]).await;
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], made);
    assert_eq!(keys[0].display_name, "Data Export Script");
    assert!(keys[0].create_time.is_some());
    assert_eq!(keys[0].grants, grants(&["read:projects", "read:tasks"]));
    assert_eq!(keys[0].allowed_cidrs, ["203.0.113.0/24", "2001:db8::1/128"]);
    assert!(keys[1].allowed_cidrs.is_empty());
}

fn rotating() -> Vec<Row> {
    let inside = || ask(&["read:tasks"]).from("203.0.113.7");
    let made = || key().titled("ci").may(&["read:tasks"]).from(&["203.0.113.0/24"]).made();
    vec![
        row(
            "invalidates the old key and generates a new one immediately",
            [
                made(),
                inside().with("ci").gives(Verdict::Allowed),
                Act::Rotate("ci").happens(),
                inside().with("ci").replaced().gives(INVALID),
                inside().with("ci").gives(Verdict::Allowed),
            ],
        ),
        row(
            "Rotate a key: its name, its scopes and its IP restrictions stay",
            [
                made(),
                Act::Rotate("ci").happens(),
                Step::Holds { key: "ci", scopes: strings(&["read:tasks"]) },
                Step::Stands { key: "ci", state: KeyState::Active },
                Step::Listed { states: &[], query: "", titles: &["ci"] },
                ask(&["read:tasks"]).with("ci").from("198.51.100.1").gives(Verdict::Address),
                ask(&["admin"]).with("ci").from("203.0.113.7").gives(Verdict::Lacks(&["admin"])),
            ],
        ),
        row(
            "Rotate regularly: each rotation ends the secret before it",
            [
                made(),
                Act::Rotate("ci").happens(),
                Act::Rotate("ci").happens(),
                inside().with("ci").replaced().gives(INVALID),
                inside().with("ci").gives(Verdict::Allowed),
            ],
        ),
        row(
            "One key per consumer: rotation is surgical",
            [
                made(),
                key().titled("other").may(&["read:tasks"]).made(),
                Act::Rotate("ci").happens(),
                ask(&["read:tasks"]).with("other").gives(Verdict::Allowed),
            ],
        ),
    ]
}

#[tokio::test]
async fn rotation_replaces_the_secret_and_nothing_else() {
    check(SYSTEM, rotating()).await;
}

#[tokio::test]
async fn rotation_is_instantaneous_and_no_grace_can_be_asked_for() {
    let (_server, mut root) = all_systems().await;
    let unbound = proto::Key { allowed_cidrs: vec![], ..export() };
    let first = root.create_key(SYSTEM, "export", unbound).await.secret;
    let second = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let head = root.head().await;
    assert_eq!(wrong_fields(root.admin.rotate_key(rotation(second)).await), ["grace"]);
    let checked = proto::RotateKeyRequest { validate_only: true, ..rotation(None) };
    assert_eq!(root.admin.rotate_key(checked).await.unwrap().into_inner().secret, "");
    assert_eq!(root.head().await, head);
    let works = root.ask(&first, &["read:tasks"], "").await;
    Verdict::Allowed.check(&works, "nothing was confirmed yet");

    let answer = root.admin.rotate_key(rotation(None)).await.unwrap().into_inner();
    INVALID.check(&root.ask(&first, &["read:tasks"], "").await, "the old one");
    Verdict::Allowed.check(&root.ask(&answer.secret, &["read:tasks"], "").await, "the new one");
    assert_eq!(answer.key.unwrap().secrets.len(), 1);
}

#[tokio::test]
async fn a_rotation_schedule_is_quarterly_at_minimum() {
    let (_server, mut root) = all_systems().await;
    let request = proto::GetPolicyRequest { name: format!("policies/{SYSTEM}") };
    let rotation = root.admin.get_policy(request).await.unwrap().into_inner().rotation.unwrap();
    let due_after = rotation.due_after.unwrap();
    assert!((90 * DAY..=92 * DAY).contains(&due_after.seconds), "{due_after:?}");
    assert_eq!((rotation.default_grace, rotation.max_grace), (None, None));
}

fn revoking() -> Vec<Row> {
    vec![row(
        "Revocation is irreversible — you must create a new key if you need access again.",
        [
            key().titled("ci").may(&["read:tasks"]).made(),
            Act::Revoke("ci").happens(),
            ask(&["read:tasks"]).with("ci").gives(Verdict::Dead(DenyReason::Revoked)),
            Step::Stands { key: "ci", state: KeyState::Revoked },
            Step::Listed { states: &[], query: "", titles: &[] },
            key().titled("again").may(&["read:tasks"]).made(),
            ask(&["read:tasks"]).with("again").gives(Verdict::Allowed),
            ask(&["read:tasks"]).with("ci").gives(Verdict::Dead(DenyReason::Revoked)),
            Step::Listed { states: &[], query: "", titles: &["again"] },
            Step::Listed { states: &[KeyState::Revoked], query: "", titles: &["ci"] },
        ],
    )]
}

#[tokio::test]
async fn who_needs_access_again_makes_a_new_key() {
    check(SYSTEM, revoking()).await;
}

#[tokio::test]
async fn a_revoked_key_can_be_neither_changed_nor_rotated_nor_made_again() {
    let (_server, mut root) = all_systems().await;
    let secret = root.create_key(SYSTEM, "export", export()).await.secret;
    let request = proto::RevokeKeyRequest { name: NAME.to_owned(), ..Default::default() };
    root.admin.revoke_key(request.clone()).await.unwrap();
    let revoked = listed(&mut root, &[KeyState::Revoked]).await;
    let head = root.head().await;

    for (field, change) in [
        ("display_name", proto::Key { display_name: "again".into(), ..Default::default() }),
        ("grants", proto::Key { grants: grants(&["admin"]), ..Default::default() }),
        ("allowed_cidrs", proto::Key::default()),
        ("ttl", proto::Key { expiration: ttl(3_600), ..Default::default() }),
    ] {
        let request = proto::UpdateKeyRequest {
            key: Some(proto::Key { name: NAME.to_owned(), ..change }),
            update_mask: Some(FieldMask { paths: strings(&[field]) }),
            ..Default::default()
        };
        let outcome = root.admin.update_key(request).await;
        refused(outcome, Code::FailedPrecondition, "KEY_REVOKED");
    }
    let outcome = root.admin.rotate_key(rotation(None)).await;
    refused(outcome, Code::FailedPrecondition, "KEY_REVOKED");
    let again = proto::CreateKeyRequest {
        parent: format!("workspaces/{SYSTEM}"),
        key_id: "export".into(),
        key: Some(export()),
        ..Default::default()
    };
    refused(root.admin.create_key(again).await, Code::AlreadyExists, "RESOURCE_EXISTS");
    root.admin.revoke_key(request).await.unwrap();

    assert_eq!(root.head().await, head);
    assert_eq!(listed(&mut root, &[KeyState::Revoked]).await, revoked);
    let answer = root.ask(&secret, &[], "").await;
    Verdict::Dead(DenyReason::Revoked).check(&answer, "it stays so");
}

fn ttl(seconds: i64) -> Option<proto::key::Expiration> {
    Some(proto::key::Expiration::Ttl(prost_types::Duration { seconds, nanos: 0 }))
}

#[tokio::test]
async fn a_key_that_is_not_known_is_401() {
    let (_server, mut root, secret) = all_systems_and_an_unknown(SYSTEM, export()).await;
    INVALID.check(&root.ask(&secret, &["read:tasks"], "").await, "with a scope");
    INVALID.check(&root.ask(&secret, &[], "").await, "without");
}
