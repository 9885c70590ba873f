//! When old usage is forgotten.

use std::{sync::Mutex, time::Duration};

use async_trait::async_trait;
use tokio::{
    runtime::Handle,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::Instant,
};

use super::*;
use crate::domain::{
    ports::{Clock, StoreError},
    usage::{KeepUsage, NotAdded, Outdated, UsageBatch},
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const PAUSE: Duration = Duration::from_millis(100);

/// Tells what it is asked to forget, and answers what it is told to: at last that there is no more.
struct Told {
    asked: UnboundedSender<(Duration, Outdated)>,
    begin: Instant,
    answers: Mutex<Vec<Result<bool, StoreError>>>,
}

#[async_trait]
impl KeepUsage for Told {
    async fn add_usage(&self, _: &UsageBatch) -> Result<(), NotAdded> {
        unreachable!("nothing is counted here")
    }

    async fn forget_usage(&self, outdated: Outdated) -> Result<bool, StoreError> {
        self.asked.send((self.begin.elapsed(), outdated)).unwrap();
        self.answers.lock().unwrap().pop().unwrap_or(Ok(false))
    }
}

struct Seven;

impl Clock for Seven {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(7)
    }
}

/// With a store that answers so, the last first.
fn start(
    answers: Vec<Result<bool, StoreError>>,
    retention: Option<Duration>,
) -> (Forgetter, UnboundedReceiver<(Duration, Outdated)>) {
    let (asked, told) = unbounded_channel();
    let store = Arc::new(Told { asked, begin: Instant::now(), answers: Mutex::new(answers) });
    (Forgetter::start(store, Arc::new(Seven), retention, &Handle::current()), told)
}

async fn next(told: &mut UnboundedReceiver<(Duration, Outdated)>) -> Duration {
    let (after, Outdated { now, retention, rows_max }) = told.recv().await.unwrap();
    assert_eq!((now, retention, rows_max), (Timestamp::from_micros(7), Some(DAY), 5_000));
    after
}

#[tokio::test(start_paused = true)]
async fn all_that_is_outdated_is_forgotten_in_portions_at_the_start_and_each_hour() {
    let (forgetter, mut told) = start(vec![Ok(true), Ok(true)], Some(DAY));
    for after in [Duration::ZERO, PAUSE, 2 * PAUSE, HOUR, 2 * HOUR] {
        assert_eq!(next(&mut told).await, after);
    }
    forgetter.finish().await;
    assert!(told.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_again_in_an_hour() {
    let failure = Err(StoreError::Unavailable("on purpose".into()));
    let (_forgetter, mut told) = start(vec![failure, Ok(true)], Some(DAY));
    for after in [Duration::ZERO, PAUSE, HOUR] {
        assert_eq!(next(&mut told).await, after);
    }
}

#[tokio::test(start_paused = true)]
async fn where_calls_are_kept_for_ever_it_is_said_so_and_who_drops_it_ends_it() {
    let (forgetter, mut told) = start(vec![Ok(true)], None);
    assert_eq!(told.recv().await.unwrap().1.retention, None);
    drop(forgetter);
    assert!(told.recv().await.is_none());
}
