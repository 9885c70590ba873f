//! What new connections are encrypted with.

use std::{fmt, sync::Arc};

use rustls::{
    ALL_VERSIONS, ServerConfig,
    crypto::ring::Ticketer,
    server::{NoServerSessionStorage, ResolvesServerCert, danger::ClientCertVerifier},
    sign::SingleCertAndKey,
};

use super::{
    H2,
    material::{Pair, Problem},
    provider,
};

/// What connections are begun with, at one time.
pub(super) struct Begun {
    pub(super) config: Arc<ServerConfig>,
    /// What verifies the certificates of clients. None: they are not asked for any.
    pub(super) clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").field("asks_clients", &self.clients.is_some()).finish()
    }
}

/// The parts of a configuration, each of which can be replaced without the other.
#[derive(Clone)]
pub(super) struct Held {
    certificate: Arc<dyn ResolvesServerCert>,
    /// None: clients are not asked for certificates.
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl Held {
    pub(super) fn new(pair: Pair, clients: Option<Arc<dyn ClientCertVerifier>>) -> Self {
        Self { certificate: resolver(pair), clients }
    }

    /// The same with another certificate.
    pub(super) fn with_pair(&self, pair: Pair) -> Self {
        Self { certificate: resolver(pair), ..self.clone() }
    }

    /// The same with other authorities of clients.
    pub(super) fn with_clients(&self, clients: Arc<dyn ClientCertVerifier>) -> Self {
        Self { clients: Some(clients), ..self.clone() }
    }

    /// A configuration of these parts.
    pub(super) fn begun(&self) -> Result<Arc<Begun>, Problem> {
        let refused = |error: rustls::Error| Problem::Refused(error.to_string());
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(ALL_VERSIONS).map_err(refused)?;
        let builder = match &self.clients {
            Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&self.certificate));
        config.alpn_protocols = vec![H2.to_vec()];
        // Without it a session of TLS 1.2 can be made to pass for another (RFC 7627).
        config.require_ems = true;
        // What a client resumes it brings itself: nothing is kept here for those that never come back.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        match &self.clients {
            None => config.ticketer = Ticketer::new().map_err(refused)?,
            // No certificate of a client is verified when its session is resumed: it would be let in for as long as it
            // comes back in time, when its certificate has ended or its authority is none any more.
            Some(_) => config.send_tls13_tickets = 0,
        }
        Ok(Arc::new(Begun { config: Arc::new(config), clients: self.clients.clone() }))
    }
}

fn resolver(pair: Pair) -> Arc<dyn ResolvesServerCert> {
    Arc::new(SingleCertAndKey::from(pair.certified))
}
