//! What a look-up costs that nothing is cached of: a whole Introspect in this process, beside the
//! bare statement through the same pool.
//!
//! As in the server, questions are asked on a front thread and the database is asked on the back.
//! The bare statement is asked on the back, one after another in one task, so no time of it is
//! lost on the way between threads; and once more from the front, to see what that way costs. Each
//! round has a new cache, and asks both about the same keys.
//!
//! `cargo bench --bench cold [-- --json FILE] [--quick] [--keys N] [--only sqlite|postgres]`;
//! PostgreSQL is started for it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]

#[path = "../tests/postgres/database.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod fresh;
#[path = "furnish/keys.rs"]
mod keys;
#[path = "../tests/postgres/server.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod postgres;
#[path = "furnish/report.rs"]
mod report;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use keys::{Furnished, USUAL};
use keyward::{
    back::{Back, BackRuntime},
    cache::{Bounds, Cache, SoleOwner},
    clock::{SystemClock, SystemStopwatch},
    config::Settings,
    domain::{caller::Caller, ports::FindKey as _, secret::Digest},
    introspect::{Introspection, Question},
    limits::{Alone, Local},
    usage::Meter,
};
use report::{Report, median_us};
use tokio::runtime::Runtime;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut file, mut only, mut quick, mut keys) = (None, None, false, 20_000);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--json" => file = arguments.next().map(PathBuf::from),
            "--only" => only = arguments.next(),
            "--keys" => keys = arguments.next().unwrap().parse().unwrap(),
            "--quick" => quick = true,
            // What `cargo bench` says of itself.
            "--bench" => {}
            unknown => panic!("what is {unknown}?"),
        }
    }
    let (rounds, keys) = if quick { (5, keys.min(4_000)) } else { (11, keys) };
    let wants = |name| only.as_deref().is_none_or(|only| only == name);
    let mut report = Report::default();
    let directory = tempfile::tempdir().unwrap();
    if wants("sqlite") {
        let settings = keys::settings(directory.path(), None);
        measure("sqlite", &settings, keys, rounds, &mut report);
    }
    if wants("postgres") {
        let server = postgres::Server::start();
        let runtime = Runtime::new().unwrap();
        let database = runtime.block_on(fresh::Fresh::on(server.url.clone()));
        let settings = keys::settings(directory.path(), Some(database.url()));
        measure("postgres", &settings, keys, rounds, &mut report);
    }
    report.write(file);
}

/// What is asked, and of what.
struct World {
    runtime: BackRuntime,
    back: Back,
    front: Runtime,
    furnished: Furnished,
    asked: Arc<Vec<(String, Digest)>>,
}

fn measure(name: &str, settings: &Settings, keys: usize, rounds: usize, report: &mut Report) {
    let (runtime, back) = Back::start(settings.back.threads).unwrap();
    let front = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let owned = settings.clone();
    let making = back.handle().spawn(async move {
        let furnished = Furnished::new(&owned).await;
        let secrets = furnished.keys("w", keys, USUAL).await;
        (furnished, secrets)
    });
    let (furnished, secrets) = front.block_on(making).unwrap();
    // Neither in the order in which they were made nor next to each other.
    let asked = (0..keys.min(1_000)).map(|number| {
        let secret = secrets[number * 7_919 % keys].clone();
        let digest = furnished.keyring.recognise(&secret).unwrap().digest;
        (secret, digest)
    });
    let asked = Arc::new(asked.collect());
    let world = World { runtime, back, front, furnished, asked };
    let mut rounds_of: [Vec<f64>; 7] = Default::default();
    // In the first one statements are prepared and pages are read.
    for round in 0..=rounds {
        let [mut cold, mut bare] = [0.0; 2];
        for turn in 0..2 {
            match (round + turn) % 2 {
                0 => cold = world.cold(false),
                _ => bare = world.bare(true),
            }
        }
        let from_front = world.bare(false);
        let figures = [
            cold,
            bare,
            cold / bare,
            world.cold(true),
            world.found(),
            from_front,
            cold / from_front,
        ];
        if round > 0 {
            rounds_of.iter_mut().zip(figures).for_each(|(rounds, figure)| rounds.push(figure));
        }
    }
    let [colds, bares, ratios, colds_on_back, founds, from_front, ratios_from_front] = rounds_of;
    report.note(&format!("cold_{name}_us"), "µs", &colds);
    report.note(&format!("cold_{name}_on_back_us"), "µs", &colds_on_back);
    report.note(&format!("found_{name}_us"), "µs", &founds);
    report.note(&format!("bare_{name}_us"), "µs", &bares);
    report.note(&format!("bare_{name}_from_front_us"), "µs", &from_front);
    report.note(&format!("cold_{name}_ratio"), "", &ratios);
    report.note(&format!("cold_{name}_from_front_ratio"), "", &ratios_from_front);
    let closing = world.furnished.store;
    world.runtime.block_on(closing.close());
    let _ = world.runtime.shutdown(Duration::from_secs(10));
}

