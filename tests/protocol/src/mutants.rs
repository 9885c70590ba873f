//! The mistakes. Each leaves out one rule, and the model finds what comes of it.

/// One mistake. M1–M15 are those of the protocol's description; the others were found with this
/// model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// A sequence gives the revisions, so they become visible out of order and an event is
    /// skipped.
    M1,
    /// A load's entry counts as of its end, whatever was stamped before its read.
    M2,
    /// The lease is counted from the receipt of the answer, not from before the sending.
    M3,
    /// A heartbeat, apart from the fetch, renews the lease whatever has been applied.
    M4,
    /// The events are acknowledged when they are fetched, before they are applied.
    M5,
    /// An eviction does not look at `lease_seq`.
    M6,
    /// An eviction counts L_m from the commit, not from the reading of `lease_seq`.
    M7,
    /// A mutation waits for less than a lease lasts.
    M8,
    /// The retry of a change already made says OK at once.
    M9,
    /// Who joins a running load takes its result unchecked.
    M10,
    /// An answer is given whatever the lease.
    M11,
    /// The table of replicas is not logged: a crash empties it.
    M12,
    /// A replica that has lost its row keeps its cache.
    M13,
    /// The nonce is not looked at: a revision given again after a fail-over passes for the one
    /// applied.
    M14,
    /// A load that ran when the row was lost is inserted all the same.
    M15,
    /// A load begun while there was no row is inserted after the join.
    M16,
    /// The join grants a lease, though its row was not visible when it read the head.
    M17,
    /// The lease is read after the stamp was checked, so a renewal in between revives what it made
    /// stale.
    M18,
    /// A replica that leaves deletes its row while it still answers.
    M19,
    /// The lease is renewed by an answer that does not bring all the events.
    M20,
    /// Commits are not synchronous: with a commit, a fail-over loses the rows of who joined after
    /// it.
    M21,
    /// A leave that comes late deletes the row of the next incarnation.
    M22,
}
