//! What a replica has in hand of a limit that all share: taken in batches, used one by one.
//!
//! A batch is what comes back in [`HOLD_MAX`], a quarter of the burst at the most. It lapses after
//! that time, and is given back. So that what is held cannot add to a full burst, the burst is
//! less by as much where more than one is held.

use std::{collections::VecDeque, time::Duration};

use tokio::sync::oneshot;

use super::counter::{Batch, Order};
use crate::domain::{
    limit::{Rate, Wait},
    time::Moment,
};

/// How long a batch is held at the most.
const HOLD_MAX: Duration = Duration::from_millis(100);
/// The part of a burst that is held at the most.
const BURST_PART: u64 = 4;
/// How long at the least nothing is asked for after a refusal.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// How batches of a rate are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lot {
    /// How much is taken ahead at the most.
    pub(super) most: u64,
    /// How long it is held.
    pub(super) hold: Duration,
    /// By how much the burst is less.
    pub(super) slack: u64,
}

impl Lot {
    pub(super) fn of(rate: Rate) -> Self {
        let part = rate.time_of(rate.burst()) / u32::try_from(BURST_PART).unwrap_or(1);
        let hold = HOLD_MAX.min(part);
        match rate.comes_back_in(hold) {
            0 | 1 => Self { most: 1, hold, slack: 0 },
            most => Self { most, hold, slack: most + 1 },
        }
    }
}

/// What is known of one limit.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// Oldest first, each with the moment at which it lapses.
    lots: VecDeque<(u64, Moment)>,
    /// How much has lapsed and was not given back yet.
    lapsed: u64,
    /// How much was used since the last order.
    used: u64,
    /// How much was left at the last answer, and when it was asked for.
    left: Option<(u64, Moment)>,
    /// So much or more is refused until then.
    dry: Option<(u64, Moment)>,
    /// Who waits for the order that is on its way, and for how much, in the order in which they
    /// came; told by being dropped. None: there is none.
    waiting: Option<VecDeque<(u64, oneshot::Sender<()>)>>,
}

/// Whether a cost can be taken of what is in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    Enough,
    TooLittle,
    Refused(Wait),
}

impl Stock {
    /// How much is in hand, once what has lapsed is put aside.
    pub(super) fn in_hand(&mut self, now: Moment) -> u64 {
        while let Some((amount, _)) = self.lots.pop_front_if(|(_, until)| *until <= now) {
            self.lapsed += amount;
        }
        self.lots.iter().map(|(amount, _)| amount).sum()
    }

    pub(super) fn look(&mut self, rate: Rate, cost: u64, now: Moment) -> Hand {
        if cost > rate.burst() {
            return Hand::Refused(Wait::Forever);
        }
        if self.in_hand(now) >= cost {
            return Hand::Enough;
        }
        match self.dry {
            Some((least, until)) if cost >= least && now < until => {
                Hand::Refused(Wait::For(until.since(now)))
            }
            _ => Hand::TooLittle,
        }
    }

    /// Uses so much of what is in hand.
    pub(super) fn use_up(&mut self, cost: u64) {
        self.used = self.used.saturating_add(cost);
        let mut left = cost;
        while let Some((amount, _)) = self.lots.front_mut().filter(|_| left > 0) {
            let part = left.min(*amount);
            *amount -= part;
            left -= part;
            if *amount == 0 {
                self.lots.pop_front();
            }
        }
    }

    /// Whether it is worth taking more before it is needed.
    pub(super) fn is_low(&mut self, rate: Rate, now: Moment) -> bool {
        let busy = self.used.min(Lot::of(rate).most);
        busy > 1
            && self.waiting.is_none()
            && self.dry.is_none_or(|(_, until)| until <= now)
            && self.in_hand(now) < busy / 2
    }

