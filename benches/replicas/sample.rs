//! What was measured: medians, and how far they are apart.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// Times of one round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample(pub(crate) Vec<Duration>);

impl Sample {
    /// The time that this part of all took at the most, in milliseconds.
    fn quantile(&self, part: f64) -> f64 {
        let mut times = self.0.clone();
        times.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a few hundred"
        )]
        let place = ((times.len() as f64 * part).ceil() as usize).clamp(1, times.len()) - 1;
        times[place].as_secs_f64() * 1e3
    }
}

/// The middle one, the least and the greatest.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report(Map<String, Value>);

impl Report {
    /// Notes the times of some rounds: medians over the rounds, and their spread.
    pub(crate) fn times(&mut self, name: &str, what: &str, replicas: usize, rounds: &[Sample]) {
        let quantile = |part| spread(rounds.iter().map(|round| round.quantile(part)).collect());
        let (p50, p99, longest) = (quantile(0.50), quantile(0.99), quantile(1.0));
        println!(
            "{what} {replicas}: p50 {:.1} ms ({:.1}–{:.1}), p99 {:.1} ms ({:.1}–{:.1}), at most {:.1} ms",
            p50.0, p50.1, p50.2, p99.0, p99.1, p99.2, longest.2
        );
        let value = |(middle, least, most): (f64, f64, f64)| json!({ "median": middle, "least": least, "most": most });
        let times = json!({ "p50_ms": value(p50), "p99_ms": value(p99), "max_ms": longest.2 });
        self.0.insert(name.to_owned(), times);
    }

    /// Notes how many there were in a second, by round.
    pub(crate) fn rates(&mut self, name: &str, what: &str, replicas: usize, rounds: &[f64]) {
        let (middle, least, most) = spread(rounds.to_vec());
        println!("{what} {replicas}: {middle:.0} ({least:.0}–{most:.0})");
        let rates = json!({ "median": middle, "least": least, "most": most });
        self.0.insert(name.to_owned(), rates);
    }

    pub(crate) fn json(self) -> String {
        format!("{:#}\n", Value::Object(self.0))
    }
}
