//! A run: rounds of changes and questions, with a fault in every other one.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    asking::{ask, hammer, judge},
    changing::Changer,
    cluster::{Cluster, REPLICAS},
    faults::{Fault, Place, Stage},
    history::Clocks,
    pace::Pace,
    random::Random,
    report::Report,
    tally::Tally,
    until::{INTERVAL, until},
    world::Tenant,
};

/// How many ask each replica.
const ASKING: usize = 2;
/// How long a round may take that only waits for changes.
const ROUND: Duration = Duration::from_secs(600);

pub(crate) struct Run {
    pub(crate) pace: Pace,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) tally: Arc<Tally>,
    seed: u64,
    random: Random,
    clocks: Clocks,
    begun: Instant,
    /// How many events there were before the first change.
    events_before: i64,
    tenants: Vec<Arc<Tenant>>,
    /// By tenant, whoever changes its keys and whoever what they share.
    changers: Vec<(Changer, bool)>,
    stage: Stage,
}

/// Those at work in a round.
struct Crowd {
    over: CancellationToken,
    asking: Vec<JoinHandle<()>>,
    changing: Vec<(JoinHandle<Changer>, bool)>,
}

/// How many changes the log has.
async fn events(cluster: &Cluster) -> i64 {
    cluster.database().await.number("SELECT count(*) FROM events", Vec::new()).await
}

impl Run {
    pub(crate) async fn start(pace: Pace, seed: u64) -> Self {
        let (clocks, begun) = (Clocks::now(), Instant::now());
        let cluster = Arc::new(Cluster::start(&pace).await);
        let events_before = events(&cluster).await;
        let tally = Arc::new(Tally::default());
        let mut random = Random::new(seed);
        let patience = pace.patience;
        let mut changer = |id: &str, tenant: Option<&Arc<Tenant>>| {
            let tenant = tenant.map_or_else(|| Tenant::new(id), Arc::clone);
            Changer::new(&cluster, &tally, &tenant, random.next(), patience)
        };
        let mut changers = Vec::new();
        let mut tenants = Vec::new();
        for number in 0..pace.tenants {
            let mut keys = changer(&format!("t{number}"), None);
            keys.furnish(pace.keys_of_tenant).await;
            let tenant = Arc::clone(&keys.tenant);
            changers.push((keys, true));
            changers.push((changer("", Some(&tenant)), false));
            tenants.push(tenant);
        }
        let mut on_stage = changer("stage", None);
        on_stage.furnish(1).await;
        let stage = Stage::new(on_stage, changer("hot", None));
        Self {
            pace,
            cluster,
            tally,
            seed,
            random,
            clocks,
            begun,
            events_before,
            tenants,
            changers,
            stage,
        }
    }

    /// Goes through everything, and tells what came of it.
    pub(crate) async fn complete(mut self) -> Report {
        let mut turns = 0;
        while match self.pace.search {
            None => turns < self.pace.turns,
            Some(span) => self.begun.elapsed() < span && !self.is_over(),
        } {
            turns += 1;
            self.round(None).boxed().await;
            for faults in self.pace.faults.clone().chunks(self.pace.faults_between) {
                for fault in faults {
                    if self.is_over() {
                        return self.report().await;
                    }
                    self.round(Some(*fault)).boxed().await;
                }
                self.round(None).boxed().await;
            }
        }
        let wanted = self.pace.changes.unwrap_or_default();
        while !self.is_over() && self.tally.changes() < wanted {
            self.round(None).boxed().await;
        }
        self.report().await
    }

    fn is_over(&self) -> bool {
        self.pace.search.is_some() && self.tally.figures().violations > 0
    }

    async fn report(self) -> Report {
        let verified = self.cluster.verify();
        let events = events(&self.cluster).await - self.events_before;
        Report {
            seed: self.seed,
            changes: self.tally.changes(),
            events: u64::try_from(events).unwrap(),
            answers: self.tally.answers.load(Ordering::SeqCst),
            took: self.begun.elapsed(),
            figures: self.tally.figures(),
            is_long: self.pace.changes.is_some(),
            json: self.pace.json.clone(),
            faults: self.pace.faults.clone(),
            recovered_within: self.pace.recovered_within,
            verified: (verified.status.success(), String::from_utf8(verified.stdout).unwrap()),
            log: self.cluster.log(),
        }
    }

