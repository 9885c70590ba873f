//! Writes what was counted.

use std::{error::Error, sync::Arc, sync::atomic::Ordering, time::Duration};

use tokio::{runtime::Handle, task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Counted, Meter,
    tally::{Halves, Rows, Tally},
};
use crate::domain::{
    name::Id,
    ports::{Clock, StoreError},
    usage::{KeepUsage, NotAdded, UsageBatch},
};

/// The most secrets of a batch: one transaction, for which on a file changes wait.
const BATCH_MAX: usize = 5_000;

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
    stop: CancellationToken,
    task: JoinHandle<()>,
    _until_dropped: DropGuard,
}

impl Flusher {
    /// Begins, in a task on this runtime, and writes so often.
    pub fn start(meter: Arc<Meter>, source: Source, interval: Duration, back: &Handle) -> Self {
        let stop = CancellationToken::new();
        let ledger = Ledger {
            meter,
            source,
            pending: Tally::default(),
            cut: Vec::new(),
            in_hand: None,
            number: 0,
            size: BATCH_MAX,
            told: Told::default(),
        };
        let task = back.spawn(ledger.write_always(interval, stop.clone()));
        let _until_dropped = stop.clone().drop_guard();
        Self { stop, task, _until_dropped }
    }

    /// Writes what is left, and ends. What cannot be written then is lost, and the log says how
    /// much.
    pub async fn finish(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "what was counted last was not written");
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
    /// A batch that may have been added. It stays as it is, for only so it is known by its number.
    in_hand: Option<(UsageBatch, Tally)>,
    number: i64,
    /// The most secrets of the next batch.
    size: usize,
    told: Told,
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
            let written = self.write_all().await;
            self.told.tell(&written, self.meter.counted());
        }
        if let Err(error) = self.write_all().await {
            let (error, entries) = (&error as &dyn Error, self.meter.counted().entries);
            tracing::warn!(error, entries, "what was counted last was not written, and is lost");
        }
    }

    /// Writes all that was counted until now, batch by batch.
    async fn write_all(&mut self) -> Result<(), StoreError> {
        for counted in self.meter.drain() {
            self.pending.merge(counted, &self.meter.limits).await;
        }
        while let Some((batch, tally)) = self.in_hand.take().or_else(|| self.next()) {
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
                (NotAdded::Refused(error), tally) => match tally.halves() {
                    Halves::Two(halves) => self.cut.extend(halves),
                    Halves::One(refused) => self.give_up(&refused, &error),
                },
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<(UsageBatch, Tally)> {
        let tally = self.cut.pop().or_else(|| self.pending.take(self.size))?;
        self.number += 1;
        let (source, number) = (self.source.id.clone(), self.number);
        let Rows { calls, last } = tally.rows();
        let time = self.source.clock.now();
        Some((UsageBatch { source, number, time, calls, last }, tally))
    }

    /// What the database would never have must not keep it from all else.
    fn give_up(&self, refused: &Tally, error: &StoreError) {
        let (error, calls) = (error as &dyn Error, refused.calls());
        refused.give_back(&self.meter.limits);
        self.meter.limits.refused.fetch_add(calls, Ordering::Relaxed);
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