impl World {
    /// The median of whole calls with an empty cache, in microseconds: asked on the front, as
    /// they are, or on the back, to see what the way between them costs.
    fn cold(&self, on_back: bool) -> f64 {
        let Furnished { store, keyring, root, .. } = &self.furnished;
        let bounds =
            Bounds { bytes_max: 1 << 30, loads_max: 64, load_wait: Duration::from_secs(10) };
        let (store, owner) = (Arc::clone(store) as _, Arc::new(SoleOwner::default()));
        let cache = Arc::new(Cache::new(store, owner, bounds, self.back.handle().clone()));
        let limiter = Arc::new(Local::new(Arc::new(SystemStopwatch), Arc::new(Alone)));
        let (keys, clock) = (Arc::clone(&cache) as _, Arc::new(SystemClock));
        let introspection = Introspection::new(Arc::clone(keyring), keys, clock, limiter)
            .counted_by(Arc::new(Meter::default()));
        let asking = ask(introspection, root.clone(), Arc::clone(&self.asked));
        let times = match on_back {
            true => self.front.block_on(self.back.handle().spawn(asking)).unwrap(),
            false => self.front.block_on(asking),
        };
        let counts = cache.counts();
        assert_eq!((counts.hits, counts.loads), (0, self.asked.len() as u64));
        median_us(times)
    }

    /// The median of the look-up in the store alone, on the back, in microseconds.
    fn found(&self) -> f64 {
        let (store, asked) = (Arc::clone(&self.furnished.store), Arc::clone(&self.asked));
        let asking = self.back.handle().spawn(async move {
            let mut times = Vec::with_capacity(asked.len());
            for (_, digest) in asked.iter() {
                let begun = Instant::now();
                let key = store.find_key(digest).await.unwrap();
                times.push(begun.elapsed());
                assert!(key.is_some());
            }
            times
        });
        median_us(self.front.block_on(asking).unwrap())
    }

    /// The median of the bare statement, in microseconds: asked on the back, or from the front, each
    /// in a task of the back.
    fn bare(&self, on_back: bool) -> f64 {
        let (store, asked) = (Arc::clone(&self.furnished.store), Arc::clone(&self.asked));
        let back = self.back.handle().clone();
        let asking = async move {
            let mut times = Vec::with_capacity(asked.len());
            for number in 0..asked.len() {
                let (store, asked) = (Arc::clone(&store), Arc::clone(&asked));
                let asking = async move { store.ask_bare(&asked[number].1).await };
                let begun = Instant::now();
                let bytes = match on_back {
                    true => asking.await,
                    false => back.spawn(asking).await.unwrap(),
                };
                times.push(begun.elapsed());
                assert!(bytes.unwrap().unwrap() > 0);
            }
            times
        };
        let times = match on_back {
            true => self.front.block_on(self.back.handle().spawn(asking)).unwrap(),
            false => self.front.block_on(asking),
        };
        median_us(times)
    }
}

/// Asks about all of them, one after the other.
async fn ask(
    introspection: Introspection,
    root: Caller,
    asked: Arc<Vec<(String, Digest)>>,
) -> Vec<Duration> {
    let required_scopes = [keys::scope(3)];
    let mut times = Vec::with_capacity(asked.len());
    for (secret, _) in asked.iter() {
        let question = Question {
            secret,
            client_ip: "10.0.2.9",
            required_scopes: required_scopes[..].into(),
            resource: "",
            class: "",
            cost: 1,
            full: false,
            without_hint: false,
        };
        let begun = Instant::now();
        let answer = introspection.introspect(&root, question).await.unwrap();
        times.push(begun.elapsed());
        assert_eq!(answer.decision.denial, None);
    }
    times
}
