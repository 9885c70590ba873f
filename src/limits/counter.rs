//! Who counts for all replicas.

use async_trait::async_trait;

use crate::domain::limit::Rate;

/// A batch that is wanted of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its rate.
    pub rate: Rate,
    /// How much of the burst must be left by it, because it may be held for a while; less than the
    /// burst. 0: it is not held.
    pub slack: u64,
    /// Less than this is of no use; 1 at the least.
    pub least: u64,
    /// More than this is not wanted.
    pub most: u64,
}

/// What was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How much: from the least to the most, or nothing.
    pub taken: u64,
    /// The level after that, in millionths; no less than the slack of the order.
    pub level: u64,
}

/// The counter does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody counts for all replicas")]
pub struct Gone;

/// Counts for all replicas, exactly (GCRA): its level is never above the burst of what it gives by,
/// and falls at the rate, down to nothing. Before it gives a batch with a slack, it raises the
/// level to that slack if it is less.
#[async_trait]
pub trait Counter: Send + Sync {
    /// Whether it answers, as far as is known.
    fn is_here(&self) -> bool;

    /// Gives a batch of a limit, which is named by who is limited and its own name.
    ///
    /// # Errors
    ///
    /// [`Gone`]: it may have been given all the same, and is lost then until it comes back by
    /// itself.
    async fn take(&self, limit: &str, order: &Order) -> Result<Batch, Gone>;
}
