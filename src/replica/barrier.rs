//! Waits until a change is in force everywhere.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::sync::{Mutex as AsyncMutex, Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::cause;
use crate::{
    domain::{
        event::Revision,
        name::Id,
        ports::StoreError,
        replica::{Row, SharedLog, Stopwatch, Terms},
        time::Moment,
    },
    measure::{Bounds, Histogram},
    mutants::{self, Mutant},
};

/// The classes of how long changes wait, in microseconds: a reading of the rows takes about a
/// millisecond, a lease that nobody ends by itself takes seconds.
const WAITS: Bounds = &[
    500, 1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 60_000_000,
];

/// How often the rows are read while somebody waits.
const INTERVAL: Duration = Duration::from_millis(3);
/// How long at the least it is between two readings, however many come to wait.
const INTERVAL_MIN: Duration = Duration::from_millis(1);
/// How many changes are remembered of which this replica knows without the log: as many as may be
/// on their way at once. Of one that is forgotten it waits to be told, like everybody.
const NOTED_MAX: usize = 1_024;

/// Reads the rows for all who wait in this process.
pub(super) struct Barrier {
    log: Arc<dyn SharedLog>,
    stopwatch: Arc<dyn Stopwatch>,
    own: Id,
    /// Its terms, which those of the others are believed to be where they cannot be read.
    terms: Terms,
    /// Changes of which this replica knows without the log, and nobody has waited for yet.
    noted: Mutex<BTreeSet<Revision>>,
    waiting: AtomicUsize,
    wanted: Notify,
    rows: watch::Sender<Reading>,
    /// Held by who evicts.
    evicting: AsyncMutex<()>,
    /// The last change that somebody gave up waiting for.
    given_up: watch::Sender<Option<Revision>>,
    /// How long was waited.
    waits: Histogram,
}

/// The rows, as they were at one moment.
#[derive(Clone, Debug, Default)]
struct Reading {
    /// The moments around it.
    begun: Moment,
    ended: Moment,
    rows: Arc<[Row]>,
}

impl Reading {
    /// How long any of these replicas may be waited for.
    fn longest(&self) -> Duration {
        self.rows.iter().map(|row| row.terms.wait()).max().unwrap_or_default()
    }
}

/// Counts one who waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Somebody waits for a change, and gives up where this is dropped before they may stop.
struct Patient<'a> {
    revision: Revision,
    given_up: Option<&'a watch::Sender<Option<Revision>>>,
}

impl Drop for Patient<'_> {
    fn drop(&mut self) {
        if let Some(given_up) = self.given_up {
            given_up.send_replace(Some(self.revision));
        }
    }
}

impl Barrier {
    pub(super) fn new(
        log: Arc<dyn SharedLog>,
        stopwatch: Arc<dyn Stopwatch>,
        own: Id,
        terms: Terms,
    ) -> Self {
        let (waiting, wanted) = (AtomicUsize::new(0), Notify::new());
        let noted = Mutex::default();
        let (rows, evicting) = (watch::Sender::default(), AsyncMutex::default());
        let (given_up, waits) = (watch::Sender::default(), Histogram::new(WAITS));
        Self { log, stopwatch, own, terms, noted, waiting, wanted, rows, evicting, given_up, waits }
    }

    /// This replica knows of a change: who waits for it next need not wait for this one.
    pub(super) fn note(&self, revision: Revision) {
        let mut noted = self.noted();
        noted.insert(revision);
        if noted.len() > NOTED_MAX {
            noted.pop_first();
        }
    }

    fn noted(&self) -> MutexGuard<'_, BTreeSet<Revision>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many replicas there were at the last look.
    pub(super) fn replicas(&self) -> usize {
        self.rows.borrow().rows.len()
    }

    /// Reads the rows as long as anybody waits, until `stop`.
    pub(super) async fn read(&self, stop: CancellationToken) {
        let reading = async {
            loop {
                self.wanted.notified().await;
                while self.waiting.load(SeqCst) > 0 {
                    self.read_once().await;
                    tokio::time::sleep(INTERVAL_MIN).await;
                    tokio::select! {
                        // Who comes now needs rows that are read from now on.
                        () = self.wanted.notified() => {}
                        () = tokio::time::sleep(INTERVAL - INTERVAL_MIN) => {}
                    }
                }
            }
        };
        tokio::select! {
            () = reading => {}
            () = self.go_on() => {}
            () = stop.cancelled() => {}
        }
    }

    /// Waits in place of those who gave up: a replica that is gone is to be evicted also where no
    /// caller has the patience to see its lease end. Else each change would wait for it, and none
    /// would ever be in force in time.
    async fn go_on(&self) {
        let mut given_up = self.given_up.subscribe();
        // The sender is this value's own.
        while given_up.changed().await.is_ok() {
            let Some(revision) = *given_up.borrow_and_update() else { continue };
            // Not for ever: the rows cannot be read while the database is gone.
            let longest = self.rows.borrow().longest().max(self.terms.wait());
            let until = self.stopwatch.now().after(longest * 2);
            if let Err(error) = self.until_in_force(revision, Some(until)).await {
                tracing::debug!(error = cause(&error), "a change is still not in force");
            }
        }
    }

