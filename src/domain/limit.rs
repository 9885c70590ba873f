//! Rate limits: what a request takes of them, and what is left.
//!
//! A limit lets `quota` through in each `window`, of which `burst` may come at once: in any span of
//! time no more than `burst + quota × span / window` (GCRA, ITU-T I.371). A request takes its cost
//! of every limit that applies to it, or of none.

mod bucket;
mod mark;

use std::time::Duration;

use async_trait::async_trait;

pub use bucket::{Bucket, Rate, Wait};
pub use mark::{Mark, Marks};

use super::{name::KeyName, policy::RateLimit};

/// What a request takes.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// By whom.
    pub key: &'a KeyName,
    /// What stands for that key and its workspace where counts are kept.
    pub marks: Marks,
    /// The limits of that key, of whatever class.
    pub key_limits: &'a [RateLimit],
    /// The limits of all keys of its workspace together, of whatever class.
    pub workspace_limits: &'a [RateLimit],
    /// The class of the request. Only the limits of this class count it, and those of none.
    pub class: &'a str,
    /// How much of each.
    pub cost: u64,
    /// Whether it is to be said what is left of them.
    pub tells: bool,
}

impl<'a> Charge<'a> {
    /// The limits that count it, in the order of the plan: of the key, or those that are `shared`
    /// by all keys of its workspace.
    pub fn limits(&self, shared: bool) -> impl Iterator<Item = &'a RateLimit> + use<'a> {
        let (limits, class) =
            (if shared { self.workspace_limits } else { self.key_limits }, self.class);
        limits.iter().filter(move |limit| limit.class.is_empty() || limit.class == class)
    }

    /// Whether nothing limits the key, or what all keys of its workspace share.
    pub fn is_free_of(&self, shared: bool) -> bool {
        self.limits(shared).next().is_none()
    }

    /// Whether nothing limits it.
    pub fn is_free(&self) -> bool {
        self.is_free_of(false) && self.is_free_of(true)
    }

    /// What counts are found by in this process.
    pub fn mark(&self, shared: bool) -> Mark {
        if shared { self.marks.workspace } else { self.marks.key }
    }

    /// What counts are named by where all replicas keep them: the name of the key, or that of its
    /// workspace. No identifier has a slash in it, so that none is mistaken for the other.
    pub fn holder(&self, shared: bool) -> String {
        let workspace = self.key.workspace.as_str();
        if shared { workspace.to_owned() } else { format!("{workspace}/{}", self.key.key) }
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

    /// The same, where it can be told without waiting for anything. None: it cannot, nothing was
    /// taken, and [`Limiter::take`] is to be asked.
    fn take_now(&self, _: &Charge<'_>) -> Option<Result<Verdict, CannotTell>> {
        None
    }

    /// Whether [`Limiter::take_now`] can tell, of every charge and at any time.
    fn always_tells_now(&self) -> bool {
        false
    }
}

/// How many replicas share the limits.
pub trait Population: Send + Sync {
    /// How many there are now, this one included; 0: nobody knows.
    fn replicas(&self) -> usize;

    /// Whether this is always known.
    fn is_fixed(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
