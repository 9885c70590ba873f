//! The clients of one caller.

use std::net::SocketAddr;

use keyward::proto::{introspect_client::IntrospectClient, key_admin_client::KeyAdminClient};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

/// Sends a secret as `authorization: Bearer …`.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Authorized = InterceptedService<Channel, Bearer>;

/// The clients of one caller, over a connection of their own.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) admin: KeyAdminClient<Authorized>,
    pub(crate) introspect: IntrospectClient<Authorized>,
}

impl Caller {
    pub(crate) async fn connect(address: SocketAddr, secret: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        Self::on(endpoint.connect().await.unwrap(), secret)
    }

    /// Over this connection.
    pub(crate) fn on(channel: Channel, secret: &str) -> Self {
        let bearer = Bearer(format!("Bearer {secret}").parse().unwrap());
        Self {
            admin: KeyAdminClient::with_interceptor(channel.clone(), bearer.clone()),
            introspect: IntrospectClient::with_interceptor(channel, bearer),
        }
    }
}
