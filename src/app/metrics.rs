//! Where the process tells how it is.

use std::sync::Arc;

use tokio::net::TcpListener;

use super::{App, AppError, Listener};
use crate::{
    back::Back,
    config::{MetricsSettings, Settings},
    telemetry::{Sources, Telemetry},
};

/// Begins to tell how the process is, where the settings say so, on the back; until what it
/// returns is dropped.
///
/// # Errors
///
/// [`AppError::ListenForMetrics`], [`AppError::Telemetry`].
pub async fn tell_metrics(settings: &Settings, back: &Back) -> Result<Option<Telemetry>, AppError> {
    let MetricsSettings { enabled, listen } = settings.metrics;
    if !enabled {
        return Ok(None);
    }
    let refused = |error| AppError::ListenForMetrics { address: listen, error };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let telemetry = Telemetry::start(listener, back.handle())?;
    tracing::info!(address = %telemetry.address(), "metrics and status can be read");
    Ok(Some(telemetry))
}

impl App {
    /// Has this deployment told of, and where it is reached.
    pub fn tell(&self, telemetry: Option<&Telemetry>, listener: &Listener) {
        if let Some(telemetry) = telemetry {
            telemetry.watch(Sources {
                cache: Arc::clone(&self.cache),
                usage: Arc::clone(&self.usage),
                limits: Arc::clone(&self.limits),
                checkpoints: Arc::clone(&self.checkpoints),
                replica: self.replica().map(Arc::clone),
                tls: listener.tally(),
            });
        }
    }
}
