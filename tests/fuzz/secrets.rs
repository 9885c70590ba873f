//! Secrets: what is recognised is what was minted, to the last character.

use std::sync::LazyLock;

use keyward::domain::{
    fault::without_secrets,
    secret::{KeyVersion, Keyring, Prefix, SigningKey},
};
use ring::hmac;

/// The versions of the signing keys; there is none of any other.
const VERSIONS: &[u8] = b"0Az";
const RANDOM: usize = 32;
const TAG: usize = 11;
const CHECKSUM: usize = 6;
/// What is presented longer than this is refused unread.
const PRESENTED_MAX: usize = 128;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn signing_key(version: u8) -> [u8; SigningKey::LEN] {
    [version; SigningKey::LEN]
}

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let version = |version: u8| KeyVersion::try_from(char::from(version)).unwrap();
    let key = |given: &u8| SigningKey::new(version(*given), &signing_key(*given));
    Keyring::new(VERSIONS.iter().map(key).collect(), version(b'A')).unwrap()
});

/// A number in base 62, by the definition.
fn digits(mut number: u128, count: usize) -> Vec<u8> {
    let mut text = vec![b'0'; count];
    for place in text.iter_mut().rev() {
        *place = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    assert_eq!(number, 0, "it fits");
    text
}

fn is_prefix(text: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9'));
    (2..=20).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.split('_').all(is_word)
}

/// The secret of these parts, and its digest, by the definition.
fn spelled(prefix: &str, version: u8, random: &[u8]) -> (String, Vec<u8>) {
    let mut text = [prefix.as_bytes(), b"_", &[version], random].concat();
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &signing_key(version)), &text);
    let (tag, digest) = mac.as_ref().split_at(8);
    let tag = u64::from_be_bytes(tag.try_into().unwrap());
    text.extend(digits(tag.into(), TAG));
    text.extend(digits(crc32fast::hash(&text).into(), CHECKSUM));
    (String::from_utf8(text).unwrap(), digest.to_vec())
}

/// The digest of a text, if it is a secret: it is spelled as its own parts are.
fn expected(text: &str) -> Option<Vec<u8>> {
    let (prefix, rest) = text.rsplit_once('_')?;
    let rest = rest.as_bytes();
    let fits = text.len() <= PRESENTED_MAX
        && rest.len() == 1 + RANDOM + TAG + CHECKSUM
        && rest.iter().all(u8::is_ascii_alphanumeric)
        && is_prefix(prefix)
        && VERSIONS.contains(&rest[0]);
    let (spelled, digest) = fits.then(|| spelled(prefix, rest[0], &rest[1..=RANDOM]))?;
    (spelled == text).then_some(digest)
}

/// That a text is recognised as it should be; whether it is.
#[track_caller]
fn agrees(text: &str) -> bool {
    let found = KEYRING.recognise(text);
    let version = found.as_ref().map(|found| char::from(found.version));
    let digest = found.map(|found| found.digest.as_bytes().to_vec());
    assert_eq!(digest, expected(text), "{text:?}");
    if let Some(version) = version {
        assert_eq!(text.rsplit_once('_').unwrap().1.chars().next(), Some(version));
        for around in ["{}", "x {}", "{}.", "a\n{}\nb", "Bearer {}"] {
            let shown = without_secrets(&around.replace("{}", text));
            assert!(!shown.contains(&text[text.len() - RANDOM..]), "{shown:?}");
        }
    }
    digest.is_some()
}

/// Two bytes say what is done to the text after them: it is presented as it is, and the secret that is made of its
/// parts is presented whole, and with one character other than it is.
pub(crate) fn target(input: &[u8]) {
    let Some(([what, place], rest)) = input.split_first_chunk::<2>() else { return };
    let text = String::from_utf8_lossy(rest);
    agrees(&text);
    assert_eq!(Prefix::parse(&text).is_ok(), is_prefix(&text), "{text:?}");
    let (prefix, random) = text.split_once('\n').unwrap_or((&text, ""));
    let mut random: Vec<u8> = random.bytes().filter(u8::is_ascii_alphanumeric).collect();
    random.resize(RANDOM, b'0');
    let version = DIGITS[usize::from(what >> 2) % 62];
    if prefix.len() > PRESENTED_MAX {
        return;
    }
    let (made, _) = spelled(prefix, version, &random);
    let is_ours = is_prefix(prefix) && VERSIONS.contains(&version);
    assert_eq!(agrees(&made), is_ours, "{made:?}");
    if !is_ours {
        return;
    }
    let at = usize::from(*place) % made.len();
    let changed = match what & 3 {
        0 => format!("{}{}", &made[..at], &made[at + 1..]),
        1 => {
            format!("{}{}{}", &made[..at], char::from(made.as_bytes()[at] ^ 0x20), &made[at + 1..])
        }
        2 => format!("{}0{}", &made[..at], &made[at..]),
        _ => [" ", "\n", "0", "\0", "="].map(|more| format!("{made}{more}"))[at % 5].clone(),
    };
    assert!(changed == made || !agrees(&changed), "{changed:?}");
}
