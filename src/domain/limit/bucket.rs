//! One rate, and how much of it was taken: exact, to less than a nanosecond.

use std::{num::NonZeroU64, time::Duration};

use crate::domain::{policy::RateLimit, time::Moment};

/// How much, how often, and how much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How much cost comes back in a window; 1 at the least.
    quota: u64,
    /// Nanoseconds; 1 at the least.
    window: u64,
    burst: u64,
}

impl From<&RateLimit> for Rate {
    fn from(limit: &RateLimit) -> Self {
        let burst = if limit.burst == 0 { limit.quota } else { limit.burst };
        Self { quota: limit.quota.max(1), window: nanos(limit.window).max(1), burst }
    }
}

impl Rate {
    /// The part of one of so many who share it: all of them together get no more than the whole.
    #[must_use]
    pub fn divided(self, by: NonZeroU64) -> Self {
        Self { window: self.window.saturating_mul(by.get()), burst: self.burst / by, ..self }
    }

    /// How much may come at once.
    pub fn burst(self) -> u64 {
        self.burst
    }

    /// How much cost comes back in a window, and the window.
    pub fn parts(self) -> (u64, Duration) {
        (self.quota, Duration::from_nanos(self.window))
    }

    /// How much comes back in so long, rounded down.
    pub fn comes_back_in(self, span: Duration) -> u64 {
        let units = u128::from(nanos(span)) * u128::from(self.quota);
        u64::try_from(units / u128::from(self.window)).unwrap_or(u64::MAX)
    }

    /// How long it takes for so much to come back, rounded up.
    pub fn time_of(self, cost: u64) -> Duration {
        self.span(self.cost(cost))
    }

    /// What the time of one nanosecond and the cost of 1 are in a unit of which both are whole
    /// multiples: `quota` and `window`.
    fn time(self, moment: Moment) -> u128 {
        u128::from(nanos(moment.since_start())) * u128::from(self.quota)
    }

    fn cost(self, cost: u64) -> u128 {
        u128::from(cost) * u128::from(self.window)
    }

    /// The time of so many units, rounded up.
    fn span(self, units: u128) -> Duration {
        let nanos = units.div_ceil(u128::from(self.quota));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// How long until a cost can be taken, if nobody takes anything before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// So long.
    For(Duration),
    /// It is more than may ever come at once.
    Forever,
}

/// How much of a rate was taken: GCRA, of which this is the theoretical arrival time, the moment
/// at which all of it is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    quota: u64,
    window: u64,
    /// In units of the rate. A moment in the past: nothing is taken.
    full_at: u128,
}

impl Bucket {
    /// Of which nothing was taken.
    pub fn full(rate: Rate) -> Self {
        Self { quota: rate.quota, window: rate.window, full_at: 0 }
    }

    /// Of which so many millionths of 1 were taken at that moment.
    pub fn of_millionths(rate: Rate, taken: u64, at: Moment) -> Self {
        let taken = u128::from(taken) * u128::from(rate.window) / 1_000_000;
        Self { full_at: rate.time(at).saturating_add(taken), ..Self::full(rate) }
    }

    /// The same under another rate: what was taken stays taken, and comes back at the new rate.
    #[must_use]
    pub fn under(self, rate: Rate, now: Moment) -> Self {
        if (self.quota, self.window) == (rate.quota, rate.window) {
            return self;
        }
        let old = Rate { quota: self.quota, window: self.window, burst: 0 };
        let taken = self.full_at.saturating_sub(old.time(now));
        let window = u128::from(old.window);
        // Whole costs and the rest apart: together they would not fit.
        let (whole, rest) = (taken / window, taken % window);
        let rest = (rest * u128::from(rate.window)).div_ceil(window);
        let taken = whole.saturating_mul(u128::from(rate.window)).saturating_add(rest);
        let full_at = if taken == 0 { 0 } else { rate.time(now).saturating_add(taken) };
        Self { quota: rate.quota, window: rate.window, full_at }
    }

    fn rate(self) -> Rate {
        Rate { quota: self.quota, window: self.window, burst: 0 }
    }

    fn taken(self, now: Moment) -> u128 {
        self.full_at.saturating_sub(self.rate().time(now))
    }

    /// Whether it is as if nothing had been taken.
    pub fn is_idle(self, now: Moment) -> bool {
        self.taken(now) == 0
    }

    /// How long until the cost can be taken. None: now.
    pub fn wait(self, rate: Rate, cost: u64, now: Moment) -> Option<Wait> {
        if cost > rate.burst {
            return Some(Wait::Forever);
        }
        let wanted = self.taken(now).saturating_add(rate.cost(cost));
        let excess = wanted.saturating_sub(rate.cost(rate.burst));
        (excess > 0).then(|| Wait::For(rate.span(excess)))
    }

    /// Takes the cost, whether or not it can be.
    pub fn take(&mut self, cost: u64, now: Moment) {
        let rate = self.rate();
        self.full_at = self.full_at.max(rate.time(now)).saturating_add(rate.cost(cost));
    }

    /// How much can be taken at once.
    pub fn remaining(self, rate: Rate, now: Moment) -> u64 {
        let left = rate.cost(rate.burst).saturating_sub(self.taken(now));
        u64::try_from(left / u128::from(rate.window)).unwrap_or(u64::MAX)
    }

    /// The time until nothing is taken any more.
    pub fn reset(self, now: Moment) -> Duration {
        self.rate().span(self.taken(now))
    }
}
