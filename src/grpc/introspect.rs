//! The service `Introspect`.

mod asker;
mod stream;

use std::{pin::Pin, sync::Arc};

use futures_util::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    authenticate::{caller, credentials},
    convert::introspect::{answer, question},
    layers::StreamTerms,
};
use crate::{
    introspect::{Introspection, Question},
    proto::{
        BatchIntrospectRequest, BatchIntrospectResponse, IntrospectRequest, IntrospectResponse,
        StreamIntrospectRequest, StreamIntrospectResponse, introspect_server::Introspect,
    },
};
use asker::Asker;

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
        let question = question(request.get_ref());
        let full = question.full;
        let decided = self.introspection.introspect(&caller, question).await?;
        Ok(Response::new(answer(&decided, full)))
    }

    async fn batch_introspect(
        &self,
        request: Request<BatchIntrospectRequest>,
    ) -> Result<Response<BatchIntrospectResponse>, Status> {
        let caller = caller(&request).await?;
        let questions: Vec<Question<'_>> =
            request.get_ref().requests.iter().map(question).collect();
        let answers =
            self.introspection.introspect_all(&caller, &questions, tokio::task::yield_now).await?;
        let answered = answers.iter().zip(&questions);
        let responses =
            answered.map(|(decided, question)| answer(decided, question.full)).collect();
        Ok(Response::new(BatchIntrospectResponse { responses }))
    }

    type StreamIntrospectStream =
        Pin<Box<dyn Stream<Item = Result<StreamIntrospectResponse, Status>> + Send>>;

    async fn stream_introspect(
        &self,
        request: Request<Streaming<StreamIntrospectRequest>>,
    ) -> Result<Response<Self::StreamIntrospectStream>, Status> {
        let credentials = credentials(&request)?;
        self.introspection.may_ask(&credentials.caller().await?)?;
        let terms = request.extensions().get::<StreamTerms>().copied().unwrap_or_default();
        let asker = Asker::new(Arc::clone(&self.introspection), credentials, terms.question);
        let answers = stream::answers(request.into_inner(), Arc::new(asker), terms.whole);
        Ok(Response::new(Box::pin(answers)))
    }
}
