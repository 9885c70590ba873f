//! Replicas under faults, clients that ask and change all the time, and what each answer must
//! at least have seen.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use keyward::domain::ports::StoreError;
use tokio::time::{Instant, timeout};

use crate::{
    database::Ordinal,
    dice::Dice,
    link::{LIMIT, Process, Server, Weather},
    node::{FAST, Node, SLOW, Setup, TRUE},
    subject::{KEYS, SUBJECTS, Subject, versions},
};

/// How long faults go on.
const FAULTS: Duration = Duration::from_secs(30);
/// How many make changes.
const CLIENTS: usize = 4;
/// After what time a client asks for a change again.
const PATIENCE: Duration = Duration::from_secs(12);

/// Where nothing else is amiss.
const FAIR: Weather =
    Weather { hold: Duration::ZERO, lag: 10, lost_there: 0, lost_back: 0, late: 2, rings_lost: 5 };

/// What happened, over all runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) answers: usize,
    pub(crate) hits: usize,
    pub(crate) joins: usize,
    pub(crate) refused: usize,
    pub(crate) stale: usize,
    pub(crate) changes: usize,
    pub(crate) repeats: usize,
    pub(crate) lost: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, more: Self) {
        let Self { answers, hits, joins, refused, stale, changes, repeats, lost } = more;
        self.answers += answers;
        self.hits += hits;
        self.joins += joins;
        self.refused += refused;
        self.stale += stale;
        self.changes += changes;
        self.repeats += repeats;
        self.lost += lost;
    }
}

