//! Counts for this process and all others, in batches.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_trait::async_trait;
use tokio::{runtime::Handle, sync::oneshot};
use tracing::Instrument as _;

use super::{
    counter::{Counter, Order},
    stock::{Grant, Hand, Stock, Told},
    table::{Pair, Table},
};
use crate::domain::{
    limit::{CannotTell, Charge, LimitStatus, Limiter, Rate, Verdict, Wait},
    policy::RateLimit,
    replica::Stopwatch,
    time::Moment,
};

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
    orders: AtomicU64,
}

/// What one call wants of one limit.
struct Claim<'a> {
    holder: &'a str,
    /// Whether it is the whole workspace's.
    shared: bool,
    limit: &'a RateLimit,
    rate: Rate,
    cost: u64,
    /// What is this call's own already.
    grant: Option<Grant>,
}

/// What came of a look at what is in hand.
enum Look {
    /// It is decided.
    Decided(Verdict),
    /// So many of the claims are waited for.
    Waiting(Vec<(usize, oneshot::Receiver<Told>)>),
    /// The counter would have to be asked, and does not answer.
    Gone,
}

impl<'a> Claim<'a> {
    fn new(holder: &'a str, shared: bool, limit: &'a RateLimit, cost: u64) -> Self {
        Self { holder, shared, limit, rate: Rate::from(limit), cost, grant: None }
    }

    /// Does this with what is known of its limit.
    fn on<R>(
        &self,
        pair: &mut Pair<'_, Stock>,
        now: Moment,
        act: impl FnOnce(&mut Stock) -> R,
    ) -> R {
        let shard = if self.shared { pair.common() } else { pair.own() };
        let (make, is_idle) = (|| Stock::new(self.rate), |stock: &Stock| stock.is_idle(now));
        shard.with(self.holder, &self.limit.name, make, is_idle, act)
    }

    fn status(&self, stock: &mut Stock, now: Moment) -> LimitStatus {
        let remaining = stock.remaining(now);
        LimitStatus {
            name: self.limit.name.clone(),
            quota: self.limit.quota,
            window: self.limit.window,
            remaining,
            reset: self.rate.time_of(self.rate.burst().saturating_sub(remaining)),
            shared: self.shared,
        }
    }
}

impl Shared {
    /// Over this counter, asked on this runtime.
    pub fn new(
        counter: Arc<dyn Counter>,
        otherwise: Arc<dyn Limiter>,
        stopwatch: Arc<dyn Stopwatch>,
        back: Handle,
    ) -> Self {
        let (table, orders) = (Table::default(), AtomicU64::default());
        Self { parts: Arc::new(Parts { counter, otherwise, stopwatch, table, orders }), back }
    }

    /// How many keys and workspaces something is remembered of.
    pub fn holders(&self) -> usize {
        self.parts.table.holders()
    }

    /// How many batches were ordered.
    pub fn orders(&self) -> u64 {
        self.parts.orders.load(Relaxed)
    }

    /// Whether the counter answers, as far as is known.
    pub fn is_here(&self) -> bool {
        self.parts.counter.is_here()
    }

    fn look(&self, pair: &mut Pair<'_, Stock>, claims: &mut [Claim<'_>]) -> Look {
        let now = self.parts.stopwatch.now();
        let (mut wait, mut lacks, mut can_be_held) = (None, false, false);
        for claim in claims.iter().filter(|claim| claim.grant.is_none()) {
            claim.on(pair, now, |stock| match stock.look(claim.rate, claim.cost, now) {
                Hand::Enough => {}
                Hand::TooLittle => {
                    lacks = true;
                    can_be_held |= stock.can_be_held();
                }
                Hand::Refused(until) => wait = wait.max(Some(until)),
            });
        }
        if wait.is_some() {
            return Look::Decided(Self::refuse(pair, claims, wait, now));
        }
        if !lacks {
            return Look::Decided(self.permit(pair, claims, now));
        }
        if !self.parts.counter.is_here() {
            Self::put_back(pair, claims, now);
            return Look::Gone;
        }
        Look::Waiting(self.wait(pair, claims, can_be_held, now))
    }

    /// Waits for what is lacking; first for what can be held, for that is not lost if another limit
    /// refuses.
    fn wait(
        &self,
        pair: &mut Pair<'_, Stock>,
        claims: &[Claim<'_>],
        can_be_held: bool,
        now: Moment,
    ) -> Vec<(usize, oneshot::Receiver<Told>)> {
        let mut waiting = Vec::new();
        for (place, claim) in claims.iter().enumerate().filter(|(_, claim)| claim.grant.is_none()) {
            claim.on(pair, now, |stock| {
                if stock.can_be_held() == can_be_held
                    && stock.look(claim.rate, claim.cost, now) == Hand::TooLittle
                {
                    let (told, order) = stock.wait(claim.rate, claim.cost, now);
                    self.send(claim, order);
                    waiting.push((place, told));
                }
            });
        }
        waiting
    }

    fn send(&self, claim: &Claim<'_>, order: Option<Order>) {
        if let Some(order) = order {
            let (holder, limit) = (claim.holder.to_owned(), claim.limit.name.clone());
            let work = Arc::clone(&self.parts).fulfil(holder, limit, order);
            // A span of its own: it may go on when the call has its answer.
            self.back.spawn(work.instrument(tracing::info_span!("limits.order")));
        }
    }

    fn permit(&self, pair: &mut Pair<'_, Stock>, claims: &[Claim<'_>], now: Moment) -> Verdict {
        let is_here = self.parts.counter.is_here();
        let permit = |claim: &Claim<'_>| {
            claim.on(pair, now, |stock| {
                if claim.grant.is_none() {
                    stock.use_up(claim.cost);
                    if is_here {
                        self.send(claim, stock.restock(now));
                    }
                }
                claim.status(stock, now)
            })
        };
        Verdict { limits: claims.iter().map(permit).collect(), wait: None }
    }

    fn refuse(
        pair: &mut Pair<'_, Stock>,
        claims: &mut [Claim<'_>],
        wait: Option<Wait>,
        now: Moment,
    ) -> Verdict {
        Self::put_back(pair, claims, now);
        let status = |claim: &Claim<'_>| claim.on(pair, now, |stock| claim.status(stock, now));
        Verdict { limits: claims.iter().map(status).collect(), wait }
    }

    fn put_back(pair: &mut Pair<'_, Stock>, claims: &mut [Claim<'_>], now: Moment) {
        for claim in claims {
            if let Some(grant) = claim.grant.take() {
                claim.on(pair, now, |stock| stock.put_back(grant, now));
            }
        }
    }
}

