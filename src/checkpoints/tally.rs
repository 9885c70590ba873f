//! How often checkpoints were signed, and when the last was.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Counts the checkpoints of a process.
#[derive(Default)]
pub struct Tally {
    signed: AtomicU64,
    failed: AtomicU64,
    /// When the last was signed; before the first, when the schedule began.
    since: Mutex<Option<Instant>>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Witnessed {
    /// How many were signed.
    pub signed: u64,
    /// How often none was signed although one was due.
    pub failures: u64,
    /// How long ago the last was signed, or the schedule began. None: there are no checkpoints.
    pub age: Option<Duration>,
}

impl Tally {
    pub(super) fn begin(&self) {
        *self.since() = Some(Instant::now());
    }

    pub(super) fn signed(&self) {
        self.begin();
        self.signed.fetch_add(1, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// As it is now.
    pub fn witnessed(&self) -> Witnessed {
        Witnessed {
            signed: self.signed.load(Relaxed),
            failures: self.failed.load(Relaxed),
            age: self.since().map(|since| since.elapsed()),
        }
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_age_is_that_of_the_last_that_was_signed() {
        let tally = Tally::default();
        assert_eq!(tally.witnessed(), Witnessed::default());
        tally.begin();
        tokio::time::advance(3 * SECOND).await;
        tally.failed();
        let age = Some(3 * SECOND);
        assert_eq!(tally.witnessed(), Witnessed { signed: 0, failures: 1, age });
        tally.signed();
        tokio::time::advance(SECOND).await;
        let age = Some(SECOND);
        assert_eq!(tally.witnessed(), Witnessed { signed: 1, failures: 1, age });
    }
}
