//! What became of certificates and lists that were read again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
};

use crate::domain::{ports::Clock, time::Timestamp};

/// How often a file was read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloads {
    /// And what it holds came into force.
    pub applied: u64,
    /// And what it holds was refused: what was in force before still is. Each reason counts once, however often it is
    /// tried again.
    pub refused: u64,
    /// Whether the last was refused: the file differs from what is in force.
    pub is_stale: bool,
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
    /// Whether it was told that the certificate has ended.
    is_told: AtomicBool,
    pub(super) certificate: Tried,
    pub(super) client_ca: Tried,
    pub(super) callers: Tried,
}

#[derive(Default)]
pub(super) struct Tried {
    applied: AtomicU64,
    refused: AtomicU64,
    is_stale: AtomicBool,
}

impl Tried {
    pub(super) fn applied(&self) {
        self.is_stale.store(false, Relaxed);
        self.applied.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self, is_new: bool) {
        self.is_stale.store(true, Relaxed);
        self.refused.fetch_add(u64::from(is_new), Relaxed);
    }

    fn reloads(&self) -> Reloads {
        Reloads {
            applied: self.applied.load(Relaxed),
            refused: self.refused.load(Relaxed),
            is_stale: self.is_stale.load(Relaxed),
        }
    }
}

impl Tally {
    pub(super) fn new(clock: Arc<dyn Clock>, end: Timestamp) -> Self {
        let tally = Self {
            clock,
            end: AtomicI64::default(),
            is_told: AtomicBool::default(),
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
        self.is_told.store(false, Relaxed);
        self.warn_of_end();
    }

    /// Warns where the certificate in force has ended, once.
    pub(super) fn warn_of_end(&self) {
        if self.left_s() < 0.0 && !self.is_told.swap(true, Relaxed) {
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
