//! Writes what was counted.

use std::{error::Error, sync::Arc, sync::atomic::Ordering, time::Duration};

use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Counted, Meter,
    tally::{Halves, Order, Rows, Tally},
};
use crate::domain::{
    name::Id,
    ports::{Clock, StoreError},
    usage::{KeepUsage, NotAdded, UsageBatch},
};

/// The most secrets of a batch: one transaction, for which on a file changes wait.
const BATCH_MAX: usize = 5_000;

/// After what was written took long, nothing is for so many times as long: what many keys are used for
/// is answered meanwhile, and uses of one of them are written together.
const RESTS: u32 = 9;
/// But not for longer than this, for a crash loses what is not written.
const REST_MAX: Duration = Duration::from_mins(1);

/// How many batches may be refused each time: it takes some 13 to find one secret among as many as a
/// batch has. What is left then is for the next time.
const REFUSED_MAX: usize = 200;
/// How often at the end it may fail in a row: the greatest batch can be halved until it is one
/// secret.
const FAILURES_MAX: usize = 20;
/// How long it is, at the end, until what failed is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// Where what was counted goes, and in whose name.
pub struct Source {
    /// Keeps it.
    pub store: Arc<dyn KeepUsage>,
    /// When it is.
    pub clock: Arc<dyn Clock>,
    /// This process, of which there is no other, ever.
    pub id: Id,
}

/// Writes what was counted, again and again, until it is dropped.
pub struct Flusher {
    meter: Arc<Meter>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _until_dropped: DropGuard,
}

impl Flusher {
    /// Begins, in a task on this runtime, and writes so often.
    pub fn start(meter: Arc<Meter>, source: Source, interval: Duration, back: &Handle) -> Self {
        let stop = CancellationToken::new();
        let ledger = Ledger {
            meter: Arc::clone(&meter),
            source,
            pending: Tally::default(),
            cut: Vec::new(),
            put_off: Vec::new(),
            in_hand: None,
            number: 0,
            size: BATCH_MAX,
            told: Told::default(),
            refused: Refused::default(),
        };
        let task = back.spawn(ledger.write_always(interval, stop.clone()));
        let _until_dropped = stop.clone().drop_guard();
        Self { meter, stop, task, _until_dropped }
    }

    /// Writes what is left, and ends, within so long. What cannot be written then is lost, and the
    /// log says how much.
    pub async fn finish(self, patience: Duration) {
        self.stop.cancel();
        let abort = self.task.abort_handle();
        match tokio::time::timeout(patience, self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "what was counted last was not written"),
            Err(_) => {
                abort.abort();
                let entries = self.meter.counted().entries;
                tracing::warn!(
                    entries,
                    "what was counted last was not written in time, and is lost"
                );
            }
        }
    }
}

/// What was taken from the meter.
struct Ledger {
    meter: Arc<Meter>,
    source: Source,
    pending: Tally,
    /// Parts of a batch that was not added as a whole.
    cut: Vec<Tally>,
    /// What was refused after too much else was: it is cut the next time.
    put_off: Vec<Tally>,
    /// A batch that may have been added. It stays as it is, for only so it is known by its number.
    in_hand: Option<(UsageBatch, Tally)>,
    number: i64,
    /// The most secrets of the next batch.
    size: usize,
    told: Told,
    refused: Refused,
}

/// What the database refused since the last time that all was to be written.
#[derive(Default)]
struct Refused {
    batches: usize,
    /// Calls that were given up.
    calls: u64,
    last: Option<StoreError>,
}

/// What the log was told.
#[derive(Default)]
pub(super) struct Told {
    failed: bool,
    /// What had no room.
    beyond: u64,
    is_full: bool,
}

impl Ledger {
    async fn write_always(mut self, interval: Duration, stop: CancellationToken) {
        let mut interval = tokio::time::interval(interval);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(interval.tick()).await.is_some() {
            let begun = Instant::now();
            let written = self.write_some().await;
            self.told.tell(&written, self.meter.counted());
            let took = begun.elapsed();
            // What failed has mostly waited, and the database may be back.
            let rest = if written.is_ok() { (RESTS * took).min(REST_MAX) } else { took };
            if took + rest > interval.period() {
                interval.reset_after(rest);
            }
        }
        if let Err(error) = self.write_last().await {
            let (error, entries) = (&error as &dyn Error, self.meter.counted().entries);
            tracing::warn!(error, entries, "what was counted last was not written, and is lost");
        }
    }

