//! Types of resources: what the segments of a path are, and which values they may have.

use serde::{Deserialize, Serialize};

use super::{EVERYTHING, Grammar, SUBTREE};

/// A type of resource: a fixed segment, and those that follow it. A path is one type
/// after another: `PLACE/Site/7/THING/pump/3`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceType {
    /// The fixed segment.
    pub name: String,
    /// The segments after it, in order.
    #[serde(default)]
    pub segments: Vec<ResourceSegment>,
}

/// One segment of a path after its type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceSegment {
    /// What it is, for people and errors.
    pub name: String,
    /// The only values that it may have. Empty: any.
    #[serde(default)]
    pub values: Vec<String>,
}

/// Why a path or pattern does not fit the types of a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidShape {
    /// A segment where a type must stand names none.
    #[error("{found:?} is no type of resource; there are: {known}")]
    UnknownType {
        /// The segment.
        found: String,
        /// The types of the policy.
        known: String,
    },
    /// A segment has a value that it may not have.
    #[error("{found:?} is no {segment} of a {kind}; there are: {known}")]
    UnknownValue {
        /// The type.
        kind: String,
        /// What the segment is.
        segment: String,
        /// Its value.
        found: String,
        /// Those that it may have.
        known: String,
    },
    /// The path ends before its last type does.
    #[error("a {kind} is written {form}; it ends too early")]
    TooShort {
        /// The type.
        kind: String,
        /// How it is written.
        form: String,
    },
}

impl ResourceType {
    /// How a path of this type is written: `PLACE/{placeType}/{placeId}`.
    fn form(&self, grammar: &Grammar) -> String {
        let segments = self.segments.iter().map(|segment| format!("{{{}}}", segment.name));
        let parts: Vec<String> = std::iter::once(self.name.clone()).chain(segments).collect();
        parts.join(&grammar.separator().to_string())
    }
}

/// Whether a pattern that the grammar reads fits the types. Without types any does. A
/// subtree may begin within a type: `PLACE/Site/**`.
///
/// # Errors
///
/// [`InvalidShape`]: the first segment that does not fit, with what would.
pub fn check_shape(
    grammar: &Grammar,
    types: &[ResourceType],
    text: &str,
) -> Result<(), InvalidShape> {
    if types.is_empty() || text == EVERYTHING {
        return Ok(());
    }
    let mut names: Vec<&str> = grammar.segments(text).collect();
    let subtree = names.pop_if(|name| *name == SUBTREE).is_some();
    let mut rest = names.into_iter();
    while let Some(found) = rest.next() {
        let Some(kind) = types.iter().find(|kind| kind.name == found) else {
            let known = list(types.iter().map(|kind| kind.name.as_str()));
            return Err(InvalidShape::UnknownType { found: found.to_owned(), known });
        };
        for segment in &kind.segments {
            match rest.next() {
                Some(value) => check_value(grammar, kind, segment, value)?,
                None if subtree => return Ok(()),
                None => {
                    let form = kind.form(grammar);
                    return Err(InvalidShape::TooShort { kind: kind.name.clone(), form });
                }
            }
        }
    }
    Ok(())
}

fn check_value(
    grammar: &Grammar,
    kind: &ResourceType,
    segment: &ResourceSegment,
    value: &str,
) -> Result<(), InvalidShape> {
    let fits = segment.values.is_empty()
        || grammar.is_wildcard(value)
        || segment.values.iter().any(|known| known == value);
    if fits {
        return Ok(());
    }
    Err(InvalidShape::UnknownValue {
        kind: kind.name.clone(),
        segment: segment.name.clone(),
        found: value.to_owned(),
        known: list(segment.values.iter().map(String::as_str)),
    })
}

/// The names, as far as they fit into an error: there may be many, and long ones, and a
/// request may have a thousand patterns that are wrong.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    /// How many bytes are shown at the most.
    const SHOWN_MAX: usize = 500;
    let mut shown = String::new();
    for name in names {
        if shown.len() + name.len() > SHOWN_MAX {
            shown.push('…');
            break;
        }
        shown.extend([name, ", "]);
    }
    shown.trim_end_matches(", ").to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn types() -> Vec<ResourceType> {
        let segment = |name: &str, values: &[&str]| ResourceSegment {
            name: name.into(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let place = vec![segment("placeType", &["Site", "Fleet"]), segment("placeId", &[])];
        let thing = vec![segment("thingType", &[]), segment("thingId", &[])];
        vec![
            ResourceType { name: "PLACE".into(), segments: place },
            ResourceType { name: "THING".into(), segments: thing },
            ResourceType { name: "COMMERCE".into(), segments: vec![] },
        ]
    }

    #[track_caller]
    fn check(text: &str, expected: Result<(), &str>) {
        let grammar = Grammar::new('/', '#').unwrap();
        let outcome = check_shape(&grammar, &types(), text).map_err(|error| error.to_string());
        assert_eq!(outcome, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn types_follow_one_another() {
        for text in [
            "*",
            "COMMERCE",
            "PLACE/Site/7",
            "PLACE/#/#",
            "PLACE/Site/7/THING/#/#",
            "PLACE/Site/**",
            "PLACE/**",
            "COMMERCE/**",
        ] {
            check(text, Ok(()));
        }
    }

    #[test]
    fn the_first_segment_that_does_not_fit_is_named() {
        check(
            "PLACES/Site/7",
            Err("\"PLACES\" is no type of resource; there are: PLACE, THING, COMMERCE"),
        );
        check("#/Site/7", Err("\"#\" is no type of resource; there are: PLACE, THING, COMMERCE"));
        check("PLACE/Town/7", Err("\"Town\" is no placeType of a PLACE; there are: Site, Fleet"));
        check(
            "PLACE/Site",
            Err("a PLACE is written PLACE/{placeType}/{placeId}; it ends too early"),
        );
        check("COMMERCE/7", Err("\"7\" is no type of resource; there are: PLACE, THING, COMMERCE"));
    }

    #[test]
    fn an_error_does_not_list_all_of_many_long_names() {
        let kind = |number: usize| ResourceType {
            name: format!("{number}{}", "x".repeat(98)),
            segments: vec![],
        };
        let types: Vec<ResourceType> = (0..100).map(kind).collect();
        let error = check_shape(&Grammar::default(), &types, "y").unwrap_err().to_string();
        assert!(error.starts_with("\"y\" is no type of resource; there are: 0xx"), "{error}");
        assert!(error.ends_with('…') && error.len() < 600, "{error}");
    }

    #[test]
    fn without_types_every_path_fits() {
        assert_eq!(check_shape(&Grammar::default(), &[], "any/thing"), Ok(()));
    }
}
