//! A collector that is gone, hangs, or wants to know whom it serves.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use tokio::net::TcpListener;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::{
    LONG, World,
    metrics_reader::Metrics,
    process::Deployment,
    question,
    receiver::{Received, Receiver},
};

/// What calls may take while there is trouble: far less than what a collector is waited for.
const CALLS: usize = 200;

/// How long the collector is waited for at the end.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How often it is tried where a busy machine took all of that.
const TRIES: usize = 3;

async fn ask(world: &World) {
    let mut caller = world.caller().await;
    for _ in 0..CALLS {
        caller.introspect.introspect(question(&world.secret)).await.unwrap();
    }
}

fn settings(url: &str) -> [(&str, &str); 3] {
    [
        ("telemetry.otlp_endpoint", url),
        ("telemetry.sample_ratio", "1"),
        ("telemetry.metrics_interval_ms", "100"),
    ]
}

/// Asks the program to end, and waits until it has.
fn end(world: &mut World) {
    let id = world.serving.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    world.serving.end();
}

const FAILS: &str = "does not take telemetry";

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_gone_is_told_of_once_and_its_spans_are_counted() {
    // A port that is reserved, and never given to who asks for any.
    let world = World::new(&settings("http://127.0.0.1:1")).await;
    ask(&world).await;
    let failed = "keyward_telemetry_spans_total{outcome=\"failed\"}";
    let fails = async |calls: usize| {
        let coming = async {
            while Metrics::of(world.serving.metrics).value(failed) < calls as f64 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, coming).await.unwrap();
    };
    fails(CALLS).await;
    world.logs(FAILS, 2).await;
    ask(&world).await;
    fails(2 * CALLS).await;
    // Of traces and of metrics, each once, however often they fail.
    assert_eq!(world.deployment.log().matches(FAILS).count(), 2, "{}", world.deployment.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_costs_no_call_and_does_not_keep_the_process() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut world = World::new(&settings(&url)).await;
    ask(&world).await;
    let metrics = Metrics::of(world.serving.metrics);
    assert_eq!(metrics.value("keyward_telemetry_spans_total{outcome=\"sent\"}"), 0.0);
    let begun = Instant::now();
    end(&mut world);
    // Of these it is three seconds that the collector is waited for.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_sent_before_the_end() {
    for _ in 0..TRIES {
        let receiver = Receiver::start().await;
        let mut world = World::new(&settings(&receiver.url)).await;
        ask(&world).await;
        let begun = Instant::now();
        end(&mut world);
        let took = begun.elapsed();
        let sent = receiver.now().spans;
        let calls = sent.iter().filter(|span| span.name == "keyward.v1.Introspect/Introspect");
        let calls = calls.count();
        // Who ends before that gives nothing up.
        if took < LAST_WORDS || calls >= CALLS {
            return assert_eq!(calls, CALLS);
        }
    }
    panic!("{TRIES} times the collector was waited for in vain");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_reach_the_collector_and_nobody_else() {
    let receiver = Receiver::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("headers");
    write_private(&file, "x-vendor-key: hunter2\n");
    let path = file.display().to_string();
    let mut given = settings(&receiver.url).to_vec();
    given.extend([("telemetry.otlp_headers_file", path.as_str()), ("log.level", "trace")]);
    let world = World::new(&given).await;
    ask(&world).await;
    let arrived = |received: &Received| received.headers.contains_key("x-vendor-key");
    let received = receiver.until(arrived).await;
    assert_eq!(received.headers.get("x-vendor-key").unwrap(), "hunter2");
    assert!(!world.deployment.log().contains("hunter2"));
}

/// For its owner alone to read.
fn write_private(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn headers_that_cannot_be_read_keep_it_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("headers");
    let path = file.display().to_string();
    let deployment = Deployment::new(&[
        ("telemetry.otlp_endpoint", "http://127.0.0.1:1"),
        ("telemetry.otlp_headers_file", &path),
    ]);
    for (text, mode, said) in [
        (None, 0o600, "cannot read"),
        (Some("hunter2"), 0o600, "[1]"),
        (Some("x-vendor-key: hunter2"), 0o644, "open to others"),
    ] {
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let output = deployment.run(&["serve"]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(said), "{told}");
        assert!(
            told.contains("telemetry.otlp_headers_file") && !told.contains("hunter2"),
            "{told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_to_end_while_it_waits_for_its_database_tells_what_there_is() {
    let receiver = Receiver::start().await;
    let deployment = Deployment::new(&[
        // A port that is reserved, and never given to who asks for any.
        ("database.url", "postgres://nobody@127.0.0.1:1/none?sslmode=disable"),
        // What is tried is tried to its end before the process ends, or for ten seconds.
        ("database.connect_timeout_ms", "5000"),
        ("back.threads", "1"),
        ("telemetry.otlp_endpoint", &receiver.url),
    ]);
    let mut serving = deployment.start(ServingStatus::NotServing).await;
    let id = serving.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    serving.end();
    // What there was to tell was told.
    receiver.until(|received| !received.metrics.is_empty()).await;
}
