//! The load: calls of every kind, as fast as they are answered or at a rate of their own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use keyward::proto::IntrospectView;
use tokio::{
    sync::{Mutex, MutexGuard, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    book::Book,
    caller::Caller,
    changing::Changer,
    cluster::{Cluster, REPLICAS},
    limited::{self, Limited},
    metrics_reader::Metrics,
    questions,
    random::Random,
    readings,
    tally::{Failure, Tally},
    world::Tenant,
};

/// How many calls to one replica are in flight at once, and how many changes to all.
const IN_FLIGHT: usize = 256;
const CHANGES_IN_FLIGHT: usize = 64;
/// How often is looked what is due.
const TICK: Duration = Duration::from_millis(4);
/// Longer than any replica is stopped.
const PATIENCE: Duration = Duration::from_secs(60);
/// What takes so long is told of.
const SLOW: Duration = Duration::from_secs(20);
/// How long what all keys share is off, at the most.
const OFF: usize = 150;
/// How many calls are under way at once while as much as possible is asked for.
const WORKERS: usize = 64;

/// What the load is on.
pub(crate) struct World {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) book: Book,
    pub(crate) tenants: Vec<Arc<Tenant>>,
    /// By tenant: whoever changes its keys, and whoever what they share.
    pub(crate) changers: Vec<Mutex<Changer>>,
    pub(crate) sharers: Vec<Mutex<Changer>>,
    pub(crate) limited: Limited,
}

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Full,
    Decision,
    Batch,
    Stream,
    Limited,
    Garbage,
    GetKey,
    ListKeys,
    ListEvents,
    Identify,
    Usage,
    Change,
    ChangeShared,
}

/// How many of ten thousand calls are of each kind. A change of what keys share is one that each of
/// them is read again for.
const MIX: [(Operation, usize); 13] = [
    (Operation::Full, 4_110),
    (Operation::Decision, 3_150),
    (Operation::Limited, 1_600),
    (Operation::Batch, 300),
    (Operation::Stream, 150),
    (Operation::Garbage, 250),
    (Operation::GetKey, 160),
    (Operation::ListKeys, 40),
    (Operation::ListEvents, 40),
    (Operation::Identify, 60),
    (Operation::Usage, 40),
    (Operation::Change, 95),
    (Operation::ChangeShared, 5),
];

/// The names of all kinds that go to one replica each.
pub(crate) fn names() -> Vec<&'static str> {
    MIX.iter().filter(|(it, _)| !it.changes()).map(|(it, _)| it.name()).collect()
}

impl Operation {
    fn by_chance(random: &mut Random) -> Self {
        let all = MIX.iter().map(|(_, part)| part).sum();
        let mut left = random.below(all);
        for (operation, part) in MIX {
            if left < part {
                return operation;
            }
            left -= part;
        }
        Self::Full
    }

    fn changes(self) -> bool {
        matches!(self, Self::Change | Self::ChangeShared)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Full => "Introspect, full",
            Self::Decision => "Introspect, decision",
            Self::Limited => "Introspect, limits in Redis",
            Self::Garbage => "Introspect, no secret of ours",
            Self::Batch => "BatchIntrospect of 16",
            Self::Stream => "StreamIntrospect of 24",
            Self::GetKey => "GetKey",
            Self::ListKeys => "ListKeys",
            Self::ListEvents => "ListEvents",
            Self::Identify => "IdentifyKey",
            Self::Usage => "GetUsage",
            Self::Change => "a change of a key, until it is done",
            Self::ChangeShared => "a change of what keys share, until it is done",
        }
    }
}

impl World {
    /// What a call came to, in a word; an error that no replica may answer is a violation.
    pub(crate) fn code(&self, outcome: Result<(), Status>) -> String {
        let Err(status) = outcome else { return "OK".to_owned() };
        if Failure::of(&status).is_none() {
            self.tally.violation(format!("answered {status:?}"));
        }
        format!("{:?}", status.code())
    }

    /// What a replica tells of itself; None while it is not there.
    pub(crate) fn metric(&self, replica: usize, series: &str) -> Option<f64> {
        let (_, address) = self.cluster.running(replica)?;
        Some(tokio::task::block_in_place(|| Metrics::of(address).value(series)))
    }

    /// What a replica says of the calls that it has not answered.
    fn in_flight(&self, replica: usize) -> String {
        let Some((_, address)) = self.cluster.running(replica) else { return "gone".to_owned() };
        let told = tokio::task::block_in_place(|| Metrics::of(address));
        let of_calls = told.0.iter().filter(|(name, _)| name.contains("in_flight"));
        of_calls.map(|(name, count)| format!("{name} {count} ")).collect()
    }

