//! Counts how keys are used: in memory, on the thread that answers, and from there into the
//! database each second and at the end.
//!
//! Each thread counts in a part of its own, so that none waits for another; who writes takes a
//! part away whole, in one step. A crash loses what was not written: the last second. While the
//! database cannot be asked, uses of one secret with one outcome in one hour are one entry, or a
//! few while they are moved, and there are [`SECRETS_MAX`] at the most. What came first has its
//! place: the newest uses that have none are counted for their workspace alone, and where there is
//! none either ([`WORKSPACES_MAX`]) they are not. [`Counted`] tells both, and the log when it begins.

mod flush;
mod forget;
mod tally;

use std::{
    cell::Cell,
    mem,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

pub use flush::{Flusher, Source};
pub use forget::Forgetter;

use crate::domain::{
    secret::Digest,
    usage::{CountUses, Use},
};
use tally::{Limits, Tally};

/// Entries of secrets that are kept until they are written, some 300 bytes each: one for each
/// secret, hour and outcome.
pub const SECRETS_MAX: usize = 1_000_000;
/// Entries of workspaces alone: one for each workspace, hour and outcome.
pub const WORKSPACES_MAX: usize = 100_000;
/// Parts. More threads than these share some.
const PARTS: usize = 32;

thread_local! {
    /// In which part this thread counts.
    static PART: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Counts uses until they are written.
#[derive(Debug)]
pub struct Meter {
    parts: [Part; PARTS],
    next: AtomicUsize,
    limits: Limits,
    batches: AtomicU64,
    failures: AtomicU64,
}

/// Alone in its lines of the processor's cache.
#[derive(Default)]
#[repr(align(128))]
struct Part(Mutex<Tally>);

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Part")
    }
}

/// What became of the uses so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Entries that are not written yet.
    pub entries: u64,
    /// Calls that were counted for their workspace alone, for want of room.
    pub coarsened: u64,
    /// Calls that were not counted, for want of room.
    pub dropped: u64,
    /// Calls that were given up, for the database refuses their rows.
    pub refused: u64,
    /// Batches that were written.
    pub batches: u64,
    /// Batches that could not be written when it was tried.
    pub failures: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new(SECRETS_MAX, WORKSPACES_MAX)
    }
}

impl Meter {
    /// Counts from nothing, with room for so many entries of secrets and of workspaces.
    pub fn new(secrets_max: usize, workspaces_max: usize) -> Self {
        Self {
            parts: Default::default(),
            next: AtomicUsize::new(0),
            limits: Limits::new(secrets_max, workspaces_max),
            batches: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// What became of the uses so far.
    pub fn counted(&self) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let entries = self.limits.secrets.taken() + self.limits.workspaces.taken();
        Counted {
            entries: u64::try_from(entries).unwrap_or(u64::MAX),
            coarsened: read(&self.limits.coarsened),
            dropped: read(&self.limits.dropped),
            refused: read(&self.limits.refused),
            batches: read(&self.batches),
            failures: read(&self.failures),
        }
    }

    fn part(&self) -> Option<&Part> {
        let number = PART.with(|part| {
            if part.get() == usize::MAX {
                part.set(self.next.fetch_add(1, Ordering::Relaxed) % PARTS);
            }
            part.get()
        });
        self.parts.get(number)
    }

    /// Takes away what each part counted since.
    fn drain(&self) -> impl Iterator<Item = Tally> {
        let drained = self.parts.iter().map(|part| {
            // What comes next is likely as much; the memory is had before the part is locked.
            let held = part.lock().secrets();
            let fresh = Tally::with_capacity(held);
            mem::replace(&mut *part.lock(), fresh)
        });
        drained.filter(|counted| !counted.is_empty())
    }
}

impl Part {
    fn lock(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CountUses for Meter {
    fn count(&self, used: Use<'_>) {
        if let Some(part) = self.part() {
            part.lock().count(&used, &self.limits);
        }
    }

    fn count_all(&self, uses: &[Use<'_>]) {
        if let Some(part) = self.part() {
            let mut tally = part.lock();
            uses.iter().for_each(|used| tally.count(used, &self.limits));
        }
    }

    fn bring_near(&self, digests: &[Option<Digest>]) {
        if let Some(part) = self.part() {
            part.lock().bring_near(digests);
        }
    }
}

#[cfg(test)]
mod tests;
