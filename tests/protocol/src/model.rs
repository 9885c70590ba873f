//! The protocol as a state machine: which steps may be next, and what each of them does.

use stateright::{Model, Property};

use crate::{
    action::Action,
    database::{Database, MANY, REPLICAS},
    invariants,
    link::Link,
    mutants::Mutant,
    mutation::Mutation,
    replica::{Replica, Standing},
    state::State,
};

/// What is to be explored.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    /// The key that each mutation changes.
    pub(crate) changes: &'static [usize],
    /// Whether replicas load what they miss.
    pub(crate) fills: bool,
    /// Whether the database may lose its newest commit.
    pub(crate) fail_over: bool,
    /// The rule that is left out.
    pub(crate) mutant: Option<Mutant>,
}

impl Protocol {
    /// What a mutation may do next.
    fn mutation_actions(&self, state: &State, m: usize, actions: &mut Vec<Action>) {
        let mutation = state.mutations[m];
        match mutation {
            Mutation::Ready if self.mutant == Some(Mutant::M1) => actions.push(Action::Allocate(m)),
            Mutation::Ready | Mutation::Allocated(_) => actions.push(Action::Commit(m)),
            Mutation::Unknown => actions.push(Action::Retry(m)),
            Mutation::Waiting { .. } => actions.push(Action::LoseOutcome(m)),
            Mutation::Returned => {}
        }
        if mutation.may_note() {
            actions.push(Action::Note(m));
        }
        if state.is_waiting(m) && state.is_acknowledged(m) {
            actions.push(Action::ReturnAcknowledged(m));
        }
        if mutation.may_time_out(self.mutant) {
            actions.push(Action::ReturnTimedOut(m));
        }
        for replica in 0..REPLICAS {
            if mutation.may_evict(m, replica, &state.database, self.mutant) {
                actions.push(Action::Evict { mutation: m, replica });
            }
        }
    }

    /// What a replica may do next, or what may be done to it.
    fn replica_actions(&self, state: &State, i: usize, actions: &mut Vec<Action>) {
        let replica = &state.replicas[i];
        match replica.link {
            Link::Renewed { .. } => actions.extend([Action::Receive(i), Action::Lose(i)]),
            Link::Joining { .. } => actions.extend([Action::InsertRow(i), Action::Lose(i)]),
            Link::Idle if replica.standing == Standing::Joined => {
                actions.extend([Action::Renew(i), Action::Stop(i)]);
            }
            Link::Idle => actions.push(Action::ReadHead(i)),
        }
        if replica.may_leave() && state.database.row(i).is_some() {
            actions.push(Action::Leave(i));
        }
        if replica.is_filling() {
            actions.push(Action::FinishFill(i));
        }
        for &key in self.changes {
            if self.fills && replica.may_fill(key, self.mutant) {
                actions.push(Action::StartFill { replica: i, key });
            }
            if self.mutant == Some(Mutant::M18) && replica.may_hold(key) {
                actions.push(Action::Hold { replica: i, key });
            }
        }
    }

    /// A step of a mutation.
    fn mutate(&self, state: &mut State, action: Action) {
        let database = &mut state.database;
        match action {
            Action::Allocate(m) => state.mutations[m] = Mutation::Allocated(database.allocate()),
            Action::Commit(m) => {
                let allocated = match state.mutations[m] {
                    Mutation::Allocated(revision) => revision,
                    _ => database.allocate(),
                };
                database.commit(allocated, m);
                state.mutations[m] = Mutation::waiting();
            }
            Action::Note(m) => {
                database.note(m);
                state.mutations[m].note();
            }
            Action::Evict { replica, .. } => database.delete(replica),
            Action::LoseOutcome(m) => state.settle(m, Mutation::Unknown),
            Action::Retry(m) => state.retry(m, self.mutant),
            Action::ReturnAcknowledged(m) | Action::ReturnTimedOut(m) => {
                state.settle(m, Mutation::Returned);
            }
            _ => {}
        }
    }

    /// A step of a replica.
    fn replicate(&self, state: &mut State, action: Action) {
        let (database, replicas) = (&mut state.database, &mut state.replicas);
        match action {
            Action::Renew(i) => replicas[i].renew(i, database, self.mutant),
            Action::Receive(i) => replicas[i].receive(self.changes, self.mutant),
            Action::ReadHead(i) => replicas[i].read_head(database),
            Action::InsertRow(i) => replicas[i].insert_row(i, database, self.mutant),
            Action::Stop(i) => replicas[i].stop(self.mutant),
            Action::Leave(i) => replicas[i].leave(i, database),
            Action::Lose(i) => replicas[i].link = Link::Idle,
            Action::StartFill { replica, key } => {
                replicas[replica].start_fill(key, database.head());
            }
            Action::FinishFill(i) => replicas[i].finish_fill(self.mutant),
            Action::Hold { replica, key } => replicas[replica].hold(key),
            _ => {}
        }
        replicas.iter_mut().for_each(|replica| replica.tidy(self.mutant));
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let replica = Replica::warm(self.changes);
        let replicas = [replica.clone(), replica];
        vec![State { database: Database::new(), replicas, mutations: [Mutation::Ready; MANY] }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.push(Action::Tick);
        for m in 0..self.changes.len() {
            self.mutation_actions(state, m, actions);
        }
        for i in 0..REPLICAS {
            self.replica_actions(state, i, actions);
        }
        if self.fail_over && state.may_be_lost().is_some() {
            actions.push(Action::FailOver);
        }
        if self.mutant == Some(Mutant::M12) {
            actions.push(Action::LoseRows);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => state.tick(),
            Action::FailOver => state.fail_over(),
            Action::LoseRows => state.database.lose_rows(),
            _ => {
                self.mutate(&mut state, action);
                self.replicate(&mut state, action);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        invariants::properties(self)
    }
}
