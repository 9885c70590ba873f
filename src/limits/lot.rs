//! How much of a limit a replica takes ahead, and why all of them together let no more through than
//! the limit says, in whatever span of time.
//!
//! A call *uses* what it was granted, at some moment between its begin and its end. The counter
//! gives by GCRA: what it gave and what has not come back yet, its *level*, is never above the
//! burst, and falls at the rate. Let `t0` and `t` be any two moments, and count what is used by the
//! calls that begin after `t0` and end before `t`.
//!
//! 1. What was ordered after a call had begun, and is granted to that call alone, was given while
//!    the call lasted: after `t0` and before `t`.
//! 2. All else was ordered at most `hold` before it was granted: it was given after `t0 - hold`,
//!    and before `t`.
//! 3. Before the counter gives what may be held, it raises its level to `slack`, which is no less
//!    than what comes back in `hold`. A batch with no slack is never held: it is used as in 1, or
//!    lost.
//! 4. Look at the first that was given of what is counted. If it may be held, the level before it
//!    was `slack` at the least, so from there on no more was given than
//!    `burst - slack + rate × (t - t0 + hold)`, which is at most `burst + rate × (t - t0)`.
//! 5. If it may not, it was given after `t0`, and from there on no more was given than
//!    `burst + rate × (t - t0)`.
//!
//! Nothing is ever given back: what was given long ago has come back by itself meanwhile, and would
//! come back twice. What lapses is lost, which errs on the safe side.
//!
//! Whatever was in hand or on its way when the limit was changed is no use to calls under the new
//! one, so that all of this holds for the new limit from its first call on.

use std::time::Duration;

use crate::domain::limit::Rate;

/// How long anything is held at the most.
const HOLD_MAX: Duration = Duration::from_millis(100);
/// The part of a burst that is held at the most.
const BURST_PART: u32 = 4;

/// How much of a limit a replica may hold, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lot {
    /// How much: what comes back in that time. 0: nothing is held.
    pub(super) most: u64,
    /// How long, from the moment at which it was ordered.
    pub(super) hold: Duration,
    /// How much of the burst is kept back for it.
    pub(super) slack: u64,
}

impl Lot {
    pub(super) fn of(rate: Rate) -> Self {
        let hold = HOLD_MAX.min(rate.time_of(rate.burst()) / BURST_PART);
        match rate.comes_back_in(hold) {
            // It would not be worth its slack.
            0 | 1 => Self { most: 0, hold: Duration::ZERO, slack: 0 },
            // One more for what was rounded down.
            most => Self { most, hold, slack: most + 1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::RateLimit;

    fn lot(quota: u64, window: u64, burst: u64) -> Lot {
        let window = Duration::from_secs(window);
        Lot::of(Rate::from(&RateLimit { quota, window, burst, ..RateLimit::default() }))
    }

    #[test]
    fn what_comes_back_in_a_tenth_of_a_second_is_held_and_a_quarter_of_the_burst_at_the_most() {
        let hold = Duration::from_millis;
        assert_eq!(lot(1_000, 1, 0), Lot { most: 100, hold: hold(100), slack: 101 });
        assert_eq!(lot(1_000, 1, 40), Lot { most: 10, hold: hold(10), slack: 11 });
        assert_eq!(lot(25, 1, 0), Lot { most: 2, hold: hold(100), slack: 3 });
        assert_eq!(lot(1_000_000_000, 1, 0).slack, 100_000_001);
    }

    #[test]
    fn nothing_is_held_of_which_less_than_two_come_back_meanwhile() {
        for (quota, window, burst) in [(19, 1, 0), (1_000, 60, 0), (1_000, 1, 7), (1, 1, 9)] {
            assert_eq!(lot(quota, window, burst), Lot { most: 0, hold: Duration::ZERO, slack: 0 });
        }
    }

    #[test]
    fn whatever_may_be_held_leaves_more_than_half_of_the_burst() {
        for burst in 1..200 {
            assert!(2 * lot(1_000, 1, burst).slack < burst + 2, "{burst}");
        }
    }
}
