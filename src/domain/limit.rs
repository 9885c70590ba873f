//! Rate limits: what a request takes of them, and what is left.
//!
//! A limit lets `quota` through in each `window`, of which `burst` may come at once: in any span of
//! time no more than `burst + quota × span / window` (GCRA, ITU-T I.371). A request takes its cost
//! of every limit that applies to it, or of none.

mod bucket;

use std::time::Duration;

use async_trait::async_trait;

pub use bucket::{Bucket, Rate, Wait};

use super::{live::LiveKey, name::KeyName, policy::RateLimit};

/// What a request takes.
#[derive(Clone, Debug)]
pub struct Charge<'a> {
    /// By whom.
    pub key: &'a KeyName,
    /// The limits of that key.
    pub key_limits: Vec<&'a RateLimit>,
    /// The limits of all keys of its workspace together.
    pub workspace_limits: Vec<&'a RateLimit>,
    /// How much of each.
    pub cost: u64,
    /// Whether it is to be said what is left of them.
    pub tells: bool,
}

impl Charge<'_> {
    /// Whether nothing limits it.
    pub fn is_free(&self) -> bool {
        self.key_limits.is_empty() && self.workspace_limits.is_empty()
    }

    /// What counts are kept by: the name of the key, and that of its workspace. No identifier
    /// has a slash in it, so that none is mistaken for the other.
    pub fn holders(&self) -> (String, &str) {
        let workspace = self.key.workspace.as_str();
        (format!("{workspace}/{}", self.key.key), workspace)
    }
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Every limit that applied, first those of the key, in the order of the plan: what is left
    /// after what was taken. Empty where that was not to be said.
    pub limits: Vec<LimitStatus>,
    /// How long to wait. None: it was taken; otherwise nothing was.
    pub wait: Option<Wait>,
}

/// How much of one limit is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitStatus {
    /// Its name.
    pub name: String,
    /// How much cost is allowed in a window.
    pub quota: u64,
    /// The window.
    pub window: Duration,
    /// How much may still come at once.
    pub remaining: u64,
    /// The time until all of it is back.
    pub reset: Duration,
    /// Whether it is the whole workspace's rather than the key's.
    pub shared: bool,
}

/// It cannot be told how much is left, and the settings say that then nothing may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be told how much of the rate limits is left")]
pub struct CannotTell;

/// Keeps count.
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Takes the cost of every limit of the charge, or of none.
    ///
    /// # Errors
    ///
    /// [`CannotTell`]: the request must be refused.
    async fn take(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell>;

    /// The same, where it can be told without waiting for anything. None: it cannot, and nothing
    /// was taken.
    fn take_now(&self, _: &Charge<'_>) -> Option<Result<Verdict, CannotTell>> {
        None
    }
}

/// How many replicas share the limits.
pub trait Population: Send + Sync {
    /// How many there are now, this one included; 0: nobody knows.
    fn replicas(&self) -> usize;
}

impl LiveKey {
    /// What a request of this class and cost takes: of the limits of the key's plan, or of the
    /// workspace's where it has none or the policy lost it, and of the ceiling in the
    /// workspace's plan. A cost of 0 is 1. `tells`: whether it is to be said what is left.
    pub fn charge(&self, class: &str, cost: u64, tells: bool) -> Charge<'_> {
        let common = self.policy().plan(&self.workspace().plan);
        let own = self.policy().plan(self.plan()).or(common);
        Charge {
            key: self.name(),
            key_limits: of_class(own.map(|plan| &*plan.key_limits), class),
            workspace_limits: of_class(common.map(|plan| &*plan.workspace_limits), class),
            cost: cost.max(1),
            tells,
        }
    }
}

/// The limits that count calls of this class.
fn of_class<'a>(limits: Option<&'a [RateLimit]>, class: &str) -> Vec<&'a RateLimit> {
    let counts = |limit: &&RateLimit| limit.class.is_empty() || limit.class == class;
    limits.unwrap_or_default().iter().filter(counts).collect()
}

#[cfg(test)]
mod tests;
