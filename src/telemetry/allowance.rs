//! How many traces may be gone on with because a caller says so.
//!
//! A span costs whoever keeps it, and the room that others wait in. So there is an allowance for
//! each second, and nobody can have more: a bucket of tokens, kept as the time at which it is full
//! again (the virtual scheduling algorithm of ITU-T I.371, Annex A).

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::measure::Counter;

/// What may be used at once, as the time in which it comes back.
const DEPTH: Duration = Duration::from_secs(2);

/// So many a second.
#[derive(Debug)]
pub(super) struct Allowance {
    begun: Instant,
    /// Nanoseconds in which one comes back. None: there is none.
    each_ns: Option<u64>,
    /// Nanoseconds from the beginning until all are there again.
    full_at_ns: AtomicU64,
    refused: Counter,
}

impl Allowance {
    /// So many a second, and of those that are saved up twice as many at once.
    pub(super) fn new(per_s: u64) -> Self {
        Self {
            begun: Instant::now(),
            each_ns: 1_000_000_000_u64.checked_div(per_s),
            full_at_ns: AtomicU64::default(),
            refused: Counter::default(),
        }
    }

    /// Takes one, if there is one left.
    pub(super) fn take(&self) -> bool {
        let is_taken = self.take_at(self.begun.elapsed());
        if !is_taken {
            self.refuse();
        }
        is_taken
    }

    /// Counts one that is not to have any.
    pub(super) fn refuse(&self) {
        self.refused.count();
    }

    /// How many found none left.
    pub(super) fn refused(&self) -> u64 {
        self.refused.read()
    }

    fn take_at(&self, since: Duration) -> bool {
        let Some(each) = self.each_ns else { return false };
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (now, end) = (ns(since), ns(since.saturating_add(DEPTH)));
        // Once all are used up, this only reads.
        let next =
            |full_at: u64| Some(full_at.max(now).saturating_add(each)).filter(|it| *it <= end);
        self.full_at_ns.fetch_update(Relaxed, Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of many are taken at this time.
    fn taken(allowance: &Allowance, ms: u64) -> usize {
        (0..1_000).filter(|_| allowance.take_at(Duration::from_millis(ms))).count()
    }

    #[test]
    fn so_many_come_back_in_a_second_and_twice_as_many_are_saved_up() {
        let allowance = Allowance::new(100);
        for (ms, expected) in [(0, 200), (9, 0), (10, 1), (1_010, 100), (1_015, 0), (60_000, 200)] {
            assert_eq!(taken(&allowance, ms), expected, "{ms}");
        }
    }

    #[test]
    fn of_none_none_is_taken_and_that_is_counted() {
        let allowance = Allowance::new(0);
        assert_eq!(taken(&allowance, 60_000), 0);
        assert!(!allowance.take());
        assert_eq!(allowance.refused(), 1);
    }

    #[test]
    fn threads_take_no_more_together_than_there_is() {
        let allowance = Allowance::new(100);
        let of_one = || taken(&allowance, 0);
        let all: usize = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(of_one));
            threads.map(|thread| thread.join().unwrap_or_default()).iter().sum()
        });
        assert_eq!(all, 200);
    }
}
