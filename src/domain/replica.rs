//! What replicas share, and what each must know of the others: the log of changes, and one row
//! for each of them.
//!
//! Why a change is in force everywhere when its call returns is told at the protocol itself;
//! here are its ports, so that it can be run on a simulated world.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    event::Revision,
    name::Id,
    ports::StoreError,
    time::{Moment, Timestamp},
};

/// Time as one process counts it.
pub trait Stopwatch: Send + Sync {
    /// How long the machine has run, the time that it slept included. Never goes back.
    fn now(&self) -> Moment;
}

/// A place in one history of changes: a database that lost commits gives their revisions again,
/// but not their nonces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The number of an event; 0: before the first.
    pub revision: Revision,
    /// What was drawn for that event.
    pub nonce: i64,
}

/// One life of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which replica.
    pub id: Id,
    /// Which of its lives: each attempt to join is another.
    pub incarnation: i64,
}

/// For how long a replica answers from memory without hearing from the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// From the moment before a renewal was sent.
    pub lease: Duration,
    /// After that, saying so. Zero: not at all.
    pub stale: Duration,
}

/// How much faster the clock of one who waits may go than that of one who is waited for: a quarter.
const CLOCK_RATES: (u32, u32) = (5, 4);

impl Terms {
    /// For how long others wait for a replica of these terms that does not acknowledge.
    pub fn wait(self) -> Duration {
        let (more, than) = CLOCK_RATES;
        self.lease.saturating_add(self.stale).saturating_mul(more) / than
    }
}

/// What one statement showed and did: it acknowledged what had been applied and renewed the
/// row, and read the log, all in one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// There is no such row any more. Nothing was done.
    Outside,
    /// The log no longer has the event that was applied last. Nothing was done.
    HistoryLost,
    /// It was done.
    Done(Tail),
}

/// The log after what a replica has applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The newest change.
    pub head: Revision,
    /// The time of the database.
    pub time: Timestamp,
    /// The changes, oldest first: the first ones, where there are many.
    pub changes: Vec<Noted>,
}

/// A change, as far as a replica must know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Its place in the log.
    pub position: Position,
    /// The resource name of what changed.
    pub subject: String,
}

/// The row of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose.
    pub member: Member,
    /// What it says it has applied.
    pub applied: Revision,
    /// How often it was renewed.
    pub lease_seq: i64,
    /// How long it may go on without another renewal.
    pub terms: Terms,
}

/// What a database says of how safe its commits are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durability {
    /// Whether a commit is on the disk before it is acknowledged.
    pub on_disk: bool,
    /// How many servers follow this one, as far as it tells.
    pub standbys: u32,
    /// Whether a commit is on one of them before it is acknowledged.
    pub synchronous: bool,
}

impl Durability {
    /// Whether a fail-over keeps every change that was acknowledged.
    pub fn survives_fail_over(&self) -> bool {
        self.on_disk && (self.standbys == 0 || self.synchronous)
    }
}

/// The log and the rows, in a database that all replicas use. Each method is one statement; none
/// takes longer than a fraction of a lease, or it fails.
#[async_trait]
pub trait SharedLog: Send + Sync {
    /// Puts a row there for a new life, and tells where it begins.
    ///
    /// # Errors
    ///
    /// Also where there is a row of this life or of a later one: it came late, and nothing is done.
    async fn join(&self, member: &Member, terms: Terms) -> Result<Position, StoreError>;
    /// Acknowledges, renews and reads on, in one snapshot.
    async fn renew(&self, member: &Member, applied: Position) -> Result<Renewal, StoreError>;
    /// Takes away the row of this life, if it is there.
    async fn leave(&self, member: &Member) -> Result<(), StoreError>;
    /// All rows.
    async fn rows(&self) -> Result<Vec<Row>, StoreError>;
    /// Takes away a row that is still as it was seen. Whether it was.
    async fn evict(&self, row: &Row) -> Result<bool, StoreError>;
    /// How safe commits are.
    async fn durability(&self) -> Result<Durability, StoreError>;
    /// A doorbell, newly hung up.
    async fn doorbell(&self) -> Result<Box<dyn Doorbell>, StoreError>;
}

/// Rings soon after a change, mostly. It is never the truth: rings may be lost, and it may be
/// dead without knowing.
#[async_trait]
pub trait Doorbell: Send {
    /// Waits until it rings.
    ///
    /// # Errors
    ///
    /// Where it is dead: another must be hung up.
    async fn ring(&mut self) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_wait_a_quarter_longer_than_a_replica_may_answer() {
        let [second, minute] = [1, 60].map(Duration::from_secs);
        for (lease, stale, wait) in [
            (second, Duration::ZERO, Duration::from_millis(1_250)),
            (second, minute, Duration::from_millis(76_250)),
        ] {
            assert_eq!(Terms { lease, stale }.wait(), wait);
        }
    }

    #[test]
    fn a_fail_over_keeps_changes_where_nobody_follows_or_who_follows_is_waited_for() {
        for (on_disk, standbys, synchronous, survives) in [
            (true, 0, false, true),
            (true, 1, false, false),
            (true, 1, true, true),
            (false, 0, false, false),
            (false, 1, true, false),
        ] {
            let durability = Durability { on_disk, standbys, synchronous };
            assert_eq!(durability.survives_fail_over(), survives, "{durability:?}");
        }
    }
}