impl Shared {
    /// Uses nothing. None: somebody else is to decide.
    fn give_up(
        &self,
        own: &str,
        common: &str,
        claims: &mut [Claim<'_>],
        failed: Failed,
    ) -> Option<Verdict> {
        let mut pair = self.parts.table.pair(own, common);
        let now = self.parts.stopwatch.now();
        match failed {
            Failed::Refused(wait) => Some(Self::refuse(&mut pair, claims, Some(wait), now)),
            Failed::Gone => {
                Self::put_back(&mut pair, claims, now);
                None
            }
        }
    }
}

impl Parts {
    /// Sends an order, and further ones as long as there are who wait.
    async fn fulfil(self: Arc<Self>, holder: String, limit: String, order: Order) {
        let (id, mut next) = (format!("{holder}:{limit}"), Some(order));
        while let Some(order) = next {
            self.orders.fetch_add(1, Relaxed);
            let sent = self.stopwatch.now();
            let answer = self.counter.take(&id, &order).await;
            let now = self.stopwatch.now();
            let mut pair = self.table.pair(&holder, &holder);
            let stock = pair.own().get_mut(&holder, &limit);
            next = stock.and_then(|stock| stock.answered(&order, answer, sent, now));
        }
    }
}

#[async_trait]
impl Limiter for Shared {
    async fn take(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
        let Charge { key_limits, workspace_limits, cost, .. } = charge;
        let (own, common) = charge.holders();
        let of_key = key_limits.iter().map(|limit| Claim::new(&own, false, limit, *cost));
        let of_all = workspace_limits.iter().map(|limit| Claim::new(common, true, limit, *cost));
        let mut claims: Vec<_> = of_key.chain(of_all).collect();
        // Each time round, what was waited for is granted, or it is decided.
        loop {
            let looked = self.look(&mut self.parts.table.pair(&own, common), &mut claims);
            let waiting = match looked {
                Look::Decided(verdict) => return Ok(verdict),
                Look::Gone => return self.parts.otherwise.take(charge).await,
                Look::Waiting(waiting) => waiting,
            };
            let failed = hear(waiting, &mut claims).await;
            if let Some(failed) = failed {
                let verdict = self.give_up(&own, common, &mut claims, failed);
                return match verdict {
                    Some(verdict) => Ok(verdict),
                    None => self.parts.otherwise.take(charge).await,
                };
            }
        }
    }
}

/// Why what was waited for was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Failed {
    Gone,
    Refused(Wait),
}

/// Waits until all is told. What was granted is noted.
async fn hear(
    waiting: Vec<(usize, oneshot::Receiver<Told>)>,
    claims: &mut [Claim<'_>],
) -> Option<Failed> {
    let mut failed = None;
    for (place, told) in waiting {
        match told.await {
            Ok(Told::Granted(grant)) => {
                if let Some(claim) = claims.get_mut(place) {
                    claim.grant = Some(grant);
                }
            }
            Ok(Told::Refused(wait)) => failed = failed.max(Some(Failed::Refused(wait))),
            Ok(Told::Gone) | Err(_) => failed = failed.max(Some(Failed::Gone)),
        }
    }
    failed
}
