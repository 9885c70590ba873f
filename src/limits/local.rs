//! Counts in this process.

use std::{num::NonZeroU64, sync::Arc};

use async_trait::async_trait;
use smallvec::SmallVec;

use super::{
    LIMITS_IN_PLACE,
    table::{Pair, Table, find},
};
use crate::domain::{
    limit::{Bucket, CannotTell, Charge, LimitStatus, Limiter, Population, Rate, Verdict, Wait},
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
    shared: bool,
    rate: Rate,
    bucket: Bucket,
}

type Looked<'a> = SmallVec<[Seen<'a>; LIMITS_IN_PLACE]>;

impl Seen<'_> {
    fn status(&self, now: Moment) -> LimitStatus {
        LimitStatus {
            name: self.limit.name.clone(),
            quota: self.limit.quota,
            window: self.limit.window,
            remaining: self.bucket.remaining(self.rate, now),
            reset: self.bucket.reset(now),
            shared: self.shared,
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

    /// Takes the cost of every limit, or of none. It waits for nobody but who does the same.
    ///
    /// # Errors
    ///
    /// Where nobody knows how many share the limits.
    pub fn charge(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
        let by = NonZeroU64::new(self.population.replicas() as u64).ok_or(CannotTell)?;
        // Before anything is locked. Whoever overtakes makes it no easier: by an earlier moment
        // less is back.
        let now = self.stopwatch.now();
        let mut seen = Looked::new();
        let wait = take_all(&mut self.table.pair(charge), charge, by, now, &mut seen);
        let limits = match charge.tells {
            true => seen.iter().map(|seen| seen.status(now)).collect(),
            false => Vec::new(),
        };
        Ok(Verdict { limits, wait })
    }
}

/// Takes of all limits or of none, and tells how long to wait. All stays locked until all is taken.
fn take_all<'a>(
    pair: &mut Pair<'_, Bucket>,
    charge: &Charge<'a>,
    by: NonZeroU64,
    now: Moment,
    seen: &mut Looked<'a>,
) -> Option<Wait> {
    look(pair, charge, by, now, seen);
    let wait = seen.iter().filter_map(|seen| seen.bucket.wait(seen.rate, charge.cost, now)).max();
    if wait.is_none() {
        for seen in seen {
            seen.bucket.take(charge.cost, now);
            keep(pair, charge, seen, now);
        }
    }
    wait
}

/// The limits as they are now, each divided by the number of those who share it.
fn look<'a>(
    pair: &mut Pair<'_, Bucket>,
    charge: &Charge<'a>,
    by: NonZeroU64,
    now: Moment,
    seen: &mut Looked<'a>,
) {
    for shared in [false, true] {
        let mut limits = charge.limits(shared).peekable();
        if limits.peek().is_none() {
            continue;
        }
        let mut known = pair.side(shared).limits_mut(charge.mark(shared));
        for limit in limits {
            let rate = Rate::from(limit).divided(by);
            let known = known.as_deref_mut().and_then(|known| find(known, &limit.name));
            let bucket = match known {
                Some(known) => {
                    // Kept also if it is refused: from now on what was taken comes back at this
                    // rate.
                    *known = known.under(rate, now);
                    *known
                }
                None => Bucket::full(rate),
            };
            seen.push(Seen { limit, shared, rate, bucket });
        }
    }
}

fn keep(pair: &mut Pair<'_, Bucket>, charge: &Charge<'_>, seen: &Seen<'_>, now: Moment) {
    let Seen { limit, shared, bucket, .. } = seen;
    let (shard, mark) = (pair.side(*shared), charge.mark(*shared));
    match shard.get_mut(mark, &limit.name) {
        Some(known) => *known = *bucket,
        None => shard.insert(mark, &limit.name, *bucket, |bucket| bucket.is_idle(now)),
    }
}

#[async_trait]
impl Limiter for Local {
    async fn take(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
        self.charge(charge)
    }

    fn take_now(&self, charge: &Charge<'_>) -> Option<Result<Verdict, CannotTell>> {
        Some(self.charge(charge))
    }

    fn always_tells_now(&self) -> bool {
        self.population.is_fixed()
    }
}
