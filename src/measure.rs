//! What is counted in memory while calls are answered: a few nanoseconds each, without a lock and
//! without memory to ask for. It is read when somebody gathers.

mod calls;
mod histogram;
mod process;

pub use calls::{Call, Calls, Counting, Ended, KINDS, METHODS, OTHER, STATUSES};
pub use histogram::{Bounds, Histogram, Snapshot};
pub use process::Process;

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

/// Parts of a count. Threads write to their own, so that none takes a line of memory from others.
const SHARDS: usize = 8;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: Cell<usize> = Cell::new(NEXT.fetch_add(1, Relaxed) % SHARDS);
}

/// The part that this thread writes to.
fn shard() -> usize {
    SHARD.with(Cell::get)
}

/// A part of a count, in a line of memory of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Part(AtomicU64);

/// Counts what happens, from any thread.
#[derive(Debug, Default)]
pub struct Counter([Part; SHARDS]);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.count_several(1);
    }

    /// So many more.
    pub fn count_several(&self, more: u64) {
        if let Some(part) = self.0.get(shard()) {
            part.0.fetch_add(more, Relaxed);
        }
    }

    /// How many there were.
    pub fn read(&self) -> u64 {
        self.0.iter().map(|part| part.0.load(Relaxed)).sum()
    }
}

/// How many there are at the moment.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// One more, until what this returns is dropped.
    pub fn enter(&self) -> Present {
        self.0.fetch_add(1, Relaxed);
        Present(self.clone())
    }

    /// How many there are.
    pub fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One that is there.
#[derive(Debug)]
pub struct Present(Gauge);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_count_is_counted() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| (0..1_000).for_each(|_| counter.count()));
            }
        });
        assert_eq!(counter.read(), 2_000 * SHARDS as u64);
    }

    #[test]
    fn who_is_there_counts_until_he_leaves() {
        let gauge = Gauge::default();
        let (one, other) = (gauge.enter(), gauge.enter());
        drop(one);
        assert_eq!(gauge.read(), 1);
        drop(other);
        assert_eq!(gauge.read(), 0);
    }
}