    /// Lets everybody work, with a fault or with none, and judges what was seen.
    async fn round(&mut self, fault: Option<Fault>) {
        self.tally.is_quiet.store(fault.is_none(), Ordering::SeqCst);
        let (begun, before) = (Instant::now(), self.tally.changes());
        let crowd = self.set_out();
        if let Some(fault) = fault {
            let stricken = self.random.below(REPLICAS);
            let place = Place { pace: &self.pace, cluster: &self.cluster, tally: &self.tally };
            let struck = fault.strike(place, &mut self.stage, stricken).boxed().await;
            self.recover().await;
            let name = fault.name();
            match struck {
                Ok(()) => {
                    self.tally.note(|it| *it.faults.entry(name.to_owned()).or_default() += 1);
                }
                Err(why) => self.tally.note(|it| it.without_effect.push(format!("{name}: {why}"))),
            }
        } else {
            let wanted = before + self.pace.quiet_changes;
            assert!(until(ROUND, || self.tally.changes() >= wanted).await, "changes take too long");
        }
        self.come_back(crowd).await;
        self.tally.is_quiet.store(false, Ordering::SeqCst);
        let answers = self.tally.seen.lock().unwrap().len();
        judge(&self.tally, self.clocks);
        println!(
            "replicas: {:>6.1} s {}: {} changes, {answers} answers in {:.1} s, {} violations",
            self.begun.elapsed().as_secs_f64(),
            fault.map_or("quiet", Fault::name),
            self.tally.changes() - before,
            begun.elapsed().as_secs_f64(),
            self.tally.figures().violations,
        );
    }

    fn set_out(&mut self) -> Crowd {
        let over = CancellationToken::new();
        let asking = (0..REPLICAS * ASKING).map(|number| {
            tokio::spawn(hammer(
                Arc::clone(&self.cluster),
                Arc::clone(&self.tally),
                self.tenants.clone(),
                number % REPLICAS,
                Random::new(self.random.next()),
                over.clone(),
            ))
        });
        let asking = asking.collect();
        let changing = mem::take(&mut self.changers).into_iter().map(|(changer, of_keys)| {
            (tokio::spawn(changer.go_on(over.clone(), of_keys)), of_keys)
        });
        let changing = changing.collect();
        Crowd { over, asking, changing }
    }

    async fn come_back(&mut self, crowd: Crowd) {
        crowd.over.cancel();
        for (task, of_keys) in crowd.changing {
            self.changers.push((task.await.unwrap(), of_keys));
        }
        self.stage.changer.rest().await;
        for task in crowd.asking {
            task.await.unwrap();
        }
    }

    /// Waits until a change through every replica is done, and every replica answers by it.
    async fn recover(&mut self) {
        let begun = Instant::now();
        let within = self.pace.recovered_within;
        let key = self.stage.changer.tenant.key(0);
        for replica in 0..REPLICAS {
            self.stage.changer.rotate(&key, Some(replica)).await;
            let secret = key.newest_secret();
            for asked in 0..REPLICAS {
                let mut interval = tokio::time::interval(INTERVAL);
                while ask(&self.cluster, &self.tally, asked, &key, &secret).await.is_none() {
                    assert!(
                        begun.elapsed() < within,
                        "replica {asked} does not recover: {}",
                        self.cluster.log()
                    );
                    interval.tick().await;
                }
            }
        }
        self.tally.note(|figures| figures.recoveries.push(begun.elapsed()));
        for key in mem::take(&mut self.stage.again) {
            for replica in 0..REPLICAS {
                ask(&self.cluster, &self.tally, replica, &key, &key.newest_secret()).await;
            }
        }
    }
}
