//! The JSON document of a keyring file.

use std::{fmt, io};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::domain::secret::{KeyVersion, SigningKey};

/// More than an entry takes as JSON, and more than the document takes around its entries.
const ENTRY_LEN_MAX: usize = 160;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) current: KeyVersion,
    pub(super) keys: Vec<Entry>,
    /// The key that signs checkpoints. Files of versions before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checkpoints: Option<CheckpointEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckpointEntry {
    /// Seconds since the Unix epoch; for people.
    pub(super) created: i64,
    pub(super) seed: KeyBytes,
    /// The public keys of those before it, newest first: what they signed can still be checked.
    #[serde(default)]
    pub(super) older: Vec<OlderEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OlderEntry {
    /// When it was made, in seconds since the Unix epoch; for people.
    pub(super) created: i64,
    pub(super) public: KeyBytes,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) version: KeyVersion,
    /// Seconds since the Unix epoch; for people.
    pub(super) created: i64,
    pub(super) key: KeyBytes,
}

/// The bytes of a key; in JSON, lower-case hex digits.
pub(super) struct KeyBytes(Zeroizing<[u8; SigningKey::LEN]>);

impl Document {
    pub(super) fn from_json(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }

    pub(super) fn to_json(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        // Large enough from the start: a vector that grows leaves copies behind.
        let older = self.checkpoints.as_ref().map_or(0, |entry| entry.older.len());
        let capacity = ENTRY_LEN_MAX * (self.keys.len() + older + 3);
        let mut text = Zeroizing::new(Vec::with_capacity(capacity));
        serde_json::to_writer(&mut *text, self)?;
        text.push(b'\n');
        Ok(text)
    }
}

impl KeyBytes {
    pub(super) const fn new(bytes: Zeroizing<[u8; SigningKey::LEN]>) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; SigningKey::LEN] {
        &self.0
    }
}

impl Serialize for KeyBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut hex = Zeroizing::new(String::with_capacity(2 * SigningKey::LEN));
        for nibble in self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
            hex.extend(char::from_digit(nibble.into(), 16));
        }
        serializer.serialize_str(&hex)
    }
}

impl<'de> Deserialize<'de> for KeyBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hex;

        impl Visitor<'_> for Hex {
            type Value = KeyBytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("64 hex digits")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<KeyBytes, E> {
                from_hex(text.as_bytes()).ok_or_else(|| E::custom("not 64 hex digits"))
            }
        }

        deserializer.deserialize_str(Hex)
    }
}

fn from_hex(text: &[u8]) -> Option<KeyBytes> {
    let mut bytes = Zeroizing::new([0; SigningKey::LEN]);
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        for digit in digits {
            let nibble = char::from(*digit).to_digit(16)?;
            *byte = (*byte << 4) | u8::try_from(nibble).ok()?;
        }
    }
    Some(KeyBytes(bytes))
}
