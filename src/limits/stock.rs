//! What a replica has in hand of a limit that all share, and who waits for more.

use std::{collections::VecDeque, time::Duration};

use tokio::sync::oneshot;

use super::{
    counter::{Batch, Gone, Order},
    lot::Lot,
    pace::Pace,
};
use crate::domain::{
    limit::{Bucket, Rate, Wait},
    time::Moment,
};

/// How long at the least nothing is ordered after a refusal.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// What is known of one limit.
#[derive(Debug)]
pub(super) struct Stock {
    /// By which all of it was taken.
    rate: Rate,
    lot: Lot,
    /// What is in hand, each with the moment from which it can no longer be used, soonest first.
    lots: VecDeque<(u64, Moment)>,
    pace: Pace,
    /// What the counter said, as if nobody had taken anything since: there is no more than that.
    seen: Bucket,
    /// So much or more, beyond what is in hand, is not ordered until then.
    pause: Option<(u64, Moment)>,
    /// In the order in which they came.
    waiting: VecDeque<Waiter>,
    /// Whether an order is on its way.
    is_asking: bool,
}

/// A call that waits for its cost.
#[derive(Debug)]
struct Waiter {
    rate: Rate,
    cost: u64,
    /// A moment at which it was there.
    since: Moment,
    tell: oneshot::Sender<Told>,
}

/// What a call is told that waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The cost is its own.
    Granted(Grant),
    /// It cannot be had now.
    Refused(Wait),
    /// The counter does not answer.
    Gone,
}

/// What one call may use, whenever it ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    rate: Rate,
    cost: u64,
    /// From when on it is no use to others.
    until: Moment,
}

/// Whether a cost can be taken of what is in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    Enough,
    TooLittle,
    Refused(Wait),
}

