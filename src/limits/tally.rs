//! Counts what becomes of the calls that have limits.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_trait::async_trait;

use super::{Local, Shared};
use crate::domain::limit::{CannotTell, Charge, Limiter, Verdict};

/// Asks another, and counts what it says. No key and no workspace is told of.
pub struct Tally {
    limiter: Arc<dyn Limiter>,
    local: Option<Arc<Local>>,
    shared: Option<Shared>,
    passed: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tallied {
    /// Calls that were within their limits.
    pub passed: u64,
    /// Calls that were not.
    pub refused: u64,
    /// Calls of which it could not be told.
    pub unknown: u64,
    /// Keys and workspaces of which something is remembered.
    pub holders: u64,
    /// None: nobody counts for all replicas.
    pub counter: Option<CounterTallied>,
}

/// What is known of who counts for all replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterTallied {
    /// Batches that it was asked for.
    pub orders: u64,
    /// Whether it answers.
    pub is_here: bool,
}

impl Tally {
    /// Of this one, which may count by means of these.
    pub fn new(
        limiter: Arc<dyn Limiter>,
        local: Option<Arc<Local>>,
        shared: Option<Shared>,
    ) -> Self {
        let [passed, refused, unknown] = [(); 3].map(|()| AtomicU64::default());
        Self { limiter, local, shared, passed, refused, unknown }
    }

    /// What was counted until now.
    pub fn tallied(&self) -> Tallied {
        let local = self.local.as_ref().map_or(0, |local| local.holders());
        let shared = self.shared.as_ref();
        let holders = local + shared.map_or(0, Shared::holders);
        Tallied {
            passed: self.passed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            unknown: self.unknown.load(Relaxed),
            holders: holders as u64,
            counter: shared.map(|shared| CounterTallied {
                orders: shared.orders(),
                is_here: shared.is_here(),
            }),
        }
    }
}

#[async_trait]
impl Limiter for Tally {
    async fn take(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
        let outcome = self.limiter.take(charge).await;
        let count = match &outcome {
            Ok(Verdict { wait: None, .. }) => &self.passed,
            Ok(Verdict { wait: Some(_), .. }) => &self.refused,
            Err(CannotTell) => &self.unknown,
        };
        count.fetch_add(1, Relaxed);
        outcome
    }
}
