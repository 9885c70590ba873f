//! About how much memory a key takes.

use std::{mem::size_of, sync::Arc};

use super::{Bound, LiveKey, Stored};
use crate::domain::{
    name::Id, principal::Principal, resource::Pattern, scope::ScopeSet, workspace::Workspace,
};

/// The counts of an `Arc`.
const COUNTS: usize = 2 * size_of::<usize>();
/// Steps of the sizes of blocks, as the program's allocator has them: of 16 bytes up to here, from
/// there on four for each doubling.
const FINE_MAX: usize = 128;
const FINE: usize = 16;
const STEPS: usize = 4;
/// What the table takes in which equal workspaces and principals are found again.
const FOUND_AGAIN: usize = 96;
/// Among how many keys the memory of what they share is divided at the most: whichever of them
/// stays longest still counts a part of it.
const SHARERS_MAX: usize = 8;

/// What the program's allocator takes for so many bytes.
pub(in crate::domain) fn block(bytes: usize) -> usize {
    if bytes <= FINE_MAX {
        return bytes.next_multiple_of(FINE);
    }
    let step = bytes.next_power_of_two() / 2 / STEPS;
    bytes.next_multiple_of(step)
}

fn text(text: &str) -> usize {
    block(text.len())
}

fn id(id: &Id) -> usize {
    block(COUNTS + id.as_str().len())
}

/// A list and what its parts own.
fn list<T>(parts: &[T], owned: impl Fn(&T) -> usize) -> usize {
    block(size_of_val(parts)) + parts.iter().map(owned).sum::<usize>()
}

/// The part of one key in what several may share.
fn part<T>(shared: &Arc<T>, bytes: usize) -> usize {
    (block(COUNTS + size_of::<T>()) + FOUND_AGAIN + bytes)
        / Arc::strong_count(shared).clamp(1, SHARERS_MAX)
}

fn workspace(Stored { value, .. }: &Stored<Workspace>) -> usize {
    let Workspace { name, title, policy, plan, suspended: _ } = value;
    id(&name.workspace) + text(title.as_str()) + id(&policy.policy) + text(plan)
}

/// Without the patterns that confine it, of which there may be many.
fn principal(Stored { value, .. }: &Stored<Principal>) -> usize {
    let Principal { name, title, kind: _, role, confined_to: _, disabled: _, deleted: _ } = value;
    id(&name.workspace) + id(&name.principal) + text(title.as_str()) + text(role)
}

impl LiveKey {
    /// About how many bytes of memory it takes behind an `Arc`, with all that it owns, and its
    /// part of its workspace and principal. Its policy is shared by many, and not counted.
    pub fn size(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }

    pub(super) fn measured(&self) -> usize {
        let owner = self.principal.as_ref().map_or(0, |shared| {
            part(shared, principal(shared))
                + list(&shared.value.confined_to, |pattern| text(pattern))
        });
        let [v4, v6] = self.networks.blocks();
        block(COUNTS + size_of::<Self>())
            + block(self.everywhere.size())
            + list(&self.somewhere, |(pattern, scopes): &(Pattern, ScopeSet)| {
                pattern.size() + block(scopes.size())
            })
            + bound(&self.constraint)
            + bound(&self.confinement)
            + block(v4)
            + block(v6)
            + id(&self.name.key)
            + part(&self.workspace, workspace(&self.workspace))
            + owner
            + block(self.record.value.len())
    }
}

fn bound(bound: &Bound) -> usize {
    bound.0.as_ref().map_or(0, |patterns| list(patterns, Pattern::size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_large_as_the_allocator_makes_them() {
        for (bytes, expected) in [
            (0, 0),
            (1, 16),
            (16, 16),
            (17, 32),
            (128, 128),
            (129, 160),
            (161, 192),
            (225, 256),
            (256, 256),
            (257, 320),
            (449, 512),
            (1_025, 1_280),
        ] {
            assert_eq!(block(bytes), expected, "{bytes}");
        }
    }
}
