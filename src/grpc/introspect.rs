//! The service `Introspect`.

use std::{pin::Pin, sync::Arc};

use futures_util::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{authenticate::caller, convert, status::not_served};
use crate::{
    introspect::Introspection,
    proto::{
        BatchIntrospectRequest, BatchIntrospectResponse, IntrospectRequest, IntrospectResponse,
        StreamIntrospectRequest, StreamIntrospectResponse, introspect_server::Introspect,
    },
};

/// The service over the hot path. It answers on the thread that the call came to.
pub struct IntrospectService {
    introspection: Arc<Introspection>,
}

impl IntrospectService {
    /// The service over this.
    pub fn new(introspection: Arc<Introspection>) -> Self {
        Self { introspection }
    }
}

#[tonic::async_trait]
impl Introspect for IntrospectService {
    async fn introspect(
        &self,
        request: Request<IntrospectRequest>,
    ) -> Result<Response<IntrospectResponse>, Status> {
        let caller = caller(&request).await?;
        let question = convert::introspect::question(request.get_ref());
        let full = question.full;
        let answer = self.introspection.introspect(&caller, question).await?;
        Ok(Response::new(convert::introspect::answer(&answer, full)))
    }

    async fn batch_introspect(
        &self,
        _: Request<BatchIntrospectRequest>,
    ) -> Result<Response<BatchIntrospectResponse>, Status> {
        Err(not_served("keyward.v1.Introspect/BatchIntrospect"))
    }

    type StreamIntrospectStream =
        Pin<Box<dyn Stream<Item = Result<StreamIntrospectResponse, Status>> + Send>>;

    async fn stream_introspect(
        &self,
        _: Request<Streaming<StreamIntrospectRequest>>,
    ) -> Result<Response<Self::StreamIntrospectStream>, Status> {
        Err(not_served("keyward.v1.Introspect/StreamIntrospect"))
    }
}
