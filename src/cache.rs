//! The verification cache: keys, compiled, in front of the store.
//!
//! An entry carries what its read is sure to have seen: a [`Stamp`], taken **before** the
//! read. It counts as long as no change of its key, principal, workspace or policy is newer
//! than that. Removal of an entry is hygiene; that it is old, the stamp alone says.
//!
//! In one process ([`SoleOwner`]) no answer is older than a change that had returned, for:
//!
//! 1. A change r forbids what rests on its subject before it is sent to the database. In one
//!    step, before its call returns, that ends, and stamps below r no longer count.
//! 2. A stamp t is taken after change t was committed, and commit order is revision order: a
//!    read that begins then sees every change up to t.
//! 3. So what counts once r returned has t ≥ r (1), and saw r (2). What was read before r and
//!    put in after has t < r, and never counts.
//! 4. Between commit and return it is forbidden (1): who finds r made, and says OK, is right.
//! 5. A result that was joined must count, too; a read begun after the question is right as is.
//!
//! Other ways to keep copies coherent are other implementations of [`Coherence`].

mod coherence;
mod entries;
mod loads;
mod minimums;
mod owner;
mod records;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{runtime::Handle, sync::Semaphore};
use tracing::Instrument as _;

pub use coherence::{Coherence, Permit, Shard, Stamp, Subjects};
pub use minimums::Minimums;
pub use owner::{SoleOwner, UnderWay};
pub use records::{Announced, Coordinator};

use crate::{
    domain::{
        live::LiveKey,
        ports::{FindKey, StoreError},
        secret::Digest,
        time::Timestamp,
    },
    mutants::{self, Mutant},
};
use entries::{Entries, Entry};
use loads::{Begun, Load, Loads};

/// How much is kept, and how much is loaded at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// About how many bytes of memory the keys take.
    pub bytes_max: u64,
    /// Reads of the store at once.
    pub loads_max: usize,
    /// How long a read waits for its turn before it is refused.
    pub load_wait: Duration,
}

/// How often what happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Questions answered from memory.
    pub hits: u64,
    /// Questions that were not.
    pub misses: u64,
    /// Reads of the store.
    pub loads: u64,
    /// Questions that waited for a read which another began.
    pub joins: u64,
    /// Reads that waited too long for their turn.
    pub refused: u64,
}

#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    loads: AtomicU64,
    joins: AtomicU64,
    refused: AtomicU64,
}

/// Finds keys: in memory on the thread that asks, else in the store on the back of the process.
pub struct Cache {
    parts: Arc<Parts>,
    back: Handle,
}

struct Parts {
    store: Arc<dyn FindKey>,
    coherence: Arc<dyn Coherence>,
    entries: Entries,
    loads: Arc<Loads>,
    places: Semaphore,
    load_wait: Duration,
    counters: Counters,
}

impl Cache {
    /// An empty cache in front of a store, which is read on the back alone.
    pub fn new(
        store: Arc<dyn FindKey>,
        coherence: Arc<dyn Coherence>,
        bounds: Bounds,
        back: Handle,
    ) -> Self {
        let Bounds { bytes_max, loads_max, load_wait } = bounds;
        let parts = Parts {
            store,
            coherence,
            entries: Entries::new(bytes_max),
            loads: Arc::default(),
            places: Semaphore::new(loads_max.min(Semaphore::MAX_PERMITS)),
            load_wait,
            counters: Counters::default(),
        };
        Self { parts: Arc::new(parts), back }
    }

    /// How often what happened so far.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { hits, misses, loads, joins, refused } = &self.parts.counters;
        Counts {
            hits: read(hits),
            misses: read(misses),
            loads: read(loads),
            joins: read(joins),
            refused: read(refused),
        }
    }

    /// How many reads of the store are under way or wait for their turn.
    pub fn loading(&self) -> usize {
        self.parts.loads.count()
    }

    /// How many keys it holds, and about how many bytes they take.
    pub fn size(&self) -> (u64, u64) {
        self.parts.entries.size()
    }
}

#[async_trait]
impl FindKey for Cache {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        let parts = &self.parts;
        let mut permit = parts.coherence.permit();
        let known = parts.known(digest);
        parts.check(permit)?;
        if let Some(entry) = known {
            count(&parts.counters.hits);
            return Ok(entry.key);
        }
        count(&parts.counters.misses);
        let mut is_certain = false;
        loop {
            let (waiting, is_joined) = match parts.loads.begin(digest, || parts.known(digest)) {
                Begun::Known(entry) => return parts.check(permit).map(|()| entry.key),
                Begun::Joined(waiting) => (waiting, true),
                Begun::First(waiting, load) => {
                    let digest = Digest::from_bytes(*digest.as_bytes());
                    // It goes on when who asks has left: others may have joined.
                    let span = tracing::info_span!("cache.load");
                    self.back.spawn(Arc::clone(parts).load(digest, load).instrument(span));
                    (waiting, false)
                }
            };
            if is_joined {
                count(&parts.counters.joins);
            }
            let entry = waiting.end().instrument(tracing::info_span!("cache.wait")).await?;
            permit = parts.coherence.permit();
            // One's own load began after the question, and so did one joined after another
            // load has ended: its result is right whatever has changed since.
            let counts = !is_joined || is_certain || parts.counts(&entry);
            parts.check(permit)?;
            if counts || mutants::on(Mutant::UncheckedJoiner) {
                return Ok(entry.key);
            }
            is_certain = true;
        }
    }

    fn stale_since(&self) -> Option<Timestamp> {
        self.parts.coherence.stale_since()
    }
}

impl Parts {
    /// To be asked after an entry was judged by its stamp, with a permit from before that.
    fn check(&self, permit: Permit) -> Result<(), StoreError> {
        if self.coherence.holds(permit) { Ok(()) } else { Err(StoreError::NoLease) }
    }

    fn counts(&self, entry: &Entry) -> bool {
        self.coherence.usable(entry.stamp, &entry.subjects)
    }

    fn known(&self, digest: &Digest) -> Option<Entry> {
        self.entries.get(digest).filter(|entry| self.counts(entry))
    }

    async fn load(self: Arc<Self>, digest: Digest, load: Load) {
        let place = tokio::time::timeout(self.load_wait, self.places.acquire()).await;
        let Ok(Ok(_until_the_end)) = place else {
            count(&self.counters.refused);
            return load.end(Err(StoreError::Overloaded));
        };
        // The database is not asked for those who have left while they waited.
        if let Some(load) = load.if_wanted() {
            load.end(self.read(&digest).await);
        }
    }

    async fn read(&self, digest: &Digest) -> Result<Entry, StoreError> {
        count(&self.counters.loads);
        let mut stamp = self.coherence.stamp();
        let key = self.store.find_key(digest).await?;
        if mutants::on(Mutant::FillUnchecked) {
            stamp = self.coherence.stamp();
        }
        let subjects = match &key {
            Some(key) => Subjects::of_key(key),
            None => Subjects::of_digest(digest),
        };
        let entry = Entry { key, stamp, subjects };
        if self.counts(&entry) {
            self.entries.insert(digest, &entry);
        }
        Ok(entry)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
