//! What can be wrong with types of resource.

use std::collections::HashSet;

use super::NAME_RULE;
use crate::domain::{
    fault::Faults,
    name::Misleading,
    policy::{Policy, RESOURCE_TYPES_MAX},
    resource::{Grammar, Path, ResourceSegment, SEGMENTS_MAX},
    scope::is_name,
};

pub(super) fn types(policy: &Policy, at: &str, faults: &mut Faults) {
    let (grammar, types) = (&policy.resources, &policy.resource_types);
    let field = format!("{at}.resources.types");
    if !faults.bound(&*field, types.len(), RESOURCE_TYPES_MAX) {
        return;
    }
    let mut names = HashSet::new();
    for (place, kind) in types.iter().enumerate() {
        let field = format!("{field}[{place}]");
        let named = fixed(grammar, &kind.name, format!("{field}.name"), faults);
        if named && !names.insert(kind.name.as_str()) {
            faults.note(format!("{field}.name"), format_args!("{:?} is there already", kind.name));
        }
        let field = format!("{field}.segments");
        if faults.bound(&*field, kind.segments.len(), SEGMENTS_MAX - 1) {
            for (place, segment) in kind.segments.iter().enumerate() {
                self::segment(grammar, segment, &format!("{field}[{place}]"), faults);
            }
        }
    }
}

fn segment(grammar: &Grammar, segment: &ResourceSegment, field: &str, faults: &mut Faults) {
    if !is_name(&segment.name) {
        faults.note(format!("{field}.name"), NAME_RULE);
    }
    let field = format!("{field}.values");
    if !faults.bound(&*field, segment.values.len(), RESOURCE_TYPES_MAX) {
        return;
    }
    let mut values = HashSet::new();
    for (place, value) in segment.values.iter().enumerate() {
        let field = format!("{field}[{place}]");
        if fixed(grammar, value, field.clone(), faults) && !values.insert(value) {
            faults.note(field, format_args!("{value:?} is there already"));
        }
    }
}

/// Whether a text is one segment of a path, no wildcard, and what it looks like.
fn fixed(grammar: &Grammar, text: &str, field: String, faults: &mut Faults) -> bool {
    let one = Path::parse(grammar, text).is_ok_and(|path| path.segments().count() == 1);
    if !one {
        let rule = "must be one segment of a path: without the separator, and no wildcard";
        faults.note(field, rule);
        return false;
    }
    if let Some(misleading) = Misleading::find(text) {
        faults.note(field, misleading);
        return false;
    }
    true
}
