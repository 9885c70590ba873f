//! The readable part in front of a secret.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The shortest prefix, in characters.
pub const PREFIX_LENGTH_MIN: usize = 2;
/// The longest prefix, in characters.
pub const PREFIX_LENGTH_MAX: usize = 20;
/// The form of a prefix, as a regular expression.
pub const PREFIX_PATTERN: &str = "^[a-z][a-z0-9]*(_[a-z0-9]+)*$";

/// What a secret starts with: says at a glance whose it is and of which type, as in `mfk_live`.
///
/// Matches `[a-z][a-z0-9]*(_[a-z0-9]+)*` and has 2 to 20 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(String);

/// The text cannot be a [`Prefix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a prefix has 2 to 20 characters, starts with a letter, and consists of words of a-z and 0-9 joined by single underscores"
)]
pub struct InvalidPrefix;

impl Prefix {
    /// Parses a prefix, without the underscore that separates it from the rest of the secret.
    ///
    /// # Errors
    /// [`InvalidPrefix`] when the text does not match; nothing is folded or trimmed.
    pub fn parse(text: &str) -> Result<Self, InvalidPrefix> {
        Self::is_well_formed(text.as_bytes()).then(|| Self(text.to_owned())).ok_or(InvalidPrefix)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether [`Prefix::parse`] would take these bytes.
    pub(super) fn is_well_formed(text: &[u8]) -> bool {
        (PREFIX_LENGTH_MIN..=PREFIX_LENGTH_MAX).contains(&text.len())
            && text.first().is_some_and(u8::is_ascii_lowercase)
            && text.split(|byte| *byte == b'_').all(|word| {
                !word.is_empty()
                    && word.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Prefix {
    type Error = InvalidPrefix;

    fn try_from(text: String) -> Result<Self, InvalidPrefix> {
        Self::parse(&text)
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}
