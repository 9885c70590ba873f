//! What is written when, and what becomes of it when it cannot be.

use std::{sync::Mutex, time::Duration};

use async_trait::async_trait;
use tokio::{
    runtime::Handle,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use super::*;
use crate::domain::{
    ports::{Clock, StoreError},
    usage::{KeepUsage, UsageBatch},
};

const SECOND: Duration = Duration::from_secs(1);

/// What came of a try to write: the number of the batch and its calls, of the workspace and of
/// keys.
type Try = (i64, u64, u64);

/// Tells each try, and does as it is told.
struct Told {
    tries: UnboundedSender<Try>,
    fails: Mutex<usize>,
}

#[async_trait]
impl KeepUsage for Told {
    async fn add_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        let sum = |of_keys: bool| {
            let rows = batch.calls.iter().filter(|row| row.key.is_some() == of_keys);
            rows.map(|row| row.calls).sum()
        };
        assert_eq!(batch.source.as_str(), "here");
        assert_eq!(batch.time, Timestamp::from_micros(7));
        let mut fails = self.fails.lock().unwrap();
        self.tries.send((batch.number, sum(false), sum(true))).unwrap();
        match fails.checked_sub(1) {
            Some(left) => {
                *fails = left;
                Err(StoreError::Unavailable("on purpose".into()))
            }
            None => Ok(()),
        }
    }
}

struct Seven;

impl Clock for Seven {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(7)
    }
}

struct World {
    meter: Arc<Meter>,
    flusher: Flusher,
    tries: UnboundedReceiver<Try>,
}

/// With a store that fails so often at first.
fn world(fails: usize, meter: Meter) -> World {
    let (sender, tries) = unbounded_channel();
    let store = Arc::new(Told { tries: sender, fails: Mutex::new(fails) });
    let meter = Arc::new(meter);
    let source = Source { store, clock: Arc::new(Seven), id: "here".parse().unwrap() };
    let flusher = Flusher::start(Arc::clone(&meter), source, SECOND, &Handle::current());
    World { meter, flusher, tries }
}

fn counted(entries: u64, batches: u64, failures: u64) -> Counted {
    Counted { entries, batches, failures, ..Counted::default() }
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_is_written_each_second_and_nothing_where_there_was_nothing() {
    let mut world = world(0, Meter::default());
    count(&world.meter, 1);
    assert_eq!(world.tries.recv().await, Some((1, 1, 1)));
    let begin = tokio::time::Instant::now();
    // The clock goes on when all else waits: to the next thing that is to happen.
    for call in 1..=3 {
        count(&world.meter, 1);
        assert_eq!(world.tries.recv().await, Some((1 + i64::from(call), 1, 1)));
        assert_eq!(begin.elapsed(), SECOND * call);
    }
    world.flusher.finish().await;
    assert_eq!(world.tries.recv().await, None);
    assert_eq!(world.meter.counted(), counted(0, 4, 0));
}

#[tokio::test(start_paused = true)]
async fn the_end_writes_what_is_left() {
    let mut world = world(0, Meter::default());
    count(&world.meter, 1);
    count(&world.meter, 2);
    world.flusher.finish().await;
    assert_eq!(world.tries.recv().await, Some((1, 2, 2)));
    assert_eq!(world.tries.recv().await, None);
    assert_eq!(world.meter.counted(), counted(0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_failed_is_tried_again_as_it_was_and_what_came_since_after_it() {
    let mut world = world(2, Meter::default());
    count(&world.meter, 1);
    assert_eq!(world.tries.recv().await, Some((1, 1, 1)));
    // The batch is in doubt: what comes now must not be added to it.
    count(&world.meter, 1);
    count(&world.meter, 2);
    assert_eq!(world.tries.recv().await, Some((1, 1, 1)));
    assert_eq!(world.tries.recv().await, Some((1, 1, 1)));
    assert_eq!(world.tries.recv().await, Some((2, 2, 2)));
    world.flusher.finish().await;
    assert_eq!(world.meter.counted(), counted(0, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn while_nothing_can_be_written_memory_is_bounded_and_workspaces_are_exact() {
    const FAILURES: usize = 10;
    // For the workspace, one entry where it is counted and one where it waits.
    let mut world = world(FAILURES, Meter::new(5, 2));
    let mut calls = 0;
    for _ in 0..FAILURES {
        for number in 0..100 {
            count(&world.meter, number);
            calls += 1;
        }
        world.tries.recv().await.unwrap();
        assert!(world.meter.counted().entries <= 7);
    }
    let (mut written, mut of_keys) = (0, 0);
    while written < calls {
        let next = tokio::time::timeout(10 * SECOND, world.tries.recv()).await;
        let (_, more, more_of_keys) = next.unwrap().unwrap();
        (written, of_keys) = (written + more, of_keys + more_of_keys);
    }
    world.flusher.finish().await;
    let Counted { entries, coarsened, dropped, .. } = world.meter.counted();
    assert_eq!((written, entries, dropped), (calls, 0, 0));
    assert_eq!(of_keys + coarsened, calls);
    assert!(of_keys >= 5 && coarsened > 0);
}

#[tokio::test(start_paused = true)]
async fn many_secrets_are_written_in_batches() {
    let mut world = world(0, Meter::default());
    for number in 0..12_000 {
        count(&world.meter, number);
    }
    world.flusher.finish().await;
    let mut sizes = Vec::new();
    while let Some((number, calls, _)) = world.tries.recv().await {
        sizes.push((number, calls));
    }
    assert_eq!(sizes, [(1, 5_000), (2, 5_000), (3, 2_000)]);
}

#[tokio::test(start_paused = true)]
async fn who_drops_the_flusher_ends_it_and_what_was_counted_is_written_once_more() {
    let World { meter, flusher, mut tries } = world(0, Meter::default());
    count(&meter, 1);
    drop(flusher);
    assert_eq!(tries.recv().await, Some((1, 1, 1)));
    assert_eq!(tries.recv().await, None);
}
