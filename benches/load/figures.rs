//! What was measured, and what follows from it.

use serde_json::{Map, Value, json};

use crate::tally::Outcome;

/// A core is taken up that is used for more than this part of the time.
const TAKEN_UP: f64 = 0.95;

/// Values by name, one of each round, in the order in which the names were first met.
#[derive(Default)]
pub(crate) struct Figures {
    noted: Vec<(String, Vec<f64>)>,
    /// What other benches measured.
    others: Map<String, Value>,
}

/// The middle one of some values, the least and the greatest.
#[derive(Debug, Clone, Copy)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let mut values = values.to_vec();
        values.sort_unstable_by(f64::total_cmp);
        let half = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[half - 1], values[half]),
            _ => values[half],
        };
        Self { median, least: values[0], most: values[values.len() - 1] }
    }

    fn json(self) -> Value {
        json!({ "median": self.median, "min": self.least, "max": self.most })
    }
}

impl Figures {
    pub(crate) fn note(&mut self, name: &str, value: f64) {
        match self.noted.iter_mut().find(|(noted, _)| noted == name) {
            Some((_, values)) => values.push(value),
            None => self.noted.push((name.to_owned(), vec![value])),
        }
    }

    /// Rate, CPU and times of a run, under names that begin with this.
    pub(crate) fn note_run(&mut self, name: &str, outcome: &Outcome) {
        self.note(&format!("{name}_rps"), outcome.rate);
        self.note(&format!("{name}_cpu_us"), outcome.cpu_us());
        if !outcome.front.is_zero() {
            self.note(&format!("{name}_front_cpu_us"), outcome.front.as_secs_f64() * 1e6);
        }
        for (quantile, part) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            self.note(&format!("{name}_{quantile}_us"), outcome.us(part));
        }
    }

    /// Takes what another bench wrote.
    pub(crate) fn take(&mut self, text: &str) {
        let Value::Object(figures) = serde_json::from_str(text).unwrap() else {
            panic!("no figures: {text}")
        };
        self.others.extend(figures);
    }

    fn all(&self) -> impl Iterator<Item = (String, Value)> {
        let noted = self.noted.iter();
        let noted = noted.map(|(name, values)| (name.clone(), Spread::of(values).json()));
        noted.chain(self.others.clone())
    }

    pub(crate) fn print(&self) {
        println!("\n{:<44} {:>14} {:>14} {:>14}", "", "median", "min", "max");
        for (name, value) in self.all() {
            let [median, least, most] =
                ["median", "min", "max"].map(|part| value[part].as_f64().unwrap_or(f64::NAN));
            println!("{name:<44} {median:>14.3} {least:>14.3} {most:>14.3}");
        }
    }

    pub(crate) fn json(&self) -> String {
        format!("{:#}\n", Value::Object(self.all().collect()))
    }
}

/// One line of what a run showed, which was to take all that the server has, or not.
pub(crate) fn line(name: &str, outcome: &Outcome, is_all: bool) -> String {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|part| outcome.us(part));
    let Outcome { rate, server_busy, client_busy, .. } = outcome;
    let cpu = outcome.cpu_us();
    let note = match (*client_busy > TAKEN_UP, *server_busy > TAKEN_UP) {
        (true, false) if is_all => "  THE CLIENT CANNOT ASK FASTER",
        (false, false) if is_all => "  NEITHER HAS A CORE OF ITS OWN",
        _ => "",
    };
    format!(
        "{name:<28} {rate:>9.0}/s  p50 {p50:>7.0}  p99 {p99:>7.0}  p99.9 {p999:>7.0} µs  \
         CPU {cpu:>7.2} µs  server {:>3.0} %  client {:>3.0} %{note}",
        server_busy * 100.0,
        client_busy * 100.0,
    )
}
