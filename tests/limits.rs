//! Rate limits that replicas share over a real Redis.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "redis/refusing.rs"]
mod refusing;
#[path = "redis/server.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod server;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use keyward::{
    clock::SystemStopwatch,
    domain::{
        limit::{CannotTell, Charge, Limiter as _, Marks, Rate, Verdict, Wait},
        name::KeyName,
        policy::RateLimit,
    },
    limits::{Batch, Counter as _, Order, Redis, Refuse, Shared},
};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use server::Server;

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
        refusing::listen();
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

    /// Asks again and again, each time for another key, until it is told.
    async fn until_it_answers(&self, limit: &RateLimit) {
        let begun = Instant::now();
        let mut interval = tokio::time::interval(Duration::from_millis(5));
        while self.take(&key(), limit).await.is_err() {
            assert!(begun.elapsed() < LONG, "Redis is not used");
            interval.tick().await;
        }
    }

    async fn take(&self, key: &KeyName, limit: &RateLimit) -> Result<Verdict, CannotTell> {
        let charge = Charge {
            key,
            marks: Marks::of(key),
            key_limits: std::slice::from_ref(limit),
            workspace_limits: &[],
            class: "",
            cost: 1,
            tells: true,
        };
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

#[tokio::test]
async fn a_clock_of_redis_that_is_set_back_keeps_nothing_from_coming_back_and_all_is_forgotten() {
    let replica = Replica::start(&url(), LONG).await;
    let client = redis::Client::open(url()).unwrap();
    let config = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(Some(LONG))
        .set_response_timeout(Some(LONG));
    let mut beside = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    let id = key().to_string();
    let entry = format!("keyward:limit:{id}");
    let take = async |quota| {
        let rate = Rate::from(&limit(quota, HOUR, 10));
        let order = Order { rate, slack: 0, least: 1, most: 10 };
        replica.redis.take(&id, &order).await.unwrap()
    };
    are(&[take(10).await], &[(10, 10)]);
    // All is back in an hour; a second later it is forgotten.
    let mut pttl = redis::cmd("PTTL");
    let left: i64 = pttl.arg(&entry).query_async(&mut beside).await.unwrap();
    assert!((3_540_000..=3_601_000).contains(&left), "{left}");

    // As if it had been taken in a hundred years, when the clock was wrong.
    let time: (i64, i64) = redis::cmd("TIME").query_async(&mut beside).await.unwrap();
    let wrong = (time.0 + 100 * 366 * 24 * 3_600) * 1_000_000;
    let mut set = redis::cmd("HSET");
    let _: i64 = set.arg(&entry).arg("at").arg(wrong).query_async(&mut beside).await.unwrap();
    are(&[take(10).await], &[(0, 10)]);
    let mut get = redis::cmd("HGET");
    let at: i64 = get.arg(&entry).arg("at").query_async(&mut beside).await.unwrap();
    let now = time.0 * 1_000_000..(time.0 + 60) * 1_000_000;
    assert!(now.contains(&at), "{at}");
    let left: i64 = pttl.query_async(&mut beside).await.unwrap();
    assert!((3_540_000..=3_601_000).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_together_let_no_more_through_than_the_limit() {
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
    // How much of it can be used is for a clock to say that a busy machine does not hold up.
    assert!(passed.load(SeqCst) >= limit.burst);
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
    let server = Server::new();
    let url = server.ctl("start");
    let hasty = Replica::start(&url, Duration::from_millis(200)).await;
    // On a busy machine, too, it is told how much is left.
    let patient = Replica::start(&url, LONG).await;
    let hour = limit(2, Duration::from_hours(1), 0);
    for (gone, back) in [("pause", "resume"), ("stop", "start")] {
        hasty.until_it_answers(&hour).await;
        server.ctl(gone);
        // The first question may have to wait until it is noticed.
        assert_eq!(hasty.take(&key(), &hour).await, Err(CannotTell), "{gone}");
        hasty.until(false).await;
        assert_eq!(hasty.take(&key(), &hour).await, Err(CannotTell), "{gone}");
        server.ctl(back);
        for replica in [&hasty, &patient] {
            replica.until_it_answers(&hour).await;
        }
        let key = key();
        for expected in [None, None, Some(())] {
            let wait = patient.take(&key, &hour).await.unwrap().wait;
            assert_eq!(wait.map(|wait| assert_ne!(wait, Wait::Forever)), expected, "{back}");
        }
    }
}
