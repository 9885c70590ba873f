//! The signing keys: they mint secrets, and recognise their own.

use std::collections::HashSet;
use std::{fmt, iter};

use ring::error::Unspecified;
use ring::hmac;
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::{
    CHECKSUM_LEN, Digest, PRESENTED_MAX, Prefix, RANDOM_LEN, Secret, TAG_LEN, Tag, base62,
};

/// Names a signing key: one base62 character, so there are at most 62 in a keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "char", into = "char")]
pub struct KeyVersion(u8);

/// The character cannot be a [`KeyVersion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the version of a signing key is one character of 0-9, A-Z, a-z")]
pub struct InvalidKeyVersion;

impl KeyVersion {
    /// The version that comes into use first.
    pub const FIRST: Self = Self(base62::digit(0));

    /// All versions in the order in which they come into use: `0`-`9`, `A`-`Z`, `a`-`z`.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..base62::BASE).map(|value| Self(base62::digit(value)))
    }
}

impl TryFrom<char> for KeyVersion {
    type Error = InvalidKeyVersion;

    fn try_from(version: char) -> Result<Self, InvalidKeyVersion> {
        u8::try_from(version)
            .ok()
            .filter(u8::is_ascii_alphanumeric)
            .map(Self)
            .ok_or(InvalidKeyVersion)
    }
}

impl From<KeyVersion> for char {
    fn from(version: KeyVersion) -> Self {
        version.0.into()
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        char::from(*self).fmt(f)
    }
}

/// One signing key, ready for HMAC-SHA256.
pub struct SigningKey {
    version: KeyVersion,
    key: hmac::Key,
}

impl SigningKey {
    /// Bytes of a signing key: as many as the hash yields (RFC 2104 §3).
    pub const LEN: usize = 32;

    /// Prepares a signing key. The caller wipes its own copy of the bytes.
    #[must_use]
    pub fn new(version: KeyVersion, bytes: &[u8; Self::LEN]) -> Self {
        Self { version, key: hmac::Key::new(hmac::HMAC_SHA256, bytes) }
    }

    /// The version that secrets signed by this key carry.
    #[must_use]
    pub const fn version(&self) -> KeyVersion {
        self.version
    }

    /// Identifies the key without disclosing it: the first 8 bytes of its HMAC over a fixed text.
    ///
    /// A replica or database that meets another fingerprint for a version has the wrong keyring.
    /// The text has spaces, so it is never the signed part of a secret.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 8] {
        let (Tag(fingerprint), _) = self.sign(b"keyward keyring fingerprint v1");
        fingerprint
    }

    fn sign(&self, text: &[u8]) -> (Tag, Digest) {
        let mac = hmac::sign(&self.key, text);
        let (mut tag, mut digest) = ([0; 8], [0; Digest::LEN]);
        // It is as long as both.
        let (first, others) = mac.as_ref().split_at(tag.len());
        tag.copy_from_slice(first);
        digest.copy_from_slice(others);
        (Tag(tag), Digest(digest))
    }
}

/// The signing keys of a deployment: one mints, all recognise.
pub struct Keyring {
    current: SigningKey,
    others: Vec<SigningKey>,
}

/// The signing keys do not make a keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidKeyring {
    /// Two keys claim one version.
    #[error("version {0} occurs twice")]
    Duplicate(KeyVersion),
    /// The version that is to mint has no key.
    #[error("the current version {0} is not among the keys")]
    CurrentMissing(KeyVersion),
}

/// The random generator failed, so that nothing could be minted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the random generator of the system failed")]
pub struct NoEntropy;

/// A new secret, and what to store of it.
pub struct Minted {
    /// For the client, once.
    pub secret: Secret,
    /// For the store.
    pub digest: Digest,
}

/// A secret that one of our signing keys minted. Whether it is still live, the store knows.
pub struct Recognised {
    /// What to look up.
    pub digest: Digest,
    /// Which signing key minted it.
    pub version: KeyVersion,
}

