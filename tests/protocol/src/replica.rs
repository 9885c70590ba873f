//! A replica: what it has applied, what it has cached, and until when it may answer.

use crate::{
    clock::Lease,
    database::{Database, Event, MANY, Position, Revision, name},
    link::Link,
    mutants::Mutant,
};

/// Whether a replica believes that it has a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Standing {
    Joined,
    /// It has left, or the database has lost history: it must join.
    Outside,
    /// It has found that its row is gone: it must rejoin.
    Evicted,
}

/// A compiled key, and the load that it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    /// `applied` when the load began. The incarnation needs no place here: see
    /// [`Replica::end_incarnation`].
    pub(crate) stamp: Position,
    /// The head of what the load read. No replica knows this; the invariants do.
    pub(crate) snapshot: Position,
}

/// A load that runs, and that others may join: single flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fill {
    key: u8,
    entry: Entry,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Replica {
    pub(crate) standing: Standing,
    pub(crate) applied: Position,
    /// The newest event of each key. A shard is one key here; a collision only costs a reload.
    minimum: [Revision; MANY],
    cache: [Option<Entry>; MANY],
    fill: Option<Fill>,
    pub(crate) lease: Lease,
    pub(crate) link: Link,
    /// M18 only: an answer that has passed the check of its stamp, and not yet that of the lease.
    held: Option<Fill>,
    /// M22 only: the end of its leave is still on its way.
    leaves_late: bool,
}

impl Replica {
    /// Joined before the first revision, with these keys in its cache and a lease just granted.
    pub(crate) fn warm(keys: &[usize]) -> Self {
        let entry = Entry { stamp: Position::default(), snapshot: Position::default() };
        Self {
            standing: Standing::Joined,
            applied: Position::default(),
            minimum: [0; MANY],
            cache: std::array::from_fn(|key| keys.contains(&key).then_some(entry)),
            fill: None,
            lease: Lease::FULL,
            link: Link::Idle,
            held: None,
            leaves_late: false,
        }
    }

    pub(crate) fn tick(&mut self) {
        self.lease.tick();
        self.link.tick();
    }

    /// Whether this stamp counts: nothing newer is known of the key (M2).
    fn counts(&self, key: usize, entry: Entry) -> bool {
        entry.stamp.revision >= self.minimum[key]
    }

    /// What the cache would answer, were the lease valid.
    pub(crate) fn cached(&self, key: usize) -> Option<Entry> {
        self.cache[key].filter(|&entry| self.counts(key, entry))
    }

    /// What whoever joins the running load would answer, were the lease valid. It is checked like
    /// a cache entry (M10).
    fn joined(&self, key: usize, mutant: Option<Mutant>) -> Option<Entry> {
        let fill = self.fill.filter(|fill| usize::from(fill.key) == key)?;
        (mutant == Some(Mutant::M10) || self.counts(key, fill.entry)).then_some(fill.entry)
    }

    /// Everything that an Introspect of this key which begins now, or began earlier, might answer
    /// with.
    ///
    /// The lease is the last check: boot time at or after the deadline means no answer (M11).
    pub(crate) fn answers(
        &self,
        key: usize,
        mutant: Option<Mutant>,
    ) -> impl Iterator<Item = Entry> {
        let may_answer = self.lease.is_valid() || mutant == Some(Mutant::M11);
        let held = self.held.filter(|held| usize::from(held.key) == key).map(|held| held.entry);
        let now = [self.cached(key), self.joined(key, mutant), held];
        now.into_iter().flatten().filter(move |_| may_answer)
    }

    /// Whether a load may begin: a miss, and none runs.
    ///
    /// Outside too; but what comes of that is dropped (M16), so only the mistake needs it.
    pub(crate) fn may_fill(&self, key: usize, mutant: Option<Mutant>) -> bool {
        let has_place = self.standing == Standing::Joined || mutant == Some(Mutant::M16);
        has_place && self.fill.is_none() && self.cached(key).is_none()
    }

