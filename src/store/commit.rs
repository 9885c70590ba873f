//! Makes changes: what waits, together in one transaction, and yet each for itself.
//!
//! There is one lock, the counter's row, and whoever changes anything takes it first. So nobody
//! waits for whoever waits for him, what is judged stays so until it is written, the commit is
//! visible before the next one begins, and commit order is revision order. A group reads what it
//! rests on, judges its changes in memory, each with what those before it do, and writes what is
//! left of it.

mod judge;
mod queue;
mod record;
mod seen;
mod write;

use std::{
    error::Error,
    slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
};

use super::{
    Home,
    bounded::Bounded,
    error::{is_of_a_row, took_too_long},
};
use crate::domain::{
    event::Revision,
    ports::{Change, Guard, NewRequest, RememberedAs, StoreError},
};
use judge::judge;
use queue::Make;
pub(super) use queue::Queue;
use seen::Seen;

/// What is asked for.
pub(super) enum Work {
    /// To be made all of them, or none.
    Changes(Vec<Change>),
    /// A request that changed nothing, to be remembered.
    Remember(NewRequest, RememberedAs),
}

impl Work {
    fn changes(&self) -> &[Change] {
        match self {
            Self::Changes(changes) => changes,
            Self::Remember(..) => &[],
        }
    }

    fn requests(&self) -> impl Iterator<Item = &NewRequest> {
        let alone = match self {
            Self::Changes(_) => None,
            Self::Remember(request, _) => Some(request),
        };
        let of_changes = self.changes().iter().filter_map(|change| change.request.as_ref());
        of_changes.chain(alone)
    }
}

/// Makes changes, one group at a time.
pub(super) struct Committer {
    writer: Bounded<DatabaseConnection>,
    groups: AtomicU64,
    changes: AtomicU64,
    #[expect(dead_code, reason = "given up last")]
    home: Home,
}

/// How many changes were made, and in how many transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Transactions that changed something.
    pub groups: u64,
    /// Changes.
    pub changes: u64,
}

type Outcome = Result<Revision, StoreError>;

type Cause = Arc<dyn Error + Send + Sync>;

/// Why nothing is known to have been done.
enum Failure {
    /// A statement was refused, for which one alone may be to blame. Nothing was done.
    Refused(StoreError),
    /// A statement took too long, maybe for how many there are. Nothing was done.
    TookTooLong(Cause),
    /// Another would fail as well, or it is not known what was done.
    Lost(Cause),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) if took_too_long(&*cause) => {
                Self::TookTooLong(cause.into())
            }
            StoreError::Unavailable(cause) if !is_of_a_row(&*cause) => Self::Lost(cause.into()),
            error => Self::Refused(error),
        }
    }
}

impl Failure {
    /// Of the wait for the counter: whoever holds it does so for one as for many.
    fn of_the_wait(error: StoreError) -> Self {
        match Self::from(error) {
            Self::TookTooLong(cause) => Self::Lost(cause),
            failure => failure,
        }
    }
}

impl Committer {
    pub(super) fn new(writer: Bounded<DatabaseConnection>, home: Home) -> Self {
        Self { writer, groups: AtomicU64::new(0), changes: AtomicU64::new(0), home }
    }

    pub(super) fn committed(&self) -> Committed {
        let [groups, changes] =
            [&self.groups, &self.changes].map(|counter| counter.load(Ordering::Relaxed));
        Committed { groups, changes }
    }

    async fn attempt(&self, works: &[Work]) -> Result<Vec<Outcome>, Failure> {
        let lost = |error: DbErr| Failure::Lost(Arc::new(error));
        let transaction = begin(&self.writer).await.map_err(lost)?;
        match apply(&transaction, works).await {
            Ok((outcomes, 0)) if outcomes.iter().all(Result::is_err) => {
                _ = transaction.rollback().await;
                Ok(outcomes)
            }
            Ok((outcomes, changes)) => {
                transaction.commit().await.map_err(lost)?;
                self.groups.fetch_add(u64::from(changes > 0), Ordering::Relaxed);
                self.changes.fetch_add(changes, Ordering::Relaxed);
                Ok(outcomes)
            }
            Err(failure) => {
                // Nobody waits for a server that may not answer: the drop has the connection roll
                // back, also where it fails here.
                if !matches!(failure, Failure::Lost(_)) {
                    _ = transaction.rollback().await;
                }
                Err(failure)
            }
        }
    }

    /// Each in a transaction of its own, until the database is lost or takes too long for one.
    async fn one_by_one(&self, works: &[Work]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(works.len());
        for work in works {
            match self.attempt(slice::from_ref(work)).await {
                Ok(outcome) => outcomes.extend(outcome),
                Err(Failure::Refused(error)) => outcomes.push(Err(error)),
                Err(Failure::TookTooLong(cause) | Failure::Lost(cause)) => {
                    outcomes.extend(lost(&cause, works.len() - outcomes.len()));
                    break;
                }
            }
        }
        outcomes
    }
}

impl Make for Committer {
    type Work = Work;
    type Answer = Outcome;

    fn size(work: &Work) -> usize {
        // In the log, and in the record about as much as it became.
        let of_one = |change: &Change| change.deed.before.len() + 2 * change.deed.after.len();
        work.changes().iter().map(of_one).sum()
    }

    /// What rests on all that is under a policy, or on all keys of a principal, is judged by the
    /// database alone.
    fn is_first(work: &Work) -> bool {
        let mut guards = work.changes().iter().flat_map(|change| &change.guards);
        guards.any(|(guard, _)| matches!(guard, Guard::Under(_) | Guard::KeysOf(_)))
    }

    async fn make(&self, works: Vec<Work>) -> Vec<Outcome> {
        match self.attempt(&works).await {
            Ok(outcomes) => outcomes,
            Err(Failure::Refused(_) | Failure::TookTooLong(_)) if works.len() > 1 => {
                self.one_by_one(&works).await
            }
            Err(Failure::Refused(error)) => vec![Err(error)],
            Err(Failure::TookTooLong(cause) | Failure::Lost(cause)) => lost(&cause, works.len()),
        }
    }
}

fn lost(cause: &Cause, count: usize) -> Vec<Outcome> {
    let error = || Err(StoreError::Unavailable(Box::new(Arc::clone(cause))));
    std::iter::repeat_with(error).take(count).collect()
}

/// Begins a transaction that will write: one which only turns out to would be refused
/// where another wrote meanwhile.
pub(super) async fn begin(
    writer: &Bounded<DatabaseConnection>,
) -> Result<Bounded<DatabaseTransaction>, DbErr> {
    let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
    writer
        .begin(TransactionOptions { sqlite_transaction_mode, ..TransactionOptions::default() })
        .await
}

/// What becomes of each, and how many changes there are to commit.
async fn apply(
    transaction: &Bounded<DatabaseTransaction>,
    works: &[Work],
) -> Result<(Vec<Outcome>, u64), Failure> {
    let counter = seen::hold_counter(transaction).await.map_err(Failure::of_the_wait)?;
    let seen = Seen::read(transaction, counter, works).await?;
    let (outcomes, writes) = judge(works, seen)?;
    let changes = writes.changes();
    writes.apply(transaction).await?;
    Ok((outcomes, changes))
}
