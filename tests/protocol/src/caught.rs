//! Each mistake is caught: the model finds the shortest way in which it breaks an invariant.

use std::collections::BTreeSet;

use stateright::{Checker as _, HasDiscoveries, Model as _};

use crate::{
    invariants::{I1, I2, I3, I4, I5, I6},
    model::Protocol,
    mutants::Mutant,
};

/// One key, which is not loaded again.
const ONE: Protocol = Protocol { changes: &[0], fills: false, fail_over: false, mutant: None };
/// One key, and loads.
const LOADS: Protocol = Protocol { fills: true, ..ONE };
/// One key, loads, and a fail-over.
const LOST: Protocol = Protocol { fail_over: true, ..LOADS };
/// Two keys, which are not loaded again.
const TWO: Protocol = Protocol { changes: &[0, 1], ..ONE };

/// Whether the invariant can be broken in at most so many steps.
fn breaks(protocol: &Protocol, invariant: &'static str, steps: usize) -> bool {
    let found = HasDiscoveries::AllOf(BTreeSet::from([invariant]));
    // The first state is at depth 1, and the checker leaves out the depth that it is told.
    let checker = protocol
        .clone()
        .checker()
        .finish_when(found)
        .target_max_depth(steps + 2)
        .spawn_bfs()
        .join();
    checker.discovery(invariant).is_some()
}

/// Each of these invariants is broken by the mistake, in so many steps and in no fewer.
#[track_caller]
fn caught(mutant: Mutant, protocol: Protocol, broken: &[(&'static str, usize)]) {
    let mistaken = Protocol { mutant: Some(mutant), ..protocol };
    for &(invariant, steps) in broken {
        assert!(breaks(&mistaken, invariant, steps), "{mutant:?} breaks {invariant}");
        assert!(
            !breaks(&mistaken, invariant, steps - 1),
            "{mutant:?} breaks {invariant} in fewer than {steps} steps"
        );
    }
}

#[test]
fn m1_a_sequence_leaves_gaps() {
    caught(Mutant::M1, TWO, &[(I3, 3), (I1, 10)]);
}

#[test]
fn m2_a_load_counts_as_of_its_end() {
    caught(Mutant::M2, LOADS, &[(I6, 8), (I1, 11)]);
}

#[test]
fn m3_the_lease_is_counted_from_receipt() {
    caught(Mutant::M3, ONE, &[(I2, 6), (I1, 6)]);
}

#[test]
fn m4_a_heartbeat_apart_from_the_fetch_renews() {
    caught(Mutant::M4, ONE, &[(I2, 6), (I1, 6)]);
}

#[test]
fn m5_events_are_acknowledged_before_they_are_applied() {
    caught(Mutant::M5, ONE, &[(I5, 2), (I1, 4)]);
}

#[test]
fn m6_an_eviction_does_not_look_at_lease_seq() {
    caught(Mutant::M6, TWO, &[(I4, 7), (I1, 10)]);
}

#[test]
fn m7_an_eviction_comes_early() {
    caught(Mutant::M7, TWO, &[(I4, 7), (I1, 10)]);
}

#[test]
fn m8_a_mutation_waits_for_less_than_a_lease() {
    caught(Mutant::M8, ONE, &[(I2, 3), (I1, 3)]);
}

#[test]
fn m9_a_retry_does_not_wait() {
    caught(Mutant::M9, ONE, &[(I2, 3), (I1, 3)]);
}

#[test]
fn m10_a_joiner_is_not_checked() {
    caught(Mutant::M10, LOADS, &[(I1, 10)]);
}

#[test]
fn m11_the_lease_is_not_checked() {
    caught(Mutant::M11, ONE, &[(I1, 4)]);
}

#[test]
fn m12_the_table_of_replicas_is_lost() {
    caught(Mutant::M12, ONE, &[(I4, 1), (I1, 3)]);
}

#[test]
fn m13_a_rejoin_keeps_the_cache() {
    caught(Mutant::M13, ONE, &[(I1, 11)]);
}

#[test]
fn m14_a_revision_is_given_again_after_a_fail_over() {
    caught(Mutant::M14, LOST, &[(I2, 10), (I1, 11)]);
    caught(Mutant::M14, Protocol { fail_over: true, ..TWO }, &[(I2, 9), (I1, 9)]);
}

#[test]
fn m15_a_load_from_before_the_rejoin_is_inserted() {
    caught(Mutant::M15, LOADS, &[(I1, 15)]);
}

#[test]
fn m16_a_load_begun_without_a_row_is_inserted() {
    caught(Mutant::M16, LOADS, &[(I1, 10)]);
}

/// A replica that has just joined has nothing cached, so nothing old is answered; but its lease
/// lies.
#[test]
fn m17_a_join_grants_a_lease() {
    caught(Mutant::M17, ONE, &[(I2, 7)]);
}

#[test]
fn m18_the_lease_is_read_after_the_stamp_is_checked() {
    caught(Mutant::M18, ONE, &[(I1, 7)]);
}

#[test]
fn m19_a_replica_leaves_before_it_stops() {
    caught(Mutant::M19, ONE, &[(I4, 2), (I1, 6)]);
}

#[test]
fn m20_a_part_of_the_events_renews() {
    caught(Mutant::M20, TWO, &[(I2, 7), (I1, 7)]);
}

#[test]
fn m21_a_fail_over_loses_a_join() {
    caught(Mutant::M21, LOST, &[(I4, 7), (I1, 13)]);
}

#[test]
fn m22_a_leave_comes_late() {
    caught(Mutant::M22, LOADS, &[(I4, 6), (I1, 11)]);
}
