//! What becomes of what is counted.

use std::{sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::coherence::new_id;
use crate::{
    config::UsageSettings,
    domain::{
        ports::{Clock, StoreError},
        usage::KeepUsage,
    },
    usage::{Flusher, Forgetter, Meter, Source},
};

/// The last write may take this part of the time that is left at the end.
const PATIENCE_PART: u32 = 2;

/// Writes what is counted, and forgets what is old, until it is dropped.
pub(super) struct Keeping {
    flusher: Flusher,
    forgetter: Forgetter,
}

impl Keeping {
    /// Begins, in tasks on this runtime.
    ///
    /// # Errors
    ///
    /// Where this process can be given no name.
    pub(super) fn start(
        meter: &Arc<Meter>,
        store: Arc<dyn KeepUsage>,
        clock: Arc<dyn Clock>,
        settings: &UsageSettings,
        back: &Handle,
    ) -> Result<Self, StoreError> {
        let source = Source { store: Arc::clone(&store), clock: Arc::clone(&clock), id: new_id()? };
        let forgetter = Forgetter::start(store, clock, settings.retention(), back);
        let interval = Duration::from_millis(settings.flush_interval_ms);
        let flusher = Flusher::start(Arc::clone(meter), source, interval, back);
        Ok(Self { flusher, forgetter })
    }

    /// Writes what is left, and ends. A backlog must not keep this process from leaving the others,
    /// so it is given a part of the time that there is.
    pub(super) async fn finish(self, patience: Duration) {
        let flushing = self.flusher.finish(patience / PATIENCE_PART);
        tokio::join!(flushing, self.forgetter.finish());
    }
}