    /// Nothing is being changed until this is dropped: every change that was begun is done.
    pub(crate) async fn at_rest(&self) -> Vec<MutexGuard<'_, Changer>> {
        let mut all = Vec::new();
        for changer in self.changers.iter().chain(&self.sharers) {
            all.push(changer.lock().await);
        }
        for changer in &mut all {
            changer.rest().await;
        }
        all
    }

    /// A replica that serves, by chance.
    fn replica(&self, random: &mut Random) -> Option<usize> {
        let first = random.below(REPLICAS);
        let mut places = (0..REPLICAS).map(|next| (first + next) % REPLICAS);
        places.find(|place| self.cluster.caller(*place).is_some())
    }

    async fn ask(
        self: &Arc<Self>,
        operation: Operation,
        caller: Caller,
        replica: usize,
        mut random: Random,
    ) -> Result<(), Status> {
        let random = &mut random;
        match operation {
            Operation::Full => {
                questions::one(self, caller, replica, random, IntrospectView::Full).await
            }
            Operation::Decision => {
                questions::one(self, caller, replica, random, IntrospectView::Decision).await
            }
            Operation::Batch => questions::batch(self, caller, replica, random).await,
            Operation::Stream => {
                questions::stream(self, caller, replica, Random::new(random.next())).await
            }
            Operation::Limited => limited::ask(self, caller, replica, random).await,
            Operation::Garbage => questions::garbage(self, caller, random).await,
            Operation::GetKey => readings::key(self, caller, random).await,
            Operation::ListKeys => readings::keys(self, caller, random).await,
            Operation::ListEvents => readings::events(self, caller, random).await,
            Operation::Identify => readings::identify(self, caller, random).await,
            Operation::Usage => readings::usage(self, caller, random).await,
            Operation::Change | Operation::ChangeShared => Ok(()),
        }
    }

    async fn change(&self, operation: Operation, mut random: Random) {
        let of = |all: &[Mutex<Changer>], random: &mut Random| random.below(all.len());
        if operation == Operation::Change {
            let place = of(&self.changers, &mut random);
            self.changers[place].lock().await.change_key().await;
            return;
        }
        let place = of(&self.sharers, &mut random);
        let mut sharer = self.sharers[place].lock().await;
        sharer.change_shared().await;
        // Others may wait for it.
        while sharer.is_off() {
            tokio::time::sleep(Duration::from_millis(random.below(OFF) as u64)).await;
            sharer.change_shared().await;
        }
    }

    /// Makes a call that was due at this moment.
    async fn perform(
        self: Arc<Self>,
        operation: Operation,
        replica: usize,
        seed: u64,
        due: Instant,
    ) {
        let was_quiet = self.tally.is_quiet();
        let random = Random::new(seed);
        let code = if operation.changes() {
            self.change(operation, random).await;
            "OK".to_owned()
        } else {
            let Some(caller) = self.cluster.caller(replica) else { return };
            let asking = self.ask(operation, caller, replica, random);
            let mut asking = std::pin::pin!(asking);
            let mut outcome = tokio::time::timeout(SLOW, &mut asking).await;
            if outcome.is_err() {
                let sent = due.elapsed().as_secs_f64();
                let (name, count) = (operation.name(), self.in_flight(replica));
                println!("endurance: {name} at {replica} has no answer after {sent:.1} s; {count}");
                outcome = tokio::time::timeout(PATIENCE - SLOW, &mut asking).await;
            }
            match outcome {
                Ok(outcome) => self.code(outcome),
                Err(_) => "no answer".to_owned(),
            }
        };
        let took = (was_quiet && self.tally.is_quiet()).then(|| due.elapsed());
        self.book.note(operation.name(), &code, took);
    }

    /// As many calls as are answered, each by whoever is free. How many there were a second.
    pub(crate) async fn saturate(self: &Arc<Self>, span: Duration, random: &mut Random) -> f64 {
        let count = Arc::new(AtomicU64::new(0));
        let over = CancellationToken::new();
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let (world, count, over) = (Arc::clone(self), Arc::clone(&count), over.clone());
            let mut random = Random::new(random.next());
            workers.spawn(async move {
                while !over.is_cancelled() {
                    let operation = Operation::by_chance(&mut random);
                    let replica = random.below(REPLICAS);
                    let seed = random.next();
                    Arc::clone(&world).perform(operation, replica, seed, Instant::now()).await;
                    count.fetch_add(1, Relaxed);
                }
            });
        }
        // Until everything is in memory and every connection is there.
        tokio::time::sleep(span / 3).await;
        let (begun, before) = (Instant::now(), count.load(Relaxed));
        tokio::time::sleep(span * 2 / 3).await;
        let rate = (count.load(Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
        over.cancel();
        workers.join_all().await;
        rate
    }

    /// So many calls a second, whether or not they are answered, until it is over. How many were
    /// due, and for how long.
    pub(crate) async fn drive(
        self: Arc<Self>,
        rate: f64,
        seed: u64,
        over: CancellationToken,
    ) -> (u64, Duration) {
        let mut random = Random::new(seed);
        let places: [_; REPLICAS] = [(); REPLICAS].map(|()| Arc::new(Semaphore::new(IN_FLIGHT)));
        let changes = Arc::new(Semaphore::new(CHANGES_IN_FLIGHT));
        let (mut calls, mut due) = (JoinSet::new(), 0_u64);
        let begun = Instant::now();
        let mut interval = tokio::time::interval(TICK);
        while !over.is_cancelled() {
            interval.tick().await;
            // One that panicked ends the run.
            while let Some(ended) = calls.try_join_next() {
                ended.unwrap();
            }
            let wanted = (begun.elapsed().as_secs_f64() * rate) as u64;
            while due < wanted {
                let at = begun + Duration::from_secs_f64(due as f64 / rate);
                due += 1;
                let operation = Operation::by_chance(&mut random);
                let (replica, seed) = (self.replica(&mut random), random.next());
                let place = match (operation.changes(), replica) {
                    (true, _) => Some((Arc::clone(&changes), 0)),
                    (false, replica) => replica.map(|it| (Arc::clone(&places[it]), it)),
                };
                let sent =
                    place.and_then(|(place, it)| Some((place.try_acquire_owned().ok()?, it)));
                let Some((permit, replica)) = sent else {
                    self.book.not_sent.fetch_add(1, Relaxed);
                    let is_quiet = u64::from(self.tally.is_quiet());
                    self.book.not_sent_in_quiet.fetch_add(is_quiet, Relaxed);
                    continue;
                };
                let world = Arc::clone(&self);
                calls.spawn(async move {
                    world.perform(operation, replica, seed, at).await;
                    drop(permit);
                });
            }
        }
        let took = begun.elapsed();
        while let Some(ended) = calls.join_next().await {
            ended.unwrap();
        }
        (due, took)
    }
}
