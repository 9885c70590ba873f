//! What is known of limits, by who is limited and by the name of the limit.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Parts of the table, each with a lock of its own, so that threads seldom meet.
const SHARDS: usize = 256;
/// How many may be in a part before it is looked through for those that are idle.
const SWEPT_MIN: usize = 16;

/// A table with a value for each limit of each holder.
pub(super) struct Table<V> {
    hasher: RandomState,
    first: Mutex<Shard<V>>,
    others: Box<[Mutex<Shard<V>>]>,
}

/// A part of it.
pub(super) struct Shard<V> {
    holders: HashMap<Box<str>, Vec<(Box<str>, V)>>,
    /// At how many it is looked through.
    swept_at: usize,
}

/// The parts in which two holders are: all of it stays locked until this is dropped.
pub(super) struct Pair<'a, V> {
    own: MutexGuard<'a, Shard<V>>,
    /// None: it is the same part.
    common: Option<MutexGuard<'a, Shard<V>>>,
}

impl<V> Pair<'_, V> {
    pub(super) fn own(&mut self) -> &mut Shard<V> {
        &mut self.own
    }

    pub(super) fn common(&mut self) -> &mut Shard<V> {
        self.common.as_mut().unwrap_or(&mut self.own)
    }
}

impl<V> Default for Shard<V> {
    fn default() -> Self {
        Self { holders: HashMap::new(), swept_at: SWEPT_MIN }
    }
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        let others = (1..SHARDS).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), first: Mutex::default(), others }
    }
}

impl<V> Table<V> {
    /// How many holders it has.
    pub(super) fn holders(&self) -> usize {
        let shards = std::iter::once(&self.first).chain(&self.others);
        shards.map(|shard| lock(shard).holders.len()).sum()
    }

    fn place(&self, holder: &str) -> usize {
        usize::try_from(self.hasher.hash_one(holder) % SHARDS as u64).unwrap_or_default()
    }

    fn shard(&self, place: usize) -> MutexGuard<'_, Shard<V>> {
        let other = place.checked_sub(1).and_then(|place| self.others.get(place));
        lock(other.unwrap_or(&self.first))
    }

    /// Locks what is known of two holders.
    pub(super) fn pair(&self, own: &str, common: &str) -> Pair<'_, V> {
        let (own, common) = (self.place(own), self.place(common));
        // Everybody locks in the same order.
        if own < common {
            let own = self.shard(own);
            return Pair { own, common: Some(self.shard(common)) };
        }
        let other = (common < own).then(|| self.shard(common));
        Pair { own: self.shard(own), common: other }
    }
}

impl<V> Shard<V> {
    /// What is known of a limit.
    pub(super) fn get_mut(&mut self, holder: &str, limit: &str) -> Option<&mut V> {
        let limits = self.holders.get_mut(holder)?;
        limits.iter_mut().find(|(name, _)| **name == *limit).map(|(_, value)| value)
    }

    /// Does this with what is known of a limit, or with what is made where nothing is.
    pub(super) fn with<R>(
        &mut self,
        holder: &str,
        limit: &str,
        make: impl FnOnce() -> V,
        is_idle: impl FnMut(&V) -> bool,
        act: impl FnOnce(&mut V) -> R,
    ) -> R {
        if let Some(value) = self.get_mut(holder, limit) {
            return act(value);
        }
        let mut value = make();
        let outcome = act(&mut value);
        self.insert(holder, limit, value, is_idle);
        outcome
    }

    /// Keeps a value of a limit of which nothing is known.
    pub(super) fn insert(
        &mut self,
        holder: &str,
        limit: &str,
        value: V,
        is_idle: impl FnMut(&V) -> bool,
    ) {
        if let Some(limits) = self.holders.get_mut(holder) {
            limits.push((limit.into(), value));
            return;
        }
        self.make_room(is_idle);
        self.holders.insert(holder.into(), vec![(limit.into(), value)]);
    }

    /// Forgets what is idle each time that as many have come as were left the last time: so it
    /// costs little for each, and memory is at the most twice what is in use.
    fn make_room(&mut self, mut is_idle: impl FnMut(&V) -> bool) {
        if self.holders.len() < self.swept_at {
            return;
        }
        self.holders.retain(|_, limits| {
            limits.retain(|(_, value)| !is_idle(value));
            !limits.is_empty()
        });
        self.swept_at = SWEPT_MIN.max(2 * self.holders.len());
        self.holders.shrink_to(self.swept_at);
    }
}

fn lock<V>(shard: &Mutex<Shard<V>>) -> MutexGuard<'_, Shard<V>> {
    // What was being written when a thread panicked is a number like any other.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
