//! When keys and their secrets were used last, and the filters of `ListKeys` by it.

use keyward::proto::{Key, ListKeysRequest, RotateKeyRequest, RotationRule};
use prost_types::Duration;

use super::*;
use crate::support::reader;

const NAME: &str = "workspaces/acme/keys/ci";

async fn read(root: &mut Caller) -> Key {
    root.admin.get_key(proto::GetKeyRequest { name: NAME.into() }).await.unwrap().into_inner()
}

async fn ask_from(root: &mut Caller, secret: &str, client_ip: &str) {
    let request = proto::IntrospectRequest {
        secret: secret.to_owned(),
        client_ip: client_ip.to_owned(),
        ..Default::default()
    };
    root.introspect.introspect(request).await.unwrap();
}

/// The key, once it was last used from this address.
async fn used_from(root: &mut Caller, address: &str) -> Key {
    let used = async {
        loop {
            let key = read(root).await;
            if key.last_used_address == address {
                return key;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), used).await.unwrap()
}

/// How long ago it was; later is greater.
fn micros(time: Option<Timestamp>) -> i64 {
    let Timestamp { seconds, nanos } = time.unwrap();
    seconds * 1_000_000 + i64::from(nanos) / 1_000
}

#[tokio::test]
async fn time_and_address_are_those_of_the_last_use() {
    let (_server, mut root) = counting().await;
    let made = root.create_key("acme", "ci", reader()).await;
    let fresh = read(&mut root).await;
    assert_eq!((fresh.last_used_time, fresh.last_used_address.as_str()), (None, ""));
    assert_eq!(fresh.secrets[0].last_used_time, None);
    let before = in_seconds(0).seconds;
    for (sent, told) in [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:DB8::1", "2001:db8::1"),
    ] {
        ask_from(&mut root, &made.secret, sent).await;
        let key = used_from(&mut root, told).await;
        let time = key.last_used_time.unwrap();
        assert!((before..=in_seconds(1).seconds).contains(&time.seconds));
        assert_eq!(key.secrets[0].last_used_time, Some(time));
    }
}

#[tokio::test]
async fn who_still_uses_the_old_secret_shows_during_its_grace() {
    let day = Some(Duration { seconds: 86_400, nanos: 0 });
    let rule = RotationRule { default_grace: day, max_grace: day, due_after: None };
    let under = proto::Policy { rotation: Some(rule), ..policy() };
    let (_server, mut root) = counting_under(under).await;
    let old = root.create_key("acme", "ci", reader()).await.secret;
    let rotate = RotateKeyRequest { name: NAME.into(), ..Default::default() };
    let new = root.admin.rotate_key(rotate).await.unwrap().into_inner().secret;
    ask_from(&mut root, &old, "192.0.2.1").await;
    let key = used_from(&mut root, "192.0.2.1").await;
    assert_eq!(key.secrets[0].last_used_time, None, "the new one is not used");
    assert_eq!(key.secrets[1].last_used_time, key.last_used_time);
    ask_from(&mut root, &new, "192.0.2.2").await;
    let key = used_from(&mut root, "192.0.2.2").await;
    assert_eq!(key.secrets[0].last_used_time, key.last_used_time);
    assert!(micros(key.secrets[1].last_used_time) < micros(key.last_used_time));
}

async fn ids(root: &mut Caller, query: ListKeysRequest) -> Vec<String> {
    let query = ListKeysRequest { parent: "workspaces/acme".into(), ..query };
    let keys = root.admin.list_keys(query).await.unwrap().into_inner().keys;
    let id = |key: Key| key.name.rsplit('/').next().unwrap().to_owned();
    keys.into_iter().map(id).collect()
}

#[tokio::test]
async fn keys_are_listed_that_were_never_used_or_not_since() {
    let (_server, mut root) = counting().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    root.create_key("acme", "idle", reader()).await;
    let never = || ListKeysRequest { never_used: true, ..Default::default() };
    let since = |moment| ListKeysRequest { unused_since: Some(moment), ..Default::default() };
    assert_eq!(ids(&mut root, never()).await, ["ci", "idle"]);
    ask_from(&mut root, &secret, "192.0.2.1").await;
    let used = used_from(&mut root, "192.0.2.1").await.last_used_time.unwrap();
    assert_eq!(ids(&mut root, never()).await, ["idle"]);
    assert_eq!(ids(&mut root, since(used)).await, ["idle"]);
    let later = Timestamp { nanos: used.nanos + 1_000, ..used };
    assert_eq!(ids(&mut root, since(later)).await, ["ci", "idle"]);
    let both = ListKeysRequest { unused_since: Some(used), ..never() };
    assert_eq!(ids(&mut root, both).await, ["idle"]);
}

#[tokio::test]
async fn a_denied_call_is_a_use_and_one_of_a_replaced_secret_counts_alone() {
    let (_server, mut root) = counting().await;
    let old = root.create_key("acme", "ci", reader()).await.secret;
    let rotate = RotateKeyRequest { name: NAME.into(), ..Default::default() };
    let new = root.admin.rotate_key(rotate).await.unwrap().into_inner().secret;
    ask_from(&mut root, &old, "192.0.2.1").await;
    with_calls(&mut root, NAME, 1).await;
    assert_eq!(read(&mut root).await.last_used_time, None);
    let revoke = proto::RevokeKeyRequest { name: NAME.into(), ..Default::default() };
    root.admin.revoke_key(revoke).await.unwrap();
    ask_from(&mut root, &new, "192.0.2.2").await;
    let key = used_from(&mut root, "192.0.2.2").await;
    assert!(key.secrets.is_empty() && key.last_used_time.is_some());
    with_calls(&mut root, NAME, 2).await;
}
