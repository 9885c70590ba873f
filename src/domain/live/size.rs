//! About how much memory a key takes.

use std::mem::size_of;

use super::{Bound, LiveKey};
use crate::domain::{
    key::{Grant, Key},
    name::{Id, Title},
    network::Cidr,
    resource::Pattern,
    scope::ScopeSet,
};

/// Bytes of a node of a map of texts: room for eleven pairs, of which it has six or more.
const NODE: usize = 11 * 2 * size_of::<String>() + 16;
const NODE_PAIRS: usize = 6;
/// The counts of an `Arc`.
const COUNTS: usize = 2 * size_of::<usize>();

/// What the system's allocator takes for so many bytes: a header of eight, in steps of 16.
pub(in crate::domain) fn block(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

fn text(text: &str) -> usize {
    block(text.len())
}

fn id(id: &Id) -> usize {
    text(id.as_str())
}

fn title(title: &Title) -> usize {
    text(title.as_str())
}

/// A list and what its parts own.
fn list<T>(parts: &[T], owned: impl Fn(&T) -> usize) -> usize {
    block(size_of_val(parts)) + parts.iter().map(owned).sum::<usize>()
}

fn texts(list_of: &[String]) -> usize {
    list(list_of, |part| text(part))
}

impl LiveKey {
    /// About how many bytes of memory it takes behind an `Arc`, with all that it owns. Its
    /// policy is shared, and not counted.
    pub fn size(&self) -> usize {
        let Self { facts, policy: _, everywhere, somewhere, constraint, confinement } = self;
        let workspace = &facts.workspace.value;
        let principal = facts.principal.as_ref().map(|principal| &principal.value);
        let principal = principal.map_or(0, |principal| {
            id(&principal.name.workspace)
                + id(&principal.name.principal)
                + title(&principal.title)
                + text(&principal.role)
                + texts(&principal.confined_to)
        });
        block(COUNTS + size_of::<Self>())
            + key(&facts.key.value)
            + id(&workspace.name.workspace)
            + title(&workspace.title)
            + id(&workspace.policy.policy)
            + text(&workspace.plan)
            + principal
            + id(&facts.policy.0.policy)
            + block(everywhere.size())
            + list(somewhere, |(pattern, scopes): &(Pattern, ScopeSet)| {
                pattern.size() + block(scopes.size())
            })
            + bound(constraint)
            + bound(confinement)
    }
}

fn bound(bound: &Bound) -> usize {
    bound.0.as_ref().map_or(0, |patterns| list(patterns, Pattern::size))
}

fn key(key: &Key) -> usize {
    let grant = |grant: &Grant| text(&grant.scope) + grant.resource.as_deref().map_or(0, text);
    let labels: usize = key.labels.iter().map(|(name, value)| text(name) + text(value)).sum();
    id(&key.name.workspace)
        + id(&key.name.key)
        + title(&key.title)
        + text(&key.key_type)
        + key.principal.as_ref().map_or(0, id)
        + list(&key.grants, grant)
        + texts(&key.constraint)
        + block(key.allowed_cidrs.iter().count() * size_of::<Cidr>())
        + text(&key.plan)
        + key.labels.len().div_ceil(NODE_PAIRS) * block(NODE)
        + labels
        + key.minting_key.as_ref().map_or(0, id)
}
