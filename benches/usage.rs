//! What a million keys that are used in an hour cost: the count of one use, the memory of what is
//! not written yet, and the time to write all of it, in an SQLite file and on PostgreSQL.
//!
//! `cargo bench --bench usage [-- --keys N]`; PostgreSQL where `KEYWARD_TEST_POSTGRES` names one.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

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
use tokio::runtime::Handle;

/// How often each key is used before it is written.
const ROUNDS: u64 = 3;
/// Never while this runs: the end writes.
const INTERVAL: Duration = Duration::from_secs(86_400);

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
    runtime.block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::new(directory.path().join("keyward.db"))).await.unwrap();
        measure("SQLite", store, keys).await;
        if std::env::var_os("KEYWARD_TEST_POSTGRES").is_some() {
            let database = fresh::Fresh::new().await;
            let store = Store::connect(&options(database.parts())).await.unwrap();
            measure("PostgreSQL", store, keys).await;
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

async fn measure(database: &str, store: Store, keys: u64) {
    store.migrate().await.unwrap();
    let names: Vec<(KeyName, Digest)> = (0..keys).map(named).collect();
    let before = resident();
    let meter = Arc::new(Meter::default());
    let mut first = Duration::ZERO;
    let begun = Instant::now();
    for round in 0..ROUNDS {
        let at = LastUse { time: SystemClock.now(), address: Some([192, 0, 2, 1].into()) };
        for (key, digest) in &names {
            meter.count(Use { key, digest, outcome: Outcome::Allowed, at });
        }
        if round == 0 {
            first = begun.elapsed();
        }
    }
    let again = (begun.elapsed() - first) / u32::try_from(ROUNDS - 1).unwrap();
    let counted = meter.counted();
    let each = |time: Duration| time.as_nanos() / u128::from(keys);
    println!(
        "{database}: {} entries, {} MiB; a first use {} ns, a further one {} ns",
        counted.entries,
        (resident() - before) / 1024,
        each(first),
        each(again),
    );
    let store: Arc<dyn KeepUsage> = Arc::new(store);
    for _ in 0..2 {
        let id = uuid::Uuid::now_v7().to_string().parse().unwrap();
        let source = Source { store: Arc::clone(&store), clock: Arc::new(SystemClock), id };
        let begun = Instant::now();
        Flusher::start(Arc::clone(&meter), source, INTERVAL, &Handle::current()).finish().await;
        let (took, counted) = (begun.elapsed(), meter.counted());
        println!(
            "{database}: written in {took:.1?}, {} batches so far: {counted:?}",
            counted.batches
        );
        // The second time the rows are there, and are added to.
        let at = LastUse { time: SystemClock.now(), address: None };
        for (key, digest) in &names {
            meter.count(Use { key, digest, outcome: Outcome::Allowed, at });
        }
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
