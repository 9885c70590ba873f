//! The link between a replica and the database: at most one statement, in the middle of it or
//! answered.
//!
//! Three delays are left out because each is covered by another. A statement that takes long to
//! arrive is like one sent later, and its lease would end earlier. A refusal that is heard late is
//! like one asked for late: a row that is gone stays gone, and lost history stays lost. A join
//! that is heard late is like one heard at once by a replica that then does nothing, or stops.

use crate::{
    clock::{Lease, Stopwatch},
    database::{Database, Event, Position},
    mutants::Mutant,
    replica::{Replica, Standing},
};

/// What is on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Link {
    Idle,
    /// The answer to a renewal: what one snapshot showed. It may be late, and it may be lost.
    Renewed {
        /// Since the renewal was sent, which is where the lease begins (M3).
        since_sent: Stopwatch,
        head: Position,
        /// The event after `applied`, which no replica changes while it waits.
        next: Option<Event>,
    },
    /// A join has read the head. Its row is not visible yet, so nobody waits for this replica.
    Joining {
        head: Position,
    },
}

impl Link {
    pub(crate) fn tick(&mut self) {
        if let Self::Renewed { since_sent, .. } = self {
            since_sent.tick();
        }
    }

    /// The server is gone: what was not committed there is undone, and what it has answered may
    /// still come.
    pub(crate) fn cut(&mut self) {
        if matches!(self, Self::Joining { .. }) {
            *self = Self::Idle;
        }
    }

    pub(crate) fn swap_mutations(&mut self) {
        if let Self::Renewed { next, .. } = self {
            next.iter_mut().for_each(Event::swap);
        }
    }
}

impl Replica {
    /// Fetch, acknowledge and renew: one statement (M4), sent by replica `number`.
    ///
    /// If it matches no row, or the log does not have the event `applied` any more, the
    /// incarnation is over.
    pub(crate) fn renew(&mut self, number: usize, database: &mut Database, mutant: Option<Mutant>) {
        if database.row(number).is_none() {
            return self.end_incarnation(Standing::Evicted, mutant);
        }
        if !database.still_has(self.applied) && mutant != Some(Mutant::M14) {
            return self.end_incarnation(Standing::Outside, mutant);
        }
        let (head, next) = (database.head(), database.event_after(self.applied.revision));
        let acknowledged = if mutant == Some(Mutant::M5) { head } else { self.applied };
        database.acknowledge(number, acknowledged.revision);
        self.link = Link::Renewed { since_sent: Stopwatch::default(), head, next };
    }

    /// The answer to the renewal: applies, and only then extends the lease. `changes` are the keys
    /// that the mutations change.
    pub(crate) fn receive(&mut self, changes: &[usize], mutant: Option<Mutant>) {
        let Link::Renewed { since_sent, head, next } = self.link else { return };
        self.link = Link::Idle;
        // M4: the heartbeat brings no events, and asks for none.
        let next = next.filter(|_| mutant != Some(Mutant::M4));
        if let Some(event) = next {
            self.apply(event, changes[event.mutation()]);
        }
        let up_to_date = self.applied.revision >= head.revision;
        if up_to_date || matches!(mutant, Some(Mutant::M4 | Mutant::M20)) {
            let since = if mutant == Some(Mutant::M3) { Stopwatch::default() } else { since_sent };
            self.lease = self.lease.max(Lease::begun(since));
        }
    }

    /// A join begins: one statement, whose snapshot is older than its commit.
    pub(crate) fn read_head(&mut self, database: &Database) {
        self.link = Link::Joining { head: database.head() };
    }

    /// The row of the new incarnation is committed. It gives no lease (M17).
    pub(crate) fn insert_row(
        &mut self,
        number: usize,
        database: &mut Database,
        mutant: Option<Mutant>,
    ) {
        let Link::Joining { head } = self.link else { return };
        self.link = Link::Idle;
        database.insert(number, head.revision, mutant == Some(Mutant::M21));
        self.begin_incarnation(head, mutant);
        if mutant == Some(Mutant::M17) {
            self.lease = Lease::FULL;
        }
    }
}
