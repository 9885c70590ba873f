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

#[tokio::test]
async fn redis_gives_batches_within_the_rate_and_takes_them_back() {
    let replica = Replica::start(&url(), LONG).await;
    let hour = Duration::from_hours(1);
    let rate = Rate::from(&limit(10, hour, 0));
    let id = key().to_string();
    let take = |least, most, back| {
        let order = Order { limit: id.clone(), rate, least, most, back };
        let redis = Arc::clone(&replica.redis);
        async move { redis.take(&order).await.unwrap() }
    };
    let given = |taken, remaining| Batch { taken, remaining, wait: Duration::ZERO };
    assert_eq!(take(1, 4, 0).await, given(4, 6));
    assert_eq!(take(1, 100, 0).await, given(6, 0));
    let Batch { taken, remaining, wait } = take(2, 5, 0).await;
    assert_eq!((taken, remaining), (0, 0));
    assert!(wait <= hour / 5 && wait > hour / 5 - LONG, "{wait:?}");
    assert_eq!(take(1, 1, 3).await, given(1, 2));
    let least = take(3, 5, 0).await;
    assert_eq!((least.taken, least.remaining), (0, 2));
    // What is given back twice is not more than there is.
    assert_eq!(take(1, 1, 100).await, given(1, 9));
}

#[tokio::test]
async fn the_largest_rates_are_counted_exactly_too() {
    let replica = Replica::start(&url(), LONG).await;
    let (most, year) = (1_000_000_000, Duration::from_hours(366 * 24));
    let rate = Rate::from(&limit(1, year, most));
    let take = |least, most| {
        let order =
            Order { limit: "largest".to_owned() + &key().to_string(), rate, least, most, back: 0 };
        let redis = Arc::clone(&replica.redis);
        async move {
            let first = redis.take(&order).await.unwrap();
            (first, redis.take(&Order { least: 1, most: 1, ..order }).await.unwrap())
        }
    };
    let (first, second) = take(most, most).await;
    assert_eq!((first.taken, first.remaining, second.taken), (most, 0, 0));
    assert!(second.wait <= year && second.wait > year - LONG, "{:?}", second.wait);
    let (first, second) = take(1, most - 1).await;
    assert_eq!((first.taken, first.remaining, second.taken), (most - 1, 1, 1));
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
