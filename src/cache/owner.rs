//! The one process that changes the records: it knows of every change because it makes it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
};

use async_trait::async_trait;
use tracing::Instrument as _;

use super::{Coherence, Coordinator, Minimums, Permit, Shard, Stamp, Subjects};
use crate::domain::{
    event::Revision,
    ports::{Change, Records, StoreError, Write},
    time::Moment,
};

/// Knows of every change, where no other process makes any.
#[derive(Default)]
pub struct SoleOwner {
    minimums: Minimums,
    /// The newest change that is known to be committed.
    applied: AtomicI64,
    unsettled: Mutex<Unsettled>,
}

/// Changes of which it is not known whether they were made: the database did not say. Their
/// subjects stay forbidden until a change that began later is made: it has the counter after
/// them, so what they were is seen by whoever sees it.
#[derive(Default)]
struct Unsettled {
    /// How many there were, ever.
    count: u64,
    /// The last of each shard, by its number.
    shards: HashMap<Shard, u64>,
}

/// Changes that may be made at any moment. Dropped, they may have been.
#[must_use]
pub struct UnderWay {
    owner: Arc<SoleOwner>,
    /// Their subjects, and the secrets that they make known.
    shards: Vec<Shard>,
    /// How many changes had been unsettled when it began.
    unsettled: u64,
}

impl SoleOwner {
    /// Forbids entries of what is about to be written. To be called before the write, by the
    /// task that makes it.
    pub fn begin(self: &Arc<Self>, write: &Write) -> UnderWay {
        self.begin_all([write])
    }

    /// The same of what is written together.
    fn begin_all<'a>(self: &Arc<Self>, writes: impl IntoIterator<Item = &'a Write>) -> UnderWay {
        let mut shards = Vec::new();
        for write in writes {
            shards.push(Shard::of_name(&write.subject()));
            if let Write::Key(_, _, Some(secret)) = write {
                shards.push(Shard::of_digest(&secret.digest));
            }
        }
        for shard in &shards {
            self.minimums.begin(*shard);
        }
        let unsettled = self.unsettled().count;
        UnderWay { owner: Arc::clone(self), shards, unsettled }
    }

    fn unsettled(&self) -> MutexGuard<'_, Unsettled> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// They were made, this one last: entries that have seen it count.
    pub fn made(mut self, revision: Revision) {
        self.end(Some(revision));
        self.owner.applied.fetch_max(revision.0, SeqCst);
        let mut unsettled = self.owner.unsettled();
        let settled = unsettled.shards.extract_if(|_, number| *number <= self.unsettled);
        for (shard, _) in settled {
            self.owner.minimums.end(shard, Some(revision));
        }
    }

    /// They were refused, and nothing was written.
    pub fn not_made(mut self) {
        self.end(None);
    }

    fn end(&mut self, made: Option<Revision>) {
        for shard in self.shards.drain(..) {
            self.owner.minimums.end(shard, made);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.shards.is_empty() {
            return;
        }
        let mut unsettled = self.owner.unsettled();
        unsettled.count += 1;
        let number = unsettled.count;
        for shard in self.shards.drain(..) {
            // One mark is enough for all of a shard, and many would overflow.
            if unsettled.shards.insert(shard, number).is_some() {
                self.owner.minimums.end(shard, None);
            }
        }
    }
}

impl Coherence for SoleOwner {
    fn stamp(&self) -> Stamp {
        Stamp { incarnation: 0, revision: Revision(self.applied.load(SeqCst)) }
    }

    fn usable(&self, stamp: Stamp, subjects: &Subjects) -> bool {
        self.minimums.admit(stamp.revision, subjects)
    }

    fn permit(&self) -> Permit {
        Permit::Always
    }

    fn holds(&self, _: Permit) -> bool {
        true
    }
}

#[async_trait]
impl Coordinator for SoleOwner {
    async fn commit_all(
        self: Arc<Self>,
        records: Arc<dyn Records>,
        changes: Vec<Change>,
    ) -> Result<Revision, StoreError> {
        // In a task of its own: whoever asked may leave, the changes are noted all the same.
        let task = async move {
            let under_way = self.begin_all(changes.iter().map(|change| &change.write));
            let outcome = records.commit_all(changes).await;
            match &outcome {
                Ok(revision) => under_way.made(*revision),
                Err(StoreError::Conflict | StoreError::Exists) => under_way.not_made(),
                Err(_) => drop(under_way),
            }
            outcome
        };
        let task = tokio::spawn(task.in_current_span());
        task.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(StoreError::Unavailable(error.into())),
        })
    }

    /// It is: nothing that rests on the subject counts between its commit and its return.
    async fn in_force(&self, _: Revision, _: Option<Moment>) -> Result<(), StoreError> {
        Ok(())
    }
}
