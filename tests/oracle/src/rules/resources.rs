//! What patterns match.
//!
//! A path is names with a separator between them; one separator may lead, and then the
//! first name is empty. No name is the wildcard, `*` or `**`. A pattern is a path in which
//!
//! - the wildcard as a segment stands for exactly one name that is not empty,
//! - `**` as the last segment, after another, stands for whatever follows, also nothing,
//! - `*` alone stands for every resource, and for a request without one.
//!
//! In a pattern the wildcard and `*` are never part of a segment. A text that is no pattern
//! matches nothing. The bounds of size are not told here.

use keyward::domain::resource::Grammar;

/// The names of a path, or the segments of a pattern.
fn segments<'a>(grammar: &Grammar, text: &'a str) -> Vec<&'a str> {
    // The separator alone is the root: one name, the empty one.
    let names: Vec<&str> = text.split(grammar.separator()).collect();
    if names == ["", ""] { vec![""] } else { names }
}

fn is_wildcard(grammar: &Grammar, segment: &str) -> bool {
    segment == grammar.wildcard().to_string()
}

/// Whether names are missing: where there is no text, between separators, or at the end.
fn has_gaps(grammar: &Grammar, text: &str) -> bool {
    text.is_empty() || segments(grammar, text).iter().skip(1).any(|segment| segment.is_empty())
}

/// Whether a text is a path: nothing in it stands for something else.
pub(crate) fn is_path(grammar: &Grammar, text: &str) -> bool {
    let stands = |name: &&str| is_wildcard(grammar, name) || *name == "*" || *name == "**";
    !has_gaps(grammar, text) && !segments(grammar, text).iter().any(stands)
}

/// Whether a text is a pattern.
pub(crate) fn is_pattern(grammar: &Grammar, text: &str) -> bool {
    let mut segments = segments(grammar, text);
    if segments.len() > 1 && segments.last() == Some(&"**") {
        segments.pop();
    }
    let is_plain = |segment: &&str| !segment.contains([grammar.wildcard(), '*']);
    let fits = |segment: &&str| is_wildcard(grammar, segment) || is_plain(segment);
    text == "*" || !has_gaps(grammar, text) && segments.iter().all(fits)
}

/// Whether the pattern of a grant matches a resource.
pub(crate) fn matches(grammar: &Grammar, pattern: &str, resource: Option<&str>) -> bool {
    if pattern == "*" {
        return true;
    }
    let Some(resource) = resource.filter(|_| is_pattern(grammar, pattern)) else { return false };
    let (names, mut wanted) = (segments(grammar, resource), segments(grammar, pattern));
    let subtree = wanted.len() > 1 && wanted.last() == Some(&"**");
    if subtree {
        wanted.pop();
    }
    let long_enough = names.len() >= wanted.len();
    let short_enough = subtree || names.len() <= wanted.len();
    let fits = |(wanted, name): (&&str, &&str)| {
        is_wildcard(grammar, wanted) && !name.is_empty() || wanted == name
    };
    long_enough && short_enough && wanted.iter().zip(&names).all(fits)
}

/// Whether a resource is inside a pattern of a bound, a constraint or a confinement. There
/// a plain path means itself and everything beneath.
pub(crate) fn is_inside(grammar: &Grammar, bound: &str, resource: Option<&str>) -> bool {
    if is_path(grammar, bound) && is_pattern(grammar, bound) {
        let bound = segments(grammar, bound);
        resource.is_some_and(|resource| segments(grammar, resource).starts_with(&bound))
    } else {
        matches(grammar, bound, resource)
    }
}
