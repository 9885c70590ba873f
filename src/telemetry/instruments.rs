//! What is measured, by the names of OpenTelemetry, from one list: registered, told to Prometheus
//! and documented. Each is read when somebody gathers.

mod calls;
mod cluster;
mod keys;
mod process;
mod tls;

use std::sync::{Arc, OnceLock};

use opentelemetry::{KeyValue, metrics::Meter};

use super::Sources;
use crate::measure::Snapshot;

/// What a value is the value of: nothing that a caller could choose.
pub(super) type Labels = Vec<(&'static str, &'static str)>;

/// Values, and what they are the values of. None at all where there is nothing to tell.
type Series<V> = Vec<(V, Labels)>;

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name in OpenTelemetry.
    pub name: &'static str,
    /// Its unit, as UCUM writes it. Empty: a mere number.
    pub unit: &'static str,
    /// What it tells, in one sentence.
    pub meaning: &'static str,
    /// The names of its labels in OpenTelemetry.
    pub labels: &'static [&'static str],
    read: Read,
}

/// How a metric is read.
#[derive(Debug)]
enum Read {
    /// The same always.
    Fixed(fn() -> Series<i64>),
    /// What only grows.
    Count(fn(&Sources) -> Series<u64>),
    /// Time that only grows, in seconds.
    Spent(fn(&Sources) -> Series<f64>),
    /// What there is at the moment.
    Level(fn(&Sources) -> Series<i64>),
    /// A time at the moment, in seconds.
    Time(fn(&Sources) -> Series<f64>),
    /// How long things took.
    Histogram(fn(&Sources) -> Series<Snapshot>),
}

/// Every metric, in the order in which they are documented.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    [calls::METRICS, keys::METRICS, cluster::METRICS, tls::METRICS, process::METRICS]
        .into_iter()
        .flatten()
}

/// The histograms with what they have counted; those that have something to tell.
pub(super) fn histograms(
    sources: &Sources,
) -> impl Iterator<Item = (&'static Metric, Series<Snapshot>)> {
    metrics().filter_map(|metric| match metric.read {
        Read::Histogram(read) => {
            let series = read(sources);
            (!series.is_empty()).then_some((metric, series))
        }
        _ => None,
    })
}

impl Metric {
    const fn labelled(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }

    /// What kind of metric it is to Prometheus.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.read {
            Read::Count(_) | Read::Spent(_) => "counter",
            Read::Fixed(_) | Read::Level(_) | Read::Time(_) => "gauge",
            Read::Histogram(_) => "histogram",
        }
    }

    /// Its name at `/metrics`: with its unit, and `_total` where it only grows.
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        let unit = match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        let total = if self.kind() == "counter" { "_total" } else { "" };
        format!("{}{unit}{total}", self.name.replace('.', "_"))
    }

    fn register(&'static self, meter: &Meter, sources: &Arc<OnceLock<Sources>>) {
        let sources = Arc::clone(sources);
        let (name, unit, meaning) = (self.name, self.unit, self.meaning);
        macro_rules! observed {
            ($builder:ident, $read:expr) => {
                _ = meter
                    .$builder(name)
                    .with_unit(unit)
                    .with_description(meaning)
                    .with_callback(move |observer| {
                        let told = sources.get().map($read).unwrap_or_default();
                        for (value, labels) in told {
                            observer.observe(value, &attributes(labels));
                        }
                    })
                    .build()
            };
        }
        match self.read {
            Read::Fixed(read) => {
                _ = meter
                    .i64_observable_gauge(name)
                    .with_description(meaning)
                    .with_callback(move |observer| {
                        for (value, labels) in read() {
                            observer.observe(value, &attributes(labels));
                        }
                    })
                    .build();
            }
            Read::Count(read) => observed!(u64_observable_counter, read),
            Read::Spent(read) => observed!(f64_observable_counter, read),
            Read::Level(read) => observed!(i64_observable_gauge, read),
            Read::Time(read) => observed!(f64_observable_gauge, read),
            // This program keeps them by itself: that of OpenTelemetry takes a lock for each value.
            Read::Histogram(_) => {}
        }
    }
}

/// Registers all of them.
pub(super) fn register(meter: &Meter, sources: &Arc<OnceLock<Sources>>) {
    metrics().for_each(|metric| metric.register(meter, sources));
}

/// The table of metrics as the README shows it, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let header = "| Metric | OpenTelemetry | Type | Unit | Meaning |\n|---|---|---|---|---|\n";
    metrics().fold(header.to_owned(), |table, metric| {
        let names: Vec<_> = metric.labels.iter().map(|label| label.replace('.', "_")).collect();
        let labels =
            if names.is_empty() { String::new() } else { format!("{{{}}}", names.join(",")) };
        let (prometheus, name, kind) = (metric.prometheus_name(), metric.name, metric.kind());
        let unit = metric.unit.trim_matches(['{', '}']);
        let unit = if unit.is_empty() { "–" } else { unit };
        let meaning = metric.meaning;
        table + &format!("| `{prometheus}{labels}` | `{name}` | {kind} | {unit} | {meaning} |\n")
    })
}

const fn metric(
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
    read: Read,
) -> Metric {
    Metric { name, unit, meaning, labels: &[], read }
}

/// The one value of what has no labels.
fn one<V>(value: V) -> Series<V> {
    vec![(value, Vec::new())]
}

/// The same, of what may be absent.
fn some<V>(value: Option<V>) -> Series<V> {
    value.into_iter().flat_map(one).collect()
}

/// A number as a level has it.
fn level(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    labels.into_iter().map(|(name, value)| KeyValue::new(name, value)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_those_of_ours_say_so() {
        let names: BTreeSet<_> = metrics().map(Metric::prometheus_name).collect();
        assert_eq!(names.len(), metrics().count());
        for metric in metrics() {
            let known = ["keyward.", "rpc.server.", "process."];
            assert!(known.iter().any(|prefix| metric.name.starts_with(prefix)), "{}", metric.name);
        }
    }

    /// As `promtool check metrics` has it.
    #[test]
    fn prometheus_has_nothing_to_say_of_names_and_meanings() {
        for metric in metrics() {
            let name = metric.prometheus_name();
            assert_eq!(name.ends_with("_total"), metric.kind() == "counter", "{name}");
            for reserved in ["_count", "_sum", "_bucket", "_info"] {
                let is_info = reserved == "_info" && name == "keyward_build_info";
                assert!(!name.ends_with(reserved) || is_info, "{name}");
            }
            assert!(metric.meaning.ends_with('.') && metric.meaning.len() > 10, "{name}");
            assert!(!metric.meaning.contains(['|', '\n']), "{name}");
        }
    }
}
