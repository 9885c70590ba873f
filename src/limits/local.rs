//! Counts in this process.

use std::{num::NonZeroU64, sync::Arc};

use async_trait::async_trait;

use super::table::{Shard, Table};
use crate::domain::{
    limit::{Bucket, CannotTell, Charge, LimitStatus, Limiter, Population, Rate, Verdict},
    policy::RateLimit,
    replica::Stopwatch,
    time::Moment,
};

/// Counts in this process alone.
pub struct Local {
    stopwatch: Arc<dyn Stopwatch>,
    population: Arc<dyn Population>,
    table: Table<Bucket>,
}

/// A limit as it is now.
struct Seen<'a> {
    limit: &'a RateLimit,
    rate: Rate,
    bucket: Bucket,
}

impl Seen<'_> {
    fn status(&self, shared: bool, now: Moment) -> LimitStatus {
        LimitStatus {
            name: self.limit.name.clone(),
            quota: self.limit.quota,
            window: self.limit.window,
            remaining: self.bucket.remaining(self.rate, now),
            reset: self.bucket.reset(now),
            shared,
        }
    }
}

impl Local {
    /// Over this clock; each limit is divided by the number of those who share it.
    pub fn new(stopwatch: Arc<dyn Stopwatch>, population: Arc<dyn Population>) -> Self {
        Self { stopwatch, population, table: Table::default() }
    }

    /// How many keys and workspaces something is remembered of.
    pub fn holders(&self) -> usize {
        self.table.holders()
    }

    /// Takes the cost of every limit, or of none.
    ///
    /// # Errors
    ///
    /// Where nobody knows how many share the limits.
    pub fn charge(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
        let Charge { key_limits, workspace_limits, cost, .. } = charge;
        let by = NonZeroU64::new(self.population.replicas() as u64).ok_or(CannotTell)?;
        let (own, common) = charge.holders();
        // All stays locked until all is taken.
        let mut pair = self.table.pair(&own, common);
        let now = self.stopwatch.now();
        let mut own_seen = look(pair.own(), &own, key_limits, by, now);
        let mut seen = look(pair.common(), common, workspace_limits, by, now);
        let all = own_seen.iter().chain(&seen);
        let wait = all.filter_map(|seen| seen.bucket.wait(seen.rate, *cost, now)).max();
        if wait.is_none() {
            take(pair.own(), &own, &mut own_seen, *cost, now);
            take(pair.common(), common, &mut seen, *cost, now);
        }
        let own = own_seen.iter().map(|seen| seen.status(false, now));
        let limits = own.chain(seen.iter().map(|seen| seen.status(true, now))).collect();
        Ok(Verdict { limits, wait })
    }
}

/// The limits of a holder as they are now, each divided by the number of those who share it.
fn look<'a>(
    shard: &mut Shard<Bucket>,
    holder: &str,
    limits: &[&'a RateLimit],
    by: NonZeroU64,
    now: Moment,
) -> Vec<Seen<'a>> {
    let look = |limit: &&'a RateLimit| {
        let rate = Rate::from(*limit).divided(by);
        let bucket = match shard.get_mut(holder, &limit.name) {
            Some(known) => {
                // Kept also if it is refused: from now on what was taken comes back at this rate.
                *known = known.under(rate, now);
                *known
            }
            None => Bucket::full(rate),
        };
        Seen { limit, rate, bucket }
    };
    limits.iter().map(look).collect()
}

fn take(shard: &mut Shard<Bucket>, holder: &str, seen: &mut [Seen<'_>], cost: u64, now: Moment) {
    for Seen { limit, bucket, .. } in seen {
        bucket.take(cost, now);
        match shard.get_mut(holder, &limit.name) {
            Some(known) => *known = *bucket,
            None => shard.insert(holder, &limit.name, *bucket, |bucket| bucket.is_idle(now)),
        }
    }
}

#[async_trait]
impl Limiter for Local {
    async fn take(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
        self.charge(charge)
    }
}
