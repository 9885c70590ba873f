//! What the process tells of itself to whoever operates it, at a port of its own: `/metrics` for
//! Prometheus, and `/status`, one document for people and scripts.
//!
//! Everything is read when it is asked for: what is counted costs the questions nothing. Asking
//! makes no call to the database, however often it is done: what only the database knows is
//! looked up every [`LOOK_INTERVAL`]. No key, secret, digest or address of a client is ever told.

mod facts;
mod instruments;
mod pages;
mod server;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use opentelemetry::{KeyValue, metrics::MeterProvider as _};
use opentelemetry_sdk::{Resource, error::OTelSdkError, metrics::SdkMeterProvider};
use prometheus::Registry;
use tokio::{net::TcpListener, runtime::Handle, time::MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{cache::Cache, checkpoints, limits, replica::Replica, tls, usage::Meter};
use pages::Pages;

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
}

/// What is told of.
pub struct Sources {
    /// What answers from memory.
    pub cache: Arc<Cache>,
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
}

/// Tells, until it is dropped.
pub struct Telemetry {
    address: SocketAddr,
    sources: Arc<OnceLock<Sources>>,
    back: Handle,
    stop: CancellationToken,
    _until_dropped: DropGuard,
}

impl Telemetry {
    /// Begins to answer at the listener, in tasks on this runtime. Until [`Telemetry::watch`]
    /// there is not much to tell.
    ///
    /// # Errors
    ///
    /// [`TelemetryError`].
    pub fn start(listener: TcpListener, back: &Handle) -> Result<Self, TelemetryError> {
        let address = listener.local_addr()?;
        let sources = Arc::new(OnceLock::new());
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()?;
        let resource = Resource::builder_empty()
            .with_service_name("keyward")
            .with_attribute(KeyValue::new("service.version", VERSION))
            .build();
        let meters =
            SdkMeterProvider::builder().with_reader(exporter).with_resource(resource).build();
        instruments::register(&meters.meter("keyward"), &sources);
        let stop = CancellationToken::new();
        let pages = Pages::new(registry, meters, Arc::clone(&sources));
        back.spawn(server::serve(listener, pages, server::LIMITS, stop.clone()));
        let _until_dropped = stop.clone().drop_guard();
        Ok(Self { address, sources, back: back.clone(), stop, _until_dropped })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
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
