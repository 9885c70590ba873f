//! What is written when, and what becomes of it when it cannot be.

use std::{sync::Mutex, time::Duration};

use async_trait::async_trait;
use tokio::{
    runtime::Handle,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use super::{
    telling::{listen, told},
    *,
};
use crate::domain::{
    ports::{Clock, StoreError},
    usage::{KeepUsage, NotAdded, Outdated, UsageBatch},
};

const SECOND: Duration = Duration::from_secs(1);
/// More than the end ever needs.
const LONG: Duration = Duration::from_secs(3_600);

/// What came of a try to write: the number of the batch and its calls, of the workspace and of
/// keys.
type Try = (i64, u64, u64);

/// Tells each try, and does as it is told.
struct Told {
    tries: UnboundedSender<Try>,
    fails: Mutex<usize>,
    /// What is refused for good: the keys whose names begin so.
    refused: Option<&'static str>,
    /// With more secrets than this it takes too long.
    rows_max: usize,
    /// Calls that were added.
    added: Mutex<u64>,
    /// The keys of which rows came, as they came.
    keys: Mutex<Vec<String>>,
    /// How long each try takes.
    takes: Duration,
}

#[async_trait]
impl KeepUsage for Told {
    async fn add_usage(&self, batch: &UsageBatch) -> Result<(), NotAdded> {
        tokio::time::sleep(self.takes).await;
        let sum = |of_keys: bool| {
            let rows = batch.calls.iter().filter(|row| row.key.is_some() == of_keys);
            rows.map(|row| row.calls).sum()
        };
        assert_eq!(batch.source.as_str(), "here");
        assert_eq!(batch.time, Timestamp::from_micros(7));
        let mut fails = self.fails.lock().unwrap();
        self.tries.send((batch.number, sum(false), sum(true))).unwrap();
        let because = || StoreError::Unavailable("on purpose".into());
        let named = batch.calls.iter().filter_map(|row| row.key.as_ref());
        self.keys.lock().unwrap().extend(named.map(ToString::to_string));
        let mut keys = batch.calls.iter().filter_map(|row| row.key.as_ref());
        if keys.any(|key| self.refused.is_some_and(|start| key.as_str().starts_with(start))) {
            return Err(NotAdded::Refused(because()));
        }
        if batch.last.len() > self.rows_max {
            return Err(NotAdded::TooMuch(because()));
        }
        match fails.checked_sub(1) {
            Some(left) => {
                *fails = left;
                Err(NotAdded::InDoubt(because()))
            }
            None => {
                *self.added.lock().unwrap() += sum(false);
                Ok(())
            }
        }
    }

    async fn forget_usage(&self, _: Outdated) -> Result<bool, StoreError> {
        unreachable!("nobody asks for it here")
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
    store: Arc<Told>,
    flusher: Flusher,
    tries: UnboundedReceiver<Try>,
}

/// With a store that fails so often at first.
fn world(fails: usize, meter: Meter) -> World {
    world_with(meter, |told| Told { fails: Mutex::new(fails), ..told })
}

/// With a store that differs so from one that always adds.
fn world_with(meter: Meter, differing: impl FnOnce(Told) -> Told) -> World {
    listen();
    let (sender, tries) = unbounded_channel();
    let (fails, added, keys) = (Mutex::new(0), Mutex::new(0), Mutex::default());
    let (rows_max, takes) = (usize::MAX, Duration::ZERO);
    let always = Told { tries: sender, fails, refused: None, rows_max, added, keys, takes };
    let (store, meter) = (Arc::new(differing(always)), Arc::new(meter));
    let kept = Arc::clone(&store) as _;
    let source = Source { store: kept, clock: Arc::new(Seven), id: "here".parse().unwrap() };
    let flusher = Flusher::start(Arc::clone(&meter), source, SECOND, &Handle::current());
    World { meter, store, flusher, tries }
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
    world.flusher.finish(LONG).await;
    assert!(world.tries.is_empty());
    assert_eq!(world.meter.counted(), counted(0, 4, 0));
}

/// Or, where many keys are used, it would take a processor of its own.
#[tokio::test(start_paused = true)]
async fn what_takes_long_to_write_is_written_a_tenth_of_the_time() {
    let minute = 60 * SECOND;
    for (takes, each) in
        [(SECOND / 20, SECOND), (SECOND, 10 * SECOND), (minute / 2, minute / 2 + minute)]
    {
        let mut world = world_with(Meter::default(), |told| Told { takes, ..told });
        let mut written = Vec::new();
        for _ in 0..4 {
            count(&world.meter, 1);
            assert!(world.tries.recv().await.is_some());
            written.push(tokio::time::Instant::now());
        }
        let apart = written.iter().skip(1).zip(&written).map(|(later, one)| *later - *one);
        assert_eq!(apart.collect::<Vec<_>>(), [each; 3]);
        world.flusher.finish(LONG).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_again_after_as_long_as_it_took() {
    let fails = Mutex::new(3);
    let mut world = world_with(Meter::default(), |told| Told { fails, takes: 10 * SECOND, ..told });
    count(&world.meter, 1);
    let mut tried = Vec::new();
    for _ in 0..4 {
        assert_eq!(world.tries.recv().await, Some((1, 1, 1)));
        tried.push(tokio::time::Instant::now());
    }
    let apart = tried.iter().skip(1).zip(&tried).map(|(later, one)| *later - *one);
    assert_eq!(apart.collect::<Vec<_>>(), [20 * SECOND; 3]);
    world.flusher.finish(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_writes_what_is_left() {
    let mut world = world(0, Meter::default());
    count(&world.meter, 1);
    count(&world.meter, 2);
    world.flusher.finish(LONG).await;
    assert_eq!(world.tries.recv().await, Some((1, 2, 2)));
    assert!(world.tries.is_empty());
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
    world.flusher.finish(LONG).await;
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
    world.flusher.finish(LONG).await;
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
    world.flusher.finish(LONG).await;
    let mut sizes = Vec::new();
    while let Ok((number, calls, _)) = world.tries.try_recv() {
        sizes.push((number, calls));
    }
    assert_eq!(sizes, [(1, 5_000), (2, 5_000), (3, 2_000)]);
    // Each batch follows the one before it: it is written where that one was.
    let keys = world.store.keys.lock().unwrap();
    assert!(keys.len() == 12_000 && keys.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn who_drops_the_flusher_ends_it_and_what_was_counted_is_written_once_more() {
    let World { meter, flusher, mut tries, .. } = world(0, Meter::default());
    count(&meter, 1);
    drop(flusher);
    assert_eq!(tries.recv().await, Some((1, 1, 1)));
    assert_eq!(tries.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_given_up_alone_and_all_else_is_written() {
    let mut world = world_with(Meter::default(), |told| Told { refused: Some("k3"), ..told });
    for number in 0..8 {
        count(&world.meter, number);
    }
    count(&world.meter, 3);
    // The whole, and then three times two halves, of which one has it.
    for number in 1..=7 {
        assert_eq!(world.tries.recv().await.unwrap().0, number);
    }
    count(&world.meter, 7);
    world.flusher.finish(LONG).await;
    let Counted { entries, refused, batches, failures, .. } = world.meter.counted();
    assert_eq!((entries, refused, batches, failures), (0, 2, 4, 4));
    assert_eq!(*world.store.added.lock().unwrap(), 8);
}

#[tokio::test(start_paused = true)]
async fn many_that_are_refused_are_found_by_and_by_and_told_in_one_line_each_time() {
    // Those whose numbers begin with 1: 1,111 of 2,000.
    let mut world = world_with(Meter::default(), |told| Told { refused: Some("k1"), ..told });
    for number in 0..2_000 {
        count(&world.meter, number);
    }
    world.tries.recv().await.unwrap();
    tokio::time::sleep(SECOND / 2).await;
    let Counted { entries, refused, failures, .. } = world.meter.counted();
    assert!((1..200).contains(&refused), "{refused}");
    assert!((201..400).contains(&failures), "{failures}");
    assert_eq!(2_000 - entries, refused + *world.store.added.lock().unwrap());
    assert_eq!(told().len(), 1);
    // What is new is not kept waiting.
    count(&world.meter, 2_000);
    let begun = *world.store.added.lock().unwrap();
    tokio::time::sleep(SECOND).await;
    assert!(*world.store.added.lock().unwrap() > begun);
    assert_eq!(told().len(), 2);
    tokio::time::sleep(30 * SECOND).await;
    world.flusher.finish(LONG).await;
    let Counted { entries, refused, .. } = world.meter.counted();
    assert_eq!((entries, refused), (0, 1_111));
    assert_eq!(*world.store.added.lock().unwrap(), 890);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_at_the_end_is_told_as_not_counted() {
    let world = world_with(Meter::default(), |told| Told { refused: Some("k"), ..told });
    for number in 0..5_000 {
        count(&world.meter, number);
    }
    world.flusher.finish(LONG).await;
    let Counted { entries, refused, failures, .. } = world.meter.counted();
    assert_eq!((entries, refused), (0, 5_000));
    assert!(failures < 20 * 220, "{failures}");
    assert!(told().len() <= 21);
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_tried_in_smaller_parts_and_later_in_greater_ones() {
    let mut world = world_with(Meter::default(), |told| Told { rows_max: 2_500, ..told });
    for number in 0..10_000 {
        count(&world.meter, number);
    }
    let mut sizes = Vec::new();
    while sizes.iter().sum::<u64>() < 15_000 {
        sizes.push(world.tries.recv().await.unwrap().1);
    }
    // Those that failed are there twice. The size grows again, which fails, and is halved.
    assert_eq!(sizes, [5_000, 2_500, 2_500, 5_000]);
    world.flusher.finish(LONG).await;
    let Counted { entries, failures, .. } = world.meter.counted();
    assert_eq!((*world.store.added.lock().unwrap(), entries, failures), (10_000, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn the_end_tries_again_what_was_in_doubt_or_too_much() {
    let world =
        world_with(Meter::default(), |told| Told { fails: Mutex::new(3), rows_max: 700, ..told });
    for number in 0..12_000 {
        count(&world.meter, number);
    }
    world.flusher.finish(LONG).await;
    assert_eq!(*world.store.added.lock().unwrap(), 12_000);
    assert_eq!(world.meter.counted().entries, 0);
}

#[tokio::test(start_paused = true)]
async fn the_end_comes_though_nothing_can_be_written() {
    let World { meter, flusher, mut tries, .. } = world(usize::MAX, Meter::default());
    count(&meter, 1);
    flusher.finish(LONG).await;
    let mut number = 0;
    while tries.recv().await.is_some() {
        number += 1;
    }
    assert_eq!((number, meter.counted().entries), (20, 1));
}

#[tokio::test(start_paused = true)]
async fn the_end_takes_no_longer_than_it_may_and_tells_what_is_lost() {
    let World { meter, flusher, tries: _tries, .. } = world(usize::MAX, Meter::default());
    count(&meter, 1);
    let begun = tokio::time::Instant::now();
    flusher.finish(SECOND).await;
    assert_eq!((begun.elapsed(), meter.counted().entries, told().len()), (SECOND, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_use_that_alone_takes_too_long_is_kept_and_tried_again() {
    let mut world = world_with(Meter::default(), |told| Told { rows_max: 0, ..told });
    count(&world.meter, 1);
    for number in 1..=20 {
        assert_eq!(world.tries.recv().await, Some((number, 1, 1)));
        assert_eq!(world.meter.counted().entries, 1);
    }
}
