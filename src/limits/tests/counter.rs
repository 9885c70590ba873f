//! A counter that is simulated, and replicas that share it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::runtime::Handle;

use super::{CI, Dial, charge};
use crate::{
    domain::{
        limit::{CannotTell, Limiter as _, Rate, Verdict},
        policy::RateLimit,
        replica::Stopwatch,
    },
    limits::{Batch, Counter, Gone, Order, Refuse, Shared},
};

/// Counts exactly, in nanoseconds times the quota.
pub(super) struct Simulated {
    clock: Arc<dyn Stopwatch>,
    levels: Mutex<HashMap<String, (u128, u128)>>,
    /// How long each order and then its answer are on their way; after these, no time.
    pub(super) delays: Mutex<VecDeque<[Duration; 2]>>,
    pub(super) orders: AtomicUsize,
    /// The names of the spans that the orders were part of.
    pub(super) spans: Mutex<Vec<&'static str>>,
    pub(super) given: AtomicU64,
    pub(super) is_gone: AtomicBool,
    /// Whether it does what it is told and does not answer.
    pub(super) is_mute: AtomicBool,
}

fn units(rate: Rate, cost: u64) -> u128 {
    u128::from(cost) * rate.parts().1.as_nanos()
}

impl Simulated {
    pub(super) fn new(clock: Arc<dyn Stopwatch>) -> Self {
        Self {
            clock,
            levels: Mutex::default(),
            delays: Mutex::default(),
            orders: AtomicUsize::default(),
            spans: Mutex::default(),
            given: AtomicU64::default(),
            is_gone: AtomicBool::default(),
            is_mute: AtomicBool::default(),
        }
    }

    fn give(&self, limit: &str, order: &Order) -> Batch {
        let Order { rate, slack, least, most } = *order;
        let now = self.clock.now().since_start().as_nanos();
        let (quota, window) = rate.parts();
        let mut all = self.levels.lock().unwrap();
        let (level, at) = all.entry(limit.to_owned()).or_insert((0, now));
        *level = level.saturating_sub((now - *at) * u128::from(quota));
        *at = now;
        let base = units(rate, slack).max(*level);
        let burst = units(rate, rate.burst());
        let room = u64::try_from(burst.saturating_sub(base) / window.as_nanos()).unwrap();
        let taken = Some(room.min(most)).filter(|taken| *taken >= least).unwrap_or(0);
        if taken > 0 {
            *level = base + units(rate, taken);
            self.given.fetch_add(taken, SeqCst);
        }
        let level = base + units(rate, taken);
        Batch { taken, level: u64::try_from(level * 1_000_000 / window.as_nanos()).unwrap() }
    }
}

#[async_trait]
impl Counter for Simulated {
    fn is_here(&self) -> bool {
        !self.is_gone.load(SeqCst)
    }

    async fn take(&self, limit: &str, order: &Order) -> Result<Batch, Gone> {
        self.orders.fetch_add(1, SeqCst);
        let span = tracing::Span::current().metadata().map(tracing::Metadata::name);
        self.spans.lock().unwrap().extend(span);
        // Whoever else asks meanwhile comes between.
        tokio::task::yield_now().await;
        let delays = self.delays.lock().unwrap().pop_front();
        if let Some([before, _]) = delays {
            tokio::time::sleep(before).await;
        }
        if !self.is_here() {
            return Err(Gone);
        }
        let batch = self.give(limit, order);
        if let Some([_, after]) = delays {
            tokio::time::sleep(after).await;
        }
        if self.is_mute.load(SeqCst) { Err(Gone) } else { Ok(batch) }
    }
}

/// Replicas that share a counter.
pub(super) struct Case {
    pub(super) counter: Arc<Simulated>,
    pub(super) dial: Arc<Dial>,
    pub(super) replicas: Vec<Shared>,
}

impl Case {
    pub(super) fn new(replicas: usize) -> Self {
        let dial = Arc::<Dial>::default();
        let clock = Arc::clone(&dial) as Arc<dyn Stopwatch>;
        let counter = Arc::new(Simulated::new(Arc::clone(&clock)));
        Self { replicas: sharing(&counter, replicas, &clock), counter, dial }
    }

    pub(super) fn turn(&self, by: Duration) {
        self.dial.turn(by);
    }

    pub(super) fn orders(&self) -> usize {
        self.counter.orders.load(SeqCst)
    }

    pub(super) fn given(&self) -> u64 {
        self.counter.given.load(SeqCst)
    }

    pub(super) async fn take(
        &self,
        replica: usize,
        key: &str,
        limits: (&[RateLimit], &[RateLimit]),
        cost: u64,
    ) -> Result<Verdict, CannotTell> {
        take(self.replicas.get(replica).unwrap(), key, limits, cost).await
    }

    pub(super) async fn passes(&self, replica: usize, limit: &RateLimit) -> bool {
        let limits = (std::slice::from_ref(limit), &[][..]);
        self.take(replica, CI, limits, 1).await.unwrap().wait.is_none()
    }
}

/// So many replicas.
pub(super) fn sharing(
    counter: &Arc<Simulated>,
    replicas: usize,
    clock: &Arc<dyn Stopwatch>,
) -> Vec<Shared> {
    let replica = |_| {
        let (counter, clock) = (Arc::clone(counter) as _, Arc::clone(clock));
        Shared::new(counter, Arc::new(Refuse), clock, Handle::current())
    };
    (0..replicas).map(replica).collect()
}

pub(super) async fn take(
    replica: &Shared,
    key: &str,
    limits: (&[RateLimit], &[RateLimit]),
    cost: u64,
) -> Result<Verdict, CannotTell> {
    replica.take(&charge(&key.parse().unwrap(), limits, cost)).await
}
