//! Rate limits that replicas share over a real Redis.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use keyward::{
    clock::SystemStopwatch,
    domain::{
        limit::{CannotTell, Charge, Limiter as _, Rate, Verdict, Wait},
        name::KeyName,
        policy::RateLimit,
    },
    limits::{Batch, Counter as _, Order, Redis, Refuse, Shared},
};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

const REPLICAS: usize = 3;
/// More than anything takes, even on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

/// One replica's way to Redis. It ends with the value.
struct Replica {
    redis: Arc<Redis>,
    shared: Shared,
    _until_dropped: DropGuard,
}

impl Replica {
    async fn start(url: &str, patience: Duration) -> Self {
        let redis = Arc::new(Redis::new(url, patience).unwrap());
        let (keeping, stop) = (Arc::clone(&redis), CancellationToken::new());
        let stopped = stop.clone();
        tokio::spawn(async move { keeping.keep(stopped).await });
        let counter = Arc::clone(&redis) as _;
        let stopwatch = Arc::new(SystemStopwatch);
        let shared = Shared::new(counter, Arc::new(Refuse), stopwatch, Handle::current());
        let replica = Self { redis, shared, _until_dropped: stop.drop_guard() };
        replica.until(true).await;
        replica
    }

    async fn until(&self, is_here: bool) {
        let begun = Instant::now();
        let mut interval = tokio::time::interval(Duration::from_millis(5));
        while self.redis.is_here() != is_here {
            assert!(begun.elapsed() < LONG, "Redis is not as it should be");
            interval.tick().await;
        }
    }

    async fn take(&self, key: &KeyName, limit: &RateLimit) -> Result<Verdict, CannotTell> {
        let charge = Charge { key, key_limits: vec![limit], workspace_limits: vec![], cost: 1 };
        self.shared.take(&charge).await
    }
}

fn url() -> String {
    std::env::var("KEYWARD_TEST_REDIS").expect("KEYWARD_TEST_REDIS is set by tests/run")
}

/// A key that no other test has.
fn key() -> KeyName {
    format!("workspaces/acme/keys/{}", uuid::Uuid::new_v4()).parse().unwrap()
}

fn limit(quota: u64, window: Duration, burst: u64) -> RateLimit {
    RateLimit { name: "a".into(), quota, window, burst, ..RateLimit::default() }
}

