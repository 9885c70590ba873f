//! Identifiers and the resource names made of them (AIP-122), and the titles
//! that people read. Identifiers are compared bytewise, titles never.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use super::fault::without_secrets;

/// The longest identifier, in characters (RFC 1035 labels).
pub const ID_LENGTH_MAX: usize = 63;
/// The longest title, in characters after trimming and normalisation.
pub const TITLE_LENGTH_MAX: usize = 100;
/// How much of a wrong text an error repeats, in characters.
const ECHO_LENGTH_MAX: usize = 80;

/// The last part of a resource name: 1 to 63 of `a-z 0-9 -`, beginning and ending
/// with a letter or digit. Its text is shared by all that were cloned of it: a workspace is in the
/// names of a million keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Arc<str>);

/// Why a text is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to 63 of the characters a-z, 0-9 and -, beginning and ending with a letter or digit"
)]
pub struct InvalidId;

impl FromStr for Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let bytes = text.as_bytes();
        let outer = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
        let fits = bytes.len() <= ID_LENGTH_MAX
            && bytes.iter().copied().all(inner)
            && outer(bytes.first())
            && outer(bytes.last());
        fits.then(|| Self(text.into())).ok_or(InvalidId)
    }
}

/// What is built in.
const SYSTEM: &str = "system";

impl Id {
    /// The identifier of what is built in, `system`.
    pub fn system() -> Self {
        Self(SYSTEM.into())
    }

    /// Whether it is that of what is built in.
    pub fn is_system(&self) -> bool {
        &*self.0 == SYSTEM
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// Reads what is written as a string and parses it.
fn parsed<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// Why a text is no resource name of the kind that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be of the form {pattern}, each part 1 to 63 of a-z, 0-9 and -; it is {found:?}")]
pub struct InvalidName {
    pattern: &'static str,
    found: String,
}

impl InvalidName {
    fn new(pattern: &'static str, found: &str) -> Self {
        // Secrets first: half of one would no longer be seen to be one.
        let found = without_secrets(found).chars().take(ECHO_LENGTH_MAX).collect();
        Self { pattern, found }
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $pattern:literal [$($collection:literal $part:ident),+];)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            $(#[doc = concat!("The identifier after `", $collection, "/`.")] pub $part: Id,)+
        }

        impl $name {
            /// The form of such names.
            pub const PATTERN: &'static str = $pattern;
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let invalid = || InvalidName::new(Self::PATTERN, text);
                let mut parts = text.split('/');
                $(
                    let $part = match (parts.next(), parts.next()) {
                        (Some($collection), Some(id)) => id.parse().map_err(|_| invalid())?,
                        _ => return Err(invalid()),
                    };
                )+
                if parts.next().is_some() {
                    return Err(invalid());
                }
                Ok(Self { $($part),+ })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut separator = "";
                $(
                    write!(f, "{separator}{}/{}", $collection, self.$part)?;
                    separator = "/";
                )+
                let _ = separator;
                Ok(())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parsed(deserializer)
            }
        }
    )+};
}

names! {
    /// The name of a policy.
    PolicyName = "policies/{policy}" ["policies" policy];
    /// The name of a workspace.
    WorkspaceName = "workspaces/{workspace}" ["workspaces" workspace];
    /// The name of a principal.
    PrincipalName = "workspaces/{workspace}/principals/{principal}"
        ["workspaces" workspace, "principals" principal];
    /// The name of a key.
    KeyName = "workspaces/{workspace}/keys/{key}" ["workspaces" workspace, "keys" key];
}

impl PrincipalName {
    /// The workspace that it is in.
    pub fn parent(&self) -> WorkspaceName {
        WorkspaceName { workspace: self.workspace.clone() }
    }
}

impl KeyName {
    /// The workspace that it is in.
    pub fn parent(&self) -> WorkspaceName {
        WorkspaceName { workspace: self.workspace.clone() }
    }
}

/// A title for people: trimmed, in Unicode normalisation form C, at most 100
/// characters, none of them a control or a change of writing direction (which
/// could make a title look like another).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Title(String);

/// Why a text is no title.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTitle {
    /// It is longer than allowed.
    #[error("is longer than {TITLE_LENGTH_MAX} characters")]
    TooLong,
    /// It has a character that titles may not have.
    #[error(transparent)]
    Character(#[from] Misleading),
}

/// The first character of a text for people that such texts may not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has the character U+{:04X} at position {position}, a control or change of direction", u32::from(*.character))]
pub struct Misleading {
    /// The character.
    pub character: char,
    /// How many characters stand before it.
    pub position: usize,
}

impl Misleading {
    /// Where the text first misleads, if it does.
    pub(crate) fn find(text: &str) -> Option<Self> {
        let (position, character) =
            text.chars().enumerate().find(|(_, character)| is_misleading(*character))?;
        Some(Self { character, position })
    }
}

/// Whether a character can make a text look like another or like more than one line:
/// controls, newline and tab among them, line separators, characters without width, and
/// the bidirectional formatting of UAX #9. Titles, descriptions and values of labels have none.
pub(crate) fn is_misleading(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

impl FromStr for Title {
    type Err = InvalidTitle;

    fn from_str(text: &str) -> Result<Self, InvalidTitle> {
        // Before the normalisation, so that a huge text costs nothing.
        if text.len() > TITLE_LENGTH_MAX * 16 {
            return Err(InvalidTitle::TooLong);
        }
        let text = text.trim();
        let text = match is_nfc_quick(text.chars()) {
            IsNormalized::Yes => text.to_owned(),
            IsNormalized::No | IsNormalized::Maybe => text.nfc().collect(),
        };
        if text.chars().count() > TITLE_LENGTH_MAX {
            return Err(InvalidTitle::TooLong);
        }
        match Misleading::find(&text) {
            Some(misleading) => Err(misleading.into()),
            None => Ok(Self(text)),
        }
    }
}

impl Title {
    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Title {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

#[cfg(test)]
mod tests;
