//! Who keeps count of the rate limits.
//!
//! [`Local`] counts in this process, which is exact for one, and for several where each is given
//! its part. [`Shared`] counts for all replicas over a [`Counter`], which is [`Redis`], in batches,
//! so that a key that is used much does not cost a round trip for each question. What nobody uses
//! is forgotten: memory is taken by what was used so lately that it is not all back yet.

mod counter;
mod local;
mod lot;
mod pace;
mod redis;
mod shared;
mod stock;
mod table;
mod tally;
#[cfg(test)]
mod tests;

use async_trait::async_trait;

pub use self::redis::{InvalidUrl, Redis};
pub use counter::{Batch, Counter, Gone, Order};
pub use local::Local;
pub use shared::Shared;
pub use tally::{CounterTallied, Tallied, Tally};

use crate::domain::limit::{CannotTell, Charge, Limiter, Population, Verdict};

/// So many limits of a call are looked at without memory of their own.
const LIMITS_IN_PLACE: usize = 4;

/// The only replica there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Population for Alone {
    fn replicas(&self) -> usize {
        1
    }

    fn is_fixed(&self) -> bool {
        true
    }
}

/// Takes nothing: of several replicas none is to let anything through that cannot be counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refuse;

#[async_trait]
impl Limiter for Refuse {
    async fn take(&self, _: &Charge<'_>) -> Result<Verdict, CannotTell> {
        Err(CannotTell)
    }

    fn take_now(&self, _: &Charge<'_>) -> Option<Result<Verdict, CannotTell>> {
        Some(Err(CannotTell))
    }
}
