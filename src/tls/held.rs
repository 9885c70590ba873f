//! What new connections are encrypted with.

use std::sync::Arc;

use rustls::{
    ALL_VERSIONS, ServerConfig,
    crypto::ring::Ticketer,
    server::{ResolvesServerCert, danger::ClientCertVerifier},
    sign::SingleCertAndKey,
};

use super::{H2, material::Pair, material::Problem, provider};

/// The parts of a configuration, each of which can be replaced without the other.
pub(super) struct Held {
    certificate: Arc<dyn ResolvesServerCert>,
    /// None: clients are not asked for certificates.
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl Held {
    pub(super) fn new(pair: Pair, clients: Option<Arc<dyn ClientCertVerifier>>) -> Self {
        Self { certificate: resolver(pair), clients }
    }

    pub(super) fn replace_pair(&mut self, pair: Pair) {
        self.certificate = resolver(pair);
    }

    pub(super) fn replace_clients(&mut self, clients: Arc<dyn ClientCertVerifier>) {
        self.clients = Some(clients);
    }

    /// A configuration of these parts. Sessions of the one before cannot be resumed in it: a client that was let in by
    /// an authority which is none any more would come back without being verified.
    pub(super) fn config(&self) -> Result<Arc<ServerConfig>, Problem> {
        let refused = |error: rustls::Error| Problem::Refused(error.to_string());
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(ALL_VERSIONS).map_err(refused)?;
        let builder = match &self.clients {
            Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&self.certificate));
        config.alpn_protocols = vec![H2.to_vec()];
        // What a client resumes it brings itself: nothing is kept here for those that never come back.
        config.ticketer = Ticketer::new().map_err(refused)?;
        Ok(Arc::new(config))
    }
}

fn resolver(pair: Pair) -> Arc<dyn ResolvesServerCert> {
    Arc::new(SingleCertAndKey::from(pair.certified))
}
