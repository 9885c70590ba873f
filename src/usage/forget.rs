//! Forgets what was counted long ago.

use std::{error::Error, sync::Arc, time::Duration};

use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::domain::{
    ports::{Clock, StoreError},
    usage::{KeepUsage, Outdated},
};

/// How often it is looked: as often as there is something, for calls are kept by the hour.
const INTERVAL: Duration = Duration::from_secs(3_600);
/// The most rows that are forgotten in one transaction.
const ROWS_MAX: u64 = 5_000;
/// Between two transactions others have the database.
const PAUSE: Duration = Duration::from_millis(100);

/// Forgets what is outdated, when it is started and each hour, until it is dropped.
pub struct Forgetter {
    stop: CancellationToken,
    task: JoinHandle<()>,
    _until_dropped: DropGuard,
}

impl Forgetter {
    /// Begins, in a task on this runtime. Calls are kept for so long after the end of their hour;
    /// None: for ever.
    pub fn start(
        store: Arc<dyn KeepUsage>,
        clock: Arc<dyn Clock>,
        retention: Option<Duration>,
        back: &Handle,
    ) -> Self {
        let stop = CancellationToken::new();
        let forgetting = Forgetting { store, clock, retention };
        let task = back.spawn(forgetting.forget_always(stop.clone()));
        let _until_dropped = stop.clone().drop_guard();
        Self { stop, task, _until_dropped }
    }

    /// Ends with what is under way.
    pub async fn finish(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "what forgets old usage ended");
        }
    }
}

struct Forgetting {
    store: Arc<dyn KeepUsage>,
    clock: Arc<dyn Clock>,
    retention: Option<Duration>,
}

impl Forgetting {
    async fn forget_always(self, stop: CancellationToken) {
        let mut interval = tokio::time::interval(INTERVAL);
        while stop.run_until_cancelled(interval.tick()).await.is_some() {
            if let Some(Err(error)) = stop.run_until_cancelled(self.forget_all()).await {
                let error = &error as &dyn Error;
                tracing::warn!(error, "old usage was not forgotten; it is tried in an hour");
            }
        }
    }

    async fn forget_all(&self) -> Result<(), StoreError> {
        let Self { store, clock, retention } = self;
        let outdated = || Outdated { now: clock.now(), retention: *retention, rows_max: ROWS_MAX };
        while store.forget_usage(outdated()).await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
