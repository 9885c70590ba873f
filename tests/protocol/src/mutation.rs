//! A mutation: one transaction, and then the wait until the change is in force everywhere.

use crate::{
    clock::{Stopwatch, WAIT},
    database::{Database, Revision},
    mutants::Mutant,
};

/// How far a mutation has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mutation {
    /// Not committed. A COMMIT that failed, and was not in doubt, leads back here.
    #[default]
    Ready,
    /// M1 only: it has a revision, and is not committed. The rule makes the two one step.
    Allocated(Revision),
    /// Committed. It returns when every row has acknowledged it, or after L_m.
    Waiting {
        /// Since c, when COMMIT returned.
        since_commit: Stopwatch,
        /// Since it read the `lease_seq` of every row, for eviction. Not at c: reading takes time.
        since_noted: Option<Stopwatch>,
    },
    /// The caller did not hear of it: COMMIT's answer was lost, or the process was killed while it
    /// waited.
    Unknown,
    /// The caller was told OK.
    Returned,
}

impl Mutation {
    /// The wait begins: at c, and again for whoever retries a change already made.
    pub(crate) fn waiting() -> Self {
        Self::Waiting { since_commit: Stopwatch::default(), since_noted: None }
    }

    pub(crate) fn tick(&mut self) {
        if let Self::Waiting { since_commit, since_noted } = self {
            since_commit.tick();
            since_noted.iter_mut().for_each(Stopwatch::tick);
        }
    }

    /// Whether it has waited so long that every lease without its event is over.
    pub(crate) fn may_time_out(self, mutant: Option<Mutant>) -> bool {
        let wait = if mutant == Some(Mutant::M8) { WAIT - 1 } else { WAIT };
        matches!(self, Self::Waiting { since_commit, .. } if since_commit.reached(wait))
    }

    /// Whether its `lease_seq` are still to be noted.
    pub(crate) fn may_note(self) -> bool {
        matches!(self, Self::Waiting { since_noted: None, .. })
    }

    /// Begins the wait that an eviction needs.
    pub(crate) fn note(&mut self) {
        if let Self::Waiting { since_noted, .. } = self {
            *since_noted = Some(Stopwatch::default());
        }
    }

    /// Whether this mutation, `number`, may delete the row of a replica that has not acknowledged
    /// it.
    ///
    /// A lease granted before `lease_seq` was read ends within L_r of the reading, and one granted
    /// after it changes `lease_seq`.
    pub(crate) fn may_evict(
        self,
        number: usize,
        replica: usize,
        database: &Database,
        mutant: Option<Mutant>,
    ) -> bool {
        let Self::Waiting { since_commit, since_noted: Some(since_noted) } = self else {
            return false;
        };
        let (Some(row), Some(change)) = (database.row(replica), database.position_of(number))
        else {
            return false;
        };
        let waited = if mutant == Some(Mutant::M7) { since_commit } else { since_noted };
        let unchanged = mutant == Some(Mutant::M6) || !database.has_renewed_since(number, replica);
        row.acknowledged < change.revision && waited.reached(WAIT) && unchanged
    }
}
