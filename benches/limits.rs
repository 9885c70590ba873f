//! What the rate limits of a call cost: in this process, and over Redis for a key that is used much
//! and for one that is not.
//!
//! `cargo bench --bench limits`; Redis where `KEYWARD_TEST_REDIS` names one.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::{
    sync::{Arc, Barrier},
    time::{Duration, Instant},
};

use keyward::{
    clock::SystemStopwatch,
    domain::{
        limit::{Charge, Limiter, Marks},
        name::KeyName,
        policy::RateLimit,
    },
    limits::{Alone, Counter as _, Local, Redis, Refuse, Shared, Tally},
};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Handle, Runtime};
use tokio_util::sync::CancellationToken;

const KEYS: usize = 100_000;
const THREADS: usize = 2;
const ROUNDS: usize = 15;
/// Calls of each thread in a round.
const CALLS: usize = 400_000;
/// How many ask at once about a key that is used much.
const AT_ONCE: usize = 64;
/// Calls of each of them in a round.
const CALLS_EACH: usize = 5_000;
/// Keys in a round of those that are not used otherwise.
const COLD: usize = 2_000;

/// Which is never spent.
fn limit(name: &str) -> RateLimit {
    let window = Duration::from_secs(1);
    RateLimit { name: name.into(), quota: 1_000_000_000, window, ..RateLimit::default() }
}

/// A key, with what is kept with it to find its counts.
type Key = (KeyName, Marks);

fn keys() -> Vec<Key> {
    let key = |number| -> KeyName { format!("workspaces/acme/keys/key-{number}").parse().unwrap() };
    (0..KEYS).map(key).map(|key| (key.clone(), Marks::of(&key))).collect()
}

fn charge<'a>(
    (key, marks): &'a Key,
    key_limits: &'a [RateLimit],
    workspace_limits: &'a [RateLimit],
    tells: bool,
) -> Charge<'a> {
    let marks = *marks;
    Charge { key, marks, key_limits, workspace_limits, class: "", cost: 1, tells }
}

/// A number after the other, without an order.
fn shuffled(seed: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed as u64 + 1) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 20).unwrap()
    })
}

/// The time that this thread has had of a processor, whatever else runs.
fn processor() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

fn told(what: &str, unit: &str, mut rounds: Vec<f64>) {
    rounds.sort_by(f64::total_cmp);
    let at = |part: usize| rounds.get(rounds.len() * part / 100).copied().unwrap_or_default();
    let (least, most) = (at(0), at(99));
    println!("{what:58} {:8.1} {unit}, rounds {least:.1} to {most:.1}", at(50));
}

fn main() {
    println!("medians of {ROUNDS} rounds");
    let keys = Arc::new(keys());
    for (threads, tells) in [(1, false), (1, true), (THREADS, false)] {
        let local = Arc::new(Local::new(Arc::new(SystemStopwatch), Arc::new(Alone)));
        let limiter = Tally::new(Arc::clone(&local) as _, Some(local), None);
        in_process(&Arc::new(limiter), &keys, threads, tells);
    }
    if let Ok(url) = std::env::var("KEYWARD_TEST_REDIS") {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(over_redis(&url, &keys));
    }
}

