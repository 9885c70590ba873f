//! The histograms that this program keeps by itself, as Prometheus has them.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use prometheus::{
    core::{Collector, Desc},
    proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};

use super::{
    Sources,
    instruments::{self, Labels, histograms},
};
use crate::measure::Snapshot;

/// Gathers them.
pub(super) struct Histograms {
    sources: Arc<OnceLock<Sources>>,
    descriptions: Vec<Desc>,
}

impl Histograms {
    pub(super) fn new(sources: Arc<OnceLock<Sources>>) -> Result<Self, prometheus::Error> {
        let all = instruments::metrics().filter(|metric| metric.kind() == "histogram");
        let describe = |metric: &instruments::Metric| {
            let labels = metric.labels.iter().map(|label| label.replace('.', "_")).collect();
            Desc::new(metric.prometheus_name(), metric.meaning.to_owned(), labels, HashMap::new())
        };
        let descriptions = all.map(describe).collect::<Result<_, _>>()?;
        Ok(Self { sources, descriptions })
    }
}

impl Collector for Histograms {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let family = |(about, series): (&instruments::Metric, Vec<(Snapshot, Labels)>)| {
            let mut family = MetricFamily::default();
            family.set_name(about.prometheus_name());
            family.set_help(about.meaning.to_owned());
            family.set_field_type(MetricType::HISTOGRAM);
            family.set_metric(series.iter().map(one).collect());
            family
        };
        self.sources
            .get()
            .map(|sources| histograms(sources).map(family).collect())
            .unwrap_or_default()
    }
}

fn one((taken, labels): &(Snapshot, Labels)) -> Metric {
    let label = |(name, value): &(&str, &str)| {
        let mut label = LabelPair::default();
        label.set_name(name.replace('.', "_"));
        label.set_value((*value).to_owned());
        label
    };
    let mut count = 0;
    // The last class, which has no end, is the whole count.
    let buckets = taken.bounds_seconds().zip(&taken.counts).map(|(end, more)| {
        count += more;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(end);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(taken.count());
    histogram.set_sample_sum(taken.seconds);
    let mut labels: Vec<LabelPair> = labels.iter().map(label).collect();
    // As the registry has those of all others.
    labels.sort_by(|one, other| one.name().cmp(other.name()));
    let mut metric = Metric::from_label(labels);
    metric.set_histogram(histogram);
    metric
}