impl Stock {
    /// Of which nothing is in hand.
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            rate,
            lot: Lot::of(rate),
            lots: VecDeque::new(),
            pace: Pace::default(),
            seen: Bucket::full(rate),
            pause: None,
            waiting: VecDeque::new(),
            is_asking: false,
        }
    }

    /// Whether any of it can be held.
    pub(super) fn can_be_held(&self) -> bool {
        self.lot.most > 0
    }

    /// How much is in hand, once what has lapsed is thrown away.
    fn in_hand(&mut self, now: Moment) -> u64 {
        while let Some((amount, _)) = self.lots.pop_front_if(|(_, until)| *until <= now) {
            self.pace.lapsed(amount);
        }
        self.lots.iter().map(|(amount, _)| amount).sum()
    }

    /// How much of what is in hand was taken by this rate.
    fn in_hand_by(&mut self, rate: Rate, now: Moment) -> u64 {
        if rate == self.rate { self.in_hand(now) } else { 0 }
    }

    pub(super) fn look(&mut self, rate: Rate, cost: u64, now: Moment) -> Hand {
        if rate != self.rate {
            // Nothing that is known of the old one is of use; who waits is still told.
            let waiting = std::mem::take(&mut self.waiting);
            *self = Self { waiting, is_asking: self.is_asking, ..Self::new(rate) };
        }
        if cost > rate.burst() {
            return Hand::Refused(Wait::Forever);
        }
        let in_hand = self.in_hand(now);
        // Nobody is overtaken.
        if self.waiting.is_empty() && cost <= in_hand {
            return Hand::Enough;
        }
        let lacking = cost.saturating_sub(in_hand).max(1);
        let pause = self.pause.filter(|(least, _)| lacking >= *least);
        let pause = pause.map(|(_, until)| until.since(now)).filter(|pause| !pause.is_zero());
        match self.seen.wait(rate, lacking, now).max(pause.map(Wait::For)) {
            Some(wait) => Hand::Refused(wait),
            None => Hand::TooLittle,
        }
    }

    /// Uses so much of what is in hand.
    pub(super) fn use_up(&mut self, cost: u64) {
        self.take_out(cost);
        self.pace.used(cost);
    }

    /// What is to be ordered before all is gone that is in hand.
    pub(super) fn restock(&mut self, now: Moment) -> Option<Order> {
        let (in_hand, most) = (self.in_hand(now), self.pace.ahead(self.lot, now));
        let can_be_had = self.pause.is_none_or(|(_, until)| until <= now);
        (in_hand < most / 2 && can_be_had && !self.is_asking).then(|| {
            self.is_asking = true;
            let (rate, Lot { slack, .. }) = (self.rate, self.lot);
            Order { rate, slack, least: 1, most: most - in_hand }
        })
    }

    /// Takes so much out of what is in hand, and tells the moment from which the first of it cannot
    /// be used.
    fn take_out(&mut self, cost: u64) -> Option<Moment> {
        let (mut left, mut first) = (cost, None);
        while let Some((amount, until)) = self.lots.front_mut().filter(|_| left > 0) {
            first = first.or(Some(*until));
            let part = left.min(*amount);
            *amount -= part;
            left -= part;
            if *amount == 0 {
                self.lots.pop_front();
            }
        }
        first
    }

    fn put_in(&mut self, amount: u64, until: Moment) {
        let place = self.lots.partition_point(|(_, other)| *other <= until);
        self.lots.insert(place, (amount, until));
    }

    /// Takes back what a call did not use after all.
    pub(super) fn put_back(&mut self, grant: Grant, now: Moment) {
        let Grant { rate, cost, until } = grant;
        if rate == self.rate {
            self.pace.unused(cost);
            if now < until {
                self.put_in(cost, until);
            }
        }
    }

    /// Waits for so much. The order, if any, is to be sent.
    pub(super) fn wait(
        &mut self,
        rate: Rate,
        cost: u64,
        now: Moment,
    ) -> (oneshot::Receiver<Told>, Option<Order>) {
        let (tell, told) = oneshot::channel();
        self.waiting.push_back(Waiter { rate, cost, since: now, tell });
        (told, self.next(now))
    }

    /// What is to be ordered for those who wait.
    fn next(&mut self, now: Moment) -> Option<Order> {
        // Each that comes meanwhile costs the same, however many there are.
        if self.is_asking {
            return None;
        }
        self.waiting.retain(|waiter| !waiter.tell.is_closed());
        let &Waiter { rate, cost, .. } = self.waiting.front()?;
        self.is_asking = true;
        let in_hand = self.in_hand_by(rate, now);
        let least = cost.saturating_sub(in_hand).max(1);
        let Lot { slack, .. } = Lot::of(rate);
        if least > rate.burst().saturating_sub(slack) {
            // More than there ever is with slack: it is for this one alone.
            return Some(Order { rate, slack: 0, least, most: least });
        }
        let alike = self.waiting.iter().take_while(|waiter| waiter.rate == rate);
        let wanted = alike.map(|waiter| waiter.cost).fold(0, u64::saturating_add);
        let ahead = if rate == self.rate { self.pace.ahead(self.lot, now) } else { 0 };
        let most = wanted.saturating_add(ahead).saturating_sub(in_hand);
        Some(Order { rate, slack, least, most: most.clamp(least, rate.burst()) })
    }

    /// The order that was sent at this moment was answered. Whoever can be, is told; for the
    /// others the next one is to be sent.
    pub(super) fn answered(
        &mut self,
        order: &Order,
        answer: Result<Batch, Gone>,
        sent: Moment,
        now: Moment,
    ) -> Option<Order> {
        self.is_asking = false;
        match answer {
            Err(Gone) => {
                for Waiter { tell, .. } in self.waiting.drain(..) {
                    // Who has gone needs not be told.
                    let _ = tell.send(Told::Gone);
                }
            }
            Ok(batch) if batch.taken == 0 => self.refuse(order, batch, sent, now),
            Ok(batch) => self.grant(order, batch, sent, now),
        }
        self.next(now)
    }

    /// Tells all of whom it is known that they cannot have what they want.
    fn refuse(&mut self, order: &Order, batch: Batch, sent: Moment, now: Moment) {
        let seen = Bucket::of_millionths(order.rate, batch.level, sent);
        if order.rate == self.rate {
            self.seen = seen;
            self.pause = Some((order.least, now.after(PAUSE_MIN)));
        }
        let least = order.least.saturating_add(self.in_hand_by(order.rate, now));
        let wait = seen.wait(order.rate, order.least, now).max(Some(Wait::For(PAUSE_MIN)));
        let wait = wait.unwrap_or(Wait::For(PAUSE_MIN));
        for waiter in std::mem::take(&mut self.waiting) {
            if waiter.rate == order.rate && waiter.cost >= least {
                let _ = waiter.tell.send(Told::Refused(wait));
            } else {
                self.waiting.push_back(waiter);
            }
        }
        self.refuse_by(seen, order.rate, now);
        // Some may have waited behind those, and want no more than what is in hand.
        self.hand_out(order.rate, 0, (sent, sent), now);
        // Of which there is less now.
        self.refuse_by(seen, order.rate, now);
    }

    /// Tells all who wait by this rate and want more than what is in hand and what the counter can
    /// have, so that it is not asked once for each of them.
    fn refuse_by(&mut self, seen: Bucket, rate: Rate, now: Moment) {
        let in_hand = self.in_hand_by(rate, now);
        for waiter in std::mem::take(&mut self.waiting) {
            let lacking = waiter.cost.saturating_sub(in_hand);
            let is_alike = waiter.rate == rate && lacking > 0;
            match is_alike.then(|| seen.wait(rate, lacking, now)).flatten() {
                Some(wait) => {
                    let _ = waiter.tell.send(Told::Refused(wait.max(Wait::For(PAUSE_MIN))));
                }
                None => self.waiting.push_back(waiter),
            }
        }
    }

    /// Hands out what was given, and holds the rest.
    fn grant(&mut self, order: &Order, batch: Batch, sent: Moment, now: Moment) {
        let hold = if order.slack == 0 { Duration::ZERO } else { Lot::of(order.rate).hold };
        let until = sent.after(hold);
        let rest = self.hand_out(order.rate, batch.taken, (sent, until), now);
        if order.rate == self.rate {
            self.seen = Bucket::of_millionths(order.rate, batch.level, sent);
            self.pause = None;
            if now < until && rest > 0 {
                self.put_in(rest, until);
            } else {
                self.pace.lapsed(rest);
            }
        }
    }

    /// Hands out what is in hand, and what was ordered afresh at a moment and can be held until
    /// another, in turn. Tells how much of the latter is left.
    fn hand_out(
        &mut self,
        rate: Rate,
        mut fresh: u64,
        (sent, until): (Moment, Moment),
        now: Moment,
    ) -> u64 {
        while let Some(&Waiter { rate: by, cost, since, .. }) = self.waiting.front() {
            // It was there before that was ordered, or is in time to use what is held.
            let usable = if since <= sent || now < until { fresh } else { 0 };
            let in_hand = self.in_hand_by(rate, now);
            if by != rate || cost > in_hand.saturating_add(usable) {
                break;
            }
            let Some(Waiter { tell, .. }) = self.waiting.pop_front() else { break };
            let part = cost.min(in_hand);
            let of_hand = self.take_out(part);
            let of_fresh = Some(until).filter(|_| part < cost);
            fresh -= cost - part;
            let until = of_hand.into_iter().chain(of_fresh).min().unwrap_or(now);
            let grant = Grant { rate, cost, until };
            if rate == self.rate {
                self.pace.used(cost);
            }
            if let Err(Told::Granted(grant)) = tell.send(Told::Granted(grant)) {
                self.put_back(grant, now);
            }
        }
        fresh
    }

    /// How much can still be taken at once, by what was last heard.
    pub(super) fn remaining(&mut self, now: Moment) -> u64 {
        let left = self.seen.remaining(self.rate, now);
        left.saturating_add(self.in_hand(now)).min(self.rate.burst())
    }

    /// Whether nothing of use is lost when it is forgotten.
    pub(super) fn is_idle(&self, now: Moment) -> bool {
        let over = |until: &Moment| *until <= now;
        self.waiting.is_empty()
            && !self.is_asking
            && self.lots.back().is_none_or(|(_, until)| over(until))
            && self.pause.is_none_or(|(_, until)| over(&until))
    }
}
