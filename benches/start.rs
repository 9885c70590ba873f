//! How long the program takes from its execution to the first Health/Check that says SERVING, with
//! many keys in the database.
//!
//! `cargo bench --bench start [-- --json FILE] [--keys N] [--rounds N] [--on postgres]`; without a
//! word, 100,000 keys in a file. The file is kept under `target/bench` and used again.
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
#[expect(dead_code, reason = "others need more of it")]
mod keys;
#[path = "../tests/postgres/server.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod postgres;
#[path = "furnish/report.rs"]
#[expect(dead_code, reason = "others need more of it")]
mod report;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use keys::{Furnished, Shape};
use report::Report;
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// Who makes the keys says so here when all are made.
const DONE: &str = "done";
/// How long nothing is tried after a try that failed.
const PAUSE: Duration = Duration::from_millis(1);
/// More than any start may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The start does not look at scopes, but all that a key is stands in its rows.
const SHAPE: Shape = Shape { scopes: 2, cidrs: 3 };

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut file, mut keys, mut rounds, mut on) = (None, 100_000, 7, None);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--json" => file = arguments.next().map(PathBuf::from),
            "--keys" => keys = arguments.next().unwrap().parse().unwrap(),
            "--rounds" => rounds = arguments.next().unwrap().parse().unwrap(),
            "--on" => on = arguments.next(),
            // What `cargo bench` says of itself.
            "--bench" => {}
            unknown => panic!("what is {unknown}?"),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let count = if keys == 1_000_000 { "1m".to_owned() } else { keys.to_string() };
    let mut report = Report::default();
    match on.as_deref() {
        None | Some("sqlite") => {
            let directory = kept(&format!("start-{count}"));
            let times = runtime.block_on(measure(&directory, None, keys, rounds));
            report.note(&format!("start_to_serving_{count}_s"), "s", &times);
        }
        Some("postgres") => {
            let (server, directory) = (postgres::Server::start(), tempfile::tempdir().unwrap());
            let database = runtime.block_on(fresh::Fresh::on(server.url.clone()));
            let url = Some(database.url());
            let times = runtime.block_on(measure(directory.path(), url, keys, rounds));
            report.note(&format!("start_to_serving_{count}_postgres_s"), "s", &times);
        }
        Some(unknown) => panic!("what is {unknown}?"),
    }
    report.write(file);
}

/// A directory beside what is built.
fn kept(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench").join(name);
    if !directory.join(DONE).exists() {
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
    }
    directory
}

async fn measure(directory: &Path, url: Option<String>, keys: usize, rounds: usize) -> Vec<f64> {
    let done = directory.join(DONE);
    if !done.exists() {
        let begun = Instant::now();
        let furnished = Furnished::new(&keys::settings(directory, url.clone())).await;
        furnished.keys("w", keys, SHAPE).await;
        furnished.store.close().await;
        fs::write(done, "").unwrap();
        println!("{keys} keys made in {:.0?}", begun.elapsed());
    }
    let mut times = Vec::new();
    for round in 0..=rounds {
        let time = start(directory, url.as_deref()).await.as_secs_f64();
        // The first one reads the program from the disk.
        if round > 0 {
            times.push(time);
        }
    }
    times
}

/// Starts it, and ends it once it serves.
async fn start(directory: &Path, url: Option<&str>) -> Duration {
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [address, metrics] = ports.map(|port| port.local_addr().unwrap());
    let database = match url {
        Some(url) => ("KEYWARD__DATABASE__URL", url.to_owned()),
        None => ("KEYWARD__DATABASE__PATH", directory.join("keyward.db").display().to_string()),
    };
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .arg("serve")
        .env_clear()
        .envs([database])
        .env("KEYWARD__KEYRING__PATH", directory.join("keyward.keyring"))
        .env("KEYWARD__LOG__LEVEL", "error")
        .env("KEYWARD__SERVER__LISTEN", address.to_string())
        .env("KEYWARD__METRICS__LISTEN", metrics.to_string())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let serving = tokio::time::timeout(PATIENCE, serves(address, &mut child)).await;
    let took = begun.elapsed();
    let asked = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    let ended = child.wait().unwrap();
    assert!(serving.is_ok() && asked.success() && ended.success(), "{serving:?}, {ended}");
    took
}

/// Asks until it says so.
async fn serves(address: SocketAddr, child: &mut Child) {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    loop {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        if let Ok(channel) = endpoint.connect().await {
            let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
            if answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving) {
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
