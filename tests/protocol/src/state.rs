//! Everything at one moment.

use std::hash::{Hash, Hasher};

use crate::{
    database::{Database, MANY, REPLICAS},
    mutants::Mutant,
    mutation::Mutation,
    replica::Replica,
};

/// Everything at one moment. States that differ in the names of replicas or of keys alone have the
/// same hash, so the checker explores one of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct State {
    pub(crate) database: Database,
    pub(crate) replicas: [Replica; REPLICAS],
    pub(crate) mutations: [Mutation; MANY],
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let swapped = self.with_replicas_swapped();
        let alike = [self.with_keys_swapped(), swapped.with_keys_swapped(), swapped];
        let least = alike.iter().fold(self, |least, state| least.min(state));
        (&least.database, &least.replicas, least.mutations).hash(hasher);
    }
}

impl State {
    fn with_replicas_swapped(&self) -> Self {
        let mut state = self.clone();
        state.database.swap_replicas();
        state.replicas.swap(0, 1);
        state
    }

    /// Each key has its mutation, so both change their names. Where there is but one key, no state
    /// has a twin.
    fn with_keys_swapped(&self) -> Self {
        let mut state = self.clone();
        state.database.swap_mutations();
        state.replicas.iter_mut().for_each(Replica::swap_keys);
        state.mutations.swap(0, 1);
        state
    }

    pub(crate) fn is_waiting(&self, mutation: usize) -> bool {
        matches!(self.mutations[mutation], Mutation::Waiting { .. })
    }

    /// Whether every row has acknowledged what this mutation has committed.
    pub(crate) fn is_acknowledged(&self, mutation: usize) -> bool {
        let change = self.database.position_of(mutation);
        change.is_some_and(|change| self.database.all_acknowledged(change.revision))
    }

    /// Which mutation a fail-over would undo. Never one that has returned: the promise needs
    /// synchronous commits where there are standbys.
    pub(crate) fn may_be_lost(&self) -> Option<usize> {
        self.database.newest().filter(|&newest| self.mutations[newest] != Mutation::Returned)
    }

    pub(crate) fn tick(&mut self) {
        self.replicas.iter_mut().for_each(Replica::tick);
        self.mutations.iter_mut().for_each(Mutation::tick);
    }

    pub(crate) fn fail_over(&mut self) {
        if let Some(lost) = self.may_be_lost() {
            self.mutations[lost] = Mutation::Unknown;
            self.database.forget(lost);
            self.database.fail_over();
            self.replicas.iter_mut().for_each(|replica| replica.link.cut());
        }
    }

    /// The mutation waits no more, so what it noted is of no use.
    pub(crate) fn settle(&mut self, mutation: usize, outcome: Mutation) {
        self.mutations[mutation] = outcome;
        self.database.forget(mutation);
    }

    /// Nobody makes a change twice: a retry that finds it made waits for the revision that its row
    /// carries (M9).
    pub(crate) fn retry(&mut self, mutation: usize, mutant: Option<Mutant>) {
        self.mutations[mutation] = if self.database.position_of(mutation).is_none() {
            Mutation::Ready
        } else if mutant == Some(Mutant::M9) {
            Mutation::Returned
        } else {
            Mutation::waiting()
        };
    }
}
