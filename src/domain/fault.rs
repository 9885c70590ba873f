//! Everything that is wrong with a request, collected so that it is told at once.

use std::fmt::Display;

/// One wrong field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a path in the request: `key.grants[0].scope`.
    pub field: String,
    /// What is wrong and what would be right.
    pub description: String,
}

/// The most faults of a request that are kept; the others are counted.
pub const FAULTS_MAX: usize = 1_000;

/// The faults found so far in one request.
#[derive(Debug, Default)]
pub struct Faults {
    kept: Vec<Fault>,
    /// How many more there are than are kept.
    more: usize,
    /// What the field is in that is looked at, such as `requests[3].`. Empty: the request.
    within: String,
}

impl Faults {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `field` is wrong, or counts it where [`FAULTS_MAX`] are noted. Neither
    /// text repeats a secret, wherever it was put.
    pub fn note(&mut self, field: impl Into<String>, description: impl Display) {
        if self.kept.len() == FAULTS_MAX {
            self.more += 1;
            return;
        }
        let field = format!("{}{}", self.within, field.into());
        let description = description.to_string();
        self.kept.push(Fault {
            field: without_secrets(&field),
            description: without_secrets(&description),
        });
    }

    /// The value of a field that was parsed, or nothing and a note why.
    pub fn take<T, E: Display>(
        &mut self,
        field: impl Into<String>,
        parsed: Result<T, E>,
    ) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(error) => {
                self.note(field, error);
                None
            }
        }
    }

    /// Notes the field where it has more than `most` entries, and says whether it has not.
    pub fn bound(&mut self, field: impl Into<String>, count: usize, most: usize) -> bool {
        if count > most {
            self.note(field, format_args!("has {count} entries; at most {most} are allowed"));
        }
        count <= most
    }

    /// Lets something note faults of one part of the request: `key.title` beneath
    /// `requests[3]` is `requests[3].key.title`.
    pub fn beneath<T>(&mut self, part: &str, look: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.within.len();
        self.within.push_str(part);
        self.within.push('.');
        let found = look(self);
        self.within.truncate(outer);
        found
    }

    /// Whether a fault is still worth a hint at what may be meant: in a request full of
    /// them, hints help nobody and comparing names costs.
    pub fn wants_hint(&self) -> bool {
        /// How many faults get one.
        const HINTS_MAX: usize = 5;
        self.kept.len() < HINTS_MAX
    }

    /// How many there are, kept or not.
    pub fn count(&self) -> usize {
        self.kept.len() + self.more
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether nothing is wrong so far; else all that is.
    ///
    /// # Errors
    ///
    /// The faults, in the order in which they were found. Where there are more than are
    /// kept, a last one without a field says how many more.
    pub fn finish(self) -> Result<(), Vec<Fault>> {
        let Self { mut kept, more, within: _ } = self;
        if more > 0 {
            let description = format!("{more} more fields are wrong");
            kept.push(Fault { field: String::new(), description });
        }
        if kept.is_empty() { Ok(()) } else { Err(kept) }
    }
}

/// A longer run of letters and digits may have all of a secret's random part.
const RUN_LENGTH_MAX: usize = 32;
/// How much of such a run is shown.
const RUN_SHOWN: usize = 8;

/// The text with every run of letters and digits that is long enough for a secret cut
/// down to its beginning: what callers write in the wrong place is repeated in errors,
/// and errors end in logs.
pub fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let run = piece.bytes().take_while(u8::is_ascii_alphanumeric).count();
        match (piece.get(..RUN_SHOWN), piece.get(run..)) {
            (Some(beginning), Some(rest)) if run > RUN_LENGTH_MAX => {
                shown.extend([beginning, "…", rest]);
            }
            _ => shown.push_str(piece),
        }
    }
    shown
}

/// The known name nearest to an unknown one, where one is near enough to be meant.
pub fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Longer texts are no typing errors of anything; comparing them costs the square.
    const LENGTH_MAX: usize = 100;
    if unknown.len() > LENGTH_MAX {
        return None;
    }
    known
        .filter(|name| name.len() <= LENGTH_MAX)
        .map(|name| (distance(unknown.as_bytes(), name.as_bytes()), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 1 + unknown.len() / 3)
        .map(|(_, name)| name)
}

/// The Levenshtein distance of two byte strings.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, b) in row.iter_mut().skip(1).zip(right) {
            let here = (*cell + 1).min(before + 1).min(diagonal + usize::from(a != b));
            diagonal = *cell;
            *cell = here;
            before = here;
        }
    }
    row.last().copied().unwrap_or(left.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(unknown: &str, expected: Option<&str>) {
        let known = ["sites:read", "sites:write", "jobs:read", "*"];
        assert_eq!(nearest(unknown, known.into_iter()), expected);
    }

    #[test]
    fn a_typing_error_finds_the_name_that_was_meant() {
        check("site:read", Some("sites:read"));
        check("sites:wirte", Some("sites:write"));
        check("job:read", Some("jobs:read"));
    }

    #[test]
    fn something_else_finds_nothing() {
        check("deployments", None);
        check(&"x".repeat(1000), None);
    }

    #[test]
    fn a_known_name_is_compared_up_to_its_greatest_length() {
        let find = |length| nearest(&"x".repeat(100), [&*"x".repeat(length)].into_iter()).is_some();
        assert!(find(99) && find(100));
        assert!(!find(101));
    }

    #[test]
    fn faults_beneath_a_part_are_named_with_it() {
        let mut faults = Faults::new();
        faults.beneath("requests[3]", |faults| {
            faults.beneath("key", |faults| faults.note("title", "is too long"));
            faults.note("key_id", "is none");
        });
        faults.note("parent", "is none");
        let faults = faults.finish().err().unwrap_or_default();
        let fields: Vec<&str> = faults.iter().map(|fault| &*fault.field).collect();
        assert_eq!(fields, ["requests[3].key.title", "requests[3].key_id", "parent"]);
    }

    #[test]
    fn a_thousand_faults_are_kept_and_the_rest_are_counted() {
        let noted = |count| {
            let mut faults = Faults::new();
            (0..count).for_each(|number| faults.note(format!("f{number}"), "is wrong"));
            assert_eq!((faults.count(), faults.is_empty()), (count, count == 0));
            faults.finish().err().unwrap_or_default()
        };
        assert_eq!(noted(999).len(), 999);
        assert_eq!(noted(1_000).last().map(|fault| &*fault.field), Some("f999"));
        let more = noted(1_003);
        assert_eq!(more.len(), 1_001);
        let last =
            Fault { field: String::new(), description: "3 more fields are wrong".to_owned() };
        assert_eq!(more.last(), Some(&last));
    }

    #[test]
    fn a_run_as_long_as_a_secrets_is_cut() {
        let (short, long) = ("a1".repeat(16), "a1".repeat(16) + "b");
        assert_eq!(without_secrets(&format!("no {short:?}!")), format!("no {short:?}!"));
        assert_eq!(without_secrets(&format!("no é_{long}/x é")), "no é_a1a1a1a1…/x é");
        assert_eq!(without_secrets(&long), "a1a1a1a1…");
        let mut faults = Faults::new();
        faults.note(format!("labels[{long}]"), &long);
        let fault =
            Fault { field: "labels[a1a1a1a1…]".into(), description: "a1a1a1a1…".into() };
        assert_eq!(faults.finish(), Err(vec![fault]));
    }

    #[test]
    fn distances_are_levenshteins() {
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"abc", b""), 3);
        assert_eq!(distance(b"abc", b"abc"), 0);
    }
}
