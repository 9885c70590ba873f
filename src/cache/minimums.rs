//! For each shard, the revision that an entry must at least have seen.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::{Shard, Subjects};
use crate::domain::event::Revision;

/// One change under way. Above every revision, so that one comparison tells whether an entry
/// has seen enough and nothing is under way. There is room for 65,535; the back has 1,024 at once.
const UNDER_WAY: u64 = 1 << 48;
/// At a thousand changes a second, it is reached in 8,900 years.
const REVISION_MAX: u64 = UNDER_WAY - 1;

/// The least revisions of all shards: below, the newest that was noted; above, how many
/// changes are under way.
pub struct Minimums(Box<[AtomicU64]>);

impl Default for Minimums {
    fn default() -> Self {
        Self((0..Shard::COUNT).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Minimums {
    /// Whether what has seen all changes up to `revision` has seen those of these subjects,
    /// and none of these is changing.
    pub fn admit(&self, revision: Revision, subjects: &Subjects) -> bool {
        let seen = number(revision);
        subjects.shards().iter().all(|shard| self.get(*shard) <= seen)
    }

    /// Notes a change. An older one than was noted before changes nothing.
    pub fn raise(&self, shard: Shard, revision: Revision) {
        self.change(shard, |under_way, newest| (under_way, newest.max(number(revision))));
    }

    /// From now on a change is under way, and nothing is admitted.
    pub fn begin(&self, shard: Shard) {
        self.change(shard, |under_way, newest| (under_way + 1, newest));
    }

    /// It is no longer, and was this one, if any; in one step.
    pub fn end(&self, shard: Shard, made: Option<Revision>) {
        let made = made.map_or(0, number);
        self.change(shard, |under_way, newest| (under_way.saturating_sub(1), newest.max(made)));
    }

    /// Forgets all that was noted. Whoever does so must have made every older stamp useless
    /// before.
    pub fn clear(&self) {
        for word in &self.0 {
            word.store(0, SeqCst);
        }
    }

    fn get(&self, shard: Shard) -> u64 {
        // There is one for each shard: the default is never met, and would admit nothing.
        self.0.get(shard.place()).map_or(u64::MAX, |word| word.load(SeqCst))
    }

    fn change(&self, shard: Shard, change: impl Fn(u64, u64) -> (u64, u64)) {
        let changed = |word: u64| {
            let (under_way, newest) = change(word / UNDER_WAY, word % UNDER_WAY);
            Some(under_way * UNDER_WAY + newest)
        };
        if let Some(word) = self.0.get(shard.place()) {
            // It never fails: the closure always gives a new value.
            _ = word.fetch_update(SeqCst, SeqCst, changed);
        }
    }
}

fn number(revision: Revision) -> u64 {
    u64::try_from(revision.0).unwrap_or(0).min(REVISION_MAX)
}
