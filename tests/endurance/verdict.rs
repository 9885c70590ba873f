//! Whether memory and descriptors are flat.
//!
//! A process that ends takes what it held along, so that each process is looked at by itself.

use serde_json::{Value, json};

use crate::samples::Sample;

/// What is looked at begins after this part of the run, when everything was used once.
const WARM_UP: f64 = 1.0 / 3.0;
/// And so much of the run after the process began: what it keeps in memory is complete then.
const YOUNG: f64 = 1.0 / 6.0;
/// A process is judged that was looked at for this part of the run.
const JUDGED: f64 = 1.0 / 3.0;
const HOUR: f64 = 3_600.0;
/// What is seen in so long is said of an hour; of less it would be said of chance.
const FORETELLS: f64 = 600.0;
/// The part of the memory that it may grow by.
const GROWTH: f64 = 0.1;
/// How many descriptors there may be more in the end: connections to the database, which are made
/// when they are needed and kept.
pub(crate) const DESCRIPTORS_MORE: u64 = 8;

/// The memory of one process.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) replica: usize,
    pub(crate) process: u32,
    /// The span that was looked at, in seconds of the run.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// The medians of its first and last tenth.
    pub(crate) start_kib: f64,
    pub(crate) end_kib: f64,
    pub(crate) mean_kib: f64,
    pub(crate) most_kib: f64,
    /// By Theil and Sen: the median of the slopes between all pairs of moments.
    pub(crate) slope_kib_per_hour: f64,
    /// By least squares, which a single moment may spoil.
    pub(crate) least_squares_kib_per_hour: f64,
    /// What it grows by in the time that counts, and may.
    pub(crate) growth_kib: f64,
    pub(crate) bound_kib: f64,
    pub(crate) is_judged: bool,
}

/// The descriptors of a replica: the fewest while nothing was broken, in the first and the last
/// third of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptors {
    pub(crate) replica: usize,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) most: u64,
}

impl Memory {
    pub(crate) fn is_flat(&self) -> bool {
        self.growth_kib <= self.bound_kib
    }

    pub(crate) fn told(&self) -> Value {
        let round = |kib: f64| kib.round();
        json!({
            "replica": self.replica,
            "process": self.process,
            "from_s": round(self.from),
            "to_s": round(self.to),
            "start_kib": round(self.start_kib),
            "end_kib": round(self.end_kib),
            "mean_kib": round(self.mean_kib),
            "most_kib": round(self.most_kib),
            "slope_kib_per_hour": round(self.slope_kib_per_hour),
            "least_squares_kib_per_hour": round(self.least_squares_kib_per_hour),
            "growth_kib": round(self.growth_kib),
            "bound_kib": round(self.bound_kib),
            "is_judged": self.is_judged,
            "is_flat": self.is_flat(),
        })
    }
}

impl Descriptors {
    pub(crate) fn are_flat(&self) -> bool {
        self.last <= self.first + DESCRIPTORS_MORE
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    let middle = of.len() / 2;
    match of.len() {
        0 => 0.0,
        count if count % 2 == 0 => f64::midpoint(of[middle - 1], of[middle]),
        _ => of[middle],
    }
}

fn theil_sen(points: &[(f64, f64)]) -> f64 {
    let pairs = points.iter().enumerate().flat_map(|(place, one)| {
        let later = points[place + 1..].iter().filter(|next| next.0 > one.0);
        later.map(|next| (next.1 - one.1) / (next.0 - one.0))
    });
    median(pairs.collect())
}

fn mean(of: impl Iterator<Item = f64> + Clone) -> f64 {
    of.clone().sum::<f64>() / (of.count() as f64).max(1.0)
}

fn least_squares(points: &[(f64, f64)]) -> f64 {
    let middle = (mean(points.iter().map(|it| it.0)), mean(points.iter().map(|it| it.1)));
    let [products, squares] = points.iter().fold([0.0; 2], |[products, squares], it| {
        let (x, y) = (it.0 - middle.0, it.1 - middle.1);
        [products + x * y, squares + x * x]
    });
    if squares > 0.0 { products / squares } else { 0.0 }
}

/// The memory of every process that was there for long enough to be looked at, over a run of so
/// many seconds. It may grow by `floor_kib`, or by a tenth if that is more: in an hour, or in a
/// shorter run while it was looked at.
pub(crate) fn memory(samples: &[Sample], span: f64, floor_kib: f64) -> Vec<Memory> {
    let mut processes: Vec<_> = samples.iter().map(|it| (it.replica, it.process)).collect();
    processes.sort_unstable();
    processes.dedup();
    let of_process = |(replica, process)| {
        let all: Vec<_> = samples.iter().filter(|it| it.process == process).collect();
        let begun = all[0].at;
        // One that was there from the start is as old as the run.
        let young = if begun < span * YOUNG { 0.0 } else { begun + span * YOUNG };
        let from = young.max(span * WARM_UP);
        let looked_at = all.iter().filter(|it| it.at >= from);
        let points: Vec<_> = looked_at.map(|it| (it.at, it.memory_kib)).collect();
        let (first, last) = (points.first()?, points.last()?);
        let slope = theil_sen(&points);
        let tenth = points.len().div_ceil(10);
        let values = points.iter().map(|it| it.1);
        let mean_kib = mean(values.clone());
        let seen = last.0 - first.0;
        let counts = if seen >= FORETELLS { HOUR } else { seen };
        Some(Memory {
            replica,
            process,
            from: first.0,
            to: last.0,
            start_kib: median(values.clone().take(tenth).collect()),
            end_kib: median(values.clone().rev().take(tenth).collect()),
            mean_kib,
            most_kib: values.fold(0.0, f64::max),
            slope_kib_per_hour: slope * HOUR,
            least_squares_kib_per_hour: least_squares(&points) * HOUR,
            growth_kib: slope * counts,
            bound_kib: floor_kib.max(mean_kib * GROWTH),
            is_judged: seen >= span * JUDGED,
        })
    };
    processes.into_iter().filter_map(of_process).collect()
}

/// The descriptors of each replica, whichever its process.
pub(crate) fn descriptors(samples: &[Sample], span: f64) -> Vec<Descriptors> {
    let mut replicas: Vec<_> = samples.iter().map(|it| it.replica).collect();
    replicas.sort_unstable();
    replicas.dedup();
    let of_replica = |replica| {
        let all: Vec<_> = samples.iter().filter(|it| it.replica == replica).collect();
        let fewest = |from: f64, to: f64| {
            let within = all.iter().filter(|it| (from..to).contains(&it.at) && it.is_quiet);
            within.map(|it| it.descriptors).min()
        };
        let third = span / 3.0;
        Some(Descriptors {
            replica,
            first: fewest(0.0, third)?,
            last: fewest(span - third, f64::MAX)?,
            most: all.iter().map(|it| it.descriptors).max()?,
        })
    };
    replicas.into_iter().filter_map(of_replica).collect()
}

#[path = "verdict/tests.rs"]
mod tests;