    /// Writes what is left. There is no next time, so what failed is tried again at once: it may
    /// have been too much, or somebody was in the way.
    async fn write_last(&mut self) -> Result<(), StoreError> {
        let mut failures = 0;
        loop {
            let batches = self.meter.batches.load(Ordering::Relaxed);
            let written = self.write_some().await;
            let is_stuck = self.meter.batches.load(Ordering::Relaxed) == batches;
            failures = if is_stuck { failures + 1 } else { 1 };
            if failures >= FAILURES_MAX {
                for tally in std::mem::take(&mut self.put_off) {
                    self.give_up(&tally);
                }
                self.tell_refused();
                return written;
            }
            if written.is_ok() && self.put_off.is_empty() {
                return written;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Writes all that was counted until now, but for what has to be put off.
    async fn write_some(&mut self) -> Result<(), StoreError> {
        self.refused = Refused::default();
        self.cut.append(&mut self.put_off);
        let written = self.write_all().await;
        self.tell_refused();
        written
    }

    /// Writes all that was counted until now, batch by batch.
    async fn write_all(&mut self) -> Result<(), StoreError> {
        for counted in self.meter.drain() {
            self.pending.merge(counted, &self.meter.limits).await;
        }
        let mut order = Order::default();
        if self.pending.secrets() > self.size {
            order = Order::of(&self.pending).await;
        }
        while let Some((batch, tally)) = self.in_hand.take().or_else(|| self.next(&mut order)) {
            let Err(why) = self.source.store.add_usage(&batch).await else {
                self.meter.batches.fetch_add(1, Ordering::Relaxed);
                tally.give_back(&self.meter.limits);
                self.size = self.size.saturating_mul(2).min(BATCH_MAX);
                continue;
            };
            self.meter.failures.fetch_add(1, Ordering::Relaxed);
            match (why, tally) {
                (NotAdded::InDoubt(error), tally) => {
                    self.in_hand = Some((batch, tally));
                    return Err(error);
                }
                (NotAdded::TooMuch(error), tally) => {
                    self.size = (self.size / 2).max(1);
                    self.cut.extend(Vec::from(tally.halves()));
                    return Err(error);
                }
                (NotAdded::Refused(error), tally) => self.refused(tally, error),
            }
        }
        Ok(())
    }

    fn next(&mut self, order: &mut Order) -> Option<(UsageBatch, Tally)> {
        let next = || self.pending.take_in_order(order, self.size);
        let tally = self.cut.pop().or_else(next)?;
        self.number += 1;
        let (source, number) = (self.source.id.clone(), self.number);
        let Rows { calls, last } = tally.rows();
        let time = self.source.clock.now();
        Some((UsageBatch { source, number, time, calls, last }, tally))
    }

    /// Finds out, by halves, what it is that the database would never have, and gives up that alone:
    /// it must not keep it from all else, nor take all the time that there is.
    fn refused(&mut self, tally: Tally, error: StoreError) {
        self.refused.batches += 1;
        self.refused.last = Some(error);
        if self.refused.batches > REFUSED_MAX {
            self.put_off.push(tally);
            return;
        }
        match tally.halves() {
            Halves::Two(halves) => self.cut.extend(halves),
            Halves::One(refused) => self.give_up(&refused),
        }
    }

    fn give_up(&mut self, refused: &Tally) {
        let calls = refused.calls();
        refused.give_back(&self.meter.limits);
        self.meter.limits.refused.fetch_add(calls, Ordering::Relaxed);
        self.refused.calls += calls;
    }

    /// Says in the log how much was given up, in one line.
    fn tell_refused(&mut self) {
        let Refused { calls, last, .. } = std::mem::take(&mut self.refused);
        if calls == 0 {
            return;
        }
        let error = last.as_ref().map(|error| error as &dyn Error);
        tracing::error!(
            error,
            calls,
            "calls are not counted, for the database refuses what is written of them: look for a \
             rule of its own, such as a trigger"
        );
    }
}

impl From<Halves> for Vec<Tally> {
    fn from(halves: Halves) -> Self {
        match halves {
            Halves::One(whole) => vec![whole],
            Halves::Two(halves) => halves.into(),
        }
    }
}

impl Told {
    /// Says in the log what is new.
    pub(super) fn tell(&mut self, written: &Result<(), StoreError>, counted: Counted) {
        match written {
            Ok(()) if self.failed => tracing::info!("what is counted is written again"),
            Err(error) if !self.failed => {
                let error = error as &dyn Error;
                tracing::warn!(
                    error,
                    "what is counted cannot be written; it is kept and tried again"
                );
            }
            Ok(()) | Err(_) => {}
        }
        self.failed = written.is_err();
        let Counted { coarsened, dropped, entries, .. } = counted;
        let beyond = coarsened + dropped;
        if beyond > self.beyond && !self.is_full {
            tracing::warn!(
                entries,
                "there is no room for more that is counted: the newest uses are counted for their \
                 workspace alone, or not at all"
            );
        }
        self.is_full = beyond > self.beyond || (self.is_full && self.failed);
        self.beyond = beyond;
    }
}
