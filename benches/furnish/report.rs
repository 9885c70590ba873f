//! What was measured: medians over rounds, and how far they are apart.

use std::{path::PathBuf, time::Duration};

use serde_json::{Map, Value, json};

/// Everything that was measured, by name.
#[derive(Default)]
pub(crate) struct Report(Map<String, Value>);

impl Report {
    /// Notes one figure of some rounds, and tells it.
    pub(crate) fn note(&mut self, name: &str, unit: &str, rounds: &[f64]) {
        let mut sorted = rounds.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
        let median = middle(&sorted);
        println!(
            "{name:32} {median:10.3} {unit:3} ({min:.3} to {max:.3}, {} rounds)",
            rounds.len()
        );
        self.0.insert(name.to_owned(), json!({ "median": median, "min": min, "max": max }));
    }

    /// Writes it, where it is to be written.
    pub(crate) fn write(self, file: Option<PathBuf>) {
        if let Some(file) = file {
            std::fs::write(file, format!("{:#}\n", Value::Object(self.0))).unwrap();
        }
    }
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => f64::midpoint(sorted[half - 1], sorted[half]),
        _ => sorted[half],
    }
}

/// The middle one of some times, in microseconds.
pub(crate) fn median_us(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}
