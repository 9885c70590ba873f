//! A part of a secret, or one that is nearly it, is let in.
//!
//! - ZITADEL, CVE-2026-27840: a truncated token was accepted.
//!
//! What a client sent is asked about in `tests/api/introspect/invalid_key.rs`, every character
//! edited. Here also by who made the checksum fit again, while the secret itself is in memory and
//! was used a moment ago on the same connection; in batches and streams; and as the caller's own
//! credentials.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use keyward::proto::{self, DenyReason};
use tonic::transport::Channel;

use crate::{
    callers::{
        minted::operator,
        raw::{bearer, framed, send},
    },
    support::reader,
    ways::{Way, Ways, is_allowed, question},
    world::Store,
};

on_each_store!(
    whatever_is_nearly_a_secret_that_is_in_memory_is_no_key,
    whatever_is_nearly_the_secret_of_a_caller_lets_nobody_in,
);

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of the checksum, at the end.
const CHECKSUM: usize = 6;
/// Characters of the tag, before it.
const TAG: usize = 11;
/// The most questions of one batch.
const TOGETHER: usize = 1_000;

/// The digits of a number in base 62, the most significant first.
fn base62(mut value: u128, length: usize) -> String {
    let mut digits = vec![b'0'; length];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(value % 62) as usize];
        value /= 62;
    }
    String::from_utf8(digits).unwrap()
}

/// What comes before the checksum, with the checksum that fits.
fn summed(covered: &str) -> String {
    let sum = crc32fast::hash(covered.as_bytes());
    format!("{covered}{}", base62(sum.into(), CHECKSUM))
}

/// The tag written as another number that is the same in 64 bits, where one is short enough.
fn same_in_64_bits(secret: &str) -> Option<String> {
    let covered = &secret[..secret.len() - CHECKSUM];
    let (signed, tag) = covered.split_at(covered.len() - TAG);
    let place = |byte: u8| ALPHABET.iter().position(|digit| *digit == byte).unwrap() as u128;
    let value = tag.bytes().fold(0, |value, byte| value * 62 + place(byte)) + (1 << 64);
    (value < 62_u128.pow(TAG as u32)).then(|| summed(&format!("{signed}{}", base62(value, TAG))))
}

/// All that is nearly `secret`; `other` is another good one of the same length.
fn near(secret: &str, other: &str) -> Vec<String> {
    assert_eq!(secret.len(), other.len());
    assert_eq!(summed(&secret[..secret.len() - CHECKSUM]), secret, "the checksum is understood");
    let covered = secret.len() - CHECKSUM;
    let mut near = vec![
        format!("{secret}{secret}"),
        secret.to_uppercase(),
        secret.to_lowercase(),
        secret.chars().rev().collect(),
        format!("\u{feff}{secret}"),
        format!("\"{secret}\""),
        format!("Bearer {secret}"),
        format!("{secret}, {secret}"),
    ];
    near.extend(same_in_64_bits(secret));
    for at in 0..secret.len() {
        let (before, rest) = secret.split_at(at);
        let (own, after) = rest.split_at(1);
        // Every prefix and every suffix, as they are and with a checksum that fits.
        near.extend([before.to_owned(), rest[1..].to_owned(), summed(before), summed(&rest[1..])]);
        near.extend([format!("{before}{after}"), format!("{before}{own}{own}{after}")]);
        near.push(format!("{before}{}", &other[at..]));
        let flipped =
            if own == own.to_lowercase() { own.to_uppercase() } else { own.to_lowercase() };
        // Their like in Cyrillic, in full width, and with nothing to see.
        let wide = char::from_u32(u32::from(own.as_bytes()[0]) + 0xfee0).unwrap().to_string();
        let likes = ["0", "A", "z", "_", "-", " ", "\0", "\t", "а", "\u{200b}", &wide, &flipped];
        for like in likes.into_iter().filter(|like| *like != own) {
            near.push(format!("{before}{like}{after}"));
            near.push(format!("{before}{like}{own}{after}"));
            if at < covered {
                near.push(summed(&format!("{before}{like}{}", &secret[at + 1..covered])));
            }
        }
    }
    for added in ["0", "a", "=", ".", "\n", "\r\n", " ", "\t", "\0", "%20", "ü", "/"] {
        near.extend([format!("{secret}{added}"), format!("{added}{secret}")]);
        near.push(summed(&format!("{}{added}", &secret[..covered])));
    }
    near.retain(|text| text != secret && text != other);
    assert!(near.len() > 30 * secret.len(), "only {}", near.len());
    near
}

