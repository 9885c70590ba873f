//! Checkpoints: signed statements of how far the log had come, kept away from it. The hashes of
//! the log tell that an event was edited; a checkpoint tells also that its end was cut off, or
//! that all of it was written anew.
//!
//! A checkpoint is a signed note (C2SP, <https://c2sp.org/signed-note>): a text, an empty line,
//! and a line for each signature. Its text is modelled on that of a `tlog-checkpoint`, but is none,
//! and cannot be taken for one: the hash is that of the newest event, in which those of all events
//! before it are, and not the root of a Merkle tree. The text has five lines:
//!
//! ```text
//! keyward checkpoint v1
//! keys.example.com/log        the origin: which log it is
//! 1234                        the revision of the newest event
//! 8Jt…=                       its hash, in base64
//! 1767225600                  when it was signed, in seconds since 1970-01-01T00:00:00Z
//! ```

mod note;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::{
    event::{Hash, Revision},
    time::Timestamp,
};
pub use note::{InvalidCheckpoint, NOTE_LEN_MAX, open};

/// The most bytes of an origin.
const ORIGIN_LEN_MAX: usize = 200;
/// The first line, which tells the text from any other that a key may sign.
const TITLE: &str = "keyward checkpoint v1";
/// The signature type of Ed25519 in signed notes.
const ED25519_TYPE: u8 = 1;
/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// The end of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The newest event; 0 where there is none.
    pub revision: Revision,
    /// The hash of the newest event; zero where there is none.
    pub hash: Hash,
}

/// Which log: a name for all the world, best a URL without its scheme, that is the name of the
/// signing key too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// A text that is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 200 visible ASCII characters other than +, such as keys.example.com/log")]
pub struct InvalidOrigin;

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let length = (1..=ORIGIN_LEN_MAX).contains(&text.len());
        let fits = length && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
        fits.then(|| Self(text.to_owned())).ok_or(InvalidOrigin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Of which log.
    pub origin: Origin,
    /// How far it had come.
    pub head: Head,
    /// When that was; only whole seconds are kept.
    pub time: Timestamp,
}

impl Checkpoint {
    /// The text that is signed.
    fn text(&self) -> String {
        let Self { origin, head: Head { revision, hash }, time } = self;
        let (hash, seconds) = (STANDARD.encode(hash.0), time.micros().div_euclid(SECOND));
        format!("{TITLE}\n{origin}\n{revision}\n{hash}\n{seconds}\n")
    }

    /// Reads such a text; nothing where it is not to the byte as it would be written.
    fn read(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().collect();
        let [_, origin, revision, hash, seconds] = lines[..] else { return None };
        let seconds: i64 = seconds.parse().ok()?;
        let checkpoint = Self {
            origin: origin.parse().ok()?,
            head: Head {
                revision: Revision(revision.parse().ok().filter(|number| *number >= 0)?),
                hash: Hash(STANDARD.decode(hash).ok()?.try_into().ok()?),
            },
            time: Timestamp::from_micros(seconds.checked_mul(SECOND)?),
        };
        (checkpoint.text() == text).then_some(checkpoint)
    }
}

/// The key that signs checkpoints.
pub struct CheckpointKey(Ed25519KeyPair);

impl CheckpointKey {
    /// Bytes of the seed from which a key is made (RFC 8032 §5.1.5).
    pub const SEED_LEN: usize = 32;

    /// The key of a seed, which the caller wipes. Every seed has one.
    #[must_use]
    pub fn new(seed: &[u8; Self::SEED_LEN]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Self)
    }

    /// By which its signatures are checked.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        // A public key of Ed25519 is 32 bytes: the default is never met.
        PublicKey(self.0.public_key().as_ref().try_into().unwrap_or_default())
    }

    /// The checkpoint as a signed note.
    #[must_use]
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        let (text, origin) = (checkpoint.text(), &checkpoint.origin);
        let mut signature = self.public().id(origin).to_vec();
        signature.extend_from_slice(self.0.sign(text.as_bytes()).as_ref());
        format!("{text}\n\u{2014} {origin} {}\n", STANDARD.encode(signature))
    }
}

/// By which signatures of a [`CheckpointKey`] are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// By what a signature names it among the keys of an origin. Not secure, and need not be.
    fn id(&self, origin: &Origin) -> [u8; 4] {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for part in [origin.0.as_bytes(), b"\n", &[ED25519_TYPE], &self.0] {
            context.update(part);
        }
        let hash = context.finish();
        let mut id = [0; 4];
        for (to, from) in id.iter_mut().zip(hash.as_ref()) {
            *to = *from;
        }
        id
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(text.as_bytes(), signature).is_ok()
    }
}

/// A public key with the log that it is of, as `<origin>+<id in hex>+<type and key in base64>`: so
/// programs that check signed notes are given keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    /// Of which log it signs checkpoints.
    pub origin: Origin,
    /// The key.
    pub key: PublicKey,
}

/// A text that is no [`VerifierKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no public key of checkpoints; `keyward keyring public-key` prints those of a keyring")]
pub struct InvalidVerifierKey;

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, key } = self;
        let id = u32::from_be_bytes(key.id(origin));
        let mut bytes = vec![ED25519_TYPE];
        bytes.extend_from_slice(&key.0);
        write!(f, "{origin}+{id:08x}+{}", STANDARD.encode(bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = InvalidVerifierKey;

    fn from_str(text: &str) -> Result<Self, InvalidVerifierKey> {
        let parse = || {
            let mut parts = text.splitn(3, '+');
            let origin = parts.next()?.parse().ok()?;
            let bytes = STANDARD.decode(parts.nth(1)?).ok()?;
            let (ED25519_TYPE, key) = bytes.split_first().map(|(first, key)| (*first, key))? else {
                return None;
            };
            Some(Self { origin, key: PublicKey(key.try_into().ok()?) })
        };
        // Written as it would be, the id fits the key, too.
        parse().filter(|key| key.to_string() == text).ok_or(InvalidVerifierKey)
    }
}
