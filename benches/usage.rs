//! What a million keys that are used in an hour cost: the count of one use, the memory of what is
//! not written yet, and the time to write all of it, in an SQLite file and on PostgreSQL.
//!
//! `cargo bench --bench usage [-- --keys N]`; PostgreSQL where `KEYWARD_TEST_POSTGRES` names one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

#[path = "../tests/postgres/database.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod fresh;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use keyward::{
    clock::SystemClock,
    config::Connection,
    domain::{
        name::KeyName,
        ports::Clock as _,
        secret::Digest,
        usage::{CountUses as _, KeepUsage, LastUse, Outcome, Use},
    },
    store::{Options, PostgresOptions, Store, Tls},
    usage::{Flusher, Meter, Source},
};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;

/// Never while this runs: the end writes.
const INTERVAL: Duration = Duration::from_secs(86_400);
/// Keys that are used in a second, once there are rows of all.
const IN_A_SECOND: usize = 50_000;
/// Keys that a processor's cache has room for.
const FEW: usize = 10_000;
/// Calls of each thread where the cost of one is measured.
const CALLS: usize = 2_000_000;
/// How often it is measured.
const ROUNDS: usize = 5;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut keys = 1_000_000;
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--keys" => keys = arguments.next().unwrap().parse().unwrap(),
            // What `cargo bench` says of itself.
            "--bench" => {}
            unknown => panic!("what is {unknown}?"),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let names: Vec<(KeyName, Digest)> = (0..keys).map(named).collect();
    counting(names.get(..FEW).unwrap_or(&names));
    counting(&names);
    holding(&names);
    runtime.block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::new(directory.path().join("keyward.db"))).await.unwrap();
        writing("SQLite", store, &names).await;
        if std::env::var_os("KEYWARD_TEST_POSTGRES").is_some() {
            let database = fresh::Fresh::new().await;
            let store = Store::connect(&options(database.parts())).await.unwrap();
            writing("PostgreSQL", store, &names).await;
        }
    });
}

fn options(parts: Connection) -> PostgresOptions {
    let Connection { host, port, name, user, password, .. } = parts;
    let patience = Duration::from_secs(30);
    PostgresOptions {
        host,
        port,
        name,
        user,
        password,
        tls: Tls::Off,
        tls_authorities: None,
        read_connections: 1,
        connect_timeout: patience,
        acquire_timeout: patience,
        statement_timeout: patience,
    }
}

type Names = [(KeyName, Digest)];

fn count(meter: &Meter, names: &Names) {
    let at = LastUse { time: SystemClock.now(), address: Some([192, 0, 2, 1].into()) };
    for (key, digest) in names {
        meter.count(Use { key, digest, outcome: Outcome::Allowed, at });
    }
}

/// With room for each key in the part of each thread.
fn meter(keys: usize) -> Arc<Meter> {
    Arc::new(Meter::new(4 * keys, 100_000))
}

/// The time that this thread has had of a processor, whatever else runs.
fn processor() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// What a call costs on each of two threads, once there is an entry of each key.
fn counting(names: &Names) {
    let meter = meter(names.len());
    let took = std::thread::scope(|scope| {
        let count_all = || {
            count(&meter, names);
            let rounds = (0..ROUNDS).map(|_| {
                let begun = processor();
                for _ in 0..CALLS / names.len() {
                    count(&meter, names);
                }
                processor() - begun
            });
            let mut rounds: Vec<_> = rounds.collect();
            rounds.sort_unstable();
            rounds
        };
        [(); 2].map(|()| scope.spawn(count_all)).map(|thread| thread.join().unwrap())
    });
    let calls = u128::try_from(CALLS / names.len() * names.len()).unwrap();
    let at = |place: usize| took.each_ref().map(|took| took[place].as_nanos() / calls);
    println!(
        "a further use of {} keys, on two threads at once: {:?} ns, rounds {:?} to {:?}",
        names.len(),
        at(ROUNDS / 2),
        at(0),
        at(ROUNDS - 1)
    );
}

/// The memory of entries, and what the first use of each key costs.
fn holding(names: &Names) {
    let (before, meter, mut longest) = (resident(), meter(names.len()), Duration::ZERO);
    let begun = Instant::now();
    for name in names {
        let one = Instant::now();
        count(&meter, std::slice::from_ref(name));
        longest = longest.max(one.elapsed());
    }
    let each = begun.elapsed().as_nanos() / u128::try_from(names.len()).unwrap();
    let entries = meter.counted().entries;
    let bytes = (resident() - before) * 1024;
    println!(
        "{entries} entries take {} MiB, {} bytes each; a first use {each} ns, the longest {longest:.1?}",
        bytes / 1024 / 1024,
        bytes / entries,
    );
}

async fn writing(database: &str, store: Store, names: &Names) {
    store.migrate().await.unwrap();
    let store: Arc<dyn KeepUsage> = Arc::new(store);
    let write = async |what: &str, names: &Names| {
        let meter = meter(names.len());
        count(&meter, names);
        let id = uuid::Uuid::now_v7().to_string().parse().unwrap();
        let source = Source { store: Arc::clone(&store), clock: Arc::new(SystemClock), id };
        let begun = Instant::now();
        Flusher::start(Arc::clone(&meter), source, INTERVAL, &Handle::current())
            .finish(INTERVAL)
            .await;
        let (took, counted) = (begun.elapsed(), meter.counted());
        assert_eq!((counted.entries, counted.failures), (0, 0));
        let rate = names.len() as f64 / took.as_secs_f64();
        println!(
            "{database}: {} keys, {what}: {took:.1?} in {} batches, {rate:.0} keys/s",
            names.len(),
            counted.batches
        );
    };
    write("for the first time", names).await;
    write("once more", names).await;
    for part in names.chunks(IN_A_SECOND).take(5) {
        write("some of them", part).await;
    }
}

fn named(number: u64) -> (KeyName, Digest) {
    // As digests are: no order in them.
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0; Digest::LEN];
    let places = bytes.iter_mut().zip(mixed.to_be_bytes());
    places.for_each(|(place, byte)| *place = byte);
    let key = uuid::Builder::from_unix_timestamp_millis(number, &[7; 10]).into_uuid();
    let key = format!("workspaces/w{}/keys/{key}", number % 100).parse().unwrap();
    (key, Digest::from_bytes(bytes))
}

/// Memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
