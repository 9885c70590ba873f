//! The right protocol: every state is visited, and none breaks an invariant.

use stateright::{Checker as _, Model as _};

use crate::model::Protocol;

/// Visits every state there is: at least so many, lest a model in which nothing happens pass.
#[track_caller]
fn holds(protocol: Protocol, states_min: usize) {
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    assert!(checker.is_done());
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states >= states_min, "only {states} states");
}

#[test]
fn two_replicas_one_key_loads_and_a_fail_over() {
    holds(Protocol { changes: &[0], fills: true, fail_over: true, mutant: None }, 690_000);
}

#[test]
fn two_replicas_two_keys() {
    holds(Protocol { changes: &[0, 1], fills: false, fail_over: false, mutant: None }, 1_700_000);
}
