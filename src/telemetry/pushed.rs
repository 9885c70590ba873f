//! Metrics, from time to time sent to the collector.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::{
        ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient,
    },
    common::v1::{AnyValue, KeyValue, any_value},
    metrics::v1::{AggregationTemporality, Histogram, HistogramDataPoint, Metric, metric},
};
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    metrics::{Temporality, data::ResourceMetrics, exporter::PushMetricExporter},
};

use super::{
    Sources,
    collector::{Collector, Taking},
    instruments::{Labels, histograms},
};
use crate::{
    domain::{ports::Clock, time::Timestamp},
    measure::Snapshot,
};

/// Sends metrics, and with them the histograms, which this program keeps by itself.
pub(super) struct Pushed {
    pub(super) collector: Collector,
    pub(super) sources: Arc<OnceLock<Sources>>,
    pub(super) clock: Arc<dyn Clock>,
    /// When counting began.
    pub(super) since: Timestamp,
    pub(super) taking: Arc<Taking>,
}

impl PushMetricExporter for Pushed {
    fn export(&self, metrics: &ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        let mut request = ExportMetricsServiceRequest::from(metrics);
        let of_ours = request.resource_metrics.iter_mut().flat_map(|all| &mut all.scope_metrics);
        if let Some(scope) = of_ours.last() {
            scope.metrics.extend(self.histograms());
        }
        let (collector, taking) = (self.collector.clone(), Arc::clone(&self.taking));
        // The reader's thread has no runtime.
        let sending = self.collector.back.spawn(async move {
            let mut client = MetricsServiceClient::new(collector.channel.clone());
            taking.is_taken(client.export(collector.message(request))).await
        });
        async move {
            match sending.await {
                Ok(true) => Ok(()),
                Ok(false) => Err(OTelSdkError::InternalFailure("not taken".to_owned())),
                Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

impl Pushed {
    fn histograms(&self) -> Vec<Metric> {
        let nanos = |at: Timestamp| u64::try_from(at.micros()).unwrap_or(0).saturating_mul(1_000);
        let times = (nanos(self.since), nanos(self.clock.now()));
        let metric = |(about, series): (&super::instruments::Metric, Vec<(Snapshot, Labels)>)| {
            let data_points = series.into_iter().map(|one| point(one, times)).collect();
            Metric {
                name: about.name.to_owned(),
                description: about.meaning.to_owned(),
                unit: about.unit.to_owned(),
                data: Some(metric::Data::Histogram(Histogram {
                    data_points,
                    aggregation_temporality: AggregationTemporality::Cumulative.into(),
                })),
                ..Metric::default()
            }
        };
        self.sources
            .get()
            .map(|sources| histograms(sources).map(metric).collect())
            .unwrap_or_default()
    }
}

fn point((taken, labels): (Snapshot, Labels), (since, now): (u64, u64)) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: labels.into_iter().map(attribute).collect(),
        start_time_unix_nano: since,
        time_unix_nano: now,
        count: taken.count(),
        sum: Some(taken.seconds),
        explicit_bounds: taken.bounds_seconds().collect(),
        bucket_counts: taken.counts,
        ..HistogramDataPoint::default()
    }
}

fn attribute((name, value): (&'static str, &'static str)) -> KeyValue {
    let value = any_value::Value::StringValue(value.to_owned());
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