fn ctl(command: &str, directory: &Path) -> String {
    let ctl = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redis/ctl");
    let output = Command::new(ctl).arg(command).arg(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A server of the test's own, which ends with the value.
struct Server(tempfile::TempDir);

impl Drop for Server {
    fn drop(&mut self) {
        ctl("stop", self.0.path());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_together_let_no_more_through_than_the_limit_and_hardly_less() {
    let limit = limit(400, Duration::from_secs(1), 100);
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(Arc::new(Replica::start(&url(), LONG).await));
    }
    let (key, passed, begun) = (key(), Arc::new(AtomicU64::new(0)), Instant::now());
    let end = begun + Duration::from_secs(3);
    let mut tasks = Vec::new();
    for replica in replicas.iter().cycle().take(2 * REPLICAS) {
        let (replica, key, limit) = (Arc::clone(replica), key.clone(), limit.clone());
        let passed = Arc::clone(&passed);
        tasks.push(tokio::spawn(async move {
            let rate = Rate::from(&limit);
            while Instant::now() < end {
                let verdict = replica.take(&key, &limit).await.unwrap();
                if verdict.wait.is_some() {
                    tokio::task::yield_now().await;
                    continue;
                }
                let count = passed.fetch_add(1, SeqCst) + 1;
                let most = rate.burst() + rate.comes_back_in(begun.elapsed());
                assert!(count <= most, "{count} of {most}");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let rate = Rate::from(&limit);
    let most = rate.burst() + rate.comes_back_in(end - begun);
    let passed = passed.load(SeqCst);
    assert!(passed >= most * 95 / 100, "{passed} of {most}");
}

/// What is given of this rate, again and again.
async fn given(rate: Rate, orders: &[(u64, u64, u64)]) -> Vec<Batch> {
    let replica = Replica::start(&url(), LONG).await;
    let id = key().to_string();
    let mut batches = Vec::new();
    for &(slack, least, most) in orders {
        let order = Order { rate, slack, least, most };
        batches.push(replica.redis.take(&id, &order).await.unwrap());
    }
    batches
}

/// In an hour nothing comes back while a test runs, but for a part of one.
const HOUR: Duration = Duration::from_hours(1);

/// Sees to it that so much was given, and that these are the levels, but for what comes back of
/// one.
#[track_caller]
fn are(batches: &[Batch], expected: &[(u64, u64)]) {
    assert_eq!(batches.len(), expected.len());
    for (batch, (taken, level)) in batches.iter().zip(expected) {
        assert_eq!(batch.taken, *taken, "{batches:?}");
        let level = level * 1_000_000;
        assert!((level.saturating_sub(999_999)..=level).contains(&batch.level), "{batches:?}");
    }
}

#[tokio::test]
async fn redis_gives_from_the_least_to_the_most_and_no_more_than_there_is() {
    let orders = [(0, 1, 4), (0, 7, 9), (0, 1, 100), (0, 2, 5), (0, 1, 1)];
    let batches = given(Rate::from(&limit(10, HOUR, 0)), &orders).await;
    are(&batches, &[(4, 4), (0, 4), (6, 10), (0, 10), (0, 10)]);
}

#[tokio::test]
async fn redis_keeps_back_what_comes_back_while_a_batch_is_held() {
    let rate = Rate::from(&limit(10, HOUR, 0));
    // Nothing is kept back for what is not held, nor for a batch that is not given.
    let batches = given(rate, &[(3, 8, 8), (0, 10, 10), (3, 1, 1)]).await;
    are(&batches, &[(0, 3), (10, 10), (0, 10)]);
    // What was taken before counts, too.
    let batches = given(rate, &[(3, 1, 2), (3, 1, 100), (0, 1, 1)]).await;
    are(&batches, &[(2, 5), (5, 10), (0, 10)]);
    let batches = given(rate, &[(0, 4, 4), (3, 1, 1)]).await;
    are(&batches, &[(4, 4), (1, 5)]);
}

#[tokio::test]
async fn the_largest_rates_are_counted_exactly_too() {
    let (most, year) = (1_000_000_000, Duration::from_hours(366 * 24));
    let rate = Rate::from(&limit(1, year, most));
    are(&given(rate, &[(0, most, most), (0, 1, 1)]).await, &[(most, most), (0, most)]);
    let orders = [(0, 1, most - 1), (0, 1, 1), (0, 1, 1)];
    are(&given(rate, &orders).await, &[(most - 1, most - 1), (1, most), (0, most)]);
}

#[tokio::test]
async fn a_limit_that_becomes_less_keeps_what_was_taken() {
    let replica = Replica::start(&url(), LONG).await;
    let id = key().to_string();
    let take = async |quota, burst| {
        let rate = Rate::from(&limit(quota, HOUR, burst));
        let order = Order { rate, slack: 0, least: 1, most: burst };
        replica.redis.take(&id, &order).await.unwrap()
    };
    let batches = [take(50, 50).await, take(5, 20).await, take(5, 51).await];
    are(&batches, &[(50, 50), (0, 50), (1, 51)]);
}

#[tokio::test]
async fn a_server_that_hangs_or_ends_is_done_without_and_used_again_by_itself() {
    let server = Server(tempfile::tempdir().unwrap());
    let url = ctl("start", server.0.path());
    let replica = Replica::start(&url, Duration::from_millis(200)).await;
    let hour = limit(2, Duration::from_hours(1), 0);
    for (gone, back) in [("pause", "resume"), ("stop", "start")] {
        let key = key();
        assert_eq!(replica.take(&key, &hour).await.unwrap().wait, None);
        ctl(gone, server.0.path());
        // The first question may have to wait until it is noticed.
        assert_eq!(replica.take(&key, &hour).await, Err(CannotTell), "{gone}");
        replica.until(false).await;
        assert_eq!(replica.take(&key, &hour).await, Err(CannotTell), "{gone}");
        ctl(back, server.0.path());
        replica.until(true).await;
        let other = self::key();
        for expected in [None, None, Some(())] {
            let wait = replica.take(&other, &hour).await.unwrap().wait;
            assert_eq!(wait.map(|wait| assert_ne!(wait, Wait::Forever)), expected, "{back}");
        }
    }
}