pub(crate) struct World {
    server: Arc<Server>,
    dice: Dice,
    stale: Duration,
    doorbell: bool,
    nodes: Mutex<Vec<Arc<Node>>>,
    started: Mutex<usize>,
    /// By subject, the newest change that has returned.
    returned: Mutex<[Ordinal; SUBJECTS]>,
    counts: Mutex<Counts>,
    /// What was not as promised.
    faults: Mutex<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let dice = Dice::new(seed);
        let stale =
            if dice.percent(25) { Duration::from_secs(1 + dice.below(4)) } else { Duration::ZERO };
        let doorbell = dice.percent(70);
        let world = Arc::new(Self {
            server: Server::new(),
            stale,
            doorbell,
            dice,
            nodes: Mutex::default(),
            started: Mutex::default(),
            returned: Mutex::default(),
            counts: Mutex::default(),
            faults: Mutex::default(),
        });
        for _ in 0..3 + world.dice.index(2) {
            let node = world.start();
            world.nodes.lock().unwrap().push(node);
        }
        world
    }

    fn start(&self) -> Arc<Node> {
        let mut started = self.started.lock().unwrap();
        *started += 1;
        let rate = [SLOW, TRUE, FAST][self.dice.index(3)];
        let setup = Setup { stale: self.stale, doorbell: self.doorbell, rate };
        let node = Node::start(&self.server, &format!("r{started}"), setup, self.dice.fork());
        *node.link.weather.lock().unwrap() = FAIR;
        node
    }

    fn node(&self, number: usize) -> Arc<Node> {
        Arc::clone(&self.nodes.lock().unwrap()[number])
    }

    fn any(&self, dice: &Dice) -> Arc<Node> {
        let nodes = self.nodes.lock().unwrap();
        Arc::clone(&nodes[dice.index(nodes.len())])
    }

    fn wrong(&self, what: String) {
        self.faults.lock().unwrap().push(format!("{:?}: {what}", self.server.begun.elapsed()));
    }

    fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock().unwrap());
    }

    /// Asks, and sees to it that the answer has seen what had returned before.
    async fn ask(&self, node: &Node, key: usize) -> bool {
        let (floor, asked) = (*self.returned.lock().unwrap(), self.server.begun.elapsed());
        let Ok((found, stale_since)) = node.ask(key).await else {
            self.count(|counts| counts.refused += 1);
            return false;
        };
        for (subject, version) in versions(&found) {
            let least = floor[subject.place()];
            if version < least {
                let name = node.replica.status().id;
                self.wrong(format!(
                    "{name}, asked at {asked:?}, answered by {version} of {subject:?}; \
                     {least} had returned"
                ));
            }
        }
        if stale_since.is_some() && self.stale.is_zero() {
            self.wrong("an answer is stale".to_owned());
        }
        self.count(|counts| {
            counts.answers += 1;
            counts.stale += usize::from(stale_since.is_some());
        });
        true
    }

    /// Asks one process all the time.
    async fn asks(self: Arc<Self>, number: usize, dice: Dice) {
        loop {
            tokio::time::sleep(dice.millis(1, 250)).await;
            let (world, key) = (Arc::clone(&self), dice.index(KEYS));
            tokio::spawn(async move { world.ask(&world.node(number), key).await });
        }
    }

    /// Has a change made, by one process or another, until one says so.
    async fn change(&self, dice: &Dice, request: u64) {
        let subject = Subject::of(dice.index(SUBJECTS));
        for attempt in 0.. {
            let node = self.any(dice);
            let patience = dice.percent(50).then(|| dice.millis(10, 10_000));
            match timeout(PATIENCE, node.change(subject, request, patience)).await {
                Ok(Ok(revision)) => {
                    let ordinal = self.server.database.lock().unwrap().ordinal(revision);
                    let returned = &mut self.returned.lock().unwrap()[subject.place()];
                    *returned = ordinal.max(*returned);
                    return self.count(|counts| {
                        counts.changes += 1;
                        counts.repeats += usize::from(attempt > 0);
                    });
                }
                Ok(Err(StoreError::Corrupt(what))) => return self.wrong(what),
                Ok(Err(_)) | Err(_) => tokio::time::sleep(dice.millis(1, 200)).await,
            }
        }
    }

    /// Changes all the time.
    async fn changes(self: Arc<Self>, client: usize, dice: Dice) {
        let numbers = (u64::try_from(client).unwrap()..).step_by(CLIENTS);
        for request in numbers {
            tokio::time::sleep(dice.millis(0, 1_000)).await;
            self.change(&dice, request).await;
        }
    }

    /// One fault after the other, several at a time.
    async fn faults(self: &Arc<Self>) {
        let end = Instant::now() + FAULTS;
        while Instant::now() < end {
            tokio::time::sleep(self.dice.millis(50, 2_000)).await;
            let (number, long) =
                (self.dice.index(self.nodes.lock().unwrap().len()), self.dice.millis(10, 9_000));
            match self.dice.below(10) {
                0..3 => self.storm(self.node(number), long),
                3..5 => self.stop(self.node(number), long),
                5 => self.replace(number, false),
                6 => self.replace(number, true),
                7 => self.outage(long),
                8..10 => {
                    let mut database = self.server.database.lock().unwrap();
                    let lost = database.fail_over(|open| self.dice.index(open));
                    self.count(|counts| counts.lost += lost);
                }
                _ => unreachable!(),
            }
        }
    }

    fn storm(&self, node: Arc<Node>, long: Duration) {
        let percent = || if self.dice.percent(40) { self.dice.below(101) } else { 0 };
        *node.link.weather.lock().unwrap() = Weather {
            hold: Duration::ZERO,
            lag: percent() / 2,
            lost_there: percent(),
            lost_back: percent(),
            late: percent(),
            rings_lost: percent(),
        };
        tokio::spawn(async move {
            tokio::time::sleep(long).await;
            *node.link.weather.lock().unwrap() = FAIR;
        });
    }

    fn stop(self: &Arc<Self>, node: Arc<Node>, long: Duration) {
        if !node.is(Process::Runs) {
            return;
        }
        node.becomes(Process::Stopped);
        let world = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(long).await;
            if node.is(Process::Stopped) {
                node.becomes(Process::Runs);
                // At once, before anything else of it has run.
                for key in 0..KEYS {
                    world.ask(&node, key).await;
                }
            }
        });
    }

    /// Another process comes; the one before was killed, or leaves.
    fn replace(self: &Arc<Self>, number: usize, leaves: bool) {
        let next = self.start();
        let before = std::mem::replace(&mut self.nodes.lock().unwrap()[number], next);
        self.retire(&before);
        if !leaves {
            return before.becomes(Process::Killed);
        }
        let world = Arc::clone(self);
        tokio::spawn(async move {
            before.replica.leave().await;
            for key in 0..KEYS {
                if before.ask(key).await.is_ok() {
                    world.wrong("it has left, and answers".to_owned());
                }
            }
        });
    }

    fn outage(self: &Arc<Self>, long: Duration) {
        let server = Arc::clone(&self.server);
        server.database.lock().unwrap().is_down = true;
        tokio::spawn(async move {
            tokio::time::sleep(long).await;
            server.database.lock().unwrap().is_down = false;
        });
    }

    fn retire(&self, node: &Node) {
        let cached = node.cache.counts();
        self.count(|counts| {
            counts.hits += usize::try_from(cached.hits).unwrap();
            counts.joins += usize::try_from(cached.joins).unwrap();
        });
    }

    /// All of it, and how it heals.
    pub(crate) async fn run(self: Arc<Self>) -> (Counts, Vec<String>) {
        let mut clients = tokio::task::JoinSet::new();
        let count = self.nodes.lock().unwrap().len();
        for number in 0..count {
            clients.spawn(Arc::clone(&self).asks(number, self.dice.fork()));
        }
        for client in 0..CLIENTS {
            clients.spawn(Arc::clone(&self).changes(client, self.dice.fork()));
        }
        self.faults().await;
        self.heals().await;
        clients.shutdown().await;
        let nodes = std::mem::take(&mut *self.nodes.lock().unwrap());
        nodes.iter().for_each(|node| self.retire(node));
        let faults = std::mem::take(&mut *self.faults.lock().unwrap());
        (*self.counts.lock().unwrap(), faults)
    }

    async fn heals(self: &Arc<Self>) {
        // Until every fault has ended.
        tokio::time::sleep(Duration::from_secs(10)).await;
        let nodes = self.nodes.lock().unwrap().clone();
        for node in &nodes {
            *node.link.weather.lock().unwrap() = Weather::default();
        }
        // And what was under way has come, or never will.
        tokio::time::sleep(LIMIT + LIMIT).await;
        for node in &nodes {
            if timeout(Duration::from_secs(5), node.replica.until(true)).await.is_err() {
                self.wrong(format!("{} has no lease", node.replica.status().id));
            }
            for key in 0..KEYS {
                if !self.ask(node, key).await {
                    self.wrong(format!("{} does not answer", node.replica.status().id));
                }
            }
        }
        // Whoever was killed is waited for once.
        let longest = Setup { stale: self.stale, ..Setup::PLAIN }.terms().wait() * 2;
        for (request, longest) in [(u64::MAX - 1, longest), (u64::MAX, Duration::from_secs(2))] {
            let node = self.any(&self.dice);
            let begun = Instant::now();
            let outcome = timeout(longest, node.change(Subject::Policy, request, None)).await;
            if !matches!(outcome, Ok(Ok(_))) {
                self.wrong(format!("a change: {outcome:?} after {:?}", begun.elapsed()));
            }
        }
    }
}
