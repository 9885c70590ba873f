//! What is known of limits, by who is limited and by the name of the limit.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use smallvec::SmallVec;

use crate::domain::{
    bits::OwnBits,
    limit::{Charge, Mark},
};

/// Parts of a table, each with a lock of its own, so that threads seldom meet.
const PARTS: usize = 256;
/// How many may be in a part before it is looked through for those that are idle.
const SWEPT_MIN: usize = 16;
/// How many limits of a holder are known before they are looked through.
const LIMITS_SWEPT_MIN: usize = 8;

/// A value for each limit of each key, and of each workspace.
///
/// What two threads hold at once is locked in one order: first the part of a key, then that of a
/// workspace, of which there are others.
pub(super) struct Table<V> {
    keys: Parts<V>,
    workspaces: Parts<V>,
}

struct Parts<V> {
    first: Part<V>,
    others: Box<[Part<V>]>,
}

/// Alone in its lines of the processor's cache.
#[repr(align(128))]
struct Part<V>(Mutex<Shard<V>>);

/// The limits of one holder.
type Limits<V> = SmallVec<[(Arc<str>, V); 1]>;

/// A part of the keys or of the workspaces.
pub(super) struct Shard<V> {
    holders: HashMap<Mark, Limits<V>, OwnBits>,
    /// At how many it is looked through.
    swept_at: usize,
    /// The names of their limits, each once: so they are near when they are compared.
    names: HashSet<Arc<str>>,
    names_swept_at: usize,
}

/// The parts in which a key and its workspace are, as far as they are limited: what there is of
/// them stays locked until this is dropped.
pub(super) enum Pair<'a, V> {
    One(MutexGuard<'a, Shard<V>>),
    Both { own: MutexGuard<'a, Shard<V>>, common: MutexGuard<'a, Shard<V>> },
}

impl<V> Pair<'_, V> {
    /// The part of the key, or of the workspace; where one of them has no limits, of the other.
    pub(super) fn side(&mut self, shared: bool) -> &mut Shard<V> {
        match self {
            Self::One(side) => side,
            Self::Both { common, .. } if shared => common,
            Self::Both { own, .. } => own,
        }
    }
}

impl<V> Default for Shard<V> {
    fn default() -> Self {
        Self {
            holders: HashMap::default(),
            swept_at: SWEPT_MIN,
            names: HashSet::new(),
            names_swept_at: SWEPT_MIN,
        }
    }
}

impl<V> Part<V> {
    fn new() -> Self {
        Self(Mutex::new(Shard::default()))
    }

    fn lock(&self) -> MutexGuard<'_, Shard<V>> {
        // What was being written when a thread panicked is a number like any other.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Parts<V> {
    fn new() -> Self {
        Self { first: Part::new(), others: (1..PARTS).map(|_| Part::new()).collect() }
    }

    fn holders(&self) -> usize {
        let parts = std::iter::once(&self.first).chain(&self.others);
        parts.map(|part| part.lock().holders.len()).sum()
    }

    fn lock(&self, mark: Mark) -> MutexGuard<'_, Shard<V>> {
        let other = mark.part(PARTS).checked_sub(1).and_then(|place| self.others.get(place));
        other.unwrap_or(&self.first).lock()
    }
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { keys: Parts::new(), workspaces: Parts::new() }
    }
}

impl<V> Table<V> {
    /// How many holders it has.
    pub(super) fn holders(&self) -> usize {
        self.keys.holders() + self.workspaces.holders()
    }

    /// Locks what is known of one holder. Whoever does holds nothing else.
    pub(super) fn lock(&self, shared: bool, mark: Mark) -> MutexGuard<'_, Shard<V>> {
        let parts = if shared { &self.workspaces } else { &self.keys };
        parts.lock(mark)
    }

    /// Locks what is known of those who have limits that count this: all keys of a workspace meet
    /// only where it has a ceiling.
    pub(super) fn pair(&self, charge: &Charge<'_>) -> Pair<'_, V> {
        let lock = |shared| self.lock(shared, charge.mark(shared));
        match (charge.is_free_of(false), charge.is_free_of(true)) {
            (false, false) => {
                let own = lock(false);
                Pair::Both { own, common: lock(true) }
            }
            (own_is_free, _) => Pair::One(lock(own_is_free)),
        }
    }
}

impl<V> Shard<V> {
    /// What is known of the limits of a holder, by their names.
    pub(super) fn limits_mut(&mut self, mark: Mark) -> Option<&mut [(Arc<str>, V)]> {
        self.holders.get_mut(&mark).map(SmallVec::as_mut_slice)
    }

    /// What is known of a limit.
    pub(super) fn get_mut(&mut self, mark: Mark, limit: &str) -> Option<&mut V> {
        self.limits_mut(mark).and_then(|limits| find(limits, limit))
    }

    /// Does this with what is known of a limit, or with what is made where nothing is.
    pub(super) fn with<R>(
        &mut self,
        mark: Mark,
        limit: &str,
        make: impl FnOnce() -> V,
        is_idle: impl Fn(&V) -> bool,
        act: impl FnOnce(&mut V) -> R,
    ) -> R {
        if let Some(value) = self.get_mut(mark, limit) {
            return act(value);
        }
        let mut value = make();
        let outcome = act(&mut value);
        self.insert(mark, limit, value, is_idle);
        outcome
    }

    /// Keeps a value of a limit of which nothing is known.
    pub(super) fn insert(
        &mut self,
        mark: Mark,
        limit: &str,
        value: V,
        is_idle: impl Fn(&V) -> bool,
    ) {
        let name = self.name(limit);
        if let Some(limits) = self.holders.get_mut(&mark) {
            // Names that a policy had come and go while a key is used on and on.
            if limits.len() == limits.capacity() && limits.len() >= LIMITS_SWEPT_MIN {
                limits.retain(|(_, value)| !is_idle(value));
            }
            limits.push((name, value));
            return;
        }
        self.make_room(is_idle);
        self.holders.insert(mark, SmallVec::from_buf([(name, value)]));
    }

    /// The name, as it is kept once for all holders.
    fn name(&mut self, limit: &str) -> Arc<str> {
        if let Some(known) = self.names.get(limit) {
            return Arc::clone(known);
        }
        if self.names.len() >= self.names_swept_at {
            self.names.retain(|name| Arc::strong_count(name) > 1);
            self.names_swept_at = SWEPT_MIN.max(2 * self.names.len());
        }
        let name: Arc<str> = limit.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    /// Forgets what is idle each time that as many have come as were left the last time: so it
    /// costs little for each, and memory is at the most twice what is in use.
    fn make_room(&mut self, is_idle: impl Fn(&V) -> bool) {
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

/// What is known of one of these.
pub(super) fn find<'a, V>(limits: &'a mut [(Arc<str>, V)], limit: &str) -> Option<&'a mut V> {
    limits.iter_mut().find(|(name, _)| **name == *limit).map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
