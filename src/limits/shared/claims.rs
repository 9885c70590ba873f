//! What one call wants of what is in hand, while that is locked.

use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::{
    domain::{
        limit::{Charge, LimitStatus, Mark, Rate, Verdict, Wait},
        policy::RateLimit,
        time::Moment,
    },
    limits::{
        LIMITS_IN_PLACE,
        counter::Order,
        stock::{Grant, Hand, Stock, Told},
        table::Pair,
    },
};

/// What one call wants of one limit.
pub(super) struct Claim<'a> {
    pub(super) limit: &'a RateLimit,
    /// Whether it is the whole workspace's.
    pub(super) shared: bool,
    pub(super) mark: Mark,
    rate: Rate,
    cost: u64,
    /// What is this call's own already.
    pub(super) grant: Option<Grant>,
    /// How much is left, as of when it was decided and if that is to be said.
    left: u64,
}

/// What one call wants.
pub(super) struct Claims<'a> {
    /// First of the key, then of the workspace.
    pub(super) all: SmallVec<[Claim<'a>; LIMITS_IN_PLACE]>,
    tells: bool,
}

/// The claims that wait, by their places.
pub(super) type Waiting = Vec<(usize, oneshot::Receiver<Told>)>;
/// The orders of claims, by their places.
pub(super) type Orders = SmallVec<[(usize, Order); LIMITS_IN_PLACE]>;

/// What came of a look at what is in hand.
pub(super) enum Look {
    /// It is decided.
    Decided(Option<Wait>),
    /// It is too little.
    Lacking {
        /// Whether any of what is lacking can be held.
        can_be_held: bool,
    },
    /// The counter would have to be asked, and does not answer.
    Gone,
}

/// What is in hand of all that a call wants, locked.
pub(super) struct Hands<'g, 'c, 'a> {
    pub(super) pair: Pair<'g, Box<Stock>>,
    pub(super) claims: &'c mut Claims<'a>,
    pub(super) now: Moment,
    /// They are to be sent, once nothing is locked any more.
    pub(super) orders: Orders,
}

impl Claim<'_> {
    /// Does this with what is known of its limit.
    fn on<R>(
        &self,
        pair: &mut Pair<'_, Box<Stock>>,
        now: Moment,
        act: impl FnOnce(&mut Stock) -> R,
    ) -> R {
        let make = || Box::new(Stock::new(self.rate));
        let (shard, name) = (pair.side(self.shared), &self.limit.name);
        shard.with(self.mark, name, make, |stock| stock.is_idle(now), |stock| act(stock))
    }

    fn status(&self) -> LimitStatus {
        LimitStatus {
            name: self.limit.name.clone(),
            quota: self.limit.quota,
            window: self.limit.window,
            remaining: self.left,
            reset: self.rate.time_of(self.rate.burst().saturating_sub(self.left)),
            shared: self.shared,
        }
    }
}

impl<'a> Claims<'a> {
    pub(super) fn of(charge: &Charge<'a>) -> Self {
        let of = |shared| {
            let (mark, cost) = (charge.mark(shared), charge.cost);
            charge.limits(shared).map(move |limit| {
                let rate = Rate::from(limit);
                Claim { limit, shared, mark, rate, cost, grant: None, left: 0 }
            })
        };
        Self { all: of(false).chain(of(true)).collect(), tells: charge.tells }
    }

    /// What is said of it once it is decided.
    pub(super) fn verdict(&self, wait: Option<Wait>) -> Verdict {
        let limits = match self.tells {
            true => self.all.iter().map(Claim::status).collect(),
            false => Vec::new(),
        };
        Verdict { limits, wait }
    }
}

impl Hands<'_, '_, '_> {
    /// Decides by what is in hand, or tells why that cannot be.
    pub(super) fn look(&mut self, is_here: bool) -> Look {
        let Self { pair, claims, now, .. } = self;
        let (mut wait, mut lacks, mut can_be_held) = (None, false, false);
        for claim in claims.all.iter().filter(|claim| claim.grant.is_none()) {
            claim.on(pair, *now, |stock| match stock.look(claim.rate, claim.cost, *now) {
                Hand::Enough => {}
                Hand::TooLittle => {
                    lacks = true;
                    can_be_held |= stock.can_be_held();
                }
                Hand::Refused(until) => wait = wait.max(Some(until)),
            });
        }
        if let Some(wait) = wait {
            self.refuse();
            return Look::Decided(Some(wait));
        }
        if !lacks {
            self.permit(is_here);
            return Look::Decided(None);
        }
        if !is_here {
            self.put_back();
            return Look::Gone;
        }
        Look::Lacking { can_be_held }
    }

    /// Waits for what is lacking; first for what can be held, for that is not lost if another limit
    /// refuses.
    pub(super) fn wait(&mut self, can_be_held: bool) -> Waiting {
        let Self { pair, claims, now, orders } = self;
        let mut waiting = Vec::new();
        for (place, claim) in claims.all.iter().enumerate() {
            if claim.grant.is_some() {
                continue;
            }
            claim.on(pair, *now, |stock| {
                if stock.can_be_held() == can_be_held
                    && stock.look(claim.rate, claim.cost, *now) == Hand::TooLittle
                {
                    let (told, order) = stock.wait(claim.rate, claim.cost, *now);
                    orders.extend(order.map(|order| (place, order)));
                    waiting.push((place, told));
                }
            });
        }
        waiting
    }

    fn permit(&mut self, is_here: bool) {
        let Self { pair, claims, now, orders } = self;
        let tells = claims.tells;
        for (place, claim) in claims.all.iter_mut().enumerate() {
            claim.left = claim.on(pair, *now, |stock| {
                if claim.grant.is_none() {
                    stock.use_up(claim.cost);
                    if is_here {
                        orders.extend(stock.restock(*now).map(|order| (place, order)));
                    }
                }
                if tells { stock.remaining(*now) } else { 0 }
            });
        }
    }

    /// Uses nothing.
    pub(super) fn refuse(&mut self) {
        self.put_back();
        let Self { pair, claims, now, .. } = self;
        if claims.tells {
            for claim in &mut claims.all {
                claim.left = claim.on(pair, *now, |stock| stock.remaining(*now));
            }
        }
    }

    /// Puts back what was granted.
    pub(super) fn put_back(&mut self) {
        let Self { pair, claims, now, .. } = self;
        for claim in &mut claims.all {
            if let Some(grant) = claim.grant.take() {
                claim.on(pair, *now, |stock| stock.put_back(grant, *now));
            }
        }
    }
}
