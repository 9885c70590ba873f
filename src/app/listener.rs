//! Where the process is reached: the port for calls, its encryption, and the port for health.

use std::{io, net::SocketAddr, os::fd::AsFd as _, sync::Arc};

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

use super::{AppError, report};
use crate::{
    callers::InForce,
    clock::SystemClock,
    config::{ClientCertificates, ServerSettings, Settings},
    grpc::layers::{EdgeLimits, Watch, edge},
    server::{self, Crowd, Entry},
    tls::{Handshakes, Tally, Tls},
};

/// Connections of the port for health at once: some probes, and nobody else.
const HEALTH_CONNECTIONS_MAX: usize = 256;
/// Milliseconds that its clients are given at the end.
const HEALTH_DRAIN_MS: u64 = 1_000;
/// Milliseconds after which one of them is told to connect again: whoever watches does, and who forgot it is gone.
const HEALTH_AGE_MS: u64 = 60_000;
/// Bytes of a question, which has the name of a service, and of its headers.
const HEALTH_BYTES_MAX: usize = 4_096;
/// Questions at once on one connection.
const HEALTH_STREAMS_MAX: u32 = 8;

/// A port that is open, and what serves beside it. Files are looked at, and health is told, until it is dropped.
pub struct Listener {
    port: TcpListener,
    encryption: Option<Encryption>,
    health: Option<(HealthReporter, SocketAddr)>,
    _until_dropped: DropGuard,
}

/// How connections are encrypted.
struct Encryption {
    handshakes: Handshakes,
    callers: Option<Arc<InForce>>,
    tally: Arc<Tally>,
}

impl From<TcpListener> for Listener {
    /// A port whose connections are not encrypted, and nothing beside it.
    fn from(port: TcpListener) -> Self {
        let _until_dropped = CancellationToken::new().drop_guard();
        Self { port, encryption: None, health: None, _until_dropped }
    }
}

/// Listens where the settings say, with the encryption and the port for health that they say. To be called within a
/// runtime that goes on as long as what is returned.
///
/// # Errors
///
/// [`AppError::Tls`], [`AppError::Listen`], [`AppError::ListenForHealth`].
pub async fn listen(settings: &Settings) -> Result<Listener, AppError> {
    let tls = Tls::open(&settings.tls, Arc::new(SystemClock)).await?;
    let address = settings.server.listen;
    let refused = |error| AppError::Listen { address, error };
    let port = TcpListener::bind(address).await.map_err(refused)?;
    let stop = CancellationToken::new();
    let health = match settings.health.listen.0 {
        Some(address) => {
            let refused = |error| AppError::ListenForHealth { address, error };
            let port = TcpListener::bind(address).await.map_err(refused)?;
            Some(tell_health(port, &settings.server, stop.clone()).await.map_err(refused)?)
        }
        None => None,
    };
    let encryption = tls.map(|tls| {
        let (callers, tally) = (tls.callers().map(Arc::clone), Arc::clone(tls.tally()));
        let encryption = Encryption { handshakes: tls.handshakes(), callers, tally };
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(tls.keep()).await });
        match (settings.tls.client_ca(), settings.tls.client_certificates) {
            (None, _) => {
                tracing::info!("connections are encrypted; clients are asked for no certificate");
            }
            (Some(_), ClientCertificates::Optional) => {
                tracing::info!("connections are encrypted; clients may show a certificate");
            }
            (Some(_), ClientCertificates::Unsaid | ClientCertificates::Required) => {
                tracing::info!("connections are encrypted; clients must show a certificate");
            }
        }
        encryption
    });
    Ok(Listener { port, encryption, health, _until_dropped: stop.drop_guard() })
}

impl Listener {
    /// Where calls are taken.
    ///
    /// # Errors
    ///
    /// Where the system does not say it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.port.local_addr()
    }

    /// The port and how its connections begin, for whoever serves it; the rest goes on until it is dropped.
    pub(super) fn parted(self) -> (TcpListener, Option<Handshakes>, DropGuard) {
        let handshakes = self.handshakes();
        (self.port, handshakes, self._until_dropped)
    }

    /// Another descriptor of the same port: who connects between the ends of the two waits, and is not turned away.
    pub(super) fn twin(&self) -> io::Result<TcpListener> {
        let twin = self.port.as_fd().try_clone_to_owned()?;
        TcpListener::from_std(twin.into())
    }

    pub(super) fn handshakes(&self) -> Option<Handshakes> {
        self.encryption.as_ref().map(|encryption| encryption.handshakes.clone())
    }

    pub(super) fn callers(&self) -> Option<Arc<InForce>> {
        self.encryption.as_ref()?.callers.as_ref().map(Arc::clone)
    }

    /// Where health is told beside it. None: nowhere.
    pub fn health_addr(&self) -> Option<SocketAddr> {
        self.health.as_ref().map(|(_, address)| *address)
    }

    /// What is counted of certificates, where there are some.
    pub fn tally(&self) -> Option<Arc<Tally>> {
        self.encryption.as_ref().map(|encryption| Arc::clone(&encryption.tally))
    }

    /// By whom else health is told.
    pub(super) fn health(&self) -> Option<HealthReporter> {
        self.health.as_ref().map(|(reporter, _)| reporter.clone())
    }
}

/// Serves health alone, never encrypted, until `stop`. Until somebody says otherwise it is NOT_SERVING.
async fn tell_health(
    port: TcpListener,
    settings: &ServerSettings,
    stop: CancellationToken,
) -> io::Result<(HealthReporter, SocketAddr)> {
    let settings = ServerSettings {
        front_threads: 1,
        max_connections: HEALTH_CONNECTIONS_MAX,
        drain_timeout_ms: HEALTH_DRAIN_MS,
        // Strangers may reach it, and claim no memory worth the name.
        max_message_bytes: HEALTH_BYTES_MAX,
        max_concurrent_streams: HEALTH_STREAMS_MAX,
        max_connection_age_ms: HEALTH_AGE_MS,
        max_connection_age_grace_ms: HEALTH_DRAIN_MS,
        ..settings.clone()
    };
    let (reporter, health) = tonic_health::server::health_reporter();
    let health = health.max_decoding_message_size(HEALTH_BYTES_MAX);
    report(std::slice::from_ref(&reporter), ServingStatus::NotServing).await;
    let limits = EdgeLimits::from(&settings);
    let edge = edge(Routes::new(health), limits, Watch::default());
    let address = port.local_addr()?;
    tracing::info!(%address, "health can be asked");
    tokio::spawn(async move {
        // A probe connects anew each time: whoever holds connections open keeps none of them out.
        let entry = Entry { crowd: Crowd::OldestLeaves, ..Entry::default() };
        if let Err(error) = server::run(port, edge, &settings, entry, stop).await {
            tracing::error!(%error, "health can no longer be asked on its own port");
        }
    });
    Ok((reporter, address))
}
