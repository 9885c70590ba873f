//! What the process tells of itself to whoever operates it: at a port of its own `/metrics` for
//! Prometheus, and `/status`, one document for people and scripts; and metrics and traces to a
//! collector of OpenTelemetry, where there is one.
//!
//! Everything is read when it is asked for: what is counted costs the questions little. Asking
//! makes no call to the database, however often it is done: what only the database knows is
//! looked up every [`LOOK_INTERVAL`]. No key, secret, digest or address of a client is ever told.

mod allowance;
mod collector;
pub mod context;
mod facts;
mod histograms;
mod instruments;
mod pages;
mod pushed;
mod server;
mod spans;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use opentelemetry::{KeyValue, metrics::MeterProvider as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkError,
    metrics::{PeriodicReader, SdkMeterProvider},
};
use prometheus::Registry;
use tokio::{net::TcpListener, runtime::Handle, time::MissedTickBehavior};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    cache::Cache,
    checkpoints,
    domain::ports::Clock,
    introspect::Introspection,
    limits,
    measure::{Calls, Gauge},
    replica::Replica,
    tls,
    usage::Meter,
};
use collector::{Collector, Taking};
pub use collector::{Headers, InvalidEndpoint, InvalidHeaders};
use histograms::Histograms;
pub use instruments::{Metric, markdown, metrics};
use pages::Pages;
use pushed::Pushed;
pub use spans::{SpanLayer, Spans, Traces};

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How often it is looked how many replicas there are, and how safe commits are.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The listener is of no use.
    #[error("the port for metrics cannot be used: {0}")]
    Listener(#[from] io::Error),
    /// The metrics cannot be gathered.
    #[error("metrics cannot be gathered: {0}")]
    Metrics(#[from] OTelSdkError),
    /// The metrics cannot be told to Prometheus.
    #[error("metrics cannot be told: {0}")]
    Prometheus(#[from] prometheus::Error),
    /// The collector cannot be used.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
}

/// What is told of.
pub struct Sources {
    /// The calls that clients make.
    pub calls: Arc<Calls>,
    /// What decides which of them are traced.
    pub sampler: context::Sampler,
    /// The connections that they make them on.
    pub connections: Gauge,
    /// What decides.
    pub introspection: Arc<Introspection>,
    /// What answers from memory.
    pub cache: Arc<Cache>,
    /// What tells how many connections to the database are in use.
    pub pools: Box<dyn Fn() -> Vec<Pool> + Send + Sync>,
    /// What counts how keys are used.
    pub usage: Arc<Meter>,
    /// What counts the rate limits.
    pub limits: Arc<limits::Tally>,
    /// What counts the checkpoints of the log.
    pub checkpoints: Arc<checkpoints::Tally>,
    /// None: there are no other replicas.
    pub replica: Option<Arc<Replica>>,
    /// What counts certificates that were read again. None: connections are not encrypted.
    pub tls: Option<Arc<tls::Tally>>,
    /// None: there is no collector for spans.
    pub spans: Option<Arc<Spans>>,
}

/// Connections to the database of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// What they are for.
    pub name: &'static str,
    /// How many are in use.
    pub in_use: u64,
    /// How many may be.
    pub max: u64,
}

/// Who this process is, to those whom it tells of itself.
#[derive(Clone, Debug)]
pub struct Identity(Resource);

impl Identity {
    /// An instance of this program, of which there is one with this name.
    #[must_use]
    pub fn new(instance: String) -> Self {
        let resource = Resource::builder_empty()
            .with_service_name("keyward")
            .with_attribute(KeyValue::new("service.version", VERSION))
            .with_attribute(KeyValue::new("service.instance.id", instance));
        Self(resource.build())
    }

    /// What gathers the spans of this process, and where they come out.
    #[must_use]
    pub fn traces(&self) -> (SpanLayer, Traces) {
        Traces::new(&self.0)
    }
}

/// A collector of OpenTelemetry, and what it is sent.
#[derive(Debug)]
pub struct Export {
    /// Where it is.
    pub endpoint: String,
    /// What is said to it beside.
    pub headers: Headers,
    /// The time between two times that metrics are sent.
    pub interval: Duration,
    /// The spans.
    pub traces: Traces,
}

/// How the process tells of itself.
pub struct Telling {
    /// Who it is.
    pub identity: Identity,
    /// Where it is asked. None: nowhere.
    pub listener: Option<TcpListener>,
    /// Whom it tells unasked. None: nobody.
    pub export: Option<Export>,
    /// By which it dates what it tells.
    pub clock: Arc<dyn Clock>,
}

/// Tells, until it is dropped.
pub struct Telemetry {
    address: Option<SocketAddr>,
    sources: Arc<OnceLock<Sources>>,
    spans: Option<Arc<Spans>>,
    meters: SdkMeterProvider,
    back: Handle,
    sending: TaskTracker,
    /// Cancelled first: what waits is sent.
    last: CancellationToken,
    stop: CancellationToken,
    _until_dropped: [DropGuard; 2],
}

impl Telemetry {
    /// Begins to tell, in tasks on this runtime. Until [`Telemetry::watch`] there is not much to.
    ///
    /// # Errors
    ///
    /// [`TelemetryError`].
    pub fn start(telling: Telling, back: &Handle) -> Result<Self, TelemetryError> {
        let Telling { identity: Identity(resource), listener, export, clock } = telling;
        let sources = Arc::<OnceLock<Sources>>::default();
        let (registry, sending) = (Registry::new(), TaskTracker::new());
        let [last, stop] = [(); 2].map(|()| CancellationToken::new());
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()?;
        registry.register(Box::new(Histograms::new(Arc::clone(&sources))?))?;
        let mut meters = SdkMeterProvider::builder().with_reader(exporter).with_resource(resource);
        let mut spans = None;
        if let Some(Export { endpoint, headers, interval, traces }) = export {
            let collector = Collector::new(&endpoint, headers, back)?;
            let since = clock.now();
            let pushed = Pushed {
                collector: collector.clone(),
                sources: Arc::clone(&sources),
                clock,
                since,
                taking: Arc::new(Taking::of("metrics")),
            };
            let reader = PeriodicReader::builder(pushed).with_interval(interval).build();
            meters = meters.with_reader(reader);
            spans = Some(Arc::clone(traces.counts()));
            sending.spawn_on(traces.send(collector, last.clone()), back);
        }
        sending.close();
        let meters = meters.build();
        instruments::register(&meters.meter("keyward"), &sources);
        let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        if let Some(listener) = listener {
            let pages = Pages::new(registry, meters.clone(), Arc::clone(&sources));
            back.spawn(server::serve(listener, pages, server::LIMITS, stop.clone()));
        }
        let _until_dropped = [&last, &stop].map(|token| token.clone().drop_guard());
        let back = back.clone();
        Ok(Self { address, sources, spans, meters, back, sending, last, stop, _until_dropped })
    }

    /// Where it answers, where it is asked.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// What becomes of spans, where there is a collector for them.
    pub fn spans(&self) -> Option<&Arc<Spans>> {
        self.spans.as_ref()
    }

    /// Tells of these from now on. The first ones count.
    pub fn watch(&self, sources: Sources) {
        let replica = sources.replica.as_ref().map(Arc::clone);
        if self.sources.set(sources).is_ok()
            && let Some(replica) = replica
        {
            let stop = self.stop.clone();
            self.back.spawn(async move { stop.run_until_cancelled(look_always(&replica)).await });
        }
    }

    /// Sends what waits for the collector, for this long at the most, and ends.
    pub async fn finish(self, patience: Duration) {
        self.last.cancel();
        if self.spans.is_some() {
            let meters = self.meters.clone();
            // It is waited for on a thread, not in a task.
            let metrics = self.back.spawn_blocking(move || meters.shutdown_with_timeout(patience));
            let spans = tokio::time::timeout(patience, self.sending.wait());
            // What was not taken was told of.
            _ = tokio::join!(spans, metrics);
        }
    }
}

/// Looks around, again and again.
async fn look_always(replica: &Replica) {
    let mut interval = tokio::time::interval(LOOK_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Err(error) = replica.look().await {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "the replicas and the durability are as of an earlier look");
        }
    }
}
