//! Counts for this process and all others, in batches.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    counter::{Counter, Order},
    stock::{Hand, Stock},
    table::{Shard, Table},
};
use crate::domain::{
    limit::{CannotTell, Charge, LimitStatus, Limiter, Rate, Verdict, Wait},
    policy::RateLimit,
    replica::Stopwatch,
    time::Moment,
};

/// How often is looked again after an order was answered: what it brought may be used by others.
const LOOKS_MAX: usize = 20;
/// How long whoever looked so often is told to wait.
const PAUSE: Duration = Duration::from_millis(10);

/// What is taken of a counter that all replicas share, or of somebody else while it is gone.
#[derive(Clone)]
pub struct Shared {
    parts: Arc<Parts>,
    back: Handle,
}

struct Parts {
    counter: Arc<dyn Counter>,
    otherwise: Arc<dyn Limiter>,
    stopwatch: Arc<dyn Stopwatch>,
    table: Table<Stock>,
}

/// What came of a look at what is in hand.
enum Look {
    /// It is decided.
    Decided(Verdict),
    /// These orders are waited for.
    Ordered(Vec<oneshot::Receiver<()>>),
    /// The counter would have to be asked, and does not answer.
    Gone,
}

/// The limits of one holder.
#[derive(Clone, Copy)]
struct Part<'a> {
    holder: &'a str,
    limits: &'a [&'a RateLimit],
    shared: bool,
}

impl Shared {
    /// Over this counter, asked on this runtime.
    pub fn new(
        counter: Arc<dyn Counter>,
        otherwise: Arc<dyn Limiter>,
        stopwatch: Arc<dyn Stopwatch>,
        back: Handle,
    ) -> Self {
        let table = Table::default();
        Self { parts: Arc::new(Parts { counter, otherwise, stopwatch, table }), back }
    }

    /// How many keys and workspaces something is remembered of.
    pub fn holders(&self) -> usize {
        self.parts.table.holders()
    }

    fn look(&self, charge: &Charge<'_>) -> Look {
        let Charge { key_limits, workspace_limits, cost, .. } = charge;
        let (own, common) = charge.holders();
        let own = Part { holder: &own, limits: key_limits, shared: false };
        let common = Part { holder: common, limits: workspace_limits, shared: true };
        let mut pair = self.parts.table.pair(own.holder, common.holder);
        let now = self.parts.stopwatch.now();
        let mut hands = own.look(pair.own(), *cost, now);
        hands.extend(common.look(pair.common(), *cost, now));
        let refused = hands.iter().filter_map(|hand| match hand {
            Hand::Refused(wait) => Some(*wait),
            Hand::Enough | Hand::TooLittle => None,
        });
        let wait = refused.max();
        let lacks = hands.contains(&Hand::TooLittle);
        if wait.is_none() && lacks {
            if !self.parts.counter.is_here() {
                return Look::Gone;
            }
            let mut told = self.order(own, pair.own(), *cost, now);
            told.extend(self.order(common, pair.common(), *cost, now));
            return Look::Ordered(told);
        }
        if wait.is_none() {
            self.use_up(own, pair.own(), *cost, now);
            self.use_up(common, pair.common(), *cost, now);
        }
        let mut limits = own.status(pair.own(), now);
        limits.extend(common.status(pair.common(), now));
        Look::Decided(Verdict { limits, wait })
    }

    fn status(&self, charge: &Charge<'_>) -> Vec<LimitStatus> {
        let (own, common) = charge.holders();
        let own = Part { holder: &own, limits: &charge.key_limits, shared: false };
        let common = Part { holder: common, limits: &charge.workspace_limits, shared: true };
        let mut pair = self.parts.table.pair(own.holder, common.holder);
        let now = self.parts.stopwatch.now();
        let mut limits = own.status(pair.own(), now);
        limits.extend(common.status(pair.common(), now));
        limits
    }

