//! What keeps the process from serving.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{
    admin::AdminError,
    back::Stopped,
    config::InvalidSettings,
    domain::ports::StoreError,
    files::private::ValueFileError,
    keyring::KeyringError,
    limits::InvalidUrl,
    server::ServerError,
    store::OpenError,
    telemetry::{InvalidHeaders, TelemetryError},
    tls::InvalidTls,
};

/// Why the process cannot start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The settings contradict each other.
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    /// The password of the database cannot be read.
    #[error("the password of the database: {0}; see database.password_file")]
    Password(ValueFileError),
    /// The keyring cannot be used.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// What is built in could not be written.
    #[error("what is built in could not be written: {0}")]
    Install(AdminError),
    /// The database could not be asked.
    #[error("the database could not be asked: {0}")]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// Connections cannot be encrypted as the settings say.
    #[error(transparent)]
    Tls(#[from] InvalidTls),
    /// The address for health cannot be listened on.
    #[error("cannot listen on {address} for health: {error}; set health.listen to another address")]
    ListenForHealth {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The address for metrics cannot be listened on.
    #[error(
        "cannot listen on {address} for metrics: {error}; set metrics.listen to another address, or \
         metrics.enabled to false"
    )]
    ListenForMetrics {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The address of Redis is none.
    #[error("the address of Redis cannot be used: {0}; see limits.redis_url")]
    Redis(#[from] InvalidUrl),
    /// The headers for the collector cannot be read.
    #[error("telemetry.otlp_headers_file: {0}")]
    HeadersFile(ValueFileError),
    /// The headers for the collector are none.
    #[error("telemetry.otlp_headers_file {path}: {error}", path = .path.display())]
    Headers {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: InvalidHeaders,
    },
    /// No metrics can be told.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The descriptors of the API are damaged.
    #[error("the descriptors of the API cannot be served: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The server could not start or go on.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The back of the process ended.
    #[error("the back of the process ended")]
    Stopped(#[from] Stopped),
}

impl AppError {
    /// Whether it may pass without this process: whoever runs the database may mend it.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Open(error) => error.may_pass(),
            Self::Store(StoreError::Unavailable(_) | StoreError::Conflict)
            | Self::Install(
                AdminError::Store(StoreError::Unavailable(_)) | AdminError::Contended,
            ) => true,
            _ => false,
        }
    }
}
