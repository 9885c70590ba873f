//! A run: as much as is answered, then a part of it while things break, then what came of it.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    asking::{ask, judge},
    book::Book,
    changing::Changer,
    cluster::{Cluster, REPLICAS},
    counted::{Killed, counted},
    faults::{Effect, Place, Stage},
    found,
    history::Clocks,
    limited::{self, Limited, Segment},
    load::World,
    plan::Plan,
    postgres::keeper::Keeper,
    process::variable,
    questions::lasting,
    random::Random,
    redis::Server,
    relay::Relay,
    report::{Rates, Report},
    samples::{self, Sample},
    strikes::{Strike, Strikes, redis_counts, strike_redis},
    tally::Tally,
    until::INTERVAL,
    verdict,
    world::{Key, Tenant},
};

/// The part of what is answered at the most that is asked for.
const DRIVEN: f64 = 0.7;
/// Answers are judged at least so often.
const JUDGED_EVERY: Duration = Duration::from_secs(15);
/// What was in hand before Redis counted for all is gone after this.
const HELD: Duration = Duration::from_millis(250);
/// What a program logs when it loses Redis.
const LOST: &str = "Redis cannot be asked";
/// What it logs, or Rust itself prints, when something panics.
const PANICKED: &str = "panicked";

pub(crate) struct Run {
    plan: Plan,
    seed: u64,
    random: Random,
    clocks: Clocks,
    begun: Instant,
    events_before: i64,
    world: Arc<World>,
    stage: Stage,
    /// What the stage changes: not asked about by the load.
    on_stage: Vec<Arc<Tenant>>,
    redis: Server,
    relays: Vec<Relay>,
    strikes: Strikes,
    /// The replica that no fault ends in the later part of the run.
    lasting: usize,
    segments: Vec<Segment>,
    /// Since when Redis counts for all, and how often it was lost before.
    calm: (Duration, u64),
    killed: Vec<Killed>,
    _keeper: Keeper,
}

/// Everything that goes on by itself.
struct Going {
    over: CancellationToken,
    driving: JoinHandle<(u64, Duration)>,
    streams: Vec<JoinHandle<()>>,
    sampling: JoinHandle<Vec<Sample>>,
}

impl Run {
    pub(crate) async fn start(plan: Plan, seed: u64) -> Self {
        let (clocks, begun) = (Clocks::now(), Instant::now());
        let mut random = Random::new(seed);
        let (redis, keeper) = (Server::new(), Keeper::start());
        let control = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redis/ctl");
        let (control, path) = (control.display(), redis.path().display());
        keeper.does(&format!("'{control}' stop '{path}'; rm -rf '{path}'"));
        let url = redis.ctl("start");
        let (_, address) = url.rsplit_once('@').unwrap();
        let mut relays = Vec::new();
        for _ in 0..REPLICAS {
            relays.push(Relay::start(address.parse().unwrap()).await);
        }
        let own = [0, 1, 2].map(|replica: usize| {
            let through = url.replace(address, &relays[replica].address.to_string());
            vec![(variable("limits.redis_url"), through)]
        });
        // Where the machine is busy, Redis is not gone because it is slow.
        let settings = [("limits.redis_timeout_ms", "1000")];
        let cluster = Arc::new(Cluster::start_with(&plan.pace, &settings, own).await);
        let limited = Limited::furnish(cluster.caller(0).unwrap(), plan.limits, begun).await;
        let sql = "SELECT count(*) FROM events";
        let events_before = cluster.database().await.number(sql, Vec::new()).await;
        let tally = Arc::new(Tally::default());
        let mut changer = |tenant: &Arc<Tenant>| {
            Changer::new(&cluster, &tally, tenant, random.next(), plan.pace.patience)
        };
        let (mut tenants, mut changers, mut sharers) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..plan.pace.tenants {
            let tenant = Tenant::new(&format!("t{number}"));
            let mut keys = changer(&tenant);
            keys.furnish(plan.pace.keys_of_tenant).await;
            keys.create_many(plan.keys_more).await;
            changers.push(Mutex::new(keys));
            sharers.push(Mutex::new(changer(&tenant)));
            tenants.push(tenant);
        }
        let on_stage = ["stage", "hot"].map(Tenant::new);
        let mut changing = changer(&on_stage[0]);
        changing.furnish(1).await;
        let stage = Stage::new(changing, changer(&on_stage[1]));
        let book = Book::default();
        let world = Arc::new(World { cluster, tally, book, tenants, changers, sharers, limited });
        Self {
            strikes: if plan.is_long() { Strikes::all() } else { Strikes::quick() },
            lasting: random.below(REPLICAS),
            plan,
            seed,
            random,
            clocks,
            begun,
            events_before,
            world,
            stage,
            on_stage: on_stage.to_vec(),
            redis,
            relays,
            segments: Vec::new(),
            calm: Default::default(),
            killed: Vec::new(),
            _keeper: keeper,
        }
    }

