//! Garbage, stampedes and a database that is gone.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "kill/caller.rs"]
mod caller;
#[path = "flood/gone.rs"]
mod gone;
#[path = "flood/parts.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod parts;
#[path = "kill/random.rs"]
mod random;
#[path = "flood/wire.rs"]
mod wire;

use std::collections::HashSet;

use keyward::{
    domain::{
        caller::Caller as Known,
        decision::Denial,
        secret::{KeyVersion, Keyring, Prefix, SigningKey},
    },
    introspect::{NotAuthenticated, Question},
    proto::{self, DenyReason},
};
use ring::rand::SystemRandom;

use caller::Caller;
use parts::{Parts, with_parts};
use random::{Random, seed};

/// Secrets of each kind.
const FLOOD: usize = 10_000;
/// Introspections of one secret at once.
const STAMPEDE: usize = 1_000;
/// Connections that they come over.
const CONNECTIONS: usize = 4;

fn question(secret: &str) -> Question<'_> {
    Question {
        secret,
        client_ip: "",
        required_scopes: Default::default(),
        resource: "",
        class: "",
        cost: 0,
        full: true,
        without_hint: false,
    }
}

/// Asks about secrets, both as those of clients and as that of the caller: each is
/// refused, and neither the cache nor the database is asked about any.
async fn flood(parts: &Parts, root: &Known, secrets: impl Iterator<Item = String>) {
    let before = (parts.keys.asked(), parts.cache.counts());
    let mut distinct = HashSet::new();
    for secret in secrets {
        let answer = parts.introspection.introspect(root, question(&secret)).await.unwrap();
        assert_eq!(answer.decision.denial, Some(Denial::InvalidKey), "{secret:?}");
        assert!(answer.key.is_none());
        let caller = parts.introspection.authenticate(&secret, None).await;
        assert!(matches!(caller, Err(NotAuthenticated::Invalid)), "{secret:?}");
        distinct.insert(secret);
    }
    assert_eq!((parts.keys.asked(), parts.cache.counts()), before);
    assert!(distinct.len() > FLOOD / 2, "only {} of them differ", distinct.len());
}

/// A secret with something wrong: a character, its length, or all of it.
fn damage(secret: &str, random: &mut Random) -> String {
    const ALPHABET: &[u8] =
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-. /\0";
    let mut bytes = secret.as_bytes().to_vec();
    let place = random.below(bytes.len());
    let other = ALPHABET[random.below(ALPHABET.len())];
    match random.below(6) {
        0 => bytes.truncate(place),
        1 => drop(bytes.drain(..=place)),
        2 => bytes.insert(place, other),
        3 => bytes = (0..random.below(200)).map(|_| random.next() as u8 | 1).collect(),
        4 => bytes.extend(std::iter::repeat_n(other, 1 + place)),
        _ if bytes[place] == other => bytes.reverse(),
        _ => bytes[place] = other,
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn malformed_secrets_cost_no_look_up() {
    with_parts(async |parts| {
        let mut random = Random::new(seed("malformed"));
        let root = parts.root().await;
        let damaged = (0..FLOOD).map(|_| damage(&parts.root_secret, &mut random));
        flood(&parts, &root, damaged).await;
    });
}

/// A well-formed secret, checksum and all, of a signing key that is not ours.
fn forge(number: usize, random: &mut Random) -> String {
    let prefix = Prefix::parse("acme_live").unwrap();
    let bytes = [(); SigningKey::LEN].map(|()| random.next() as u8);
    let version = KeyVersion::all().nth(number % 62).unwrap();
    let forger = Keyring::new(vec![SigningKey::new(version, &bytes)], version).unwrap();
    forger.mint(&prefix, &SystemRandom::new()).unwrap().secret.reveal()
}

#[test]
fn forged_secrets_cost_no_look_up() {
    with_parts(async |parts| {
        let mut random = Random::new(seed("forged"));
        let root = parts.root().await;
        let forged = (0..FLOOD).map(|number| forge(number, &mut random));
        flood(&parts, &root, forged).await;
    });
}

/// That the count counts: a secret which may be there is looked up, known or not, and then
/// not again.
#[test]
fn a_secret_that_we_signed_is_looked_up_once() {
    with_parts(async |parts| {
        let root = parts.root().await;
        let prefix = Prefix::parse("acme_live").unwrap();
        let unknown = parts.keyring.mint(&prefix, &SystemRandom::new()).unwrap().secret.reveal();
        let before = parts.keys.asked();
        for (secret, denial, asked) in [
            (&unknown, Some(Denial::InvalidKey), before + 1),
            (&unknown, Some(Denial::InvalidKey), before + 1),
            (&parts.root_secret, None, before + 1),
        ] {
            let answer = parts.introspection.introspect(&root, question(secret)).await.unwrap();
            assert_eq!(answer.decision.denial, denial);
            assert_eq!(parts.keys.asked(), asked);
        }
    });
}

async fn ask(mut caller: Caller, secret: String) -> proto::IntrospectResponse {
    let required_scopes = vec!["keys:read".to_owned()];
    let request = proto::IntrospectRequest { secret, required_scopes, ..Default::default() };
    caller.introspect.introspect(request).await.unwrap().into_inner()
}

/// All the answers to a secret that many ask about at once.
async fn stampede(callers: &[Caller], secret: &str) -> Vec<proto::IntrospectResponse> {
    let calls = (0..STAMPEDE).map(|number| {
        let caller = callers[number % callers.len()].clone();
        tokio::spawn(ask(caller, secret.to_owned()))
    });
    let mut answers = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        answers.push(call.await.unwrap());
    }
    answers
}

#[test]
fn a_stampede_for_one_secret_is_answered_right_each_time() {
    with_parts(async |parts| {
        let address = parts.serve().await;
        let mut callers = Vec::new();
        for _ in 0..CONNECTIONS {
            callers.push(Caller::connect(address, &parts.root_secret).await);
        }
        // A change may be noted in the same place as one of this caller's: it would be looked up, too.
        parts.know_root_by_heart().await;
        let name = "workspaces/system/keys/crowd";
        let grants = vec![proto::Grant { scope: "keys:read".into(), resource: String::new() }];
        let key = proto::Key { display_name: "crowd".into(), grants, ..Default::default() };
        let request = proto::CreateKeyRequest {
            parent: "workspaces/system".into(),
            key_id: "crowd".into(),
            key: Some(key),
            ..Default::default()
        };
        let made = callers[0].admin.create_key(request).await.unwrap().into_inner();
        let before = parts.keys.asked();
        let answers = stampede(&callers, &made.secret).await;
        assert_eq!(parts.keys.asked(), before + 1, "all but one waited for the same look-up");
        let first = &answers[0];
        assert_eq!((first.decision(), &*first.key), (proto::Decision::Allow, name));
        assert_eq!(first.revision, made.key.unwrap().revision);
        assert!(answers.iter().all(|answer| answer == first));
        let request = proto::RevokeKeyRequest { name: name.into(), ..Default::default() };
        callers[0].admin.revoke_key(request).await.unwrap();
        let answers = stampede(&callers, &made.secret).await;
        assert!(answers.iter().all(|answer| answer.reason() == DenyReason::Revoked));
        assert_eq!(parts.keys.asked(), before + 2);
    });
}
