//! What was counted and not yet written, and how much of it there may be.

mod order;

use std::{
    collections::HashMap,
    hint::black_box,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use crate::domain::{
    bits::{OwnBits, Place},
    name::{Id, KeyName},
    secret::Digest,
    usage::{Calls, Hour, LastUse, Outcome, SecretUse, Use},
};
pub(super) use order::Order;

/// How many entries there may be, of all that was counted and not yet written together.
#[derive(Debug)]
pub(super) struct Room {
    taken: AtomicUsize,
    most: usize,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self { taken: AtomicUsize::new(0), most }
    }

    /// Takes the place of one entry, where there is one.
    fn take(&self) -> bool {
        let fits = self.taken.fetch_add(1, Ordering::Relaxed) < self.most;
        if !fits {
            self.give_back(1);
        }
        fits
    }

    pub(super) fn give_back(&self, entries: usize) {
        self.taken.fetch_sub(entries, Ordering::Relaxed);
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// The bounds of what is kept in memory, and what went beyond them.
#[derive(Debug)]
pub(super) struct Limits {
    /// Entries of secrets, one for each hour and outcome.
    pub(super) secrets: Room,
    /// Entries of workspaces alone, for what has no place among the secrets.
    pub(super) workspaces: Room,
    /// Calls that were counted for their workspace alone.
    pub(super) coarsened: AtomicU64,
    /// Calls that were not counted.
    pub(super) dropped: AtomicU64,
    /// Calls that the database would not have.
    pub(super) refused: AtomicU64,
}

impl Limits {
    pub(super) fn new(secrets: usize, workspaces: usize) -> Self {
        Self {
            secrets: Room::new(secrets),
            workspaces: Room::new(workspaces),
            coarsened: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }
}

/// Calls of an hour that ended in one way.
#[derive(Clone, Copy)]
struct Count {
    hour: Hour,
    outcome: Outcome,
    calls: u64,
}

/// Never empty; nearly always there is one, which takes no memory of its own.
#[repr(C)]
struct Counts {
    first: Count,
    more: Vec<Count>,
}

impl Counts {
    fn new(first: Count) -> Self {
        Self { first, more: Vec::new() }
    }

    fn iter(&self) -> impl Iterator<Item = &Count> {
        std::iter::once(&self.first).chain(&self.more)
    }

    fn len(&self) -> usize {
        1 + self.more.len()
    }

    /// Adds to the entry that there is, if there is one.
    fn add(&mut self, count: Count) -> bool {
        let mut all = std::iter::once(&mut self.first).chain(&mut self.more);
        let same = all.find(|one| one.hour == count.hour && one.outcome == count.outcome);
        let Some(same) = same else { return false };
        same.calls = same.calls.saturating_add(count.calls);
        true
    }

    /// Adds, where need be in a new entry, for which there must be room.
    fn add_within(&mut self, count: Count, room: &Room) -> bool {
        if self.add(count) {
            return true;
        }
        let fits = room.take();
        if fits {
            self.more.push(count);
        }
        fits
    }

    /// Adds all of another. Its entries keep their room, but for those that are no more.
    fn merge(&mut self, other: &Self, room: &Room) {
        for count in other.iter() {
            if self.add(*count) {
                room.give_back(1);
            } else {
                self.more.push(*count);
            }
        }
    }
}

/// What was counted of a secret. What a further use changes stands first, in one line of the
/// processor's cache.
#[repr(C, align(64))]
struct Entry {
    last: Option<LastUse>,
    counts: Counts,
    key: KeyName,
}

impl Entry {
    /// It was used then, and maybe later: of uses at one moment the first is kept.
    fn used(&mut self, last: Option<LastUse>) {
        let Some(last) = last else { return };
        if self.last.is_none_or(|before| last.time > before.time) {
            self.last = Some(last);
        }
    }
}

/// A map by secrets.
type BySecret<V> = HashMap<Place, V, OwnBits>;

/// What was counted.
#[derive(Default)]
pub(super) struct Tally {
    /// Each in a place of its own: when the map grows, on a thread that answers, little is moved.
    secrets: BySecret<Box<Entry>>,
    /// What had no place among the secrets.
    workspaces: HashMap<Id, Counts>,
}

/// A tally as rows, in the order in which they are written.
pub(super) struct Rows {
    pub(super) calls: Vec<Calls>,
    pub(super) last: Vec<SecretUse>,
}

/// After so many secrets that are moved, others get their turn on this thread.
const IN_A_ROW_MAX: usize = 10_000;

impl Tally {
    pub(super) fn with_capacity(secrets: usize) -> Self {
        let secrets = BySecret::with_capacity_and_hasher(secrets, OwnBits);
        Self { secrets, workspaces: HashMap::new() }
    }

    pub(super) fn secrets(&self) -> usize {
        self.secrets.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.secrets.is_empty() && self.workspaces.is_empty()
    }

    /// Counts one use. Where there is no room for it, the secret and the key are dropped and the
    /// workspace alone is counted; where there is no room for that either, nothing is.
    pub(super) fn count(&mut self, used: &Use<'_>, limits: &Limits) {
        let Use { key, digest, outcome, at } = *used;
        let count = Count { hour: Hour::of(at.time), outcome, calls: 1 };
        // Of a secret that works no more it is not told when it was tried.
        let last = (outcome != Outcome::InvalidKey).then_some(at);
        let place = Place::of(digest);
        if let Some(entry) = self.secrets.get_mut(&place) {
            entry.used(last);
            if entry.counts.add_within(count, &limits.secrets) {
                return;
            }
        } else if limits.secrets.take() {
            let entry = Entry { key: key.clone(), last, counts: Counts::new(count) };
            self.secrets.insert(place, Box::new(entry));
            return;
        }
        self.count_workspace(&key.workspace, count, limits);
    }

    /// Has the processor read where uses of these secrets are counted: of memory that is far it
    /// fetches many places together where nothing is written in between.
    pub(super) fn bring_near(&self, digests: &[Option<Digest>]) {
        let entry = |digest| self.secrets.get(&Place::of(digest));
        let calls = |digest| entry(digest).map(|entry| entry.counts.first.calls);
        digests.iter().flatten().for_each(|digest| _ = black_box(calls(digest)));
    }

    fn count_workspace(&mut self, workspace: &Id, count: Count, limits: &Limits) {
        let counted = match self.workspaces.get_mut(workspace) {
            Some(counts) => counts.add_within(count, &limits.workspaces),
            None if limits.workspaces.take() => {
                self.workspaces.insert(workspace.clone(), Counts::new(count));
                true
            }
            None => false,
        };
        let beyond = if counted { &limits.coarsened } else { &limits.dropped };
        beyond.fetch_add(count.calls, Ordering::Relaxed);
    }

    /// Adds all of another.
    pub(super) async fn merge(&mut self, other: Self, limits: &Limits) {
        if self.is_empty() {
            *self = other;
            return;
        }
        // Both have the same order: one that grows while it takes the other's would be full in
        // places long before it is full.
        self.secrets.reserve(other.secrets.len());
        let mut secrets = other.secrets.into_iter();
        while secrets.len() > 0 {
            for (place, entry) in secrets.by_ref().take(IN_A_ROW_MAX) {
                match self.secrets.get_mut(&place) {
                    Some(same) => {
                        same.used(entry.last);
                        same.counts.merge(&entry.counts, &limits.secrets);
                    }
                    None => _ = self.secrets.insert(place, entry),
                }
            }
            tokio::task::yield_now().await;
        }
        for (workspace, counts) in other.workspaces {
            match self.workspaces.get_mut(&workspace) {
                Some(same) => same.merge(&counts, &limits.workspaces),
                None => _ = self.workspaces.insert(workspace, counts),
            }
        }
    }

    /// Takes out what was counted of so many secrets, or if there are none, of so many workspaces
    /// alone. None: there is nothing.
    pub(super) fn take(&mut self, most: usize) -> Option<Self> {
        let secrets: BySecret<_> = self.secrets.extract_if(|_, _| true).take(most).collect();
        let workspaces = match secrets.is_empty() {
            true => self.workspaces.extract_if(|_, _| true).take(most).collect(),
            false => HashMap::new(),
        };
        Some(Self { secrets, workspaces }).filter(|taken| !taken.is_empty())
    }

    /// Takes out what was counted of so many secrets, the first of an order that was told; where it
    /// tells of none, of any.
    pub(super) fn take_in_order(&mut self, order: &mut Order, most: usize) -> Option<Self> {
        let places = order.next(most).filter_map(|place| self.secrets.remove_entry(&place));
        let first = Self { secrets: places.collect(), workspaces: HashMap::new() };
        if first.is_empty() { self.take(most) } else { Some(first) }
    }

    /// Two parts of about the same size; one, where it has one entry.
    pub(super) fn halves(mut self) -> Halves {
        let of = |entries: usize| entries.div_ceil(2);
        let half = of(self.secrets.len()).max(of(self.workspaces.len()));
        match self.take(half) {
            Some(half) if !self.is_empty() => Halves::Two([half, self]),
            half => Halves::One(half.unwrap_or(self)),
        }
    }

    /// How many calls were counted.
    pub(super) fn calls(&self) -> u64 {
        let of_secrets = self.secrets.values().map(|entry| &entry.counts);
        let counts = of_secrets.chain(self.workspaces.values()).flat_map(Counts::iter);
        counts.map(|count| count.calls).sum()
    }

    /// Gives back the room of all entries.
    pub(super) fn give_back(&self, limits: &Limits) {
        let secrets = self.secrets.values().map(|entry| entry.counts.len()).sum();
        limits.secrets.give_back(secrets);
        limits.workspaces.give_back(self.workspaces.values().map(Counts::len).sum());
    }

    /// What is to be written of it.
    pub(super) fn rows(&self) -> Rows {
        let mut calls = Vec::with_capacity(self.secrets.len());
        let mut of_workspaces: HashMap<_, u64> = HashMap::new();
        let mut add = |workspace, count: &Count| {
            let sum = of_workspaces.entry((workspace, count.hour, count.outcome)).or_default();
            *sum = sum.saturating_add(count.calls);
        };
        let mut last = Vec::with_capacity(self.secrets.len());
        for (place, entry) in order::in_order(self) {
            let KeyName { workspace, key } = &entry.key;
            for count in entry.counts.iter() {
                add(workspace, count);
                calls.push(row(workspace, Some(key), count));
            }
            let digest = place.digest();
            let used = |last| SecretUse { key: entry.key.clone(), digest, last };
            last.extend(entry.last.map(used));
        }
        for (workspace, counts) in &self.workspaces {
            counts.iter().for_each(|count| add(workspace, count));
        }
        // They are in order by now, but for hours and outcomes.
        calls.sort_unstable();
        // Two secrets of one key.
        calls.dedup_by(|later, one| {
            let same = (&later.workspace, later.hour, &later.key, later.outcome)
                == (&one.workspace, one.hour, &one.key, one.outcome);
            if same {
                one.calls = one.calls.saturating_add(later.calls);
            }
            same
        });
        let totals = of_workspaces.into_iter().map(|((workspace, hour, outcome), calls)| {
            row(workspace, None, &Count { hour, outcome, calls })
        });
        let mut totals: Vec<_> = totals.collect();
        totals.sort_unstable();
        calls.extend(totals);
        Rows { calls, last }
    }
}

/// What a tally is cut into.
pub(super) enum Halves {
    /// It has one entry.
    One(Tally),
    /// Both have some.
    Two([Tally; 2]),
}

fn row(workspace: &Id, key: Option<&Id>, count: &Count) -> Calls {
    let Count { hour, outcome, calls } = *count;
    Calls { workspace: workspace.clone(), hour, key: key.cloned(), outcome, calls }
}

#[cfg(test)]
mod tests;
