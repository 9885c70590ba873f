//! What the process tells of itself, and to whom.

use std::{sync::Arc, time::Duration};

use tokio::net::TcpListener;

use super::{App, AppError, Listener};
use crate::{
    back::Back,
    clock::SystemClock,
    config::{MetricsSettings, Settings, TelemetrySettings},
    files::private,
    grpc::layers::Watch,
    store::PoolUse,
    telemetry::{
        Export, Headers, Identity, Pool, Sources, SpanLayer, Telemetry, Telling, Traces,
        context::Sampler,
    },
};

/// What is to be told of the process from its start on.
pub struct Gathering {
    identity: Identity,
    traces: Option<Traces>,
}

/// Begins to gather spans, where the settings name a collector for them: what logs is to be given
/// what gathers them. They wait until [`tell`] sends them.
#[must_use]
pub fn gather_spans(settings: &Settings) -> (Option<SpanLayer>, Gathering) {
    let instance = match settings.telemetry.service_instance_id.as_str() {
        "" => uuid::Uuid::now_v7().to_string(),
        given => given.to_owned(),
    };
    let identity = Identity::new(instance);
    let (layer, traces) = settings.telemetry.is_on().then(|| identity.traces()).unzip();
    (layer, Gathering { identity, traces })
}

/// Begins to tell how the process is, where the settings say so, on the back; until what it
/// returns is dropped.
///
/// # Errors
///
/// [`AppError::ListenForMetrics`], [`AppError::HeadersFile`], [`AppError::Headers`],
/// [`AppError::Telemetry`].
pub async fn tell(
    settings: &Settings,
    gathering: Gathering,
    back: &Back,
) -> Result<Option<Telemetry>, AppError> {
    let MetricsSettings { enabled, listen } = settings.metrics;
    let Gathering { identity, traces } = gathering;
    let refused = |error| AppError::ListenForMetrics { address: listen, error };
    let listener = match enabled {
        true => Some(TcpListener::bind(listen).await.map_err(refused)?),
        false => None,
    };
    let export = traces.map(|traces| export(&settings.telemetry, traces)).transpose()?;
    if listener.is_none() && export.is_none() {
        return Ok(None);
    }
    let telling = Telling { identity, listener, export, clock: Arc::new(SystemClock) };
    let telemetry = Telemetry::start(telling, back.handle())?;
    if let Some(address) = telemetry.address() {
        tracing::info!(%address, "metrics and status can be read");
    }
    if telemetry.spans().is_some() {
        let endpoint = &settings.telemetry.otlp_endpoint;
        tracing::info!(endpoint, "traces and metrics are sent to a collector");
    }
    Ok(Some(telemetry))
}

fn export(settings: &TelemetrySettings, traces: Traces) -> Result<Export, AppError> {
    let headers = match settings.headers_file() {
        None => Headers::default(),
        Some(path) => {
            let text = private::read_value(path).map_err(AppError::HeadersFile)?;
            let path = path.to_owned();
            Headers::parse(&text).map_err(|error| AppError::Headers { path, error })?
        }
    };
    Ok(Export {
        endpoint: settings.otlp_endpoint.clone(),
        headers,
        interval: Duration::from_millis(settings.metrics_interval_ms),
        traces,
    })
}

/// What takes note of the calls.
pub(super) fn watch(settings: &Settings) -> Watch {
    let telemetry = &settings.telemetry;
    let sampler = match telemetry.is_on() {
        true => Sampler::new(telemetry.sample_ratio.get(), telemetry.caller_traces_per_s),
        false => Sampler::default(),
    };
    Watch { sampler, ..Watch::default() }
}

impl App {
    fn pools(&self) -> Box<dyn Fn() -> Vec<Pool> + Send + Sync> {
        let store = Arc::clone(&self.store);
        let told = |PoolUse { name, in_use, max }| Pool { name, in_use, max };
        Box::new(move || store.connections().into_iter().map(told).collect())
    }

    /// Has this deployment told of, and where it is reached.
    pub fn tell(&self, telemetry: Option<&Telemetry>, listener: &Listener) {
        if let Some(telemetry) = telemetry {
            telemetry.watch(Sources {
                calls: Arc::clone(&self.watch.calls),
                sampler: self.watch.sampler.clone(),
                connections: self.connections.clone(),
                introspection: Arc::clone(&self.introspection),
                cache: Arc::clone(&self.cache),
                pools: self.pools(),
                usage: Arc::clone(&self.usage),
                limits: Arc::clone(&self.limits),
                checkpoints: Arc::clone(&self.checkpoints),
                replica: self.replica().map(Arc::clone),
                spans: telemetry.spans().map(Arc::clone),
                tls: listener.tally(),
            });
        }
    }
}
