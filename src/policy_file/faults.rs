//! Faults of files, by their places.

use std::fmt::{self, Display};

use super::Place;
use crate::domain::fault::{FAULTS_MAX, without_secrets};

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileFault {
    /// Where it stands.
    pub place: Place,
    /// The field, as a path in the policy: `scopes[0].name`. Empty: the file itself.
    pub field: String,
    /// What is wrong and what would be right.
    pub description: String,
}

impl Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place: Place { line, column }, field, description } = self;
        match &**field {
            "" => write!(f, "{line}:{column}: {description}"),
            field => write!(f, "{line}:{column}: {field}: {description}"),
        }
    }
}

/// All that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFaults {
    /// In the order of the file, at most [`FAULTS_MAX`].
    pub kept: Vec<FileFault>,
    /// How many more there are than are kept.
    pub more: usize,
}

impl FileFaults {
    pub(super) fn one(place: Place, description: &str) -> Self {
        let (field, description) = (String::new(), description.to_owned());
        Self { kept: vec![FileFault { place, field, description }], more: 0 }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.kept.len() + self.more
    }
}

/// The faults found so far in a file.
#[derive(Debug, Default)]
pub(super) struct Noted {
    kept: Vec<FileFault>,
    more: usize,
}

impl Noted {
    /// Notes a fault, or counts it where [`FAULTS_MAX`] are noted. Neither text repeats a
    /// secret, and each is one line.
    pub(super) fn note(&mut self, place: Place, field: &str, description: impl Display) {
        if self.kept.len() == FAULTS_MAX {
            self.more += 1;
            return;
        }
        let field = one_line(&without_secrets(field));
        let description = one_line(&without_secrets(&description.to_string()));
        self.kept.push(FileFault { place, field, description });
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Counts faults that are not kept.
    pub(super) fn count_more(&mut self, more: usize) {
        self.more += more;
    }

    /// A value that may be wrong, or nothing and a note why.
    pub(super) fn take<T, E: Display>(&mut self, place: Place, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.note(place, "", error)).ok()
    }

    /// Whether a fault is still worth a hint at what may be meant.
    pub(super) fn wants_hint(&self) -> bool {
        /// How many faults get one.
        const HINTS_MAX: usize = 100;
        self.kept.len() < HINTS_MAX
    }

    /// All that is wrong, in the order of the file; nothing where all is right.
    pub(super) fn finish(self) -> Option<FileFaults> {
        let Self { mut kept, more } = self;
        kept.sort();
        kept.dedup();
        (!kept.is_empty()).then_some(FileFaults { kept, more })
    }
}

/// The text without what would end its line or turn it round.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