    /// Waits for the order that is on its way; where there is none, this one is to be sent.
    pub(super) fn order(
        &mut self,
        limit: &str,
        rate: Rate,
        cost: u64,
        now: Moment,
    ) -> (oneshot::Receiver<()>, Option<Order>) {
        let (tell, told) = oneshot::channel();
        if let Some(waiting) = &mut self.waiting {
            waiting.push_back((cost, tell));
            return (told, None);
        }
        self.waiting = Some(VecDeque::from([(cost, tell)]));
        (told, Some(self.next(limit, rate, cost, cost, now)))
    }

    /// An order by which at least a cost, and better all that is wanted, can be taken.
    fn next(&mut self, limit: &str, rate: Rate, cost: u64, wanted: u64, now: Moment) -> Order {
        let lot = Lot::of(rate);
        let in_hand = self.in_hand(now);
        let least = cost.saturating_sub(in_hand).max(1);
        // As much as was used since the last time, and again as much: a limit that is seldom used
        // is not held by anybody.
        let ahead = lot.most.min(self.used.saturating_mul(2)).saturating_sub(in_hand);
        let wanted = wanted.saturating_sub(in_hand);
        let back = std::mem::take(&mut self.lapsed);
        self.used = 0;
        let burst = rate.burst() - lot.slack.min(rate.burst());
        // What would never pass with less at once may have all.
        let rate = if cost > burst { rate } else { rate.with_burst(burst) };
        let most = least.max(ahead).max(wanted).min(rate.burst());
        Order { limit: limit.to_owned(), rate, least, most, back }
    }

    /// The order that was sent at this moment was answered; None: it was not. Whoever it is enough
    /// for looks again; for the others the next one is to be sent, by the rate of the limit.
    pub(super) fn answered(
        &mut self,
        order: &Order,
        rate: Rate,
        batch: Option<Batch>,
        sent: Moment,
        now: Moment,
    ) -> Option<Order> {
        let mut waiting = self.waiting.take().unwrap_or_default();
        let taken = batch.map_or(0, |batch| batch.taken);
        if taken == 0 {
            if let Some(Batch { remaining, wait, .. }) = batch {
                self.left = Some((remaining, sent));
                self.dry = Some((order.least, sent.after(wait).max(now.after(PAUSE_MIN))));
            }
            // All who wait are told by this: each looks again.
            return None;
        }
        self.left = batch.map(|batch| (batch.remaining, sent));
        self.dry = None;
        // From before it was sent, but so long that whoever waited for it can use it.
        let until = sent.after(Lot::of(order.rate).hold).max(now.after(PAUSE_MIN));
        self.lots.push_back((taken, until));
        waiting.retain(|(_, tell)| !tell.is_closed());
        let mut left = self.in_hand(now);
        // Dropped, it is told.
        while let Some((cost, _)) = waiting.pop_front_if(|(cost, _)| *cost <= left) {
            left -= cost;
        }
        let (cost, _) = waiting.front()?;
        let wanted = waiting.iter().map(|(cost, _)| *cost).fold(0, u64::saturating_add);
        let (cost, given_away) = (*cost, self.in_hand(now) - left);
        self.waiting = Some(waiting);
        let (cost, wanted) = (cost.saturating_add(given_away), wanted.saturating_add(given_away));
        Some(self.next(&order.limit, rate, cost, wanted, now))
    }

    /// How much can still be taken at once, by what was last heard.
    pub(super) fn remaining(&mut self, rate: Rate, now: Moment) -> u64 {
        let in_hand = self.in_hand(now);
        let left = match self.left {
            None => rate.burst(),
            Some((left, at)) => left.saturating_add(rate.comes_back_in(now.since(at))),
        };
        left.saturating_add(in_hand).min(rate.burst())
    }

    /// Whether nothing is lost when it is forgotten, but what has lapsed, which comes back in time.
    pub(super) fn is_idle(&self, now: Moment) -> bool {
        let over = |until: &Moment| *until <= now;
        self.waiting.is_none()
            && self.lots.back().is_none_or(|(_, until)| over(until))
            && self.dry.as_ref().is_none_or(|(_, until)| over(until))
    }
}
