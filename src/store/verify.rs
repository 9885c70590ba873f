//! Whether the log is as it was written.

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::{
    Store,
    entity::{corrupt, counter, event},
    error::store_error,
};
use crate::domain::{
    event::{Event, Hash, Revision},
    ports::StoreError,
};

/// How many events are in memory at a time.
const BATCH: u64 = 500;

/// The log as it was found, whole. To notice later that all of it was written anew,
/// keep the revision and the hash elsewhere: hashes are not signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many events it has.
    pub count: u64,
    /// The newest event; 0 where there is none.
    pub revision: Revision,
    /// The hash of the newest event; zero where there is none.
    pub hash: Hash,
}

/// The first place at which the log is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log is broken at event {revision}: {why}")]
pub struct BrokenChain {
    /// The first event that is wrong, or is not there.
    pub revision: Revision,
    /// What is wrong.
    pub why: &'static str,
}

/// Why the log was not found whole.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not.
    #[error(transparent)]
    Broken(#[from] BrokenChain),
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Reads the whole log, of one moment, and sees to it that no event was edited,
    /// removed, added or given another number. Takes little memory, however long it is.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Broken`] with the first event that is wrong; [`VerifyError::Store`]
    /// where the database cannot be asked.
    pub async fn verify_events(&self) -> Result<Verified, VerifyError> {
        let snapshot = self.snapshot().await?;
        let mut tail = Tail {
            verified: Verified { count: 0, revision: Revision(0), hash: Hash::default() },
            nonce: None,
        };
        loop {
            let rows = batch(&snapshot, tail.verified.revision).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                tail.extend(row)?;
            }
        }
        let counter = counter::Entity::find().one(&snapshot).await.map_err(store_error)?;
        tail.finish(&counter.ok_or_else(|| corrupt("counter"))?)?;
        Ok(tail.verified)
    }
}

async fn batch(
    db: &impl ConnectionTrait,
    after: Revision,
) -> Result<Vec<event::Model>, StoreError> {
    let mut select = event::Entity::find();
    // From the start without a bound, lest events numbered below 1 pass unseen.
    if after > Revision(0) {
        select = select.filter(event::Column::Revision.gt(after.0));
    }
    select.order_by_asc(event::Column::Revision).limit(BATCH).all(db).await.map_err(store_error)
}

/// The end of the part that was found whole.
struct Tail {
    verified: Verified,
    nonce: Option<i64>,
}

impl Tail {
    fn extend(&mut self, row: event::Model) -> Result<(), BrokenChain> {
        let Verified { count, revision: last, hash } = self.verified;
        let expected = last.next();
        let broken = |revision, why| Err(BrokenChain { revision, why });
        let (revision, nonce) = (Revision(row.revision), row.nonce);
        if revision < expected {
            return broken(revision, "it was added: the first event has number 1");
        }
        if revision > expected {
            return broken(expected, "it is missing");
        }
        let Ok(event) = Event::try_from(row) else {
            return broken(revision, "it cannot be read");
        };
        if event.previous != hash {
            return broken(revision, "it follows another event than the one before it");
        }
        if !event.follows(hash) {
            return broken(revision, "it was edited");
        }
        self.verified = Verified { count: count.saturating_add(1), revision, hash: event.hash };
        self.nonce = Some(nonce);
        Ok(())
    }

    /// Compares the end with what the counter says of it.
    fn finish(&self, counter: &counter::Model) -> Result<(), BrokenChain> {
        let Verified { revision, hash, .. } = self.verified;
        let broken = |revision, why| Err(BrokenChain { revision, why });
        let counted = Revision(counter.revision);
        if counted > revision {
            return broken(revision.next(), "it is missing");
        }
        if counted < revision {
            return broken(counted.next(), "it was added: the counter has not come so far");
        }
        if counter.last_hash != hash.0 {
            return broken(revision, "it is not the last event that was written");
        }
        if self.nonce.is_some_and(|nonce| nonce != counter.nonce) {
            return broken(revision, "it is of another history than the counter");
        }
        Ok(())
    }
}
