//! When keys are due for rotation, and the filter of `ListKeys` by it.

use keyward::proto::{Key, ListKeysRequest, RotationRule};
use prost_types::Duration;

use super::*;
use crate::support::reader;

const NAME: &str = "workspaces/acme/keys/ci";

fn rule(due_after: Option<Duration>) -> proto::Policy {
    let rotation = RotationRule { due_after, ..RotationRule::default() };
    proto::Policy { rotation: Some(rotation), ..policy() }
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

/// A microsecond, which is over when the next call comes.
fn at_once() -> Option<Duration> {
    Some(Duration { seconds: 0, nanos: 1_000 })
}

async fn due(root: &mut Caller) -> Vec<String> {
    let query = ListKeysRequest {
        parent: "workspaces/acme".into(),
        rotation_due: true,
        ..Default::default()
    };
    let keys = root.admin.list_keys(query).await.unwrap().into_inner().keys;
    keys.into_iter().map(|key| key.name).collect()
}

async fn read(root: &mut Caller) -> Key {
    root.admin.get_key(proto::GetKeyRequest { name: NAME.into() }).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_key_is_due_so_long_after_its_newest_secret_and_every_answer_says_when() {
    let (_server, mut root) = counting_under(rule(seconds(100))).await;
    let made = root.create_key("acme", "ci", reader()).await;
    let key = made.key.unwrap();
    let after = |key: &Key| {
        let made = key.secrets[0].create_time.unwrap();
        let due = key.rotation_due_time.unwrap();
        (due.seconds - made.seconds, due.nanos - made.nanos)
    };
    assert_eq!(after(&key), (100, 0));
    assert_eq!(read(&mut root).await, key);
    let query = ListKeysRequest { parent: "workspaces/acme".into(), ..Default::default() };
    let listed = root.admin.list_keys(query).await.unwrap().into_inner().keys;
    assert_eq!(listed, std::slice::from_ref(&key));
    let identify = proto::IdentifyKeyRequest { secret: made.secret };
    let identified = root.admin.identify_key(identify).await.unwrap().into_inner().key;
    assert_eq!(identified, Some(key.clone()));

    let changed = Key { name: NAME.into(), display_name: "other".into(), ..Default::default() };
    let update = proto::UpdateKeyRequest {
        key: Some(changed),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    let updated = root.admin.update_key(update).await.unwrap().into_inner().key.unwrap();
    assert_eq!(updated.rotation_due_time, key.rotation_due_time);

    let rotate = proto::RotateKeyRequest { name: NAME.into(), ..Default::default() };
    let rotated = root.admin.rotate_key(rotate).await.unwrap().into_inner().key.unwrap();
    assert_eq!(after(&rotated), (100, 0));
    assert_ne!(rotated.rotation_due_time, key.rotation_due_time);
    assert!(due(&mut root).await.is_empty());
}

#[tokio::test]
async fn due_keys_are_listed_until_they_are_revoked() {
    let (_server, mut root) = counting_under(rule(at_once())).await;
    root.create_key("acme", "ci", reader()).await;
    assert_eq!(due(&mut root).await, [NAME]);
    let revoke = proto::RevokeKeyRequest { name: NAME.into(), ..Default::default() };
    let revoked = root.admin.revoke_key(revoke.clone()).await.unwrap().into_inner();
    let again = root.admin.revoke_key(revoke).await.unwrap().into_inner();
    assert_eq!((revoked.rotation_due_time, again.rotation_due_time), (None, None));
    assert_eq!(read(&mut root).await.rotation_due_time, None);
    assert!(due(&mut root).await.is_empty());
}

#[tokio::test]
async fn without_a_rule_no_key_is_ever_due() {
    let (_server, mut root) = counting_under(policy()).await;
    let key = root.create_key("acme", "ci", reader()).await.key.unwrap();
    assert_eq!(key.rotation_due_time, None);
    assert!(due(&mut root).await.is_empty());
}