    /// Takes the stamp, and reads. An earlier stamp would only count for less.
    pub(crate) fn start_fill(&mut self, key: usize, head: Position) {
        self.fill =
            Some(Fill { key: name(key), entry: Entry { stamp: self.applied, snapshot: head } });
    }

    pub(crate) fn is_filling(&self) -> bool {
        self.fill.is_some()
    }

    /// The load is over: its entry is inserted.
    pub(crate) fn finish_fill(&mut self, mutant: Option<Mutant>) {
        if let Some(Fill { key, mut entry }) = self.fill.take() {
            if mutant == Some(Mutant::M2) {
                entry.stamp = self.applied;
            }
            self.cache[usize::from(key)] = Some(entry);
        }
    }

    /// M18: the stamp is checked, whatever the lease.
    pub(crate) fn may_hold(&self, key: usize) -> bool {
        self.held.is_none() && self.cached(key).is_some()
    }

    pub(crate) fn hold(&mut self, key: usize) {
        self.held = self.cached(key).map(|entry| Fill { key: name(key), entry });
    }

    /// Raises the minimum of the key that the event names, and then `applied`.
    pub(crate) fn apply(&mut self, event: Event, key: usize) {
        self.minimum[key] = event.at.revision;
        self.applied = event.at;
    }

    /// The incarnation is over: no lease, no cache, and no load in flight.
    ///
    /// A stamp carries its incarnation, so whatever was loaded before now never counts again; the
    /// model drops it here (M13, M15). It forgets the minimums too, which is the worst that a
    /// replica could do with them.
    pub(crate) fn end_incarnation(&mut self, standing: Standing, mutant: Option<Mutant>) {
        let ended =
            Self { standing, lease: Lease::OVER, leaves_late: self.leaves_late, ..Self::warm(&[]) };
        let last = std::mem::replace(self, ended);
        if mutant == Some(Mutant::M13) {
            self.cache = last.cache;
        }
        if mutant == Some(Mutant::M15) {
            self.fill = last.fill;
        }
    }

    /// A new incarnation begins at the head that the join has read.
    ///
    /// What was loaded since the last one ended does not count either: no mutation has waited for
    /// a replica that had no row (M16).
    pub(crate) fn begin_incarnation(&mut self, head: Position, mutant: Option<Mutant>) {
        let fill = self.fill;
        self.end_incarnation(Standing::Joined, mutant);
        self.applied = head;
        if mutant == Some(Mutant::M16) {
            self.fill = fill;
        }
    }

    /// On SIGTERM, first of all: it answers no more. A process that dies does the same.
    pub(crate) fn stop(&mut self, mutant: Option<Mutant>) {
        if mutant == Some(Mutant::M19) {
            self.standing = Standing::Outside;
        } else {
            self.end_incarnation(Standing::Outside, None);
        }
        self.leaves_late = mutant == Some(Mutant::M22);
    }

    /// M22: what was to end the leave of an earlier incarnation may delete the row of this one.
    pub(crate) fn may_leave(&self) -> bool {
        self.leaves_late || self.standing == Standing::Outside && self.link == Link::Idle
    }

    /// Its row is deleted.
    pub(crate) fn leave(&mut self, number: usize, database: &mut Database) {
        self.leaves_late = false;
        database.delete(number);
    }

    /// Removes what will never count again, which is hygiene: minimums do not fall.
    pub(crate) fn tidy(&mut self, mutant: Option<Mutant>) {
        for key in 0..MANY {
            self.cache[key] = self.cached(key);
        }
        let needed = matches!(mutant, Some(Mutant::M2 | Mutant::M10));
        self.fill = self.fill.filter(|fill| needed || self.counts(fill.key.into(), fill.entry));
    }

    /// The entries, and the loads that run.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.cache.into_iter().flatten().chain(self.fill.map(|fill| fill.entry))
    }

    pub(crate) fn swap_keys(&mut self) {
        self.minimum.swap(0, 1);
        self.cache.swap(0, 1);
        self.fill.iter_mut().chain(&mut self.held).for_each(|fill| fill.key = 1 - fill.key);
        self.link.swap_mutations();
    }
}
