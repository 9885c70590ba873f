#![expect(clippy::unwrap_used, reason = "tests")]

use std::{num::NonZeroU64, time::Duration};

use super::*;
use crate::domain::time::Moment;

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_nanos(1);

fn limit(quota: u64, window: Duration, burst: u64) -> RateLimit {
    RateLimit { quota, window, burst, ..RateLimit::default() }
}

fn at(since: Duration) -> Moment {
    Moment::from_start(since)
}

/// A bucket with its rate and a clock of its own.
struct Case {
    rate: Rate,
    bucket: Bucket,
    now: Duration,
}

impl Case {
    fn new(quota: u64, window: Duration, burst: u64) -> Self {
        let rate = Rate::from(&limit(quota, window, burst));
        Self { rate, bucket: Bucket::full(rate), now: SECOND * 1_000 }
    }

    fn wait(&self, cost: u64) -> Option<Wait> {
        self.bucket.wait(self.rate, cost, at(self.now))
    }

    /// Whether the cost is let through.
    fn passes(&mut self, cost: u64) -> bool {
        let passes = self.wait(cost).is_none();
        if passes {
            self.bucket.take(cost, at(self.now));
        }
        passes
    }

    fn left(&self) -> (u64, Duration) {
        let now = at(self.now);
        (self.bucket.remaining(self.rate, now), self.bucket.reset(now))
    }
}

#[test]
fn a_quota_comes_at_once_and_then_evenly() {
    let mut case = Case::new(4, SECOND, 0);
    assert!((0..4).all(|_| case.passes(1)));
    assert_eq!(case.wait(1), Some(Wait::For(SECOND / 4)));
    case.now += SECOND / 4 - TICK;
    assert_eq!(case.wait(1), Some(Wait::For(TICK)));
    case.now += TICK;
    assert!(case.passes(1) && !case.passes(1));
    case.now += TICK;
    assert!(!case.passes(1));
}

#[test]
fn a_burst_bounds_what_comes_at_once_below_and_above_the_quota() {
    for burst in [1, 2, 60, 61, 1_000] {
        let mut case = Case::new(60, 60 * SECOND, burst);
        let passed = (0..2_000).filter(|_| case.passes(1)).count();
        assert_eq!(passed as u64, burst);
        case.now += SECOND - TICK;
        assert!(!case.passes(1), "{burst}");
        case.now += TICK;
        assert!(case.passes(1) && !case.passes(1), "{burst}");
    }
}

#[test]
fn what_is_left_and_when_all_is_back_are_told_to_the_nanosecond() {
    let mut case = Case::new(10, SECOND, 0);
    assert_eq!(case.left(), (10, Duration::ZERO));
    assert!(case.passes(3));
    assert_eq!(case.left(), (7, 3 * SECOND / 10));
    case.now += SECOND / 10 - TICK;
    assert_eq!(case.left(), (7, 2 * SECOND / 10 + TICK));
    case.now += TICK;
    assert_eq!(case.left(), (8, 2 * SECOND / 10));
    case.now += 2 * SECOND / 10 - TICK;
    assert!(!case.bucket.is_idle(at(case.now)));
    case.now += TICK;
    assert!(case.bucket.is_idle(at(case.now)));
    assert_eq!(case.left(), (10, Duration::ZERO));
}

#[test]
fn a_cost_is_taken_whole_or_not_at_all() {
    let mut case = Case::new(10, SECOND, 0);
    assert!(case.passes(7) && !case.passes(4) && case.passes(3));
    assert_eq!(case.wait(10), Some(Wait::For(SECOND)));
}

#[test]
fn a_cost_above_the_burst_never_passes() {
    for (quota, burst) in [(10, 0), (10, 5), (5, 10)] {
        let mut case = Case::new(quota, SECOND, burst);
        let most = if burst == 0 { quota } else { burst };
        assert_eq!(case.wait(most + 1), Some(Wait::Forever));
        assert_eq!(case.wait(u64::MAX), Some(Wait::Forever));
        assert!(case.passes(most));
    }
    assert!(Wait::Forever > Wait::For(Duration::MAX));
}

#[test]
fn a_rate_that_no_nanosecond_divides_is_kept_exactly() {
    // One in 142,857,142.86 ns.
    let mut case = Case::new(7, SECOND, 1);
    let begun = case.now;
    let mut passed = 0_u64;
    while case.now < begun + 100 * SECOND {
        passed += u64::from(case.passes(1));
        if let Some(Wait::For(wait)) = case.wait(1) {
            case.now += wait;
        }
    }
    assert_eq!(passed, 700);
}

