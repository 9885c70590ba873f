//! What a change costs where it must be in force on many replicas when its call returns: real
//! processes on a real PostgreSQL, and a hundred replicas as tasks of one process.
//!
//! `cargo bench --bench replicas [-- --json FILE] [--rounds N] [--only revoke|change|rates]`
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]

#[path = "../tests/kill/caller.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod caller;
#[path = "replicas/cluster.rs"]
mod cluster;
#[path = "../tests/postgres/database.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod fresh;
#[path = "replicas/many.rs"]
mod many;
#[path = "../tests/postgres/server.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod postgres;
#[path = "../tests/kill/process.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod process;
#[path = "replicas/sample.rs"]
mod sample;

use std::time::Duration;

use cluster::{Cluster, Kind};
use postgres::Server;
use sample::{Report, Sample};

/// How many changes a round is.
const CHANGES: usize = 100;
/// Who changes things at the same time.
const CALLERS: [usize; 2] = [16, 64];
/// How many changes each of those makes in a round.
const EACH: usize = 100;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut file, mut rounds, mut only) = (None, 5, None);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--json" => file = Some(arguments.next().unwrap()),
            "--only" => only = arguments.next(),
            "--rounds" => rounds = arguments.next().unwrap().parse().unwrap(),
            // What `cargo bench` says of itself.
            "--bench" => {}
            unknown => panic!("what is {unknown}?"),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let wants = |name: &str| only.as_deref().is_none_or(|only| name.starts_with(only));
    let report = runtime.block_on(measure(rounds, wants));
    if let Some(file) = file {
        std::fs::write(file, report.json()).unwrap();
    }
}

async fn measure(rounds: usize, wants: impl Fn(&str) -> bool) -> Report {
    let server = Server::start();
    let mut report = Report::default();
    if wants("revoke") {
        revokes(&server, rounds, &mut report).await;
    }
    if wants("rates") {
        rates(&server, rounds, &mut report).await;
    }
    if wants("change") {
        let many = many::changes(&server, 100, rounds, CHANGES / 2).await;
        report.times("change_100", "Change, replicas (tasks of one process)", 100, &many);
        // As long as a lease lasts, so that all have renewed.
        let renewals = many::renewals(&server, 100, Duration::from_secs(4)).await;
        report.rates("renewals_per_s_100", "Renewals/s at rest, replicas", 100, &[renewals]);
    }
    report
}

async fn revokes(server: &Server, rounds: usize, report: &mut Report) {
    for replicas in [1, 3, 10] {
        let mut cluster = Cluster::start(server, replicas, &[]).await;
        let revokes = cluster.revokes(rounds, CHANGES).await;
        report.times(&format!("revoke_{replicas}"), "Revoke, replicas", replicas, &revokes);
    }
    let polling = [("replicas.doorbell", "false"), ("replicas.poll_interval_ms", "100")];
    let mut cluster = Cluster::start(server, 3, &polling).await;
    let revokes = cluster.revokes(rounds, CHANGES / 4).await;
    report.times("revoke_3_polling", "Revoke by polling each 100 ms, replicas", 3, &revokes);
    drop(cluster);

    let (mut first, mut then) = (Sample::default(), Vec::new());
    for _ in 0..rounds {
        let mut cluster = Cluster::start(server, 3, &[]).await;
        cluster.pause(2);
        let stopped = cluster.revokes(1, 1).await;
        first.0.extend(stopped.into_iter().flat_map(|sample| sample.0));
        then.extend(cluster.revokes(1, CHANGES / 4).await);
    }
    report.times("revoke_3_stopped_first", "First Revoke after one stopped, replicas", 3, &[first]);
    report.times("revoke_3_stopped_then", "Revokes after that, replicas", 3, &then);
}

/// How many changes are made in a second, by callers spread over the replicas.
async fn rates(server: &Server, rounds: usize, report: &mut Report) {
    for replicas in [1, 3] {
        let mut cluster = Cluster::start(server, replicas, &[]).await;
        for (kind, name) in [(Kind::Create, "CreateKey"), (Kind::Update, "UpdateKey")] {
            for callers in CALLERS {
                let rates = cluster.rates(rounds, kind, callers, EACH).await;
                let what = format!("{name}/s, {callers} callers, replicas");
                let name = format!("{}_per_s_{replicas}_{callers}", name.to_lowercase());
                report.rates(&name, &what, replicas, &rates);
            }
        }
    }
}
