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
mod hot;
mod loads;
mod minimums;
mod owner;
mod records;
#[cfg(test)]
mod tests;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
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
    clock::seconds,
    domain::{
        live::LiveKey,
        ports::{AtHand, FindKey, StoreError},
        secret::Digest,
        time::Timestamp,
    },
    measure::Counter,
    mutants::{self, Mutant},
};
use entries::{Entries, Entry};
use hot::{ForAll, Hot};
use loads::{Begun, Load, Loads};

/// How much is kept, and how much is loaded at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// About how many bytes of memory the keys take. An eighth of them is for where threads find
    /// those that they have at hand.
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
    hits: Counter,
    misses: Counter,
    loads: Counter,
    joins: Counter,
    refused: Counter,
}

/// Finds keys: in memory on the thread that asks, else in the store on the back of the process.
pub struct Cache {
    parts: Arc<Parts>,
    back: Handle,
}

struct Parts {
    store: Arc<dyn FindKey>,
    coherence: Arc<dyn Coherence>,
    hot: Hot,
    entries: Entries,
    loads: Arc<Loads>,
    places: Semaphore,
    load_wait: Duration,
    counters: Counters,
}

impl Cache {
    /// An empty cache in front of a store. Who asks for a key begins its read, and the back ends it.
    pub fn new(
        store: Arc<dyn FindKey>,
        coherence: Arc<dyn Coherence>,
        bounds: Bounds,
        back: Handle,
    ) -> Self {
        let Bounds { bytes_max, loads_max, load_wait } = bounds;
        let (hot, bytes_left) = Hot::new(bytes_max);
        let parts = Parts {
            store,
            coherence,
            hot,
            entries: Entries::new(bytes_left),
            loads: Arc::default(),
            places: Semaphore::new(loads_max.min(Semaphore::MAX_PERMITS)),
            load_wait,
            counters: Counters::default(),
        };
        Self { parts: Arc::new(parts), back }
    }

    /// How often what happened so far.
    pub fn counts(&self) -> Counts {
        let Counters { hits, misses, loads, joins, refused } = &self.parts.counters;
        Counts {
            hits: hits.read(),
            misses: misses.read(),
            loads: loads.read(),
            joins: joins.read(),
            refused: refused.read(),
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

    /// Begins a read: asks the store from this thread, and leaves all else to the back, which awakes
    /// while the store looks. It goes on when who asks has left: others may have joined.
    fn load(&self, digest: Digest, load: Load) {
        let span = tracing::info_span!("cache.load");
        let finding = Arc::clone(&self.parts).find(digest, load);
        let mut finding = Box::pin(finding.instrument(span));
        let begun = {
            // Its clocks and sockets are those of the back from the start.
            let _of_the_back = self.back.enter();
            // Whom to wake it is told by the next look, which the back takes at once.
            let mut nobody = Context::from_waker(Waker::noop());
            catch_unwind(AssertUnwindSafe(|| finding.as_mut().poll(&mut nobody)))
        };
        // What panicked is dropped, and who waits for it is told so.
        let Ok(begun) = begun else { return };
        let parts = Arc::clone(&self.parts);
        let rest = async move {
            let found = match begun {
                Poll::Ready(found) => found,
                Poll::Pending => finding.await,
            };
            if let Some((load, found)) = found {
                load.end(found.map(|(digest, entry)| parts.keep(&digest, entry)));
            }
        };
        self.back.spawn(rest);
    }
}

#[async_trait]
impl FindKey for Cache {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        let parts = &self.parts;
        match self.at_hand(digest)? {
            AtHand::Key(key) => {
                self.count_at_hand(1);
                return Ok(Some(key));
            }
            AtHand::Nobodys => {
                self.count_at_hand(1);
                return Ok(None);
            }
            AtHand::Unknown => {}
        }
        parts.counters.misses.count();
        let mut is_certain = false;
        loop {
            let permit = parts.coherence.permit();
            let (waiting, is_joined) =
                match parts.loads.begin(digest, || parts.kept(digest).map(|entry| entry.key)) {
                    Begun::Known(key) => return parts.check(permit).map(|()| key),
                    Begun::Joined(waiting) => (waiting, true),
                    Begun::First(waiting, load) => {
                        self.load(Digest::from_bytes(*digest.as_bytes()), load);
                        (waiting, false)
                    }
                };
            if is_joined {
                parts.counters.joins.count();
            }
            let entry = waiting.end().instrument(tracing::info_span!("cache.wait")).await?;
            let permit = parts.coherence.permit();
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

    fn at_hand(&self, digest: &Digest) -> Result<AtHand, StoreError> {
        let parts = &self.parts;
        let permit = parts.coherence.permit();
        let known = parts.known(digest);
        parts.check(permit)?;
        let Some(key) = known else { return Ok(AtHand::Unknown) };
        Ok(key.map_or(AtHand::Nobodys, AtHand::Key))
    }

    fn bring_near(&self, digests: &[Option<Digest>]) {
        let parts = &*self.parts;
        parts.hot.bring_near(digests, parts);
    }

    fn count_at_hand(&self, answers: u64) {
        self.parts.counters.hits.count_several(answers);
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

    /// The key of a secret, or that there is none, where what is in memory counts: first what this
    /// thread has at hand, then what is kept for all.
    fn known(&self, digest: &Digest) -> Option<Option<Arc<LiveKey>>> {
        let now = seconds();
        if let Some(key) = self.hot.get(digest, now, self) {
            return Some(Some(key));
        }
        let entry = self.kept(digest)?;
        if let Entry { key: Some(key), stamp, subjects, since } = &entry {
            self.hot.offer(digest, (key, *stamp, *subjects), *since, now);
        }
        Some(entry.key)
    }

    /// What is kept for all, where it counts.
    fn kept(&self, digest: &Digest) -> Option<Entry> {
        self.entries.get(digest).filter(|entry| self.counts(entry))
    }

    /// Reads the store when it is its turn. None: nobody waits for it any more.
    async fn find(self: Arc<Self>, digest: Digest, load: Load) -> Option<(Load, Found)> {
        let place = tokio::time::timeout(self.load_wait, self.places.acquire()).await;
        let Ok(Ok(_until_the_end)) = place else {
            self.counters.refused.count();
            return Some((load, Err(StoreError::Overloaded)));
        };
        // The database is not asked for those who have left while they waited.
        let load = load.if_wanted()?;
        let entry = self.read(&digest).await;
        Some((load, entry.map(|entry| (digest, entry))))
    }

    async fn read(&self, digest: &Digest) -> Result<Entry, StoreError> {
        self.counters.loads.count();
        let mut stamp = self.coherence.stamp();
        let key = self.store.find_key(digest).await?;
        if mutants::on(Mutant::FillUnchecked) {
            stamp = self.coherence.stamp();
        }
        let subjects = match &key {
            Some(key) => Subjects::of_key(key),
            None => Subjects::of_digest(digest),
        };
        Ok(Entry { key, stamp, subjects, since: seconds() })
    }

    fn keep(&self, digest: &Digest, entry: Entry) -> Entry {
        if self.counts(&entry) {
            self.entries.insert(digest, &entry);
        }
        entry
    }
}

impl ForAll for Parts {
    fn counts(&self, stamp: Stamp, subjects: &Subjects) -> bool {
        self.coherence.usable(stamp, subjects)
    }

    fn is_short(&self) -> bool {
        self.entries.is_short()
    }

    fn tell(&self, digest: &Digest) {
        self.entries.tell(digest);
    }
}

/// What a read found, and of which secret.
type Found = Result<(Digest, Entry), StoreError>;
