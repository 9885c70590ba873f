//! What must hold in every state, and what must be possible.

use stateright::Property;

use crate::{
    database::Position,
    link::Link,
    model::Protocol,
    mutation::Mutation,
    replica::{Entry, Replica, Standing},
    state::State,
};

/// Once a mutation has returned, no replica may answer with anything older.
pub(crate) const I1: &str = "I1 what has returned is in force";
/// A replica with a lease has applied everything that has returned.
pub(crate) const I2: &str = "I2 a lease means up to date";
/// Below the head of the log no revision is missing.
pub(crate) const I3: &str = "I3 the log has no gap";
/// A replica without a row has no lease, so nobody needs to wait for it.
pub(crate) const I4: &str = "I4 no row, no lease";
/// What a replica is said to have applied, it has applied.
pub(crate) const I5: &str = "I5 acknowledged is applied";
/// A stamp is not newer than the snapshot of its read.
pub(crate) const I6: &str = "I6 a stamp is not newer than its read";

/// What must be possible: a model in which nothing happens breaks no rule.
fn reachable(protocol: &Protocol) -> Vec<Property<Protocol>> {
    let mut possible = vec![
        Property::sometimes("a mutation returns by acknowledgement", |_, state: &State| {
            (0..).zip(state.mutations).any(|(m, _)| state.is_waiting(m) && state.is_acknowledged(m))
        }),
        Property::sometimes(
            "a mutation returns by time-out",
            |protocol: &Protocol, state: &State| {
                let mut mutations = (0..).zip(state.mutations);
                mutations.any(|(m, mutation)| {
                    mutation.may_time_out(protocol.mutant) && !state.is_acknowledged(m)
                })
            },
        ),
        Property::sometimes("an evicted replica rejoins", |_, state: &State| {
            let evicted = |replica: &Replica| replica.standing == Standing::Evicted;
            state
                .replicas
                .iter()
                .any(|replica| evicted(replica) && matches!(replica.link, Link::Joining { .. }))
        }),
        Property::sometimes("a replica has left", |_, state: &State| {
            let left = |replica: &Replica| replica.standing == Standing::Outside;
            (0..)
                .zip(&state.replicas)
                .any(|(i, replica)| left(replica) && state.database.row(i).is_none())
        }),
        Property::sometimes("a retry finds its change made", |_, state: &State| {
            let mut mutations = (0..).zip(state.mutations);
            mutations.any(|(m, mutation)| {
                mutation == Mutation::Unknown && state.database.position_of(m).is_some()
            })
        }),
    ];
    if protocol.fail_over {
        possible.push(Property::sometimes(
            "a replica has applied what was lost",
            |_, state: &State| {
                state.replicas.iter().any(|replica| !state.database.still_has(replica.applied))
            },
        ));
    }
    if protocol.fills {
        possible.push(Property::sometimes(
            "a hit answers with the new state",
            |protocol: &Protocol, state: &State| {
                returned(protocol, state).any(|(m, key)| {
                    let mut answers =
                        state.replicas.iter().flat_map(|replica| replica.answers(key, None));
                    answers.any(|entry| includes(state, entry.snapshot, m))
                })
            },
        ));
    }
    possible
}

/// What must hold, and, where no rule is left out, what must be possible.
pub(crate) fn properties(protocol: &Protocol) -> Vec<Property<Protocol>> {
    let mut properties = invariants();
    if protocol.mutant.is_none() {
        properties.extend(reachable(protocol));
    }
    properties
}

/// I1–I6.
fn invariants() -> Vec<Property<Protocol>> {
    vec![
        Property::always(I1, returned_is_in_force),
        Property::always(I2, lease_means_up_to_date),
        Property::always(I3, |_, state: &State| state.database.has_no_gap()),
        Property::always(I4, |_, state: &State| {
            let mut replicas = (0..).zip(&state.replicas);
            replicas
                .all(|(i, replica)| state.database.row(i).is_some() || !replica.lease.is_valid())
        }),
        Property::always(I5, acknowledged_is_applied),
        Property::always(I6, stamp_is_not_newer),
    ]
}

/// The mutations that have returned, and the key that each has changed.
fn returned<'a>(
    protocol: &'a Protocol,
    state: &'a State,
) -> impl Iterator<Item = (usize, usize)> + 'a {
    let keys = protocol.changes.iter().copied();
    keys.enumerate().filter(|&(m, _)| state.mutations[m] == Mutation::Returned)
}

/// Whether whoever has seen everything up to here has seen this mutation.
///
/// A fail-over loses the newest commit alone: what is below a lost position is still there.
fn includes(state: &State, seen: Position, mutation: usize) -> bool {
    let change = state.database.position_of(mutation);
    change.is_some_and(|change| seen == change || seen.revision > change.revision)
}

fn returned_is_in_force(protocol: &Protocol, state: &State) -> bool {
    returned(protocol, state).all(|(m, key)| {
        let mut answers =
            state.replicas.iter().flat_map(|replica| replica.answers(key, protocol.mutant));
        answers.all(|entry| includes(state, entry.snapshot, m))
    })
}

fn lease_means_up_to_date(protocol: &Protocol, state: &State) -> bool {
    returned(protocol, state).all(|(m, _)| {
        let mut leased = state.replicas.iter().filter(|replica| replica.lease.is_valid());
        leased.all(|replica| includes(state, replica.applied, m))
    })
}

/// Of a replica that has not heard yet that it has joined, a row may say anything: it answers
/// nothing.
fn acknowledged_is_applied(_: &Protocol, state: &State) -> bool {
    (0..).zip(&state.replicas).filter(|(_, replica)| replica.standing == Standing::Joined).all(
        |(i, replica)| {
            state.database.row(i).is_none_or(|row| row.acknowledged <= replica.applied.revision)
        },
    )
}

/// A stamp from lost history says nothing: its replica learns of the loss before it acknowledges
/// anything.
fn stamp_is_not_newer(_: &Protocol, state: &State) -> bool {
    let mut entries = state.replicas.iter().flat_map(Replica::entries);
    entries.all(|Entry { stamp, snapshot }| {
        stamp.revision <= snapshot.revision || !state.database.still_has(stamp)
    })
}
