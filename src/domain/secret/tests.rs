#![expect(clippy::unwrap_used, reason = "tests")]

mod parts;

use std::fmt::{Debug, Display};

use proptest::prelude::*;
use ring::error::Unspecified;
use ring::hmac;
use ring::rand::SystemRandom;
use static_assertions::assert_not_impl_any;

use super::*;

assert_not_impl_any!(Secret: Debug, Display, Clone, serde::Serialize);
assert_not_impl_any!(Digest: Debug, Display, Clone, serde::Serialize);
assert_not_impl_any!(Tag: Debug, Display, Clone, serde::Serialize);
assert_not_impl_any!(SigningKey: Debug, Display, Clone, serde::Serialize);
assert_not_impl_any!(Keyring: Debug, Display, Clone, serde::Serialize);
assert_not_impl_any!(Minted: Debug, Display, Clone, serde::Serialize);
assert_not_impl_any!(Recognised: Debug, Display, Clone, serde::Serialize);

/// From an independent implementation (Python's hmac, hashlib and zlib): see the layout in `secret.rs`.
const KNOWN: &str = "mfk_live_0stuvwxyz0123456789ABCDEFGHIJKLMNC9k8gDPQyVO43pWIw";
const KNOWN_DIGEST: [u8; 24] = [
    171, 48, 32, 220, 234, 106, 127, 10, 252, 131, 188, 73, 185, 184, 179, 20, 242, 28, 172, 231,
    19, 10, 0, 29,
];
const KNOWN_FINGERPRINT: [u8; 8] = [155, 198, 13, 65, 120, 167, 89, 33];

fn version(character: char) -> KeyVersion {
    character.try_into().unwrap()
}

fn keyring(current: char, keys: &[(char, u8)]) -> Keyring {
    let keys =
        keys.iter().map(|&(name, byte)| SigningKey::new(version(name), &[byte; 32])).collect();
    Keyring::new(keys, version(current)).unwrap()
}

fn prefix() -> Prefix {
    Prefix::parse("mfk_live").unwrap()
}

/// Bytes 0, 1, 2, … from `first`, on and on.
fn counting(first: u8) -> impl FnMut(&mut [u8]) -> Result<(), Unspecified> {
    let mut next = first;
    move |bytes| {
        for byte in bytes {
            *byte = next;
            next = next.wrapping_add(1);
        }
        Ok(())
    }
}

fn known() -> (Keyring, Minted) {
    let keyring = keyring('0', &[('0', 7)]);
    let minted = keyring.mint_from(&prefix(), counting(240)).unwrap();
    (keyring, minted)
}

/// A secret with any parts and a correct checksum.
fn with_checksum(covered: &str) -> String {
    let checksum = base62::encode::<CHECKSUM_LEN>(crc32fast::hash(covered.as_bytes()).into());
    format!("{covered}{}", str::from_utf8(&checksum).unwrap())
}

#[track_caller]
fn check_refused(keyring: &Keyring, presented: &str) {
    assert!(keyring.recognise(presented).is_none(), "{presented:?}");
}

#[test]
fn the_format_is_pinned() {
    let (keyring, minted) = known();
    assert_eq!(minted.secret.as_str(), KNOWN);
    assert_eq!(minted.digest.as_bytes(), &KNOWN_DIGEST);
    assert_eq!(keyring.current().fingerprint(), KNOWN_FINGERPRINT);
    let recognised = keyring.recognise(KNOWN).unwrap();
    assert!(recognised.digest == Digest::from_bytes(KNOWN_DIGEST));
    assert_eq!(recognised.version, version('0'));
    assert_eq!(minted.secret.reveal(), KNOWN);
}

#[test]
fn every_truncation_is_refused() {
    let (keyring, _) = known();
    for at in 0..KNOWN.len() {
        let (front, back) = KNOWN.split_at(at);
        check_refused(&keyring, front);
        if at > 0 {
            check_refused(&keyring, back);
        }
    }
}

#[test]
fn every_one_character_edit_is_refused() {
    let (keyring, _) = known();
    for at in 0..KNOWN.len() {
        let (front, back) = KNOWN.split_at(at);
        let original = back.chars().next().unwrap();
        let rest = back.strip_prefix(original).unwrap();
        check_refused(&keyring, &format!("{front}{rest}"));
        for edit in (0..=127).map(char::from).chain(['é', '\u{212a}']) {
            check_refused(&keyring, &format!("{front}{edit}{back}"));
            if edit != original {
                check_refused(&keyring, &format!("{front}{edit}{rest}"));
            }
        }
    }
}

#[test]
fn an_edit_with_its_checksum_put_right_is_refused_by_the_tag() {
    let (keyring, _) = known();
    let (covered, _) = KNOWN.split_at(KNOWN.len() - CHECKSUM_LEN);
    assert_eq!(with_checksum(covered), KNOWN);
    for at in 0..covered.len() {
        let (front, back) = covered.split_at(at);
        let original = back.chars().next().unwrap();
        let rest = back.strip_prefix(original).unwrap();
        for edit in KeyVersion::all().map(char::from).chain(['_']) {
            if edit != original {
                check_refused(&keyring, &with_checksum(&format!("{front}{edit}{rest}")));
            }
        }
    }
}

