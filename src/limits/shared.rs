//! Counts for this process and all others, in batches.

mod claims;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_trait::async_trait;
use tokio::runtime::Handle;
use tracing::Instrument as _;

use super::{
    counter::{Counter, Order},
    stock::{Stock, Told},
    table::Table,
};
use crate::domain::{
    limit::{CannotTell, Charge, Limiter, Mark, Verdict, Wait},
    replica::Stopwatch,
};
use claims::{Claim, Claims, Hands, Look, Orders, Waiting};

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
    table: Table<Box<Stock>>,
    orders: AtomicU64,
}

/// The limit that an order is for.
struct Addressee {
    mark: Mark,
    shared: bool,
    limit: String,
    /// What the counter calls it.
    id: String,
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

    /// Locks what is in hand of all that a call wants, does this, and then sends what was ordered.
    fn with_hands<'a, R>(
        &self,
        charge: &Charge<'a>,
        claims: &mut Claims<'a>,
        act: impl FnOnce(&mut Hands<'_, '_, 'a>) -> R,
    ) -> R {
        let (outcome, orders) = {
            let now = self.parts.stopwatch.now();
            let pair = self.parts.table.pair(charge);
            let mut hands = Hands { pair, claims, now, orders: Orders::new() };
            (act(&mut hands), hands.orders)
        };
        for (place, order) in orders {
            if let Some(claim) = claims.all.get(place) {
                self.send(charge, claim, order);
            }
        }
        outcome
    }

    fn send(&self, charge: &Charge<'_>, claim: &Claim<'_>, order: Order) {
        let Claim { mark, shared, limit, .. } = claim;
        let id = format!("{}:{}", charge.holder(*shared), limit.name);
        let to = Addressee { mark: *mark, shared: *shared, limit: limit.name.clone(), id };
        let work = Arc::clone(&self.parts).fulfil(to, order);
        // A span of its own: it may go on when the call has its answer.
        self.back.spawn(work.instrument(tracing::info_span!("limits.order")));
    }

    /// Uses nothing. None: somebody else is to decide.
    fn give_up<'a>(
        &self,
        charge: &Charge<'a>,
        claims: &mut Claims<'a>,
        failed: Failed,
    ) -> Option<Verdict> {
        self.with_hands(charge, claims, |hands| match failed {
            Failed::Refused(_) => hands.refuse(),
            Failed::Gone => hands.put_back(),
        });
        match failed {
            Failed::Refused(wait) => Some(claims.verdict(Some(wait))),
            Failed::Gone => None,
        }
    }
}

impl Parts {
    /// Sends an order, and further ones as long as there are who wait.
    async fn fulfil(self: Arc<Self>, to: Addressee, order: Order) {
        let mut next = Some(order);
        while let Some(order) = next {
            self.orders.fetch_add(1, Relaxed);
            let sent = self.stopwatch.now();
            let answer = self.counter.take(&to.id, &order).await;
            let now = self.stopwatch.now();
            let mut shard = self.table.lock(to.shared, to.mark);
            let stock = shard.get_mut(to.mark, &to.limit);
            next = stock.and_then(|stock| stock.answered(&order, answer, sent, now));
        }
    }
}

#[async_trait]
impl Limiter for Shared {
    async fn take(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
        let mut claims = Claims::of(charge);
        // Each time round, what was waited for is granted, or it is decided.
        loop {
            let is_here = self.is_here();
            let looked = self.with_hands(charge, &mut claims, |hands| match hands.look(is_here) {
                Look::Lacking { can_be_held } => Err(hands.wait(can_be_held)),
                Look::Decided(wait) => Ok(Some(wait)),
                Look::Gone => Ok(None),
            });
            let waiting = match looked {
                Ok(Some(wait)) => return Ok(claims.verdict(wait)),
                Ok(None) => return self.parts.otherwise.take(charge).await,
                Err(waiting) => waiting,
            };
            if let Some(failed) = hear(waiting, &mut claims).await {
                return match self.give_up(charge, &mut claims, failed) {
                    Some(verdict) => Ok(verdict),
                    None => self.parts.otherwise.take(charge).await,
                };
            }
        }
    }

    fn take_now(&self, charge: &Charge<'_>) -> Option<Result<Verdict, CannotTell>> {
        let (mut claims, is_here) = (Claims::of(charge), self.is_here());
        match self.with_hands(charge, &mut claims, |hands| hands.look(is_here)) {
            Look::Decided(wait) => Some(Ok(claims.verdict(wait))),
            Look::Lacking { .. } => None,
            Look::Gone => self.parts.otherwise.take_now(charge),
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
async fn hear(waiting: Waiting, claims: &mut Claims<'_>) -> Option<Failed> {
    let mut failed = None;
    for (place, told) in waiting {
        match told.await {
            Ok(Told::Granted(grant)) => {
                if let Some(claim) = claims.all.get_mut(place) {
                    claim.grant = Some(grant);
                }
            }
            Ok(Told::Refused(wait)) => failed = failed.max(Some(Failed::Refused(wait))),
            Ok(Told::Gone) | Err(_) => failed = failed.max(Some(Failed::Gone)),
        }
    }
    failed
}
