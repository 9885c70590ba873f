//! Rate limits of two programs on one database.

use keyward::proto::{self, DenyReason};
use tonic::Code;

use crate::{
    LONG,
    caller::Caller,
    fresh::Fresh,
    furnish_with,
    metrics::until,
    metrics_reader::Metrics,
    policy,
    process::{Deployment, Serving},
    redis::Server,
    refused,
};

/// So much comes at once, and nothing back while a test runs.
const QUOTA: i64 = 12;

/// Two programs with these settings, their callers, and the secret of a key that has a limit.
struct Pair {
    servings: [Serving; 2],
    roots: [Caller; 2],
    secret: String,
    deployment: Deployment,
    _database: Fresh,
}

impl Pair {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let database = Fresh::new().await;
        let url = database.url();
        let mut all = vec![("database.url", &*url), ("database.migrate_on_start", "true")];
        all.extend(settings);
        let deployment = Deployment::new(&all);
        let root_secret = deployment.bootstrap();
        let servings = [deployment.serve().await, deployment.serve().await];
        let mut roots = [
            Caller::connect(servings[0].address, &root_secret).await,
            Caller::connect(servings[1].address, &root_secret).await,
        ];
        let secret = on_plan(&mut roots[0], "limited").await;
        Self { servings, roots, secret, deployment, _database: database }
    }

    /// How many of the questions that one of them is asked pass, until none does.
    async fn passed(&mut self, replica: usize) -> i64 {
        let mut passed = 0;
        loop {
            let answer = ask(&mut self.roots[replica], &self.secret).await.unwrap().into_inner();
            match answer.reason() {
                DenyReason::Unspecified => passed += 1,
                DenyReason::RateLimited => return passed,
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn ask(
    root: &mut Caller,
    secret: &str,
) -> Result<tonic::Response<proto::IntrospectResponse>, tonic::Status> {
    let request = proto::IntrospectRequest { secret: secret.to_owned(), ..Default::default() };
    root.introspect.introspect(request).await
}

/// Makes a policy, a workspace of a name that no other has, and a key on this plan.
async fn on_plan(root: &mut Caller, plan: &str) -> String {
    let id = format!("w{}", uuid::Uuid::new_v4());
    let window = Some(prost_types::Duration { seconds: 366 * 24 * 3_600, nanos: 0 });
    let limit = proto::RateLimit { name: "all".into(), quota: QUOTA, window, ..Default::default() };
    let plans = vec![
        proto::Plan { name: "limited".into(), key_limits: vec![limit], ..Default::default() },
        proto::Plan { name: "open".into(), ..Default::default() },
    ];
    furnish_with(root, &id, proto::Policy { plans, ..policy() }, plan).await;
    let key = proto::Key {
        display_name: "a key".to_owned(),
        grants: vec![proto::Grant { scope: "docs:read".to_owned(), ..Default::default() }],
        ..Default::default()
    };
    let request = proto::CreateKeyRequest {
        parent: format!("workspaces/{id}"),
        key: Some(key),
        ..Default::default()
    };
    root.admin.create_key(request).await.unwrap().into_inner().secret
}

/// How many calls passed, were refused, and could not be told.
fn decisions(metrics: &Metrics) -> [f64; 3] {
    ["passed", "refused", "unknown"].map(|outcome| {
        metrics.value(&format!("keyward_limits_decisions_total{{outcome=\"{outcome}\"}}"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_of_two_lets_half_of_a_limit_through() {
    let mut pair = Pair::start(&[]).await;
    for serving in &pair.servings {
        until(serving.metrics, |told| told["replica"]["replicas"] == 2).await;
    }
    assert_eq!([pair.passed(0).await, pair.passed(1).await], [QUOTA / 2, QUOTA / 2]);
    for serving in &pair.servings {
        let metrics = Metrics::of(serving.metrics);
        assert_eq!(decisions(&metrics), [QUOTA as f64 / 2.0, 1.0, 0.0]);
        assert_eq!(metrics.value("keyward_limits_holders"), 1.0);
        let is_of_redis = |series: &&String| series.contains("orders") || series.contains("redis");
        assert_eq!(metrics.0.keys().find(is_of_redis), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_nothing_that_has_limits_is_let_through_where_the_settings_say_so() {
    let mut pair = Pair::start(&[("limits.without_redis", "refuse")]).await;
    refused(ask(&mut pair.roots[0], &pair.secret).await, "LIMITS_UNAVAILABLE");
    assert_eq!(decisions(&Metrics::of(pair.servings[0].metrics)), [0.0, 0.0, 1.0]);
    let open = on_plan(&mut pair.roots[0], "open").await;
    let answer = ask(&mut pair.roots[1], &open).await.unwrap().into_inner();
    assert_eq!(answer.reason(), DenyReason::Unspecified);
}

/// Waits until both know whether Redis answers.
async fn both_know_redis(pair: &Pair, is_up: f64) {
    for serving in &pair.servings {
        let coming = async {
            while Metrics::of(serving.metrics).value("keyward_limits_redis_up") != is_up {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, coming).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_lose_redis_and_find_it_again_let_no_more_than_one_burst_through_each_time() {
    let redis = Server::new();
    let url = redis.ctl("start");
    let mut pair =
        Pair::start(&[("limits.redis_url", &url), ("limits.redis_timeout_ms", "10000")]).await;
    for serving in &pair.servings {
        until(serving.metrics, |told| told["replica"]["replicas"] == 2).await;
    }
    both_know_redis(&pair, 1.0).await;
    let spent_before = pair.secret.clone();
    assert_eq!(pair.passed(0).await + pair.passed(1).await, QUOTA);

    redis.ctl("stop");
    assert!(pair.passed(0).await + pair.passed(1).await <= QUOTA);
    pair.secret = on_plan(&mut pair.roots[0], "limited").await;
    assert_eq!([pair.passed(0).await, pair.passed(1).await], [QUOTA / 2; 2]);
    both_know_redis(&pair, 0.0).await;
    assert_eq!([pair.passed(0).await, pair.passed(1).await], [0; 2]);

    redis.ctl("start");
    both_know_redis(&pair, 1.0).await;
    assert_eq!(pair.passed(1).await + pair.passed(0).await, QUOTA, "Redis knows of none");
    pair.secret = spent_before;
    assert!(pair.passed(0).await + pair.passed(1).await <= QUOTA);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_counts_for_both_and_its_password_is_in_no_log() {
    let url = std::env::var("KEYWARD_TEST_REDIS").unwrap();
    let settings = [
        ("limits.redis_url", &*url),
        ("limits.without_redis", "refuse"),
        // What is given in an answer that comes too late is lost.
        ("limits.redis_timeout_ms", "60000"),
    ];
    let mut pair = Pair::start(&settings).await;
    let mut passed = 0;
    for replica in 0..2 {
        // Until it has reached Redis.
        let coming = async {
            loop {
                match ask(&mut pair.roots[replica], &pair.secret).await {
                    Ok(answer) => break answer.into_inner().reason(),
                    Err(status) => assert_eq!(status.code(), Code::Unavailable),
                }
            }
        };
        let first = tokio::time::timeout(LONG, coming).await.unwrap();
        passed += i64::from(first == DenyReason::Unspecified);
        if replica == 0 {
            for _ in 0..QUOTA / 2 {
                let answer = ask(&mut pair.roots[0], &pair.secret).await.unwrap().into_inner();
                passed += i64::from(answer.reason() == DenyReason::Unspecified);
            }
        }
    }
    passed += pair.passed(1).await + pair.passed(0).await;
    assert_eq!(passed, QUOTA);
    let mut together = 0.0;
    for serving in &pair.servings {
        let metrics = Metrics::of(serving.metrics);
        assert_eq!(metrics.value("keyward_limits_redis_up"), 1.0);
        assert!(metrics.value("keyward_limits_orders_total") >= 1.0);
        assert_eq!(metrics.value("keyward_limits_holders"), 1.0);
        together += decisions(&metrics)[0];
    }
    assert_eq!(together, QUOTA as f64);
    let password = url.split([':', '@']).nth(2).unwrap();
    assert!(password.len() > 20);
    assert!(!pair.deployment.log().contains(password));
}
