//! What became of certificates and lists that were read again.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

use crate::domain::{ports::Clock, time::Timestamp};

/// How often a file was read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloads {
    /// And what it holds came into force.
    pub applied: u64,
    /// And what it holds was refused: what was in force before still is.
    pub refused: u64,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// Seconds until the first of the server's certificates ends; less than none after that.
    pub left_s: f64,
    /// Of the certificate and its key.
    pub certificate: Reloads,
    /// Of the authorities of clients.
    pub client_ca: Reloads,
    /// Of the list of callers.
    pub callers: Reloads,
}

/// Counts.
pub struct Tally {
    clock: Arc<dyn Clock>,
    end: AtomicI64,
    pub(super) certificate: Tried,
    pub(super) client_ca: Tried,
    pub(super) callers: Tried,
}

#[derive(Default)]
pub(super) struct Tried {
    applied: AtomicU64,
    refused: AtomicU64,
}

impl Tried {
    pub(super) fn count(&self, applied: bool) {
        let count = if applied { &self.applied } else { &self.refused };
        count.fetch_add(1, Relaxed);
    }

    fn reloads(&self) -> Reloads {
        Reloads { applied: self.applied.load(Relaxed), refused: self.refused.load(Relaxed) }
    }
}

impl Tally {
    pub(super) fn new(clock: Arc<dyn Clock>, end: Timestamp) -> Self {
        let tally = Self {
            clock,
            end: AtomicI64::default(),
            certificate: Tried::default(),
            client_ca: Tried::default(),
            callers: Tried::default(),
        };
        tally.ends(end);
        tally
    }

    /// Takes note of when the certificate in force ends, and warns where that is over.
    pub(super) fn ends(&self, end: Timestamp) {
        self.end.store(end.micros(), Relaxed);
        if self.left_s() < 0.0 {
            tracing::warn!(
                "the server's certificate has ended, so clients refuse it: renew it and write it to tls.certificate_file"
            );
        }
    }

    fn left_s(&self) -> f64 {
        let left = self.end.load(Relaxed).saturating_sub(self.clock.now().micros());
        left as f64 / 1_000_000.0
    }

    /// How it stands now.
    pub fn counted(&self) -> Counted {
        Counted {
            left_s: self.left_s(),
            certificate: self.certificate.reloads(),
            client_ca: self.client_ca.reloads(),
            callers: self.callers.reloads(),
        }
    }
}
