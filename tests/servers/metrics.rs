//! What a program on PostgreSQL tells of itself, and that it is so.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use keyward::proto;
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database};
use serde_json::Value;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::{
    LONG,
    caller::Caller,
    fresh::Fresh,
    metrics_reader::{Metrics, status},
    policy,
    postgres::Server,
    process::{Deployment, Serving},
    proxy::Proxy,
};

/// How many questions are asked in a round, in which nothing may go to the database.
const QUESTIONS: u64 = 100;
/// How many of them at once.
const AT_ONCE: usize = 10;
/// Each looks up its caller, and the key that it is of.
const LOOK_UPS: u64 = 2;
/// How many rounds must be quiet.
const QUIET: usize = 10;
/// In how many more something else may go there: a renewal or a look, each 20 s apart, falls in few.
const OTHERS: usize = 10;

async fn knows(mut caller: Caller, secret: String) {
    let request = proto::IntrospectRequest { secret, ..Default::default() };
    assert!(caller.introspect.introspect(request).await.unwrap().into_inner().active);
}

/// Waits until it answers that: on a busy machine its lease may be over at any time.
async fn comes_to_know(mut caller: Caller, secret: &str) {
    let coming = async {
        loop {
            let request =
                proto::IntrospectRequest { secret: secret.to_owned(), ..Default::default() };
            match caller.introspect.introspect(request).await {
                Ok(answer) => break assert!(answer.into_inner().active),
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
            }
        }
    };
    tokio::time::timeout(LONG, coming).await.unwrap();
}

/// It says that it does not serve, again and again: for longer than it would take to say otherwise
/// without asking anybody.
pub(crate) async fn stays_down(serving: &Serving) {
    let mut interval = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..50 {
        interval.tick().await;
        assert_eq!(serving.says().await, Some(ServingStatus::NotServing));
    }
}

