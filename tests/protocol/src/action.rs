//! Everything that may happen next.

/// One step. A number names a mutation in the first group, and a replica in the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Time passes, for everybody alike.
    Tick,

    /// M1 only: a revision is taken without the lock.
    Allocate(usize),
    /// The transaction commits.
    Commit(usize),
    /// The mutation reads every `lease_seq`.
    Note(usize),
    /// The mutation deletes the row of a replica.
    Evict { mutation: usize, replica: usize },
    /// The caller never hears of the outcome.
    LoseOutcome(usize),
    /// The caller, or another, tries again.
    Retry(usize),
    /// Every row has acknowledged the revision.
    ReturnAcknowledged(usize),
    /// L_m has passed.
    ReturnTimedOut(usize),

    /// At a doorbell, or without one: the one statement, of which the database sees everything or
    /// nothing.
    Renew(usize),
    /// The replica handles the answer.
    Receive(usize),
    /// The answer is lost, or the statement before its commit.
    Lose(usize),
    /// The join reads the head.
    ReadHead(usize),
    /// The join commits its row.
    InsertRow(usize),
    /// On SIGTERM, or by a crash: the replica is no more.
    Stop(usize),
    /// On SIGTERM, after that: it deletes its row.
    Leave(usize),
    /// A load begins: it takes its stamp and reads.
    StartFill { replica: usize, key: usize },
    /// The load ends.
    FinishFill(usize),
    /// M18 only: an Introspect has checked the stamp, and not yet the lease.
    Hold { replica: usize, key: usize },

    /// A standby is promoted that lacks the newest commit.
    FailOver,
    /// M12 only: the table of replicas is empty after a crash.
    LoseRows,
}
