//! The service `Introspect`.

mod asker;
mod raw;
mod shares;
mod stream;

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use super::{
    authenticate::{caller, credentials},
    convert::introspect::{answer, question},
    layers::StreamTerms,
    status::panicked,
};
use crate::{
    introspect::{Introspection, Question},
    proto::{
        BatchIntrospectRequest, BatchIntrospectResponse, IntrospectRequest, IntrospectResponse,
        StreamIntrospectRequest, StreamIntrospectResponse, introspect_server::Introspect,
    },
};
use asker::Asker;
pub use raw::Introspects;
use shares::Shares;
use stream::{Answered, Answers};

/// The service over the hot path. It answers on the thread that the call came to.
pub struct IntrospectService {
    introspection: Arc<Introspection>,
    streams: Shares,
}

impl IntrospectService {
    /// The service over this.
    pub fn new(introspection: Arc<Introspection>) -> Self {
        Self { introspection, streams: Shares::default() }
    }

    /// Answers a stream, as this has the questions answered of who asks.
    async fn talk<A: Answers<Question: 'static>>(
        &self,
        request: Request<Streaming<A::Question>>,
        answers: impl FnOnce(Asker) -> A,
    ) -> Result<Response<Answered<A::Answer>>, Status> {
        let credentials = credentials(&request)?;
        let caller = credentials.caller().await?;
        self.introspection.may_ask(&caller)?;
        let share = self.streams.take(caller.name())?;
        let terms = request.extensions().get::<StreamTerms>().cloned().ok_or_else(panicked)?;
        let asker = Asker::new(Arc::clone(&self.introspection), credentials, terms.question);
        let answers = Arc::new(answers(asker));
        Ok(Response::new(stream::answers(request.into_inner(), answers, terms, share)))
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
        let turn = tokio::task::yield_now;
        // Each is written out in its turn, so that others get theirs.
        let responses =
            self.introspection.introspect_all(&caller, &questions, answer, turn).await?;
        Ok(Response::new(BatchIntrospectResponse { responses }))
    }

    type StreamIntrospectStream = Answered<StreamIntrospectResponse>;

    async fn stream_introspect(
        &self,
        request: Request<Streaming<StreamIntrospectRequest>>,
    ) -> Result<Response<Self::StreamIntrospectStream>, Status> {
        self.talk(request, |asker| asker).await
    }
}