/// Waits until the status, as it is told, is so.
pub(crate) async fn until(address: SocketAddr, is_so: impl Fn(&Value) -> bool) -> Value {
    let coming = async {
        loop {
            let told = status(address);
            if is_so(&told) {
                break told;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, coming).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cached_answer_makes_no_call_to_the_database() {
    let database = Fresh::new().await;
    let server = database.url();
    let (_, place) = server.rsplit_once('@').unwrap();
    let proxy = Proxy::start(place.split_once('/').unwrap().0.parse().unwrap()).await;
    let url = proxy.through(&server);
    let deployment = Deployment::new(&[
        ("database.url", &url),
        ("database.migrate_on_start", "true"),
        ("replicas.lease_ms", "60000"),
        ("replicas.poll_interval_ms", "20000"),
        ("usage.flush_interval_ms", "3600000"),
        // Who divides limits counts the replicas every second.
        ("limits.without_redis", "refuse"),
    ]);
    let secret = deployment.bootstrap();
    let serving = deployment.serve().await;
    let caller = Caller::connect(serving.address, &secret).await;

    // The instrument works: what is not in memory is seen.
    let before = proxy.traffic();
    knows(caller.clone(), secret.clone()).await;
    let loaded = proxy.traffic();
    assert!(loaded.sent > before.sent && loaded.received > before.received, "{loaded:?}");

    let (mut quiet, mut seen) = (0, Vec::new());
    while quiet < QUIET {
        let (metrics, traffic) = (Metrics::of(serving.metrics), proxy.traffic());
        for _ in 0..QUESTIONS / AT_ONCE as u64 {
            join_all((0..AT_ONCE).map(|_| knows(caller.clone(), secret.clone()))).await;
        }
        let (then, traffic_then) = (Metrics::of(serving.metrics), proxy.traffic());
        let grew = |name: &str| then.value(name) - metrics.value(name);
        assert_eq!(grew("keyward_cache_hits_total"), (LOOK_UPS * QUESTIONS) as f64);
        for none in ["misses", "loads", "joins", "refused"] {
            assert_eq!(grew(&format!("keyward_cache_{none}_total")), 0.0, "{none}");
        }
        if traffic_then == traffic {
            quiet += 1;
        } else {
            seen.push((traffic, traffic_then));
            assert!(seen.len() <= OTHERS, "only {quiet} rounds were quiet: {seen:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_whose_lease_is_over_says_so_and_that_it_is_back() {
    let server = Server::start();
    let database = Fresh::on(server.url.clone()).await;
    let deployment = Deployment::new(&[
        ("database.url", &database.url()),
        ("database.migrate_on_start", "true"),
        ("replicas.lease_ms", "1000"),
        ("replicas.poll_interval_ms", "200"),
    ]);
    let secret = deployment.bootstrap();
    let mut serving = deployment.serve().await;
    let caller = Caller::connect(serving.address, &secret).await;
    comes_to_know(caller.clone(), &secret).await;
    for _ in 0..2 {
        server.pause();
        assert!(serving.comes_to(ServingStatus::NotServing).await, "{}", deployment.log());
        // Told without the database, which does not answer.
        let metrics = Metrics::of(serving.metrics);
        assert_eq!(metrics.value("keyward_replica_lease_seconds"), 0.0);
        assert_eq!(metrics.value("keyward_replica_state{state=\"none\"}"), 1.0);
        assert_eq!(metrics.value("keyward_replica_state{state=\"valid\"}"), 0.0);
        let told = status(serving.metrics);
        assert_eq!(told["replica"]["lease"], "none", "{told}");
        assert_eq!(told["replica"]["lease_left_ms"], 0, "{told}");
        let request = proto::IntrospectRequest { secret: secret.clone(), ..Default::default() };
        crate::without_lease(caller.clone().introspect.introspect(request).await);
        stays_down(&serving).await;
        server.resume();
        assert!(serving.comes_to(ServingStatus::Serving).await, "{}", deployment.log());
        comes_to_know(caller.clone(), &secret).await;
    }
    until(serving.metrics, |told| told["replica"]["lease"] == "valid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_answers_after_its_lease_is_stale() {
    let server = Server::start();
    let database = Fresh::on(server.url.clone()).await;
    let deployment = Deployment::new(&[
        ("database.url", &database.url()),
        ("database.migrate_on_start", "true"),
        ("replicas.lease_ms", "1000"),
        ("replicas.poll_interval_ms", "200"),
        ("replicas.bounded_stale_ms", "600000"),
    ]);
    let serving = deployment.serve().await;
    server.pause();
    until(serving.metrics, |told| told["replica"]["lease"] == "stale").await;
    let metrics = Metrics::of(serving.metrics);
    assert_eq!(metrics.value("keyward_replica_state{state=\"stale\"}"), 1.0);
    assert_eq!(metrics.value("keyward_replica_lease_seconds"), 0.0);
    server.resume();
    until(serving.metrics, |told| told["replica"]["lease"] == "valid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_revisions_and_durability_are_told() {
    let server = Server::start();
    let database = Fresh::on(server.url.clone()).await;
    let url = database.url();
    let deployment =
        Deployment::new(&[("database.url", &url), ("database.migrate_on_start", "true")]);
    let secret = deployment.bootstrap();
    let one = deployment.serve().await;
    let told = status(one.metrics);
    assert_eq!(
        (&told["ready"], &told["version"]),
        (&true.into(), &env!("CARGO_PKG_VERSION").into())
    );
    let replica = &told["replica"];
    assert_eq!(replica["replicas"], 1, "{told}");
    assert_eq!(replica["lease"], "valid", "{told}");
    assert!((1..=4_000).contains(&replica["lease_left_ms"].as_u64().unwrap()), "{told}");
    let alone = serde_json::json!({
        "on_disk": true, "standbys": 0, "synchronous": false, "survives_fail_over": true,
    });
    assert_eq!(replica["durability"], alone);
    let metrics = Metrics::of(one.metrics);
    let lease = metrics.value("keyward_replica_lease_seconds");
    assert!(0.0 < lease && lease <= 4.0, "{lease}");
    for (series, value) in [
        ("keyward_replica_state{state=\"valid\"}", 1.0),
        ("keyward_replica_state{state=\"stale\"}", 0.0),
        ("keyward_replica_state{state=\"none\"}", 0.0),
        ("keyward_replicas", 1.0),
        ("keyward_database_durability{on_disk=\"true\",synchronous=\"false\"}", 1.0),
        ("keyward_database_standbys", 0.0),
    ] {
        assert_eq!(metrics.value(series), value, "{series}");
    }

    // Of what only the database knows it is told before long, though nobody changes anything.
    let mut two = deployment.serve().await;
    let admin = ConnectOptions::new(&server.url).max_connections(1).sqlx_logging(false).to_owned();
    let admin = Database::connect(admin).await.unwrap();
    admin.execute_unprepared("ALTER SYSTEM SET fsync = off").await.unwrap();
    admin.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
    let told = until(one.metrics, |told| {
        told["replica"]["replicas"] == 2 && told["replica"]["durability"]["on_disk"] == false
    });
    let told = told.await;
    assert_eq!(told["replica"]["durability"]["survives_fail_over"], false, "{told}");
    let metrics = Metrics::of(one.metrics);
    assert_eq!(metrics.value("keyward_replicas"), 2.0);
    let weaker = "keyward_database_durability{on_disk=\"false\",synchronous=\"false\"}";
    assert_eq!(metrics.value(weaker), 1.0);
    assert!(!metrics.0.contains_key(&weaker.replacen("false", "true", 1)), "{metrics:?}");

    // A change of one is applied by the other, and both say so.
    let before = status(two.metrics)["replica"]["applied_revision"].as_i64().unwrap();
    let mut root = Caller::connect(one.address, &secret).await;
    let request = proto::CreatePolicyRequest {
        policy_id: "web".to_owned(),
        policy: Some(policy()),
        ..Default::default()
    };
    root.admin.create_policy(request).await.unwrap();
    for serving in [&one, &two] {
        let now = before + 1;
        let told = until(serving.metrics, |told| {
            told["replica"]["applied_revision"] == now && told["replica"]["head_revision"] == now
        });
        told.await;
        let metrics = Metrics::of(serving.metrics);
        assert_eq!(metrics.value("keyward_replica_applied_revision"), now as f64);
        assert_eq!(metrics.value("keyward_replica_head_revision"), now as f64);
    }
    let ids = [&one, &two].map(|serving| status(serving.metrics)["replica"]["id"].clone());
    assert_ne!(ids[0], ids[1]);
    two.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_waits_for_its_database_tells_so() {
    let database = Fresh::new().await;
    let deployment = Deployment::new(&[("database.url", &database.url())]);
    let mut serving = deployment.start(ServingStatus::NotServing).await;
    assert_eq!(status(serving.metrics)["ready"], false);
    let waiting = Metrics::of(serving.metrics);
    assert_eq!(waiting.0.len(), 2, "the version alone: {waiting:?}");
    assert!(deployment.run(&["migrate"]).status.success());
    assert!(serving.comes_to(ServingStatus::Serving).await, "{}", deployment.log());
    assert_eq!(status(serving.metrics)["ready"], true);
    assert_eq!(Metrics::of(serving.metrics).value("keyward_replicas"), 1.0);
}
