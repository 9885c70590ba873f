//! A process: a replica, its cache, and the records as everybody changes them.

use std::{sync::Arc, time::Duration};

use keyward::{
    cache::{Announced, Bounds, Cache},
    domain::{
        event::Revision,
        live::LiveKey,
        name::Id,
        ports::{Clock, FindKey as _, Records, RequestKey, StoreError},
        replica::{SharedLog, Stopwatch as _, Terms},
        time::Timestamp,
    },
    replica::{Following, Parts, Replica},
};
use tokio::runtime::Handle;

use crate::{
    dice::Dice,
    link::{Link, Process, Server, Skewed},
    records::Store,
    subject::{Subject, digest},
};

/// How long it answers, and how often it looks.
pub(crate) const LEASE: Duration = Duration::from_secs(4);
pub(crate) const INTERVAL: Duration = Duration::from_millis(800);
/// How fast clocks go, in percent of the true time.
pub(crate) const SLOW: u32 = 90;
pub(crate) const TRUE: u32 = 100;
pub(crate) const FAST: u32 = 110;

const BOUNDS: Bounds =
    Bounds { bytes_max: 1 << 24, loads_max: 8, load_wait: Duration::from_secs(5) };

/// How a process is set up.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) stale: Duration,
    pub(crate) doorbell: bool,
    /// How fast its clock goes, in percent.
    pub(crate) rate: u32,
}

impl Setup {
    pub(crate) const PLAIN: Self = Self { stale: Duration::ZERO, doorbell: true, rate: TRUE };

    pub(crate) fn terms(self) -> Terms {
        Terms { lease: LEASE, stale: self.stale }
    }
}

pub(crate) struct Node {
    pub(crate) link: Arc<Link>,
    pub(crate) replica: Arc<Replica>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) stopwatch: Arc<Skewed>,
    records: Arc<Announced>,
}

/// Before the database has told its time.
struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> Timestamp {
        Timestamp::MIN
    }
}

impl Node {
    pub(crate) fn start(server: &Arc<Server>, name: &str, setup: Setup, dice: Dice) -> Arc<Self> {
        let stopwatch = Arc::new(Skewed::new(dice.millis(1, 1_000_000), setup.rate));
        let link = Link::new(server, dice);
        let id: Id = name.parse().unwrap();
        let parts = Parts {
            log: Arc::clone(&link) as Arc<dyn SharedLog>,
            stopwatch: Arc::clone(&stopwatch) as _,
            clock: Arc::new(NoClock),
            id,
        };
        let following =
            Following { terms: setup.terms(), interval: INTERVAL, doorbell: setup.doorbell };
        let replica = Replica::start(parts, following, &Handle::current());
        let store = Arc::new(Store(Arc::clone(&link)));
        let coherence = Arc::clone(replica.standing());
        let cache = Cache::new(Arc::clone(&store) as _, coherence as _, BOUNDS, Handle::current());
        let records = Announced::new(store, Arc::clone(&replica) as _);
        let (cache, records) = (Arc::new(cache), Arc::new(records));
        Arc::new(Self { link, replica, cache, stopwatch, records })
    }

    pub(crate) fn becomes(&self, process: Process) {
        self.link.process.send_replace(process);
    }

    pub(crate) fn is(&self, process: Process) -> bool {
        *self.link.process.borrow() == process
    }

    /// Whose a secret is, and since when changes may have been missed.
    pub(crate) async fn ask(
        &self,
        key: usize,
    ) -> Result<(Arc<LiveKey>, Option<Timestamp>), StoreError> {
        self.link.runs().await;
        let stale_since = self.cache.stale_since();
        let found = self.cache.find_key(&digest(key)).await;
        // Whoever has been stopped meanwhile sends its answer later.
        self.link.runs().await;
        Ok((found?.unwrap(), stale_since))
    }

    /// Makes a change, or finds that an earlier call of this request made it; as the use cases do.
    pub(crate) async fn change(
        &self,
        subject: Subject,
        request: u64,
        patience: Option<Duration>,
    ) -> Result<Revision, StoreError> {
        self.link.runs().await;
        let until = patience.map(|patience| self.stopwatch.now().after(patience));
        let key = RequestKey { actor: String::new(), id: request.to_string() };
        let earlier = self.records.request(&key, Timestamp::MIN).await?;
        let revision = match earlier {
            Some(earlier) => earlier.revision,
            None => self.records.commit(subject.change(request)).await?,
        };
        let outcome = self.records.in_force(revision, until).await;
        self.link.runs().await;
        outcome.map(|()| revision)
    }

    /// Makes changes together, and waits for nobody.
    pub(crate) async fn commit_all(
        &self,
        subjects: &[Subject],
        request: u64,
    ) -> Result<Revision, StoreError> {
        let changes = subjects.iter().map(|subject| subject.change(request));
        self.records.commit_all(changes.collect()).await
    }

    /// Waits for a change that was made elsewhere.
    pub(crate) async fn replica_in_force(
        &self,
        revision: i64,
        patience: Duration,
    ) -> Result<(), StoreError> {
        let until = self.stopwatch.now().after(patience);
        self.records.in_force(Revision(revision), Some(until)).await
    }
}
