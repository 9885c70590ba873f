//! Patterns of resources.

use std::{fmt, iter};

use thiserror::Error;

use crate::domain::live::block;

use super::{EVERYTHING, Grammar, InvalidPath, Path, SUBTREE};

/// A set of resources, written as a path in which some segments are free.
///
/// - The grammar's wildcard as a segment stands for exactly one segment, whatever it is.
/// - A pattern reaches only paths of its own length; with `**` as the last segment, also everything
///   beneath.
/// - `*` alone reaches everything, also a request that names no resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Box<str>,
    reach: Reach,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Reach {
    Everything,
    Exactly(Box<[Segment]>),
    Subtree(Box<[Segment]>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Segment {
    Any,
    Named(Box<str>),
}

/// The text is no [`Pattern`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidPattern {
    /// It breaks a rule that holds for every path.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// A wildcard, or `*`, as part of a segment.
    #[error("`{0}` must be a segment of its own: part of a segment cannot be matched")]
    PartOfSegment(char),
    /// `*` as a segment where another character is the wildcard.
    #[error("`*` stands for everything only when alone; write `{0}` for any one segment")]
    OtherWildcard(char),
    /// `**` somewhere else than last, or with nothing before it.
    #[error("`**` is allowed only as the last segment, after another; write `*` for everything")]
    SubtreeNotLast,
}

impl Pattern {
    /// Parses a pattern as a grant has it.
    ///
    /// # Errors
    /// [`InvalidPattern`] when it breaks a bound of [`Path`] or has a wildcard where none can be.
    pub fn parse(grammar: &Grammar, text: &str) -> Result<Self, InvalidPattern> {
        Ok(Self { reach: Reach::parse(grammar, text)?, text: text.into() })
    }

    /// Parses a pattern as a constraint has it: a plain path, that is one without any wildcard,
    /// means its subtree. All else is read as by [`Pattern::parse`].
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn parse_constraint(grammar: &Grammar, text: &str) -> Result<Self, InvalidPattern> {
        let mut pattern = Self::parse(grammar, text)?;
        if let Reach::Exactly(segments) = &mut pattern.reach
            && !segments.contains(&Segment::Any)
        {
            pattern.reach = Reach::Subtree(std::mem::take(segments));
        }
        Ok(pattern)
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// About how many bytes of memory it owns.
    pub(in crate::domain) fn size(&self) -> usize {
        let segments: &[Segment] = match &self.reach {
            Reach::Everything => &[],
            Reach::Exactly(segments) | Reach::Subtree(segments) => segments,
        };
        let name = |segment: &Segment| match segment {
            Segment::Any => 0,
            Segment::Named(name) => block(name.len()),
        };
        let names: usize = segments.iter().map(name).sum();
        block(self.text.len()) + block(size_of_val(segments)) + names
    }

    /// Whether the resource is in the set; a request that names none is reached by `*` alone.
    ///
    /// The path must have been parsed with the grammar of this pattern.
    #[must_use]
    pub fn matches(&self, resource: Option<&Path<'_>>) -> bool {
        let (segments, is_subtree) = match &self.reach {
            Reach::Everything => return true,
            Reach::Exactly(segments) => (segments, false),
            Reach::Subtree(segments) => (segments, true),
        };
        resource.is_some_and(|path| {
            let mut rest = path.segments();
            let begins = segments
                .iter()
                .all(|segment| rest.next().is_some_and(|name| segment.matches(name)));
            begins && (is_subtree || rest.next().is_none())
        })
    }

    /// Whether what it reaches does not hang on what separates segments: everything, or one
    /// resource of one segment.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        match &self.reach {
            Reach::Everything => true,
            Reach::Exactly(segments) => matches!(&**segments, [Segment::Named(_)]),
            Reach::Subtree(_) => false,
        }
    }

    /// Whether every resource that `other` reaches is reached by this pattern too.
    ///
    /// Exact for patterns of the same grammar, but for subtrees at the bounds of a path's size, which
    /// are treated as if paths had none: then the answer is no.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.reach, &other.reach) {
            (Reach::Everything, _) => true,
            (_, Reach::Everything) | (Reach::Exactly(_), Reach::Subtree(_)) => false,
            (Reach::Exactly(ours), Reach::Exactly(theirs)) => {
                ours.len() == theirs.len() && begins_within(ours, theirs)
            }
            (Reach::Subtree(ours), Reach::Exactly(theirs) | Reach::Subtree(theirs)) => {
                begins_within(ours, theirs)
            }
        }
    }
}

/// Whether `theirs` is at least as long as `ours` and each segment of ours covers the one of theirs.
fn begins_within(ours: &[Segment], theirs: &[Segment]) -> bool {
    ours.len() <= theirs.len() && iter::zip(ours, theirs).all(|(our, their)| our.covers(their))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Reach {
    fn parse(grammar: &Grammar, text: &str) -> Result<Self, InvalidPattern> {
        if text == EVERYTHING {
            return Ok(Self::Everything);
        }
        grammar.check(text)?;
        let mut names: Vec<_> = grammar.segments(text).collect();
        let is_subtree = names.len() > 1 && names.pop_if(|name| *name == SUBTREE).is_some();
        let segments = names
            .into_iter()
            .map(|name| Segment::parse(grammar, name))
            .collect::<Result<_, _>>()?;
        Ok(if is_subtree { Self::Subtree(segments) } else { Self::Exactly(segments) })
    }
}

impl Segment {
    fn parse(grammar: &Grammar, name: &str) -> Result<Self, InvalidPattern> {
        if grammar.is_wildcard(name) {
            return Ok(Self::Any);
        }
        match name {
            SUBTREE => Err(InvalidPattern::SubtreeNotLast),
            EVERYTHING => Err(InvalidPattern::OtherWildcard(grammar.wildcard())),
            _ => match name.chars().find(|c| *c == grammar.wildcard() || *c == '*') {
                Some(wildcard) => Err(InvalidPattern::PartOfSegment(wildcard)),
                None => Ok(Self::Named(name.into())),
            },
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => !name.is_empty(),
            Self::Named(own) => **own == *name,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match other {
            Self::Any => *self == Self::Any,
            Self::Named(name) => self.matches(name),
        }
    }
}