#[test]
fn no_span_of_time_sees_more_than_burst_and_rate() {
    for (quota, window, burst) in [(7, 3, 0), (1_000, 60, 50), (5, 60, 5), (3, 1, 100)] {
        let mut case = Case::new(quota, Duration::from_secs(window), burst);
        let most = if burst == 0 { quota } else { burst };
        let mut passed: Vec<(Duration, u64)> = Vec::new();
        let mut seed = 88_172_645_463_325_252_u64;
        for _ in 0..1_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            case.now += Duration::from_millis(seed % 97);
            let cost = 1 + (seed >> 32) % 3;
            if case.passes(cost) {
                passed.push((case.now, cost));
            }
        }
        assert!(!passed.is_empty());
        for (first, (begin, _)) in passed.iter().enumerate() {
            let mut sum = 0;
            for (end, cost) in passed.iter().skip(first) {
                sum += cost;
                let span = (*end - *begin).as_nanos();
                let come_back = span * u128::from(quota) / u128::from(window) / 1_000_000_000;
                assert!(u128::from(sum) <= u128::from(most) + come_back, "{quota} in {window} s");
            }
        }
    }
}

#[test]
fn under_another_rate_what_was_taken_stays_taken() {
    let mut case = Case::new(100, 60 * SECOND, 0);
    assert!(case.passes(60));
    for (quota, window, remaining) in [(1_000, 60, 940), (100, 3_600, 40), (50, 1, 0), (61, 7, 1)] {
        let other = Rate::from(&limit(quota, Duration::from_secs(window), 0));
        let bucket = case.bucket.under(other, at(case.now));
        assert_eq!(bucket.remaining(other, at(case.now)), remaining, "{quota} in {window} s");
        let again = bucket.under(case.rate, at(case.now));
        assert_eq!(again.remaining(case.rate, at(case.now)), 40);
    }
    let later = at(case.now + 36 * SECOND);
    let other = Rate::from(&limit(1, SECOND, 0));
    assert!(case.bucket.under(other, later).is_idle(later));
    assert_eq!(case.bucket.under(case.rate, later), case.bucket);
}

#[test]
fn what_comes_back_and_how_long_that_takes_are_told_of_a_rate() {
    let rate = Rate::from(&limit(7, SECOND, 3));
    assert_eq!((rate.burst(), rate.parts()), (3, (7, SECOND)));
    let one = rate.time_of(1);
    assert_eq!(one, Duration::from_nanos(142_857_143));
    assert_eq!((rate.comes_back_in(one), rate.comes_back_in(one - TICK)), (1, 0));
    assert_eq!((rate.time_of(14), rate.comes_back_in(2 * SECOND)), (2 * SECOND, 14));
}

#[test]
fn those_who_share_a_rate_get_no_more_than_the_whole() {
    let whole = Rate::from(&limit(10, SECOND, 5));
    let part = |by| whole.divided(NonZeroU64::new(by).unwrap());
    assert_eq!(part(1), whole);
    assert_eq!(part(2), Rate::from(&limit(10, 2 * SECOND, 2)));
    assert_eq!(Bucket::full(part(6)).wait(part(6), 1, at(SECOND)), Some(Wait::Forever));
}

#[test]
fn the_largest_limits_do_not_overflow() {
    let (most, year) = (1_000_000_000, Duration::from_hours(366 * 24));
    let mut case = Case::new(1, year, most);
    case.now = Duration::from_secs(1 << 34);
    assert!(case.passes(most) && !case.passes(1));
    assert_eq!(case.wait(1), Some(Wait::For(year)));
    assert_eq!(case.left().0, 0);
    let other = Rate::from(&limit(most, SECOND, 0));
    assert_eq!(case.bucket.under(other, at(case.now)).remaining(other, at(case.now)), 0);
    let mut case = Case::new(most, SECOND, 0);
    case.now = Duration::from_secs(1 << 34);
    assert!(case.passes(most));
    assert_eq!(case.wait(1), Some(Wait::For(TICK)));
}

#[test]
fn the_wait_of_a_thousand_years_is_told_as_the_longest() {
    let mut case = Case::new(1, Duration::from_hours(366 * 24), 1_000_000);
    assert!(case.passes(1_000_000));
    assert_eq!(case.left().1, Duration::from_nanos(u64::MAX));
}
