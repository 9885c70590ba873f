//! A backend or an operator that calls a running server.

use std::net::SocketAddr;

use keyward::proto::{self, introspect_client::IntrospectClient, key_admin_client::KeyAdminClient};
use tokio::runtime::{Builder, Runtime};
use tonic::{Request, transport::Endpoint};

pub(crate) struct Caller {
    address: SocketAddr,
    header: String,
    runtime: Runtime,
}

impl Caller {
    pub(crate) fn new(address: SocketAddr, secret: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { address, header: format!("Bearer {secret}"), runtime }
    }

    fn call<M, T>(
        &self,
        message: M,
        call: impl AsyncFnOnce(
            tonic::transport::Channel,
            Request<M>,
        ) -> Result<tonic::Response<T>, tonic::Status>,
    ) -> Result<T, tonic::Status> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.header.parse().unwrap());
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        self.runtime.block_on(async {
            let channel = endpoint.connect().await.unwrap();
            call(channel, request).await.map(tonic::Response::into_inner)
        })
    }

    pub(crate) fn introspect(
        &self,
        question: proto::IntrospectRequest,
    ) -> Result<proto::IntrospectResponse, tonic::Status> {
        self.call(question, async |channel, request| {
            IntrospectClient::new(channel).introspect(request).await
        })
    }

    /// Whether the secret is that of a key that works.
    pub(crate) fn knows(&self, secret: &str) -> bool {
        let question = proto::IntrospectRequest { secret: secret.to_owned(), ..Default::default() };
        self.introspect(question).unwrap().active
    }

    /// Makes a key of the workspace `system`, and returns its secret.
    pub(crate) fn mint(&self) -> String {
        let grant = proto::Grant { scope: "introspect".to_owned(), ..Default::default() };
        let key = proto::Key {
            display_name: "a backend".to_owned(),
            grants: vec![grant],
            ..Default::default()
        };
        let request = proto::CreateKeyRequest {
            parent: "workspaces/system".to_owned(),
            key: Some(key),
            ..Default::default()
        };
        let made = self.call(request, async |channel, request| {
            KeyAdminClient::new(channel).create_key(request).await
        });
        made.unwrap().secret
    }

    pub(crate) fn keys(&self, parent: &str) -> Vec<proto::Key> {
        let request = proto::ListKeysRequest { parent: parent.to_owned(), ..Default::default() };
        let listed = self.call(request, async |channel, request| {
            KeyAdminClient::new(channel).list_keys(request).await
        });
        listed.unwrap().keys
    }

    /// The log of a workspace; of all of them for an empty name.
    pub(crate) fn events(&self, parent: &str) -> Vec<proto::Event> {
        let request = proto::ListEventsRequest { parent: parent.to_owned(), ..Default::default() };
        let listed = self.call(request, async |channel, request| {
            KeyAdminClient::new(channel).list_events(request).await
        });
        listed.unwrap().events
    }
}

/// Whether the text is a secret with this prefix, by its form.
pub(crate) fn is_secret(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).is_some_and(|rest| {
        rest.len() == 50 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}
