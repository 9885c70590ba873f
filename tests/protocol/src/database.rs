//! The database: one counter, one log, and one row for each replica.
//!
//! Each method is one statement or one transaction, so it happens at once: the counter's row stays
//! locked from the allocation of a revision until its commit is visible, and a replica's row is
//! locked by whoever changes it.

/// How many replicas there are.
pub(crate) const REPLICAS: usize = 2;

/// At most so many keys, and at most so many mutations.
pub(crate) const MANY: usize = 2;

/// The number of a key or of a mutation, in as little of a state as it needs.
#[expect(clippy::cast_possible_truncation, reason = "there are two")]
pub(crate) fn name(number: usize) -> u8 {
    number as u8
}

/// The number of a change; 0 is before the first.
pub(crate) type Revision = u8;

/// A place in one history: a revision, and the nonce of its event.
///
/// A nonce is random. Within one history a revision is given once, so all that a nonce tells apart
/// is the histories before and after a fail-over that lost commits: 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    pub(crate) revision: Revision,
    pub(crate) nonce: u8,
}

/// One change in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Event {
    mutation: u8,
    pub(crate) at: Position,
}

impl Event {
    pub(crate) fn mutation(self) -> usize {
        self.mutation.into()
    }

    pub(crate) fn swap(&mut self) {
        self.mutation = 1 - self.mutation;
    }
}

/// The row of a replica in `replicas`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    /// `applied`: this replica says that it has applied every event up to here.
    pub(crate) acknowledged: Revision,
    /// Whether `lease_seq` has changed since each mutation noted it; true where none has noted it.
    ///
    /// The number itself is only ever compared with what was noted, so this is all that it says. A
    /// join counts as a change: an eviction names the incarnation, for a new row may come back to
    /// the number noted.
    renewed: [bool; MANY],
    /// M21 only: a fail-over that loses this commit loses the row as well.
    lost_with: Option<Revision>,
}

impl Row {
    fn new(acknowledged: Revision) -> Self {
        Self { acknowledged, renewed: [true; MANY], lost_with: None }
    }
}

/// What is committed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Database {
    /// The revision allocated last. It equals the head unless M1 is made.
    counter: Revision,
    /// 1 once commits were lost.
    history: u8,
    /// The event of revision `n` is at `n - 1`.
    log: [Option<Event>; MANY],
    rows: [Option<Row>; REPLICAS],
}

impl Database {
    /// An empty log, which every replica has applied.
    pub(crate) fn new() -> Self {
        Self { counter: 0, history: 0, log: [None; MANY], rows: [Some(Row::new(0)); REPLICAS] }
    }

    /// `UPDATE counter SET revision = revision + 1, nonce = … RETURNING …`.
    pub(crate) fn allocate(&mut self) -> Revision {
        self.counter += 1;
        self.counter
    }

    /// The event and the change that it tells of become visible.
    pub(crate) fn commit(&mut self, revision: Revision, mutation: usize) {
        let at = Position { revision, nonce: self.history };
        self.log[usize::from(revision) - 1] = Some(Event { mutation: name(mutation), at });
    }

    /// The newest event that is visible.
    pub(crate) fn head(&self) -> Position {
        self.log.iter().flatten().last().map_or(Position::default(), |event| event.at)
    }

    /// Whether every revision below the head is visible too.
    pub(crate) fn has_no_gap(&self) -> bool {
        self.log.iter().flatten().count() == usize::from(self.head().revision)
    }

    /// The first event after the one that a replica has applied.
    ///
    /// One at a time: a statement may bring fewer events than there are, and then it must not
    /// count as if it had brought them all.
    pub(crate) fn event_after(&self, applied: Revision) -> Option<Event> {
        self.log.iter().flatten().find(|event| event.at.revision > applied).copied()
    }

    /// Whether the event there is still the one that the replica applied (M14).
    pub(crate) fn still_has(&self, position: Position) -> bool {
        position.revision == 0 || self.log.iter().flatten().any(|event| event.at == position)
    }

    /// Where a mutation is in the log: the revision that the row it changed carries.
    pub(crate) fn position_of(&self, mutation: usize) -> Option<Position> {
        self.log.iter().flatten().find(|event| event.mutation() == mutation).map(|event| event.at)
    }

    pub(crate) fn row(&self, replica: usize) -> Option<Row> {
        self.rows[replica]
    }

    /// Whether no replica is known that may not have applied this.
    pub(crate) fn all_acknowledged(&self, revision: Revision) -> bool {
        self.rows.iter().flatten().all(|row| row.acknowledged >= revision)
    }

    /// Sets `applied` and `lease_seq + 1`.
    pub(crate) fn acknowledge(&mut self, replica: usize, revision: Revision) {
        if let Some(row) = &mut self.rows[replica] {
            *row = Row { lost_with: row.lost_with, ..Row::new(revision) };
        }
    }

    /// Inserts the row of a new incarnation, or puts it in the place of the last one's.
    pub(crate) fn insert(&mut self, replica: usize, head: Revision, may_be_lost: bool) {
        self.rows[replica] = Some(Row { lost_with: may_be_lost.then_some(head), ..Row::new(head) });
    }

    /// By the replica when it leaves, or by a mutation that evicts it.
    pub(crate) fn delete(&mut self, replica: usize) {
        self.rows[replica] = None;
    }

    /// A mutation reads the `lease_seq` of every row.
    pub(crate) fn note(&mut self, mutation: usize) {
        self.rows.iter_mut().flatten().for_each(|row| row.renewed[mutation] = false);
    }

    /// What it noted is of no use any more.
    pub(crate) fn forget(&mut self, mutation: usize) {
        self.rows.iter_mut().flatten().for_each(|row| row.renewed[mutation] = true);
    }

    /// Whether a replica has renewed, or joined, since this mutation noted its `lease_seq`.
    pub(crate) fn has_renewed_since(&self, mutation: usize, replica: usize) -> bool {
        self.rows[replica].is_none_or(|row| row.renewed[mutation])
    }

    /// M12: the table was not logged, and the server has crashed.
    pub(crate) fn lose_rows(&mut self) {
        self.rows = [None; REPLICAS];
    }

    /// Which mutation a fail-over would lose: the newest, and only once.
    pub(crate) fn newest(&self) -> Option<usize> {
        let newest = self.log.iter().flatten().last()?;
        (self.history == 0).then_some(newest.mutation())
    }

    /// A standby that had not received the newest commit, nor what was acknowledged after it, is
    /// promoted.
    pub(crate) fn fail_over(&mut self) {
        let lost = self.head().revision;
        self.log[usize::from(lost) - 1] = None;
        self.counter = self.head().revision;
        self.history = 1;
        for row in &mut self.rows {
            *row = row.filter(|row| row.lost_with != Some(lost));
        }
        for row in self.rows.iter_mut().flatten() {
            row.acknowledged = row.acknowledged.min(self.counter);
        }
    }

    /// The same database, with the names of the replicas exchanged.
    pub(crate) fn swap_replicas(&mut self) {
        self.rows.swap(0, 1);
    }

    /// The same database, with the names of the mutations exchanged.
    pub(crate) fn swap_mutations(&mut self) {
        self.log.iter_mut().flatten().for_each(Event::swap);
        self.rows.iter_mut().flatten().for_each(|row| row.renewed.swap(0, 1));
    }
}
