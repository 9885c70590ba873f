//! Who counts for all replicas.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::limit::Rate;

/// A batch that is wanted of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Of which: who is limited, and the name of the limit.
    pub limit: String,
    /// Its rate.
    pub rate: Rate,
    /// Less than this is of no use.
    pub least: u64,
    /// More than this is not wanted.
    pub most: u64,
    /// How much of earlier batches was not used, and is given back.
    pub back: u64,
}

/// What was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How much: from the least to the most, or nothing.
    pub taken: u64,
    /// How much could still be taken at once.
    pub remaining: u64,
    /// How long until the least can be given; zero where something was.
    pub wait: Duration,
}

/// The counter does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody counts for all replicas")]
pub struct Gone;

/// Counts for all replicas, exactly: all that it ever gives out, less what is given back, is within
/// the rates.
#[async_trait]
pub trait Counter: Send + Sync {
    /// Whether it answers, as far as is known.
    fn is_here(&self) -> bool;

    /// Gives a batch.
    ///
    /// # Errors
    ///
    /// [`Gone`]: it may have been given all the same, and is lost then until it comes back by
    /// itself.
    async fn take(&self, order: &Order) -> Result<Batch, Gone>;
}
