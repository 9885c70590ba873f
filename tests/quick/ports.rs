//! What both ways ask: keys, limits, the time. Each counts what it is asked, and does as it is told.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use keyward::{
    domain::{
        limit::{CannotTell, Charge, Limiter, Verdict},
        live::LiveKey,
        ports::{AtHand, Clock, FindKey, StoreError},
        replica::Stopwatch,
        secret::Digest,
        time::{Moment, Timestamp},
        usage::{CountUses, Outcome, Use},
    },
    limits::{Alone, Local},
    store::Store,
};

/// Time that goes on when it is told to.
pub(crate) struct Still(AtomicI64);

impl Still {
    pub(crate) fn at(time: Timestamp) -> Self {
        Self(AtomicI64::new(time.micros()))
    }

    pub(crate) fn go_on(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), SeqCst);
    }
}

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(SeqCst))
    }
}

impl Stopwatch for Still {
    fn now(&self) -> Moment {
        Moment::from_start(Duration::from_micros(self.0.load(SeqCst).try_into().unwrap()))
    }
}

type Bytes = [u8; Digest::LEN];

/// The keys in the database, of which some are at hand.
pub(crate) struct Keys {
    store: Arc<Store>,
    at_hand: Mutex<HashMap<Bytes, Option<Arc<LiveKey>>>>,
    /// Asking for this one panics.
    panics: Mutex<Option<Bytes>>,
    stale: Mutex<Option<Timestamp>>,
    fails: AtomicBool,
    found: AtomicUsize,
    handed: AtomicUsize,
    near: Mutex<Vec<(usize, usize)>>,
}

impl Keys {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            at_hand: Mutex::default(),
            panics: Mutex::default(),
            stale: Mutex::default(),
            fails: AtomicBool::new(false),
            found: AtomicUsize::new(0),
            handed: AtomicUsize::new(0),
            near: Mutex::default(),
        }
    }

    /// From now on it is at hand whose this is.
    pub(crate) async fn learn(&self, digest: &Digest) {
        let key = self.store.find_key(digest).await.unwrap();
        self.at_hand.lock().unwrap().insert(*digest.as_bytes(), key);
    }

    /// From now on nothing is at hand of this one.
    pub(crate) fn forget(&self, digest: &Digest) {
        self.at_hand.lock().unwrap().remove(digest.as_bytes());
    }

    pub(crate) fn panic_at(&self, digest: Option<&Digest>) {
        *self.panics.lock().unwrap() = digest.map(|digest| *digest.as_bytes());
    }

    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, SeqCst);
    }

    pub(crate) fn be_stale(&self, since: Option<Timestamp>) {
        *self.stale.lock().unwrap() = since;
    }

    /// How often it was waited for a key, and how often one was at hand.
    pub(crate) fn asked(&self) -> (usize, usize) {
        (self.found.load(SeqCst), self.handed.load(SeqCst))
    }

    /// How many were to be brought near together, since the last time, each time; and how often one
    /// had been at hand before that.
    pub(crate) fn near(&self) -> Vec<(usize, usize)> {
        std::mem::take(&mut self.near.lock().unwrap())
    }

    fn check(&self, digest: &Digest) -> Result<(), StoreError> {
        let panics = *self.panics.lock().unwrap() == Some(*digest.as_bytes());
        assert!(!panics, "as it was told to");
        if self.fails.load(SeqCst) { Err(StoreError::NoLease) } else { Ok(()) }
    }
}

#[async_trait]
impl FindKey for Keys {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        self.found.fetch_add(1, SeqCst);
        self.check(digest)?;
        self.store.find_key(digest).await
    }

    fn at_hand(&self, digest: &Digest) -> Result<AtHand, StoreError> {
        self.check(digest)?;
        let at_hand = self.at_hand.lock().unwrap();
        let Some(known) = at_hand.get(digest.as_bytes()) else { return Ok(AtHand::Unknown) };
        self.handed.fetch_add(1, SeqCst);
        Ok(known.as_ref().map_or(AtHand::Nobodys, |key| AtHand::Key(Arc::clone(key))))
    }

    fn bring_near(&self, digests: &[Option<Digest>]) {
        let near = (digests.iter().flatten().count(), self.asked().1);
        self.near.lock().unwrap().push(near);
    }

    fn stale_since(&self) -> Option<Timestamp> {
        *self.stale.lock().unwrap()
    }
}

/// A use of a key: which, by which secret, how it ended, when and from where.
pub(crate) type Used = (String, Bytes, Outcome, Timestamp, Option<IpAddr>);

/// Every use, in their order.
#[derive(Default)]
pub(crate) struct Uses(Mutex<Vec<Used>>);

impl Uses {
    pub(crate) fn take(&self) -> Vec<Used> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl CountUses for Uses {
    fn count(&self, used: Use<'_>) {
        let Use { key, digest, outcome, at } = used;
        let used = (key.to_string(), *digest.as_bytes(), outcome, at.time, at.address);
        self.0.lock().unwrap().push(used);
    }
}

/// Limits that are told at once, but for those of some keys.
pub(crate) struct Limits {
    local: Local,
    waits: Mutex<HashSet<String>>,
    fails: AtomicBool,
    now: AtomicUsize,
    later: AtomicUsize,
}

impl Limits {
    pub(crate) fn new(stopwatch: Arc<dyn Stopwatch>) -> Self {
        Self {
            local: Local::new(stopwatch, Arc::new(Alone)),
            waits: Mutex::default(),
            fails: AtomicBool::new(false),
            now: AtomicUsize::new(0),
            later: AtomicUsize::new(0),
        }
    }

    /// Those of this key are not told at once from now on.
    pub(crate) fn wait_for(&self, key: &str) {
        self.waits.lock().unwrap().insert(key.to_owned());
    }

    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, SeqCst);
    }

    /// How often it was told at once, and how often it was waited for.
    pub(crate) fn told(&self) -> (usize, usize) {
        (self.now.load(SeqCst), self.later.load(SeqCst))
    }

    fn charge(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
        if self.fails.load(SeqCst) { Err(CannotTell) } else { self.local.charge(charge) }
    }
}

#[async_trait]
impl Limiter for Limits {
    async fn take(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
        self.later.fetch_add(1, SeqCst);
        self.charge(charge)
    }

    fn take_now(&self, charge: &Charge<'_>) -> Option<Result<Verdict, CannotTell>> {
        if self.waits.lock().unwrap().contains(&charge.key.to_string()) {
            return None;
        }
        self.now.fetch_add(1, SeqCst);
        Some(self.charge(charge))
    }

    fn always_tells_now(&self) -> bool {
        !self.fails.load(SeqCst) && self.waits.lock().unwrap().is_empty()
    }
}