impl Keyring {
    /// Makes a keyring that mints with version `current`. Distinct versions bound it to 62 keys.
    ///
    /// # Errors
    /// [`InvalidKeyring`] when a version occurs twice or `current` not at all.
    pub fn new(keys: Vec<SigningKey>, current: KeyVersion) -> Result<Self, InvalidKeyring> {
        let mut seen = HashSet::new();
        if let Some(twice) = keys.iter().find(|key| !seen.insert(key.version)) {
            return Err(InvalidKeyring::Duplicate(twice.version));
        }
        let mut others = keys;
        let position = others.iter().position(|key| key.version == current);
        let current = position
            .map(|at| others.swap_remove(at))
            .ok_or(InvalidKeyring::CurrentMissing(current))?;
        Ok(Self { current, others })
    }

    /// The key that mints.
    #[must_use]
    pub const fn current(&self) -> &SigningKey {
        &self.current
    }

    /// Every key, the current one first.
    pub fn keys(&self) -> impl Iterator<Item = &SigningKey> {
        iter::once(&self.current).chain(&self.others)
    }

    /// Makes a new secret, signed by the current key.
    ///
    /// # Errors
    /// [`NoEntropy`] when `random` fails.
    pub fn mint(&self, prefix: &Prefix, random: &dyn SecureRandom) -> Result<Minted, NoEntropy> {
        self.mint_from(prefix, |bytes| random.fill(bytes))
    }

    /// [`Keyring::mint`] with any source of random bytes; `SecureRandom` is sealed.
    pub(super) fn mint_from(
        &self,
        prefix: &Prefix,
        fill: impl FnMut(&mut [u8]) -> Result<(), Unspecified>,
    ) -> Result<Minted, NoEntropy> {
        let random = base62::random::<RANDOM_LEN>(fill).map_err(|Unspecified| NoEntropy)?;
        let prefix = prefix.as_str();
        // Exact, so that the text is never moved and leaves no copy behind.
        let len = prefix.len() + 2 + RANDOM_LEN + TAG_LEN + CHECKSUM_LEN;
        let mut text = String::with_capacity(len);
        text.push_str(prefix);
        text.push('_');
        text.push(self.current.version.into());
        text.extend(random.iter().copied().map(char::from));

        let (Tag(tag), digest) = self.current.sign(text.as_bytes());
        let tag = base62::encode::<TAG_LEN>(u64::from_be_bytes(tag));
        text.extend(tag.map(char::from));
        text.extend(checksum(text.as_bytes()).map(char::from));
        Ok(Minted { secret: Secret::new(text), digest })
    }

    /// The digest of a secret that this keyring minted.
    ///
    /// None for all else, be it malformed, mistyped, forged or signed by a key that is not here:
    /// which of them is nobody's business.
    #[must_use]
    pub fn recognise(&self, presented: &str) -> Option<Recognised> {
        let claim = Claim::parse(presented)?;
        let key = self.keys().find(|key| key.version == claim.version)?;
        let (tag, digest) = key.sign(claim.signed);
        bool::from(tag.ct_eq(&claim.tag)).then_some(Recognised { digest, version: claim.version })
    }
}

/// What a well-formed secret with a correct checksum claims, before any signing key has spoken.
struct Claim<'a> {
    signed: &'a [u8],
    version: KeyVersion,
    tag: Tag,
}

impl<'a> Claim<'a> {
    fn parse(presented: &'a str) -> Option<Self> {
        if presented.len() > PRESENTED_MAX {
            return None;
        }
        let (covered, presented_checksum) = presented.as_bytes().split_last_chunk()?;
        let (signed, tag) = covered.split_last_chunk::<TAG_LEN>()?;
        let (named, random) = signed.split_last_chunk::<RANDOM_LEN>()?;
        let (version, prefix) = named.split_last()?;
        let well_formed = Prefix::is_well_formed(prefix.strip_suffix(b"_")?)
            && base62::is_well_formed(random)
            && checksum(covered) == *presented_checksum;
        well_formed.then_some(Self {
            signed,
            version: char::from(*version).try_into().ok()?,
            tag: Tag(base62::decode(tag)?.to_be_bytes()),
        })
    }
}

fn checksum(covered: &[u8]) -> [u8; CHECKSUM_LEN] {
    base62::encode(crc32fast::hash(covered).into())
}
