//! Clients that speak TLS.

use std::{io, net::SocketAddr, sync::Arc};

use hyper_util::rt::TokioIo;
use keyward::proto::{self, introspect_client::IntrospectClient, key_admin_client::KeyAdminClient};
use rustls::{
    ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    Request, Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;

use crate::authority::Issued;

/// How a client speaks TLS.
pub(crate) struct Client<'a> {
    /// The authority of the server.
    pub(crate) trusts: &'a str,
    /// What it shows.
    pub(crate) shows: Option<&'a Issued>,
    pub(crate) protocols: &'a [&'a [u8]],
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
}

impl<'a> Client<'a> {
    pub(crate) fn new(trusts: &'a str) -> Self {
        Self { trusts, shows: None, protocols: &[b"h2"], versions: ALL_VERSIONS }
    }

    pub(crate) fn with(trusts: &'a str, shows: &'a Issued) -> Self {
        Self { shows: Some(shows), ..Self::new(trusts) }
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(self.trusts.as_bytes()) {
            roots.add(authority.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(self.versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match self.shows {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
            }
        };
        config.alpn_protocols = self.protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }

    /// A connection, and the channel over it. Where the server asks for a certificate, that none was shown is seen by
    /// the first call alone.
    pub(crate) async fn channel(&self, address: SocketAddr) -> io::Result<Channel> {
        channel(&self.config(), address).await
    }

    /// Whether a call is answered.
    pub(crate) async fn is_served(&self, address: SocketAddr) -> bool {
        match self.channel(address).await {
            Ok(channel) => serves(channel).await,
            Err(_) => false,
        }
    }
}

pub(crate) async fn handshake(
    config: &Arc<ClientConfig>,
    address: SocketAddr,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    // As clients of gRPC do, or the next call would wait for the server to acknowledge this one.
    stream.set_nodelay(true)?;
    let name = "localhost".try_into().map_err(io::Error::other)?;
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await
}

pub(crate) async fn channel(
    config: &Arc<ClientConfig>,
    address: SocketAddr,
) -> io::Result<Channel> {
    // One connection, and none after it.
    let mut stream = Some(TokioIo::new(handshake(config, address).await?));
    let once = tower::service_fn(move |_| std::future::ready(stream.take().ok_or("it was lost")));
    let endpoint = Endpoint::from_static("http://localhost");
    endpoint.connect_with_connector(once).await.map_err(io::Error::other)
}

/// Whether health is told.
pub(crate) async fn serves(channel: Channel) -> bool {
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.is_ok()
}

fn request<M>(message: M, authorization: Option<&str>) -> Request<M> {
    let mut request = Request::new(message);
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.parse().unwrap());
    }
    request
}

/// Asks about a secret that is nobody's.
pub(crate) async fn ask(channel: &Channel, authorization: Option<&str>) -> Result<(), Status> {
    let question = request(proto::IntrospectRequest::default(), authorization);
    let answer = IntrospectClient::new(channel.clone()).introspect(question).await?;
    assert!(!answer.into_inner().active);
    Ok(())
}

/// Reads a workspace.
pub(crate) async fn read(
    channel: &Channel,
    authorization: Option<&str>,
    workspace: &str,
) -> Result<(), Status> {
    let name = format!("workspaces/{workspace}");
    let get = request(proto::GetWorkspaceRequest { name }, authorization);
    KeyAdminClient::new(channel.clone()).get_workspace(get).await.map(|_| ())
}

/// Makes a policy, and a workspace under it, of this identifier.
pub(crate) async fn make(channel: &Channel, authorization: Option<&str>, id: &str) {
    let mut admin = KeyAdminClient::new(channel.clone());
    let policy = proto::CreatePolicyRequest {
        policy_id: id.to_owned(),
        policy: Some(proto::Policy {
            scopes: vec![proto::Scope { name: "docs:read".to_owned(), ..Default::default() }],
            key_types: vec![proto::KeyType {
                name: "live".to_owned(),
                prefix: format!("{id}_live"),
                is_default: true,
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    admin.create_policy(request(policy, authorization)).await.unwrap();
    let workspace = proto::CreateWorkspaceRequest {
        workspace_id: id.to_owned(),
        workspace: Some(proto::Workspace {
            policy: format!("policies/{id}"),
            ..Default::default()
        }),
        ..Default::default()
    };
    admin.create_workspace(request(workspace, authorization)).await.unwrap();
}

/// The reason of a refusal.
#[track_caller]
pub(crate) fn reason(outcome: Result<(), Status>) -> String {
    let status = outcome.unwrap_err();
    status.get_details_error_info().unwrap_or_else(|| panic!("{status:?}")).reason
}
