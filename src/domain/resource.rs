//! Resources: concrete paths, and the patterns that grants and constraints are written in.
//!
//! Matching goes segment by segment and never by the beginning of a string: `sites/**` does not
//! reach `sites2`, nor `/john` `/johnathan`. Segments are compared byte for byte; nothing is
//! folded, and `.` and `..` are names like any other. A leading separator counts: `/a` and `a` are
//! different resources, and no wildcard stands for the nothing in front of it.

mod pattern;
mod shape;
#[cfg(test)]
mod tests;

pub use pattern::{InvalidPattern, Pattern};
pub use shape::{InvalidShape, ResourceSegment, ResourceType, check_shape};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest path or pattern, in bytes.
pub const LEN_MAX: usize = 1024;
/// The most segments of a path or pattern, the empty one before a leading separator included.
pub const SEGMENTS_MAX: usize = 32;

/// Alone: every resource, and none. Reserved as a segment in every grammar.
const EVERYTHING: &str = "*";
/// As the last segment: this and everything beneath. Reserved as a segment in every grammar.
const SUBTREE: &str = "**";

/// How a product writes its resources: two different ASCII punctuation characters.
///
/// Whatever they are, `*` alone means everything and `**` as the last segment means the subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Characters")]
pub struct Grammar {
    separator: char,
    wildcard: char,
}

/// A [`Grammar`] as it is written, each part optional.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Characters {
    separator: char,
    wildcard: char,
}

impl Default for Characters {
    fn default() -> Self {
        let Grammar { separator, wildcard } = Grammar::default();
        Self { separator, wildcard }
    }
}

/// The two characters do not make a [`Grammar`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidGrammar {
    /// A letter, digit, space, or something beyond ASCII.
    #[error("the {0} must be an ASCII punctuation character")]
    NotPunctuation(&'static str),
    /// A segment could not be told from what separates it.
    #[error("the separator must be neither the wildcard nor `*`")]
    Ambiguous,
}

impl Grammar {
    /// A grammar with these characters.
    ///
    /// # Errors
    /// [`InvalidGrammar`] unless both are ASCII punctuation, different, and the separator not `*`.
    pub fn new(separator: char, wildcard: char) -> Result<Self, InvalidGrammar> {
        if !separator.is_ascii_punctuation() {
            return Err(InvalidGrammar::NotPunctuation("separator"));
        }
        if !wildcard.is_ascii_punctuation() {
            return Err(InvalidGrammar::NotPunctuation("wildcard"));
        }
        if separator == wildcard || separator == '*' {
            return Err(InvalidGrammar::Ambiguous);
        }
        Ok(Self { separator, wildcard })
    }

    /// What stands between two segments.
    #[must_use]
    pub const fn separator(&self) -> char {
        self.separator
    }

    /// What stands for exactly one segment.
    #[must_use]
    pub const fn wildcard(&self) -> char {
        self.wildcard
    }

    fn is_wildcard(&self, segment: &str) -> bool {
        let mut characters = segment.chars();
        characters.next() == Some(self.wildcard) && characters.next().is_none()
    }

    /// The segments of a text that has passed [`Grammar::check`]. The separator alone is the root,
    /// with nothing beneath.
    fn segments<'a>(&self, text: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        let (root, rest) = match text.strip_prefix(self.separator) {
            Some(rest) => (Some(""), Some(rest).filter(|rest| !rest.is_empty())),
            None => (None, Some(text)),
        };
        let separator = self.separator;
        root.into_iter().chain(rest.into_iter().flat_map(move |rest| rest.split(separator)))
    }

    /// What paths and patterns have in common.
    fn check(&self, text: &str) -> Result<(), InvalidPath> {
        if text.is_empty() {
            return Err(InvalidPath::Empty);
        }
        if text.len() > LEN_MAX {
            return Err(InvalidPath::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidPath::ControlCharacter);
        }
        if self.segments(text).nth(SEGMENTS_MAX).is_some() {
            return Err(InvalidPath::TooManySegments);
        }
        let root = usize::from(text.starts_with(self.separator));
        if self.segments(text).skip(root).any(str::is_empty) {
            return Err(InvalidPath::EmptySegment(self.separator));
        }
        Ok(())
    }
}

impl Default for Grammar {
    /// `/` between segments, `*` for any one.
    fn default() -> Self {
        Self { separator: '/', wildcard: '*' }
    }
}

impl TryFrom<Characters> for Grammar {
    type Error = InvalidGrammar;

    fn try_from(characters: Characters) -> Result<Self, InvalidGrammar> {
        Self::new(characters.separator, characters.wildcard)
    }
}

/// One concrete resource, as the caller named it in a request. Borrowed: parsing allocates nothing.
///
/// 1 to [`SEGMENTS_MAX`] segments and at most [`LEN_MAX`] bytes, without control characters, empty
/// segments (but for one leading separator) and segments that are wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path<'a> {
    text: &'a str,
    grammar: Grammar,
}

/// The text is no [`Path`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidPath {
    /// No text.
    #[error("it is empty")]
    Empty,
    /// More than [`LEN_MAX`] bytes.
    #[error("it is longer than {LEN_MAX} bytes")]
    TooLong,
    /// More than [`SEGMENTS_MAX`] segments.
    #[error("it has more than {SEGMENTS_MAX} segments")]
    TooManySegments,
    /// The separator twice in a row, or at the end.
    #[error("it has an empty segment: a doubled or trailing `{0}`")]
    EmptySegment(char),
    /// A control character, such as a line break.
    #[error("it contains a control character")]
    ControlCharacter,
    /// A whole segment that means more than itself in a pattern.
    #[error("a resource is concrete: it must not have a wildcard for a segment")]
    Wildcard,
}

impl<'a> Path<'a> {
    /// Parses the path of a resource.
    ///
    /// # Errors
    /// [`InvalidPath`] when it breaks a bound or is not concrete.
    pub fn parse(grammar: &Grammar, text: &'a str) -> Result<Self, InvalidPath> {
        grammar.check(text)?;
        let is_reserved = |segment: &str| {
            segment == EVERYTHING || segment == SUBTREE || grammar.is_wildcard(segment)
        };
        if grammar.segments(text).any(is_reserved) {
            return Err(InvalidPath::Wildcard);
        }
        Ok(Self { text, grammar: *grammar })
    }

    /// The text.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The segments; the first is empty where the path starts with the separator.
    pub fn segments(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.grammar.segments(self.text)
    }
}
