//! Programs on one database count the calls of one key; they are started anew, killed, and lose
//! the database.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use keyward::proto;
use prost_types::Timestamp;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::{
    LONG,
    caller::Caller,
    fresh::Fresh,
    metrics_reader::Metrics,
    postgres::Server,
    process::{Deployment, Serving, variable},
    replicas::with_key,
};

/// Calls of one client.
const CALLS: i64 = 200;
const CLIENTS: usize = 3;
/// How often something is looked at until it is so.
const INTERVAL: Duration = Duration::from_millis(20);
/// What is written all the time, and what is not before the end.
const ALWAYS: &str = "10";
const NEVER: &str = "3600000";

const NAMES: [&str; 2] = ["workspaces/counted", "workspaces/counted/keys/counted"];

fn question(secret: &str) -> proto::IntrospectRequest {
    proto::IntrospectRequest { secret: secret.to_owned(), ..Default::default() }
}

/// Asks from several clients at once.
async fn ask(serving: &Serving, root_secret: &str, secret: &str) {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut caller = Caller::connect(serving.address, root_secret).await;
        let secret = secret.to_owned();
        clients.push(tokio::spawn(async move {
            for _ in 0..CALLS {
                let answer = caller.introspect.introspect(question(&secret)).await.unwrap();
                assert!(answer.into_inner().active);
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
}

fn terminate(mut serving: Serving) {
    let kill = format!("kill -TERM {}", serving.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    serving.end();
}

fn in_seconds(seconds: i64) -> Option<Timestamp> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Some(Timestamp { seconds: i64::try_from(now).unwrap() + seconds, nanos: 0 })
}

/// The calls of a workspace or key that are kept. None: the database cannot be asked.
async fn kept(root: &mut Caller, name: &str) -> Option<i64> {
    let request = proto::GetUsageRequest {
        name: name.to_owned(),
        start_time: in_seconds(-7_200),
        end_time: in_seconds(3_600),
        ..Default::default()
    };
    match root.admin.get_usage(request).await {
        Ok(usage) => {
            let points = usage.into_inner().points;
            Some(points.iter().flat_map(|point| &point.counts).map(|count| count.calls).sum())
        }
        Err(status) => {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            None
        }
    }
}

/// Waits until so many calls are kept, or more.
async fn until_kept(root: &mut Caller, calls: i64) {
    let kept_so_many = async {
        let mut interval = tokio::time::interval(INTERVAL);
        while kept(root, NAMES[1]).await.is_none_or(|kept| kept < calls) {
            interval.tick().await;
        }
    };
    tokio::time::timeout(LONG, kept_so_many).await.unwrap();
}

fn deployment(database: &Fresh, settings: &[(&str, &str)]) -> Deployment {
    let url = database.url();
    let usual =
        [("database.url", &*url), ("database.migrate_on_start", "true"), ("log.level", "warn")];
    Deployment::new(&[&usual[..], settings].concat())
}

/// One that writes so often.
async fn start(deployment: &Deployment, interval_ms: &str) -> Serving {
    let interval = (variable("usage.flush_interval_ms"), interval_ms.to_owned());
    deployment.start_with(ServingStatus::Serving, &[interval]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_equal_calls_over_three_programs_and_a_restart_by_sigterm() {
    let database = Fresh::new().await;
    let deployment = deployment(&database, &[]);
    let root_secret = deployment.bootstrap();
    let start = async |interval_ms| start(&deployment, interval_ms).await;
    let [one, two, three] = [start(ALWAYS).await, start(NEVER).await, start(NEVER).await];
    let mut root = Caller::connect(one.address, &root_secret).await;
    let secret = with_key(&mut root, "counted").await;

    let all = [&one, &two, &three].map(|serving| ask(serving, &root_secret, &secret));
    futures_util::future::join_all(all).await;
    terminate(three);
    let three = start(NEVER).await;
    let all = [&one, &two, &three].map(|serving| ask(serving, &root_secret, &secret));
    futures_util::future::join_all(all).await;
    for serving in [one, two, three] {
        terminate(serving);
    }

    let reader = deployment.serve().await;
    let mut root = Caller::connect(reader.address, &root_secret).await;
    let expected = 6 * CALLS * i64::try_from(CLIENTS).unwrap();
    for name in NAMES {
        assert_eq!(kept(&mut root, name).await, Some(expected), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_killed_loses_what_came_after_its_last_write_and_nothing_is_twice() {
    const ROUNDS: usize = 5;
    let database = Fresh::new().await;
    let deployment = deployment(&database, &[]);
    let root_secret = deployment.bootstrap();
    let reader = deployment.serve().await;
    let mut root = Caller::connect(reader.address, &root_secret).await;
    let secret = with_key(&mut root, "counted").await;
    let mut most = 0;
    for _ in 0..ROUNDS {
        let mut killed = start(&deployment, ALWAYS).await;
        // What is answered and then written is never lost.
        let before = kept(&mut root, NAMES[1]).await.unwrap();
        ask(&killed, &root_secret, &secret).await;
        let calls = CALLS * i64::try_from(CLIENTS).unwrap();
        until_kept(&mut root, before + calls).await;
        let least = before + calls;
        most += calls;
        // Killed while it answers and writes.
        let (asked, stop) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut caller = Caller::connect(killed.address, &root_secret).await;
        let asking = {
            let (asked, stop, secret) = (Arc::clone(&asked), Arc::clone(&stop), secret.clone());
            tokio::spawn(async move {
                while !stop.load(SeqCst) {
                    asked.fetch_add(1, SeqCst);
                    if caller.introspect.introspect(question(&secret)).await.is_err() {
                        break;
                    }
                }
            })
        };
        let some_are_kept = async { while kept(&mut root, NAMES[1]).await.unwrap() == least {} };
        tokio::time::timeout(LONG, some_are_kept).await.unwrap();
        killed.kill();
        stop.store(true, SeqCst);
        asking.await.unwrap();
        most += asked.load(SeqCst);
        for name in NAMES {
            let kept = kept(&mut root, name).await.unwrap();
            assert!(least < kept && kept <= most, "{name}: {least} < {kept} <= {most}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_a_program_answers_and_counts_in_little_room_and_loses_nothing() {
    let server = Server::start();
    let database = Fresh::on(server.url.clone()).await;
    let deployment = deployment(
        &database,
        &[
            ("replicas.lease_ms", "1000"),
            ("replicas.bounded_stale_ms", "600000"),
            ("log.level", "error"),
        ],
    );
    let root_secret = deployment.bootstrap();
    let first = start(&deployment, NEVER).await;
    let mut root = Caller::connect(first.address, &root_secret).await;
    let secret = with_key(&mut root, "counted").await;
    terminate(first);

    let hasty = [
        ("usage.flush_interval_ms", ALWAYS),
        ("database.acquire_timeout_ms", "500"),
        ("database.statement_timeout_ms", "500"),
    ];
    let hasty = hasty.map(|(name, value)| (variable(name), value.to_owned()));
    let serving = deployment.start_with(ServingStatus::Serving, &hasty).await;
    let mut root = Caller::connect(serving.address, &root_secret).await;
    // On a busy machine the database may be too slow for that at first.
    let is_known = async {
        while let Err(status) = root.introspect.introspect(question(&secret)).await {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        }
    };
    tokio::time::timeout(LONG, is_known).await.unwrap();
    ask(&serving, &root_secret, &secret).await;
    let mut calls = 1 + CALLS * i64::try_from(CLIENTS).unwrap();
    until_kept(&mut root, calls).await;

    server.kill();
    // Each time it is tried in vain there is more to write.
    for _ in 0..3 {
        let metrics = || Metrics::of(serving.metrics);
        let failures = || metrics().value("keyward_usage_failures_total");
        let before = failures();
        let fails = async {
            let mut interval = tokio::time::interval(INTERVAL);
            while failures() == before {
                interval.tick().await;
                let answer = root.introspect.introspect(question(&secret)).await.unwrap();
                assert!(answer.into_inner().active);
                calls += 1;
            }
        };
        tokio::time::timeout(LONG, fails).await.unwrap();
        // Two keys with one outcome, in at most two hours: what is counted, what waits, and what is
        // being written.
        let entries = metrics().value("keyward_usage_entries");
        assert!((1.0..=12.0).contains(&entries), "{entries}");
        assert_eq!(metrics().value("keyward_usage_dropped_total"), 0.0);
    }
    let answer = root.introspect.introspect(question(&secret)).await.unwrap().into_inner();
    assert!(answer.active && answer.stale_since.is_some(), "{answer:?}");
    calls += 1;

    server.start_again();
    until_kept(&mut root, calls).await;
    for name in NAMES {
        assert_eq!(kept(&mut root, name).await, Some(calls), "{name}");
    }
}
