//! The clients of both services, as any other program would use them.

use std::net::SocketAddr;

use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use crate::{
    cli::{Failure, failure},
    proto::{introspect_client::IntrospectClient, key_admin_client::KeyAdminClient},
};

/// Both clients over one connection, as one caller.
pub(super) struct Clients {
    pub(super) admin: KeyAdminClient<InterceptedService<Channel, Bearer>>,
    pub(super) introspect: IntrospectClient<InterceptedService<Channel, Bearer>>,
}

/// Sends `authorization: Bearer …` with every call.
#[derive(Clone)]
pub(super) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl Clients {
    pub(super) async fn connect(address: SocketAddr, secret: &str) -> Result<Self, Failure> {
        let bearer = Bearer(format!("Bearer {secret}").parse()?);
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
        Ok(Self {
            admin: KeyAdminClient::with_interceptor(channel.clone(), bearer.clone()),
            introspect: IntrospectClient::with_interceptor(channel, bearer),
        })
    }
}

/// A call that failed, for people.
pub(super) fn refused(call: &'static str) -> impl FnOnce(Status) -> Failure {
    move |status| failure(format!("{call}: {:?}: {}", status.code(), status.message()))
}
