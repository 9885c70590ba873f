//! Writes what was counted.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use tokio::{runtime::Handle, task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Meter,
    tally::{Taken, Tally},
};
use crate::domain::{
    name::Id,
    ports::{Clock, StoreError},
    usage::{KeepUsage, UsageBatch},
};

/// Secrets of a batch: one transaction, which changes of records may have to wait for.
const BATCH: usize = 5_000;

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
        let ledger = Ledger { meter, source, pending: Tally::default(), in_hand: None, number: 0 };
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
    /// A batch that may have been added, with the room of its entries. It stays as it is, for
    /// only so it is known by its number.
    in_hand: Option<(UsageBatch, usize, usize)>,
    number: i64,
}

impl Ledger {
    async fn write_always(mut self, interval: Duration, stop: CancellationToken) {
        let mut interval = tokio::time::interval(interval);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = false;
        while stop.run_until_cancelled(interval.tick()).await.is_some() {
            match self.write_all().await {
                Ok(()) if failed => {
                    failed = false;
                    tracing::info!("what is counted is written again");
                }
                Err(error) if !failed => {
                    failed = true;
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        error,
                        "what is counted cannot be written; it is kept and tried again"
                    );
                }
                Ok(()) | Err(_) => {}
            }
        }
        if let Err(error) = self.write_all().await {
            let (error, entries) = (&error as &dyn std::error::Error, self.meter.counted().entries);
            tracing::warn!(error, entries, "what was counted last was not written, and is lost");
        }
    }

    /// Writes all that was counted until now, batch by batch.
    async fn write_all(&mut self) -> Result<(), StoreError> {
        self.meter.drain_into(&mut self.pending);
        while self.in_hand.is_some() || !self.pending.is_empty() {
            let (batch, of_secrets, of_workspaces) = match self.in_hand.take() {
                Some(in_hand) => in_hand,
                None => self.next(),
            };
            let outcome = self.source.store.add_usage(&batch).await;
            if let Err(error) = outcome {
                self.meter.failures.fetch_add(1, Ordering::Relaxed);
                self.in_hand = Some((batch, of_secrets, of_workspaces));
                return Err(error);
            }
            self.meter.batches.fetch_add(1, Ordering::Relaxed);
            self.meter.limits.secrets.give_back(of_secrets);
            self.meter.limits.workspaces.give_back(of_workspaces);
        }
        Ok(())
    }

    fn next(&mut self) -> (UsageBatch, usize, usize) {
        let Taken { calls, last, of_secrets, of_workspaces } = self.pending.take(BATCH);
        self.number += 1;
        let (source, number) = (self.source.id.clone(), self.number);
        let time = self.source.clock.now();
        (UsageBatch { source, number, time, calls, last }, of_secrets, of_workspaces)
    }
}
