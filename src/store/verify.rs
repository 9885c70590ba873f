//! Whether the log is as it was written.

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::{
    Store,
    entity::{corrupt, counter, event, hash},
    error::store_error,
};
use crate::domain::{
    checkpoint::Head,
    event::{Event, Hash, Revision},
    ports::StoreError,
};

/// How many events are in memory at a time.
const BATCH: u64 = 500;

/// The log as it was found, whole. That all of it was written anew, or that its end was cut off
/// with great care, only what was kept elsewhere can tell: a checkpoint.
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
    /// It is whole, but ends before what is known of it.
    #[error(
        "the log ends at event {ends}, but had come to event {known}: what came after {ends} was cut \
         off. Restore the database from a backup that is newer than the checkpoint"
    )]
    CutOff {
        /// Its newest event.
        ends: Revision,
        /// The event that it once had come to.
        known: Revision,
    },
    /// It is whole, but another one than is known of it.
    #[error(
        "the log is another one: event {0} is not the one that it once was, so it, or some event \
         before it, was written anew. Compare with a backup"
    )]
    Rewritten(Revision),
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Verified> for Head {
    fn from(Verified { revision, hash, .. }: Verified) -> Self {
        Self { revision, hash }
    }
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
        // Every log begins so.
        self.verify_events_with(Head::default()).await
    }

    /// As [`Self::verify_events`]; the log must also be one that had once come to `known`.
    ///
    /// # Errors
    ///
    /// As of that, and [`VerifyError::CutOff`] or [`VerifyError::Rewritten`] of a log that is
    /// whole, but not the one that is known.
    pub async fn verify_events_with(&self, known: Head) -> Result<Verified, VerifyError> {
        let snapshot = self.snapshot().await?;
        Tail::new(known).finished(&snapshot).await
    }

    /// As [`Self::verify_events_with`], but reads only what came after `known`: whether that is
    /// still there, and all that follows is bound to it.
    ///
    /// # Errors
    ///
    /// As of that. What is wrong before `known` is not seen.
    pub async fn verify_events_after(&self, known: Head) -> Result<Verified, VerifyError> {
        let snapshot = self.snapshot().await?;
        let mut tail = Tail::new(known);
        if known.revision > Revision(0)
            && let Some(row) = by_revision(&snapshot, known.revision).await?
        {
            tail.resume(row)?;
        }
        // Where it is not there, the way from the start tells what is wrong.
        tail.finished(&snapshot).await
    }

    /// How far the log has come, as far as it says itself.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn head(&self) -> Result<Head, StoreError> {
        let snapshot = self.snapshot().await?;
        let counter = counter::Entity::find().one(&snapshot).await.map_err(store_error)?;
        let counter = counter.ok_or_else(|| corrupt("counter"))?;
        let hash = hash(&counter.last_hash, "counter.last_hash")?;
        Ok(Head { revision: Revision(counter.revision), hash })
    }
}

async fn by_revision(
    db: &impl ConnectionTrait,
    Revision(revision): Revision,
) -> Result<Option<event::Model>, StoreError> {
    event::Entity::find_by_id(revision).one(db).await.map_err(store_error)
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
    /// What the log must come by.
    known: Head,
}

impl Tail {
    fn new(known: Head) -> Self {
        let start = Verified { count: 0, revision: Revision(0), hash: Hash::default() };
        Self { verified: start, nonce: None, known }
    }

    /// Goes on from the event that is known, as if all before it had been found whole.
    fn resume(&mut self, row: event::Model) -> Result<(), VerifyError> {
        let Head { revision, .. } = self.known;
        self.verified.revision = Revision(revision.0.saturating_sub(1));
        self.verified.count = u64::try_from(self.verified.revision.0).unwrap_or_default();
        // What it says that it follows cannot be checked; what it is known by covers that.
        self.verified.hash = hash(&row.previous_hash, "events.previous_hash").unwrap_or_default();
        self.extend(row)
    }

    async fn finished(mut self, db: &impl ConnectionTrait) -> Result<Verified, VerifyError> {
        loop {
            let rows = batch(db, self.verified.revision).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                self.extend(row)?;
            }
        }
        let counter = counter::Entity::find().one(db).await.map_err(store_error)?;
        self.finish(&counter.ok_or_else(|| corrupt("counter"))?)?;
        let ends = self.verified.revision;
        if ends < self.known.revision {
            return Err(VerifyError::CutOff { ends, known: self.known.revision });
        }
        Ok(self.verified)
    }

    fn extend(&mut self, row: event::Model) -> Result<(), VerifyError> {
        self.check(row)?;
        let reached = Head::from(self.verified);
        if reached.revision == self.known.revision && reached.hash != self.known.hash {
            return Err(VerifyError::Rewritten(reached.revision));
        }
        Ok(())
    }

    fn check(&mut self, row: event::Model) -> Result<(), BrokenChain> {
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
