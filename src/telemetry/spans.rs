//! Spans, from whoever opens them to the collector.
//!
//! They wait in a queue of [`QUEUE_MAX`], and a task on the back sends them. Whoever closes a span
//! waits for nothing: where there is no room it is dropped, and counted.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry::{Context as OtelContext, trace::TracerProvider as _};
use opentelemetry_proto::{
    tonic::collector::trace::v1::{
        ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
    },
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanLimits, SpanProcessor},
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{Metadata, Subscriber, subscriber::Interest};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, filter_fn},
    layer::{Context, Layered},
    registry::LookupSpan,
};

use super::{
    collector::{Collector, Taking},
    context::CALLS,
};

/// Spans that wait to be sent: about 6 MiB, where each says as much of its trace as it may.
const QUEUE_MAX: usize = 4_096;
/// Spans that are sent at once.
const BATCH_MAX: usize = 512;
/// How long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);

/// What a span may hold; more is left out, and counted in the span.
const SPAN_LIMITS: SpanLimits = SpanLimits {
    max_events_per_span: 32,
    max_attributes_per_span: 32,
    max_links_per_span: 128,
    max_attributes_per_event: 8,
    max_attributes_per_link: 8,
};

/// What became of spans.
#[derive(Debug, Default)]
pub struct Spans {
    sent: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl Spans {
    /// How many the collector took, how many found no room to wait in, and how many it did not
    /// take.
    pub fn read(&self) -> [(&'static str, u64); 3] {
        let read = |count: &AtomicU64| count.load(Relaxed);
        [
            ("sent", read(&self.sent)),
            ("dropped", read(&self.dropped)),
            ("failed", read(&self.failed)),
        ]
    }
}

/// What spans are gathered by; a part of what logs.
pub type SpanLayer = Box<dyn Layer<LineLayers> + Send + Sync>;

/// What logs lines, beneath it.
pub(crate) type LineLayers = Layered<Box<dyn Layer<Registry> + Send + Sync>, Registry>;

/// The spans of this process on their way to the collector.
pub struct Traces {
    waiting: mpsc::Receiver<SpanData>,
    counts: Arc<Spans>,
    resource: Resource,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Traces {
    /// What gathers spans, and where they come out.
    pub(super) fn new(resource: &Resource) -> (SpanLayer, Self) {
        let (room, waiting) = mpsc::channel(QUEUE_MAX);
        let counts = Arc::<Spans>::default();
        let outlet = Outlet { room, counts: Arc::clone(&counts) };
        let provider = SdkTracerProvider::builder()
            .with_span_processor(outlet)
            // Both would be read from the environment: by now it is decided what is traced.
            .with_sampler(Sampler::AlwaysOn)
            .with_span_limits(SPAN_LIMITS)
            .with_resource(resource.clone())
            .build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("keyward"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_level(false)
            // The fields of log lines were not chosen for spans.
            .with_filter(filter_fn(is_span))
            .and_then(Gate);
        (layer.boxed(), Self { waiting, counts, resource: resource.clone() })
    }

    /// What became of them.
    pub(super) fn counts(&self) -> &Arc<Spans> {
        &self.counts
    }

    /// Sends what comes, until `stop`; then what waits, and no more.
    pub(super) async fn send(mut self, collector: Collector, stop: CancellationToken) {
        let taking = Taking::of("traces");
        let resource = ResourceAttributesWithSchema::from(&self.resource);
        let mut client = TraceServiceClient::new(collector.channel.clone());
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            let gathering = gather(&mut self.waiting, &mut batch);
            let is_over = stop.run_until_cancelled(gathering).await.is_none();
            while is_over
                && batch.len() < BATCH_MAX
                && let Ok(span) = self.waiting.try_recv()
            {
                batch.push(span);
            }
            if batch.is_empty() {
                return;
            }
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            let spans = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_MAX));
            let resource_spans = group_spans_by_resource_and_scope(spans, &resource);
            let message = collector.message(ExportTraceServiceRequest { resource_spans });
            let became = match taking.is_taken(client.export(message)).await {
                true => &self.counts.sent,
                false => &self.counts.failed,
            };
            became.fetch_add(count, Relaxed);
        }
    }
}

/// Waits for one span, and a while for others.
async fn gather(waiting: &mut mpsc::Receiver<SpanData>, batch: &mut Vec<SpanData>) {
    if waiting.recv_many(batch, BATCH_MAX).await == 0 {
        // Nobody is left who opens any.
        return std::future::pending().await;
    }
    let end = Instant::now() + GATHER;
    while batch.len() < BATCH_MAX {
        let more = waiting.recv_many(batch, BATCH_MAX - batch.len());
        if !tokio::time::timeout_at(end, more).await.is_ok_and(|more| more > 0) {
            return;
        }
    }
}

/// Puts spans that have ended into the queue.
#[derive(Debug)]
struct Outlet {
    room: mpsc::Sender<SpanData>,
    counts: Arc<Spans>,
}

impl SpanProcessor for Outlet {
    fn on_start(&self, _: &mut Span, _: &OtelContext) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.room.try_send(span).is_err() {
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Lets the spans of calls through, and what is of this program within one: a call that is not
/// traced has none at all. All else, such as what libraries trace of the way to the collector, is no
/// part of any trace.
#[derive(Debug)]
struct Gate;

fn is_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    let inside = metadata.target().strip_prefix("keyward");
    inside.is_some_and(|inside| inside.is_empty() || inside.starts_with("::"))
}

impl<S> Layer<S> for Gate
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match (metadata.is_span(), is_ours(metadata)) {
            (true, true) => Interest::sometimes(),
            (true, false) => Interest::never(),
            (false, _) => Interest::always(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        let is_wanted = || {
            is_ours(metadata) && (metadata.target() == CALLS || context.lookup_current().is_some())
        };
        !metadata.is_span() || is_wanted()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use http::HeaderMap;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::telemetry::context::{Sampler, current};

    /// Does this where spans are gathered, and gives what came of it.
    fn gathered(work: impl FnOnce()) -> (Vec<SpanData>, Traces) {
        let (layer, mut traces) = Traces::new(&Resource::builder_empty().build());
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
        let lines = lines.with_filter(LevelFilter::INFO).boxed();
        let subscriber = tracing_subscriber::registry().with(lines).with(layer);
        tracing::subscriber::with_default(subscriber, work);
        let mut spans = Vec::new();
        while let Ok(span) = traces.waiting.try_recv() {
            spans.push(span);
        }
        (spans, traces)
    }

    fn headers(flags: &str) -> HeaderMap {
        let parent = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        let headers = [(http::HeaderName::from_static("traceparent"), parent.parse().unwrap())];
        HeaderMap::from_iter(headers)
    }

    fn call(sampler: &Sampler, flags: &str) -> tracing::Span {
        sampler.begin(&headers(flags), "keyward.v1.A/B", || true)
    }

    /// A call whose caller says nothing of a trace.
    fn root(sampler: &Sampler) -> tracing::Span {
        sampler.begin(&HeaderMap::new(), "keyward.v1.A/B", || false)
    }

    #[test]
    fn a_call_that_is_not_traced_has_no_span_and_nor_has_what_it_waits_for() {
        let (spans, _) = gathered(|| {
            for span in [
                call(&Sampler::new(1.0, 1), "00"),
                call(&Sampler::default(), "01"),
                root(&Sampler::new(0.0, 1)),
            ] {
                assert!(span.is_disabled());
                let _entered = span.entered();
                assert!(tracing::info_span!("statement").is_disabled());
                assert_eq!(current(), None);
            }
        });
        assert!(spans.is_empty(), "{spans:?}");
    }

    #[test]
    fn what_a_call_waits_for_is_beneath_it_and_what_libraries_trace_is_not() {
        let (spans, _) = gathered(|| {
            let span = call(&Sampler::new(0.0, 1), "01");
            span.in_scope(|| {
                let foreign = tracing::info_span!(target: "h2", "connection");
                assert!(foreign.is_disabled());
                foreign.in_scope(|| tracing::info_span!("statement").in_scope(|| ()));
                tracing::error!(secret = "hunter2", "no part of a span");
            });
            crate::telemetry::context::told(&span, "INTERNAL");
        });
        let [statement, call] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((&*statement.name, &*call.name), ("statement", "keyward.v1.A/B"));
        assert_eq!(statement.parent_span_id, call.span_context.span_id());
        assert_eq!(call.parent_span_id.to_string(), "b7ad6b7169203331");
        assert_eq!(call.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(call.status, opentelemetry::trace::Status::error(""));
        let told = format!("{call:?}");
        assert!(told.contains("error.type") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn callers_have_so_many_traced_and_strangers_none() {
        let sampler = Sampler::new(1.0, 2);
        let (spans, _) = gathered(|| {
            for _ in 0..QUEUE_MAX {
                let stranger = sampler.begin(&headers("01"), "keyward.v1.A/B", || false);
                assert!(stranger.is_disabled());
            }
            // Strangers have used up nothing that is the callers'.
            let known = (0..100).filter(|_| !call(&sampler, "01").is_disabled()).count();
            // What begins here counts for itself.
            assert!(!root(&sampler).is_disabled());
            let refused = QUEUE_MAX + 100 - known;
            assert_eq!(sampler.refused(), refused as u64);
        });
        // Twice as many at once, and those that came back while it was asked.
        assert!((5..10).contains(&spans.len()), "{}", spans.len());
    }

    #[test]
    fn a_span_takes_no_more_of_what_vendors_say_than_it_must() {
        let mut headers = headers("01");
        let state = |vendors| (0..vendors).map(|one| format!("v{one}={}", "x".repeat(200)));
        let (spans, _) = gathered(|| {
            for vendors in [2, 3] {
                let state = state(vendors).collect::<Vec<_>>().join(",");
                headers.insert("tracestate", state.parse().unwrap());
                drop(Sampler::new(0.0, 1).begin(&headers, "keyward.v1.A/B", || true));
            }
        });
        let lengths: Vec<_> =
            spans.iter().map(|span| span.span_context.trace_state().header().len()).collect();
        assert_eq!(lengths, [407, 0]);
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let extra = 7;
        let sampler = Sampler::new(1.0, 0);
        let (spans, traces) = gathered(|| {
            for _ in 0..QUEUE_MAX + extra {
                drop(root(&sampler));
            }
        });
        assert_eq!(spans.len(), QUEUE_MAX);
        let expected = [("sent", 0), ("dropped", extra as u64), ("failed", 0)];
        assert_eq!(traces.counts.read(), expected);
    }
}