#[test]
fn another_case_or_an_extra_character_is_refused() {
    let (keyring, _) = known();
    check_refused(&keyring, &KNOWN.to_lowercase());
    check_refused(&keyring, &KNOWN.to_uppercase());
    for presented in [" ", "\n", "\0", "0", "_"] {
        check_refused(&keyring, &format!("{KNOWN}{presented}"));
        check_refused(&keyring, &format!("{presented}{KNOWN}"));
    }
    for at in 0..KNOWN.len() {
        let (front, back) = KNOWN.split_at(at);
        let swapped: String = back
            .chars()
            .next()
            .map(|c| {
                if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() }
            })
            .into_iter()
            .chain(back.chars().skip(1))
            .collect();
        if swapped != back {
            check_refused(&keyring, &format!("{front}{swapped}"));
        }
    }
}

#[test]
fn a_correct_signature_does_not_excuse_a_malformed_secret() {
    let keyring = keyring('0', &[('0', 7)]);
    let signing_key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let signed_properly = |signed: &str| {
        let mac = hmac::sign(&signing_key, signed.as_bytes());
        let (tag, _) = mac.as_ref().split_first_chunk().unwrap();
        let tag = base62::encode::<TAG_LEN>(u64::from_be_bytes(*tag));
        with_checksum(&format!("{signed}{}", str::from_utf8(&tag).unwrap()))
    };
    let random = "r".repeat(RANDOM_LEN);
    let names = ["", "k", "Kw", "1kw", "kw_", "k__w", "kw-x", "abcdefghijklmnopqrstu"];
    for name in names {
        check_refused(&keyring, &signed_properly(&format!("{name}_0{random}")));
    }
    check_refused(&keyring, &signed_properly(&format!("kw-0{random}")));
    check_refused(&keyring, &signed_properly(&format!("kw_0-{}", random.split_at(1).1)));
    let sound = signed_properly(&format!("kw_0{random}"));
    assert!(keyring.recognise(&sound).is_some());
}

#[test]
fn input_of_any_length_is_refused_calmly() {
    let (keyring, _) = known();
    for len in [0, 1, 49, 50, 51, 127, 128, 129, 1 << 20] {
        check_refused(&keyring, &"a".repeat(len));
        check_refused(&keyring, &"é".repeat(len / 2));
        check_refused(&keyring, &with_checksum(&"_".repeat(len)));
    }
}

#[test]
fn another_keyring_refuses() {
    check_refused(&keyring('0', &[('0', 8)]), KNOWN);
    check_refused(&keyring('1', &[('1', 7)]), KNOWN);
}

#[test]
fn an_old_version_still_recognises_its_secrets() {
    let newer = keyring('z', &[('0', 7), ('z', 9), ('A', 3)]);
    assert_eq!(newer.recognise(KNOWN).unwrap().version, version('0'));
    let minted = newer.mint(&prefix(), &SystemRandom::new()).unwrap();
    assert_eq!(newer.recognise(minted.secret.as_str()).unwrap().version, version('z'));
    assert_eq!(newer.keys().count(), 3);
}

#[test]
fn the_same_bytes_under_another_version_or_prefix_make_another_digest() {
    let fill = || counting(0);
    let digest = |current, name: &str| {
        let name = Prefix::parse(name).unwrap();
        let ring = keyring(current, &[('0', 7), ('1', 7)]);
        ring.mint_from(&name, fill()).unwrap().digest
    };
    assert!(digest('0', "kw") == digest('0', "kw"));
    assert!(digest('0', "kw") != digest('1', "kw"));
    assert!(digest('0', "kw") != digest('0', "kx"));
}

#[test]
fn a_failing_or_stuck_generator_mints_nothing() {
    let keyring = keyring('0', &[('0', 7)]);
    assert_eq!(keyring.mint_from(&prefix(), |_| Err(Unspecified)).err(), Some(NoEntropy));
    let stuck = |bytes: &mut [u8]| {
        bytes.fill(255);
        Ok(())
    };
    assert_eq!(keyring.mint_from(&prefix(), stuck).err(), Some(NoEntropy));
}

proptest! {
    #[test]
    fn what_is_minted_is_recognised(
        name in proptest::string::string_regex("[a-z][a-z0-9]{1,6}(_[a-z0-9]{1,5}){0,2}").unwrap(),
        key in any::<[u8; 32]>(),
    ) {
        let ring = Keyring::new(vec![SigningKey::new(version('k'), &key)], version('k')).unwrap();
        let name = Prefix::parse(&name).unwrap();
        let minted = ring.mint(&name, &SystemRandom::new()).unwrap();
        let recognised = ring.recognise(minted.secret.as_str()).unwrap();
        prop_assert!(recognised.digest == minted.digest);
        let (front, body) = minted.secret.as_str().rsplit_once('_').unwrap();
        prop_assert_eq!(front, name.as_str());
        prop_assert_eq!(body.len(), 50);
        prop_assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    #[test]
    fn garbage_is_refused(text in "\\PC{0,140}", lookalike in PATTERN) {
        let (ring, _) = known();
        prop_assert!(ring.recognise(&text).is_none());
        prop_assert!(ring.recognise(&lookalike).is_none());
    }
}
