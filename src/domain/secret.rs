//! The secret of a key: how it is minted, recognised without a look-up, and kept from leaking.
//!
//! A secret reads `<prefix>_<V><R><T><C>`, base62 after the prefix:
//!
//! | part | characters | meaning |
//! |------|-----------:|---------|
//! | V    |  1 | version of the signing key |
//! | R    | 32 | random, 190 bits |
//! | T    | 11 | tag: the first 8 bytes of HMAC-SHA256 under signing key V over everything before T |
//! | C    |  6 | CRC-32 (IEEE) of everything before C, as in GitHub's tokens, so that scanners verify offline |
//!
//! The other 24 bytes of the HMAC are the [`Digest`], the only thing that is stored and looked up.
//! So a typo fails the checksum, a forgery fails the tag, and neither costs a look-up.
//!
//! Nothing here that holds key material can be printed, cloned or serialised.

mod base62;
mod keyring;
mod prefix;
#[cfg(test)]
mod tests;

pub use keyring::{
    InvalidKeyVersion, InvalidKeyring, KeyVersion, Keyring, Minted, NoEntropy, Recognised,
    SigningKey,
};
pub use prefix::{InvalidPrefix, PREFIX_LENGTH_MAX, PREFIX_LENGTH_MIN, PREFIX_PATTERN, Prefix};

use zeroize::Zeroizing;

/// A regular expression that matches every secret wherever it stands, for scanners and redaction.
///
/// It matches the form alone: a match need not have a correct checksum.
pub const PATTERN: &str = "[a-z][a-z0-9]*(?:_[a-z0-9]+)*_[0-9A-Za-z]{50}";

/// Characters of R; 62^32 is a little more than 2^190.
const RANDOM_LEN: usize = 32;
/// Characters of T; 62^11 is the first power of 62 above 2^64.
const TAG_LEN: usize = 11;
/// Characters of C; 62^6 is the first power of 62 above 2^32.
const CHECKSUM_LEN: usize = 6;
/// Longer input is refused unread. The longest secret has 71 bytes.
const PRESENTED_MAX: usize = 128;

/// A secret in plain text, as its client will send it. Wiped from memory when dropped.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes charge of a plain text; whether it is well formed is for [`Keyring::recognise`] to say.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The plain text. Borrow it to recognise or to compare, never to copy it elsewhere.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the plain text away, unguarded from here on. This is the one place where a secret
    /// leaves the service: in the answer of create and of rotate, once.
    #[must_use]
    pub fn reveal(mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

/// What is stored and looked up in place of a secret: 24 bytes of its HMAC.
///
/// Useless without the signing key, and never a way back to the secret. Comparison is not in
/// constant time and need not be: nobody can choose a digest without holding the signing key.
#[derive(PartialEq, Eq, Hash)]
pub struct Digest([u8; Digest::LEN]);

impl Digest {
    /// Bytes of a digest.
    pub const LEN: usize = 24;

    /// The digest that a store gave back.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes to store or to look up; not to be logged.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

/// The part of the HMAC that travels inside the secret and proves that we minted it.
struct Tag([u8; 8]);

impl subtle::ConstantTimeEq for Tag {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.ct_eq(&other.0)
    }
}