/// A limit of each key and one of all of them, by so many threads.
fn in_process(limiter: &Arc<Tally>, keys: &Arc<Vec<Key>>, threads: usize, tells: bool) {
    let rounds = (0..=ROUNDS).map(|round| {
        let begin = Arc::new(Barrier::new(threads));
        let run = |thread| {
            let (limiter, keys, begin) =
                (Arc::clone(limiter), Arc::clone(keys), Arc::clone(&begin));
            std::thread::spawn(move || {
                let (own, all) = ([limit("key")], [limit("all")]);
                let places: Vec<_> = shuffled(round * THREADS + thread).take(CALLS).collect();
                begin.wait();
                let begun = processor();
                for place in places {
                    let key = keys.get(place % keys.len()).unwrap();
                    let verdict = limiter.take_now(&charge(key, &own, &all, tells));
                    let verdict = verdict.unwrap().unwrap();
                    assert!(verdict.wait.is_none());
                }
                (processor() - begun).as_nanos() as f64 / CALLS as f64
            })
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        let took: Vec<_> = running.into_iter().map(|thread| thread.join().unwrap()).collect();
        took.iter().sum::<f64>() / threads as f64
    });
    // In the first round the keys are not known.
    let rounds = rounds.skip(1).collect();
    let told_too = if tells { ", told" } else { "" };
    told(&format!("key and workspace, {KEYS} keys, threads: {threads}{told_too}"), "ns", rounds);
}

async fn over_redis(url: &str, keys: &[Key]) {
    let redis = Arc::new(Redis::new(url, Duration::from_secs(5)).unwrap());
    let (keeping, stop) = (Arc::clone(&redis), CancellationToken::new());
    let _until_dropped = stop.clone().drop_guard();
    tokio::spawn(async move { keeping.keep(stop).await });
    while !redis.is_here() {
        tokio::task::yield_now().await;
    }
    let counter = Arc::clone(&redis) as _;
    let stopwatch = Arc::new(SystemStopwatch);
    let shared = Shared::new(counter, Arc::new(Refuse), stopwatch, Handle::current());
    hot(&shared).await;
    cold(&shared, keys).await;
}

/// Many who ask about one key, whose limit alone is counted.
async fn hot(shared: &Shared) {
    let key: Arc<Key> = Arc::new(unused("hot"));
    let (mut rounds, mut orders) = (Vec::new(), Vec::new());
    for _ in 0..=ROUNDS {
        let (before, begun) = (shared.orders(), Instant::now());
        let mut tasks = Vec::new();
        for _ in 0..AT_ONCE {
            let (shared, key) = (shared.clone(), Arc::clone(&key));
            tasks.push(tokio::spawn(async move {
                let own = limit("key");
                for _ in 0..CALLS_EACH {
                    take(&shared, &key, &own).await;
                    // As after any answer.
                    tokio::task::yield_now().await;
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let calls = (AT_ONCE * CALLS_EACH) as f64;
        rounds.push(begun.elapsed().as_nanos() as f64 / calls);
        orders.push((shared.orders() - before) as f64 * 1_000_000.0 / calls);
    }
    let skip = |rounds: Vec<f64>| rounds.into_iter().skip(1).collect();
    told("over Redis, one key, 64 callers, per call", "ns", skip(rounds));
    told("… batches ordered for a million calls", "", skip(orders));
}

/// One who asks about another key each time.
async fn cold(shared: &Shared, keys: &[Key]) {
    let (own, mut rounds) = (limit("key"), Vec::new());
    let mut fresh = keys.iter().enumerate().map(|(at, _)| unused(&format!("cold-{at}")));
    for _ in 0..=ROUNDS {
        let begun = Instant::now();
        for key in fresh.by_ref().take(COLD) {
            take(shared, &key, &own).await;
        }
        rounds.push(begun.elapsed().as_nanos() as f64 / COLD as f64 / 1_000.0);
    }
    let rounds = rounds.into_iter().skip(1).collect();
    told("over Redis, another key each time, one caller", "µs", rounds);
}

/// A key of which Redis knows nothing.
fn unused(name: &str) -> Key {
    let key: KeyName = format!("workspaces/w{}/keys/{name}", uuid::Uuid::now_v7()).parse().unwrap();
    (key.clone(), Marks::of(&key))
}

/// As calls do it: what is in hand is taken at once, and else waited for.
async fn take(limiter: &impl Limiter, key: &Key, own: &RateLimit) {
    let charge = charge(key, std::slice::from_ref(own), &[], false);
    let verdict = match limiter.take_now(&charge) {
        Some(verdict) => verdict,
        None => limiter.take(&charge).await,
    };
    assert!(verdict.unwrap().wait.is_none());
}
