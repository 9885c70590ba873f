//! How much of a limit is used here, and so how much of it is worth taking ahead.

use super::lot::Lot;
use crate::domain::time::Moment;

/// The pace at which one replica uses one limit.
///
/// As much is held as was lately used in the time for which it is held: under a steady load some
/// per cent lapse. However unsteadily calls come, no more is held than was used and has not been
/// made up for by what lapsed: so in all no more lapses than is used, and at least half of a limit
/// can be used. Where calls want more than the limit, nothing in hand is old enough to lapse.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How much was used in the time of one hold, by the last span that is over.
    before: u64,
    /// When the present span began; each lasts for a hold at the least.
    since: Moment,
    /// How much was used in it.
    used: u64,
    /// How much more was used than lapsed.
    earned: u64,
}

impl Pace {
    /// So much was used.
    pub(super) fn used(&mut self, cost: u64) {
        self.used = self.used.saturating_add(cost);
        self.earned = self.earned.saturating_add(cost);
    }

    /// So much was not used after all.
    pub(super) fn unused(&mut self, cost: u64) {
        self.used = self.used.saturating_sub(cost);
        self.earned = self.earned.saturating_sub(cost);
    }

    /// So much was in hand for nothing.
    pub(super) fn lapsed(&mut self, amount: u64) {
        self.earned = self.earned.saturating_sub(amount);
    }

    /// How much is to be in hand.
    pub(super) fn ahead(&mut self, lot: Lot, now: Moment) -> u64 {
        let span = now.since(self.since);
        if span >= lot.hold {
            let used = u128::from(self.used) * lot.hold.as_nanos();
            // The first span may be none at all.
            let before = used.checked_div(span.as_nanos()).unwrap_or_default();
            self.before = u64::try_from(before).unwrap_or(u64::MAX);
            (self.since, self.used) = (now, 0);
        }
        // What was earned long ago does not make up for what lapses now.
        self.earned = self.earned.min(lot.most);
        self.before.max(self.used).min(self.earned)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LOT: Lot = Lot { most: 50, hold: Duration::from_millis(100), slack: 51 };

    fn at(millis: u64) -> Moment {
        Moment::from_start(Duration::from_millis(millis))
    }

    /// Of which so much was used in the span that began at 1,000.
    fn having_used(cost: u64) -> Pace {
        let mut pace = Pace::default();
        assert_eq!(pace.ahead(LOT, at(1_000)), 0);
        pace.used(cost);
        pace
    }

    #[test]
    fn as_much_is_ahead_as_was_used_in_the_time_for_which_it_is_held() {
        for (cost, when, ahead) in [
            (8, 1_001, 8),
            (8, 1_099, 8),
            (8, 1_100, 8),
            (8, 1_200, 4),
            (8, 1_799, 1),
            (8, 1_801, 0),
            (0, 1_050, 0),
            (60, 1_010, 50),
        ] {
            assert_eq!(having_used(cost).ahead(LOT, at(when)), ahead, "{cost} {when}");
        }
    }

    #[test]
    fn a_span_that_has_just_begun_does_not_hide_the_one_before() {
        let mut pace = having_used(8);
        assert_eq!(pace.ahead(LOT, at(1_100)), 8);
        pace.used(3);
        assert_eq!(pace.ahead(LOT, at(1_150)), 8);
        assert_eq!(pace.ahead(LOT, at(1_200)), 3);
        assert_eq!(pace.ahead(LOT, at(1_300)), 0);
    }

    #[test]
    fn no_more_is_ahead_than_was_used_and_did_not_lapse() {
        let mut pace = having_used(8);
        pace.lapsed(5);
        assert_eq!(pace.ahead(LOT, at(1_050)), 3);
        pace.used(1);
        assert_eq!(pace.ahead(LOT, at(1_050)), 4);
        pace.unused(2);
        assert_eq!(pace.ahead(LOT, at(1_050)), 2);
        pace.lapsed(50);
        assert_eq!(pace.ahead(LOT, at(1_050)), 0);
    }

    #[test]
    fn what_was_earned_long_ago_does_not_make_up_for_what_lapses() {
        let mut pace = having_used(1_000);
        assert_eq!(pace.ahead(LOT, at(1_050)), 50);
        pace.lapsed(45);
        assert_eq!(pace.ahead(LOT, at(1_050)), 5);
    }
}