    /// Reads the rows for whoever waits or wants to know.
    pub(super) async fn read_once(&self) {
        let begun = self.stopwatch.now();
        match self.log.rows().await {
            Ok(rows) => {
                let ended = self.stopwatch.now();
                self.rows.send_replace(Reading { begun, ended, rows: rows.into() });
            }
            Err(error) => {
                tracing::debug!(error = cause(&error), "the replicas could not be read");
            }
        }
    }

    /// How long was waited for changes to be in force.
    pub(super) fn waits(&self) -> &Histogram {
        &self.waits
    }

    /// Waits as [`Barrier::until_in_force`] does, and takes note how long.
    pub(super) async fn wait(
        &self,
        revision: Revision,
        until: Option<Moment>,
    ) -> Result<(), StoreError> {
        let begun = self.stopwatch.now();
        let span = tracing::info_span!("barrier.wait", keyward.revision = revision.0);
        let mut patient = Patient { revision, given_up: Some(&self.given_up) };
        let outcome = self.until_in_force(revision, until).instrument(span).await;
        if outcome.is_ok() {
            patient.given_up = None;
        }
        drop(patient);
        self.waits.record(self.stopwatch.now().since(begun));
        outcome
    }

    /// Waits until no replica answers from a state before `revision`, which was committed.
    ///
    /// A replica does not when it has acknowledged the change; or when so much time has passed that
    /// every lease which does not know of it is over. Rows that appear later are of replicas
    /// that have read the log since.
    async fn until_in_force(
        &self,
        revision: Revision,
        until: Option<Moment>,
    ) -> Result<(), StoreError> {
        // Not before the commit, which is all that counts.
        let committed = self.stopwatch.now();
        if mutants::on(Mutant::NoWait) {
            return Ok(());
        }
        // A change of another process, or one whose outcome was lost, it may not know of, either (M9).
        let is_noted = self.noted().remove(&revision);
        let _waiting = Waiting::new(&self.waiting);
        let mut readings = self.rows.subscribe();
        self.wanted.notify_one();
        // The first rows that were read after the commit, and when.
        let mut first: Option<(Moment, HashMap<Id, Row>)> = None;
        loop {
            let reading = readings.borrow_and_update().clone();
            let mut longest = Duration::ZERO;
            if reading.begun >= committed && reading.ended > Moment::default() {
                let late = self.late(&reading, revision, is_noted);
                if late.is_empty() {
                    return Ok(());
                }
                let (noted, seen) = first.get_or_insert_with(|| {
                    let rows = late.iter().map(|row| (row.member.id.clone(), (*row).clone()));
                    (reading.ended, rows.collect())
                });
                // Counted from the reading, which is later than the commit (M7).
                let waited = self.stopwatch.now().since(*noted);
                longest = late.iter().map(|row| row.terms.wait()).max().unwrap_or_default();
                if waited >= longest {
                    self.evict(&late, seen).await;
                    return Ok(());
                }
                longest -= waited;
            }
            let now = self.stopwatch.now();
            if until.is_some_and(|until| now >= until) {
                let within = if longest.is_zero() {
                    reading.longest().max(self.terms.wait())
                } else {
                    longest
                };
                return Err(StoreError::NotInForce { revision, within });
            }
            let pause = until.map_or(longest, |until| until.since(now).min(longest));
            let pause = if longest.is_zero() { INTERVAL } else { pause.max(INTERVAL) };
            tokio::select! {
                _ = readings.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The replicas that have not acknowledged, and of which it is not known otherwise.
    fn late<'a>(&self, reading: &'a Reading, revision: Revision, is_noted: bool) -> Vec<&'a Row> {
        let others = reading.rows.iter().filter(|row| !is_noted || row.member.id != self.own);
        others.filter(|row| row.applied < revision).collect()
    }

    /// Takes away the rows of those that were not heard of for so long that their lease is over,
    /// so that nobody else waits for them.
    async fn evict(&self, late: &[&Row], seen: &HashMap<Id, Row>) {
        // However many have waited for the same, the renewal of the lease finds a connection.
        let Ok(_alone) = self.evicting.try_lock() else { return };
        for row in late {
            let Some(silent) = seen.get(&row.member.id).filter(|seen| *seen == *row) else {
                continue;
            };
            let replica = &silent.member.id;
            match self.log.evict(silent).await {
                Ok(true) => tracing::warn!(%replica, "evicted: it did not acknowledge a change"),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(error = cause(&error), %replica, "could not be evicted");
                }
            }
        }
    }
}