    /// Goes through everything, and tells what came of it.
    pub(crate) async fn complete(mut self) -> Report {
        assert!(redis_counts(&self.world).await, "{}", self.world.cluster.log());
        let saturating = self.world.saturate(self.plan.saturating, &mut self.random).await;
        self.judge().await;
        let at_most = self.world.book.told();
        self.world.book.clear();
        let rate = (saturating * DRIVEN).min(self.plan.rate_max);
        println!("endurance: {saturating:.0} calls a second at the most, {rate:.0} from here on");
        let going = self.set_out(rate);
        self.open_calm();
        let begun = Instant::now();
        self.quiet().await;
        let mut strikes = 0;
        while begun.elapsed() < self.plan.span || strikes < self.plan.strikes {
            strikes += 1;
            let is_late = begun.elapsed() >= self.plan.any_may_end();
            let lasting = is_late.then_some(self.lasting);
            let (strike, replica) = self.strikes.next(&mut self.random, lasting);
            self.strike(strike, replica).boxed().await;
            self.quiet().await;
        }
        self.close_calm();
        self.report(going, saturating, rate, at_most).boxed().await
    }

    fn set_out(&mut self, rate: f64) -> Going {
        let over = CancellationToken::new();
        let world = &self.world;
        let driving = Arc::clone(world).drive(rate, self.random.next(), over.clone());
        let sampling = samples::take(Arc::clone(world), Instant::now(), over.clone());
        let seeds: [u64; REPLICAS] = [(); REPLICAS].map(|()| self.random.next());
        let streams = seeds.into_iter().enumerate();
        let streams = streams
            .map(|(it, seed)| tokio::spawn(lasting(Arc::clone(world), it, seed, over.clone())));
        Going {
            driving: tokio::spawn(driving),
            streams: streams.collect(),
            sampling: tokio::spawn(sampling),
            over,
        }
    }