    /// Sees to it that what is lacking is ordered.
    fn order(
        &self,
        part: Part<'_>,
        shard: &mut Shard<Stock>,
        cost: u64,
        now: Moment,
    ) -> Vec<oneshot::Receiver<()>> {
        let mut told = Vec::new();
        for limit in part.limits {
            let rate = Rate::from(*limit);
            if let Some(stock) = shard.get_mut(part.holder, &limit.name)
                && stock.look(rate, cost, now) == Hand::TooLittle
            {
                told.push(self.order_one(part, limit, stock, cost, now));
            }
        }
        told
    }

    fn order_one(
        &self,
        part: Part<'_>,
        limit: &RateLimit,
        stock: &mut Stock,
        cost: u64,
        now: Moment,
    ) -> oneshot::Receiver<()> {
        let id = format!("{}:{}", part.holder, limit.name);
        let (told, order) = stock.order(&id, Rate::from(limit), cost, now);
        if let Some(order) = order {
            let (holder, limit) = (part.holder.to_owned(), limit.clone());
            self.back.spawn(Arc::clone(&self.parts).fulfil(holder, limit, order));
        }
        told
    }

    fn use_up(&self, part: Part<'_>, shard: &mut Shard<Stock>, cost: u64, now: Moment) {
        for limit in part.limits {
            let rate = Rate::from(*limit);
            let Some(stock) = shard.get_mut(part.holder, &limit.name) else { continue };
            stock.use_up(cost);
            if stock.is_low(rate, now) && self.parts.counter.is_here() {
                // Nobody waits for this one.
                drop(self.order_one(part, limit, stock, 1, now));
            }
        }
    }
}

impl Part<'_> {
    fn look(self, shard: &mut Shard<Stock>, cost: u64, now: Moment) -> Vec<Hand> {
        let look = |limit: &&RateLimit| {
            let rate = Rate::from(*limit);
            if let Some(stock) = shard.get_mut(self.holder, &limit.name) {
                return stock.look(rate, cost, now);
            }
            let mut stock = Stock::default();
            let hand = stock.look(rate, cost, now);
            shard.insert(self.holder, &limit.name, stock, |stock| stock.is_idle(now));
            hand
        };
        self.limits.iter().map(look).collect()
    }

    fn status(self, shard: &mut Shard<Stock>, now: Moment) -> Vec<LimitStatus> {
        let status = |limit: &&RateLimit| {
            let rate = Rate::from(*limit);
            let stock = shard.get_mut(self.holder, &limit.name);
            let remaining = stock.map_or(rate.burst(), |stock| stock.remaining(rate, now));
            LimitStatus {
                name: limit.name.clone(),
                quota: limit.quota,
                window: limit.window,
                remaining,
                reset: rate.time_of(rate.burst() - remaining),
                shared: self.shared,
            }
        };
        self.limits.iter().map(status).collect()
    }
}

impl Parts {
    /// Sends an order, and further ones as long as there are who wait.
    async fn fulfil(self: Arc<Self>, holder: String, limit: RateLimit, order: Order) {
        let mut next = Some(order);
        while let Some(order) = next {
            let sent = self.stopwatch.now();
            let batch = self.counter.take(&order).await;
            let now = self.stopwatch.now();
            let mut pair = self.table.pair(&holder, &holder);
            let stock = pair.own().get_mut(&holder, &limit.name);
            let rate = Rate::from(&limit);
            next = stock.and_then(|stock| stock.answered(&order, rate, batch.ok(), sent, now));
        }
    }
}

#[async_trait]
impl Limiter for Shared {
    async fn take(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
        for _ in 0..LOOKS_MAX {
            match self.look(charge) {
                Look::Decided(verdict) => return Ok(verdict),
                Look::Gone => return self.parts.otherwise.take(charge).await,
                Look::Ordered(orders) => {
                    for order in orders {
                        // Also where the order came to nothing: the next look shows it.
                        let _ = order.await;
                    }
                }
            }
        }
        // Others always were faster: there is less than all of them want.
        let limits = self.status(charge);
        Ok(Verdict { limits, wait: Some(Wait::For(PAUSE)) })
    }
}