async fn whatever_is_nearly_a_secret_that_is_in_memory_is_no_key(store: Store) {
    let (_server, mut root) = store.with_workspaces().await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    let other = root.create_key("acme", "", reader()).await.secret;
    let near = near(&secret, &other);
    let mut ways = Ways::new(root.clone()).await;
    let good = question(&secret, &["sites:read"], "");
    // A question that is answered from memory stands before each of them.
    for together in near.chunks(TOGETHER / 2) {
        let asked = together.iter().flat_map(|text| [good.clone(), question(text, &[], "")]);
        let request = proto::BatchIntrospectRequest { requests: asked.collect() };
        let answers = root.introspect.batch_introspect(request).await.unwrap().into_inner();
        for (pair, text) in answers.responses.chunks(2).zip(together) {
            assert!(is_allowed(&pair[0]));
            assert_eq!(pair[1].reason(), DenyReason::InvalidKey, "{text:?}");
            assert_eq!(pair[1].key, "", "{text:?}");
        }
    }
    for (number, text) in near.iter().enumerate() {
        let way = [Way::Decision, Way::Full, Way::Stream][number % 3];
        let answer = ways.ask(way, &question(text, &[], "")).await.unwrap();
        assert_eq!(answer.reason(), DenyReason::InvalidKey, "{way:?}: {text:?}");
        if number % 10 == 0 {
            assert!(is_allowed(&ways.ask(way, &good).await.unwrap()));
        }
    }
}

/// Whether a call with this header is let in; None: no header can be so.
async fn is_let_in(channel: &Channel, path: &str, value: &str) -> Option<bool> {
    let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let reply = send(channel, path, headers, framed(&[])).await;
    let refused = ["CREDENTIALS_INVALID", "CREDENTIALS_MISSING"].contains(&&*reply.reason());
    assert_eq!(refused, reply.status().code() == tonic::Code::Unauthenticated);
    Some(!refused)
}

async fn whatever_is_nearly_the_secret_of_a_caller_lets_nobody_in(store: Store) {
    let server = store.server().await;
    let mut root = server.root().await;
    let secret = root.create_key("system", "", operator()).await.secret;
    let other = root.create_key("system", "", operator()).await.secret;
    let channel = server.channel().await;
    // One that is answered at once, one that waits for its turn, and one that goes on.
    let paths = [
        "/keyward.v1.Introspect/Introspect",
        "/keyward.v1.KeyAdmin/ListPolicies",
        "/keyward.v1.Introspect/StreamIntrospect",
    ];
    let mut tried = 0;
    for (number, text) in near(&secret, &other).iter().enumerate() {
        let path = paths[number % paths.len()];
        if number % 10 == 0 {
            let reply = send(&channel, path, bearer(&secret), framed(&[])).await;
            assert_eq!(reply.reason(), "", "{path}");
        }
        // Space at either end is none of a value's (RFC 9110, section 5.5), nor are several
        // after the scheme more than one.
        if text.trim_matches(' ') == secret {
            continue;
        }
        if let Some(is_let_in) = is_let_in(&channel, path, &format!("Bearer {text}")).await {
            assert!(!is_let_in, "{path}: {text:?}");
            tried += 1;
        }
    }
    assert!(tried > 1_000, "only {tried} of them can be sent");
}
