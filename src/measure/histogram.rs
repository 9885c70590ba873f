//! How long things take, by classes of time.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{SHARDS, shard};

/// The ends of the classes, in microseconds, ascending; each belongs to its class. One more class
/// has all that is longer.
pub type Bounds = &'static [u64];

/// Counts how long things take, from any thread.
#[derive(Debug)]
pub struct Histogram {
    bounds: Bounds,
    shards: [Shard; SHARDS],
}

#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    counts: Box<[AtomicU64]>,
    nanos: AtomicU64,
}

/// What a histogram has counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The ends of the classes.
    pub bounds: Bounds,
    /// How many fell into each class; one more than there are bounds.
    pub counts: Vec<u64>,
    /// How long all took together, in seconds.
    pub seconds: f64,
}

impl Histogram {
    /// One that has counted nothing.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let shard = || Shard {
            counts: std::iter::repeat_with(AtomicU64::default).take(bounds.len() + 1).collect(),
            nanos: AtomicU64::new(0),
        };
        Self { bounds, shards: std::array::from_fn(|_| shard()) }
    }

    /// One more that took so long.
    pub fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let class = self.bounds.partition_point(|bound| bound * 1_000 < nanos);
        let Some(shard) = self.shards.get(shard()) else { return };
        if let Some(count) = shard.counts.get(class) {
            count.fetch_add(1, Relaxed);
            shard.nanos.fetch_add(nanos, Relaxed);
        }
    }

    /// What was counted so far.
    pub fn read(&self) -> Snapshot {
        let mut counts = vec![0; self.bounds.len() + 1];
        let mut seconds = 0.0;
        for shard in &self.shards {
            for (sum, count) in counts.iter_mut().zip(&shard.counts) {
                *sum += count.load(Relaxed);
            }
            seconds += Duration::from_nanos(shard.nanos.load(Relaxed)).as_secs_f64();
        }
        Snapshot { bounds: self.bounds, counts, seconds }
    }
}

impl Snapshot {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The ends of the classes in seconds.
    pub fn bounds_seconds(&self) -> impl Iterator<Item = f64> + use<> {
        #[expect(clippy::cast_precision_loss, reason = "less than 2^53")]
        self.bounds.iter().map(|micros| *micros as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_belongs_to_its_class_and_what_is_longer_to_the_last() {
        let histogram = Histogram::new(&[50, 100]);
        for nanos in [0, 50_000, 50_001, 100_000, 100_001, 3_000_000_000] {
            histogram.record(Duration::from_nanos(nanos));
        }
        let read = histogram.read();
        assert_eq!((read.counts.clone(), read.count()), (vec![2, 2, 2], 6));
        assert!((read.seconds - 3.000_300_002).abs() < 1e-9, "{}", read.seconds);
        assert_eq!(read.bounds_seconds().collect::<Vec<_>>(), [0.000_05, 0.000_1]);
    }

    #[test]
    fn what_many_threads_record_is_there() {
        let histogram = Histogram::new(&[10]);
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| {
                    (0..1_000).for_each(|_| histogram.record(Duration::from_micros(7)));
                });
            }
        });
        assert_eq!(histogram.read().counts, [2_000 * SHARDS as u64, 0]);
    }
}
