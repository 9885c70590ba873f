//! Counts what becomes of the calls that have limits.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Local, Shared};
use crate::{
    domain::limit::{CannotTell, Charge, Limiter, Verdict},
    measure::Counter,
};

/// Asks another, and counts what it says. No key and no workspace is told of.
pub struct Tally {
    limiter: Arc<dyn Limiter>,
    local: Option<Arc<Local>>,
    shared: Option<Shared>,
    passed: Counter,
    refused: Counter,
    unknown: Counter,
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
        let [passed, refused, unknown] = [(); 3].map(|()| Counter::default());
        Self { limiter, local, shared, passed, refused, unknown }
    }

    /// What was counted until now.
    pub fn tallied(&self) -> Tallied {
        let local = self.local.as_ref().map_or(0, |local| local.holders());
        let shared = self.shared.as_ref();
        let holders = local + shared.map_or(0, Shared::holders);
        Tallied {
            passed: self.passed.read(),
            refused: self.refused.read(),
            unknown: self.unknown.read(),
            holders: holders as u64,
            counter: shared.map(|shared| CounterTallied {
                orders: shared.orders(),
                is_here: shared.is_here(),
            }),
        }
    }

    /// Counts it, once.
    fn count(&self, outcome: &Result<Verdict, CannotTell>) {
        let count = match outcome {
            Ok(Verdict { wait: None, .. }) => &self.passed,
            Ok(Verdict { wait: Some(_), .. }) => &self.refused,
            Err(CannotTell) => &self.unknown,
        };
        count.count();
    }
}

#[async_trait]
impl Limiter for Tally {
    async fn take(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
        let outcome = self.limiter.take(charge).await;
        self.count(&outcome);
        outcome
    }

    fn take_now(&self, charge: &Charge<'_>) -> Option<Result<Verdict, CannotTell>> {
        // What cannot be told is told, and counted, by who may wait.
        let outcome = self.limiter.take_now(charge).filter(Result::is_ok);
        outcome.iter().for_each(|outcome| self.count(outcome));
        outcome
    }

    fn always_tells_now(&self) -> bool {
        self.limiter.always_tells_now()
    }
}