    /// How often any program lost Redis so far.
    fn lost(&self) -> u64 {
        self.world.cluster.log().matches(LOST).count() as u64
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// From here on Redis counts for all.
    fn open_calm(&mut self) {
        self.calm = (self.now() + HELD, self.lost());
    }

    fn close_calm(&mut self) {
        let (from, before) = self.calm;
        let (to, lost) = (self.now(), self.lost() - before);
        let lost = (lost > 0).then_some(lost + 1);
        self.segments.push(Segment { from, to, lost });
    }

    /// Nothing is broken for a while.
    async fn quiet(&mut self) {
        self.world.tally.is_quiet.store(true, Ordering::SeqCst);
        let [least, more] = self.plan.quiet;
        let mut left = least + more.mul_f64(self.random.below(1_000) as f64 / 1_000.0);
        while left > Duration::ZERO {
            let span = left.min(JUDGED_EVERY);
            tokio::time::sleep(span).await;
            left -= span;
        }
        self.judge().await;
    }

    /// Breaks something, mends it, and judges what was answered meanwhile.
    async fn strike(&mut self, strike: Strike, replica: usize) {
        let (begun, from) = (Instant::now(), self.now());
        let world = Arc::clone(&self.world);
        let changes = world.tally.changes();
        world.tally.is_quiet.store(false, Ordering::SeqCst);
        let before = self.lost();
        if strike.touches_limits() {
            self.close_calm();
        }
        let name = strike.name();
        // A fault that does not end is named, too.
        println!("endurance: {:>6.1} s {name} at {replica} begins", from.as_secs_f64());
        let struck = self.do_strike(strike, replica).boxed().await;
        if strike.kills() {
            self.killed.push(Killed { replica, from, to: self.now() });
        }
        self.recover().await;
        if strike.touches_limits() {
            assert!(redis_counts(&world).await, "Redis is not used: {}", world.cluster.log());
            // Once for each replica, as if it had begun anew.
            let lost = Some(self.lost() - before + REPLICAS as u64);
            self.segments.push(Segment { from, to: self.now(), lost });
            self.open_calm();
        }
        world.tally.note(|figures| match struck {
            Ok(()) => *figures.faults.entry(name.to_owned()).or_default() += 1,
            Err(why) => figures.without_effect.push(format!("{name}: {why}")),
        });
        let answers = self.judge().await;
        println!(
            "endurance: {:>6.1} s {name} at {replica}: {} changes, {answers} answers in {:.1} s, {} violations",
            self.begun.elapsed().as_secs_f64(),
            world.tally.changes() - changes,
            begun.elapsed().as_secs_f64(),
            world.tally.figures().violations,
        );
    }

    async fn do_strike(&mut self, strike: Strike, replica: usize) -> Effect {
        let Self { plan, world, stage, redis, relays, .. } = self;
        let Strike::Replica(fault) = strike else {
            let outage = plan.pace.outage;
            return strike_redis(strike, world, redis, relays, replica, outage).await;
        };
        let place = Place { pace: &plan.pace, cluster: &world.cluster, tally: &world.tally };
        fault.strike(place, stage, replica).await
    }

    /// Judges all that was answered so far, and how much it was. Nothing is changed meanwhile.
    async fn judge(&mut self) -> usize {
        self.stage.changer.rest().await;
        let world = Arc::clone(&self.world);
        let _rest = world.at_rest().await;
        let answers = world.tally.seen.lock().unwrap().len();
        judge(&world.tally, self.clocks);
        answers
    }

    /// Waits until a change through every replica is done, and every replica answers by it.
    async fn recover(&mut self) {
        let begun = Instant::now();
        let (world, within) = (&self.world, self.plan.pace.recovered_within);
        let key = self.stage.changer.tenant.key(0);
        for replica in 0..REPLICAS {
            self.stage.changer.rotate(&key, Some(replica)).await;
            let secret = key.newest_secret();
            for asked in 0..REPLICAS {
                let mut interval = tokio::time::interval(INTERVAL);
                while ask(&world.cluster, &world.tally, asked, &key, &secret).await.is_none() {
                    let log = || world.cluster.log();
                    assert!(begun.elapsed() < within, "replica {asked} is lost: {}", log());
                    interval.tick().await;
                }
            }
        }
        world.tally.note(|figures| figures.recoveries.push(begun.elapsed()));
        for key in std::mem::take(&mut self.stage.again) {
            for replica in 0..REPLICAS {
                ask(&world.cluster, &world.tally, replica, &key, &key.newest_secret()).await;
            }
        }
    }

    /// Asks a replica for a key until it answers, as long as recovering may take.
    async fn is_answered(&self, key: &Arc<Key>, replica: usize) -> bool {
        let (world, secret) = (&self.world, key.newest_secret());
        let answered = async {
            let mut interval = tokio::time::interval(INTERVAL);
            while ask(&world.cluster, &world.tally, replica, key, &secret).await.is_none() {
                interval.tick().await;
            }
        };
        tokio::time::timeout(self.plan.pace.recovered_within, answered).await.is_ok()
    }

    async fn report(
        mut self,
        going: Going,
        saturating: f64,
        driven: f64,
        at_most: serde_json::Value,
    ) -> Report {
        going.over.cancel();
        let (due, took) = going.driving.await.unwrap();
        for stream in going.streams {
            stream.await.unwrap();
        }
        let samples = going.sampling.await.unwrap();
        self.world.tally.is_quiet.store(false, Ordering::SeqCst);
        let world = Arc::clone(&self.world);
        let rest = world.at_rest().await;
        // Each key once more, everywhere: what is in memory, beside what was acknowledged.
        let keys = world.tally.made.lock().unwrap().clone();
        let mut unasked = Vec::new();
        for key in &keys {
            let asked = (0..REPLICAS).map(|replica| self.is_answered(key, replica));
            let answered = futures_util::future::join_all(asked).await;
            unasked.extend(answered.contains(&false).then(|| key.name()));
        }
        drop(rest);
        self.judge().await;
        let more = self.on_stage.iter().filter(|tenant| tenant.policy.returned() > 0);
        let more: Vec<&Tenant> = more.map(|tenant| &**tenant).collect();
        let lost = found::look(&world, &more).await;
        let sql = "SELECT count(*) FROM events";
        let events = world.cluster.database().await.number(sql, Vec::new()).await;
        let verified = tokio::task::block_in_place(|| world.cluster.verify());
        let counted = counted(&world, &self.killed).await;
        let calls = std::mem::take(&mut *world.limited.calls.lock().unwrap());
        let span = took.as_secs_f64();
        Report {
            seed: self.seed,
            is_long: self.plan.is_long(),
            has_all_faults: self.plan.has_all_faults(),
            json: self.plan.json,
            rates: Rates { saturating, driven, due, took },
            at_most,
            changes: world.tally.changes(),
            events: events - self.events_before,
            figures: world.tally.figures(),
            answers: world.tally.answers.load(Ordering::SeqCst),
            lost,
            unasked,
            panics: self.world.cluster.log().matches(PANICKED).count(),
            memory: verdict::memory(&samples, span, self.plan.growth_kib),
            descriptors: verdict::descriptors(&samples, span),
            limits: limited::judge(world.limited.limits, &calls, &self.segments),
            counted,
            killed: self.killed.len(),
            verified: (verified.status.success(), String::from_utf8(verified.stdout).unwrap()),
            recovered_within: self.plan.pace.recovered_within,
            world,
        }
    }
}
