//! Streams whose questions are read where they lie, and whose answers are written as they are sent.
//!
//! They answer as the generated service does, byte for byte: what has no answer at once goes its
//! way, from a message that was read to one that is written.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf as _, BufMut as _, Bytes};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use prost::Message as _;
use tonic::{
    Status, Streaming,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{Grpc, NamedService, StreamingService},
};
use tower::Service;

use super::{
    IntrospectService,
    asker::Asker,
    stream::{Answered, Answers, Saying},
};
use crate::{
    grpc::quick::Near,
    proto::{StreamIntrospectRequest, introspect_server::IntrospectServer},
};

/// Bytes of a message from which on it is read last of those that came together.
const LARGE_MIN: usize = 4_096;

/// The call of a stream.
const PATH: &str = "/keyward.v1.Introspect/StreamIntrospect";

/// The generated service, but for its streams.
#[derive(Clone)]
pub struct Introspects {
    service: Arc<IntrospectService>,
    generated: IntrospectServer<IntrospectService>,
    max_message_bytes: usize,
}

impl Introspects {
    /// This service, which takes messages of up to `max_message_bytes`.
    pub fn new(service: IntrospectService, max_message_bytes: usize) -> Self {
        let service = Arc::new(service);
        let generated = IntrospectServer::from_arc(Arc::clone(&service))
            .max_decoding_message_size(max_message_bytes);
        Self { service, generated, max_message_bytes }
    }
}

impl NamedService for Introspects {
    const NAME: &'static str = IntrospectServer::<IntrospectService>::NAME;
}

impl Service<Request<Body>> for Introspects {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // As the generated service: it is always.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != PATH {
            return self.generated.call(request);
        }
        let streams = Streams(Arc::clone(&self.service));
        let mut grpc = Grpc::new(AsItLies).max_decoding_message_size(self.max_message_bytes);
        Box::pin(async move { Ok(grpc.streaming(streams, request).await) })
    }
}

/// Messages as they lie.
struct AsItLies;

impl Codec for AsItLies {
    type Encode = Vec<u8>;
    type Decode = Lying;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsItLies {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for AsItLies {
    type Item = Lying;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Lying>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        Ok(Some(Lying { message, near: None }))
    }
}

/// A question.
struct Lying {
    message: Bytes,
    /// What is known of it, once it was brought near.
    near: Option<Near>,
}

struct Streams(Arc<IntrospectService>);

impl StreamingService<Lying> for Streams {
    type Response = Vec<u8>;
    type ResponseStream = Answered<Vec<u8>>;
    type Future = BoxFuture<'static, Result<tonic::Response<Answered<Vec<u8>>>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Lying>>) -> Self::Future {
        let service = Arc::clone(&self.0);
        Box::pin(async move { service.talk(request, |asker| Raw(Arc::new(asker))).await })
    }
}

/// Answers what is asked as it lies.
struct Raw(Arc<Asker>);

impl Answers for Raw {
    type Question = Lying;
    type Answer = Vec<u8>;

    fn bring_near(&self, questions: &mut [Lying]) {
        let near = self.0.bring_near(questions.iter().map(|lying| &*lying.message));
        for (lying, near) in questions.iter_mut().zip(near) {
            lying.near = Some(near);
        }
    }

    fn is_large(&self, lying: &Lying) -> bool {
        lying.message.len() >= LARGE_MIN
    }

    fn answer_at_once(&self, lying: &Lying) -> Option<Vec<u8>> {
        self.0.answer_as_it_lies(&lying.message, lying.near.as_ref())
    }

    fn answer(self: Arc<Self>, lying: Lying) -> Result<Saying<Vec<u8>>, Status> {
        // As the generated service says it.
        let question = StreamIntrospectRequest::decode(lying.message)
            .map_err(|error| Status::internal(error.to_string()))?;
        let answer = Arc::clone(&self.0).answer(question)?;
        Ok(Box::pin(async move { Ok(answer.await?.encode_to_vec()) }))
    }

    fn check(self: Arc<Self>) -> BoxFuture<'static, Result<(), Status>> {
        Arc::clone(&self.0).check()
    }
}
