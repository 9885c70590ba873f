//! One question of a stream.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tonic::Status;

use super::stream::{Answers, Saying};
use crate::{
    domain::{fault::Fault, secret::Digest},
    grpc::{
        authenticate::Credentials,
        convert::introspect::{answer, question},
        layers::exceeded,
        quick::{self, Near},
        status::of_question,
    },
    introspect::{IntrospectError, Introspection, NotAuthenticated},
    proto::{
        IntrospectRequest, IntrospectResponse, StreamIntrospectRequest, StreamIntrospectResponse,
        stream_introspect_response::Outcome,
    },
};

/// Asks in the name of one caller, for as long as that one may.
pub(super) struct Asker {
    introspection: Arc<Introspection>,
    credentials: Credentials,
    /// What its secret is looked up by. None: it has none.
    digest: Option<Digest>,
    /// What a question may take.
    question_max: Duration,
}

/// Why a question has no answer.
enum Failed {
    /// For a reason that is over with it.
    Alone(Status),
    /// The caller may ask no more.
    ForGood(Status),
}

impl From<NotAuthenticated> for Failed {
    fn from(error: NotAuthenticated) -> Self {
        match error {
            NotAuthenticated::Store(error) => Self::Alone(error.into()),
            error => Self::ForGood(error.into()),
        }
    }
}

impl From<IntrospectError> for Failed {
    fn from(error: IntrospectError) -> Self {
        match error {
            IntrospectError::Refused(refused) => Self::ForGood(refused.into()),
            error => Self::Alone(error.into()),
        }
    }
}

impl Asker {
    pub(super) fn new(
        introspection: Arc<Introspection>,
        credentials: Credentials,
        question_max: Duration,
    ) -> Self {
        let digest = credentials.digest();
        Self { introspection, credentials, digest, question_max }
    }

    /// The answer to a message of a stream as it lies, written as it is sent. None: it is not at
    /// hand, or the message is another; nothing was done.
    pub(super) fn answer_as_it_lies(&self, message: &[u8], near: Option<&Near>) -> Option<Vec<u8>> {
        let calling = || self.credentials.calling(self.digest.as_ref(), &self.introspection);
        quick::answer_of_stream(&self.introspection, calling, message, near)
    }

    /// Has the processor read what these messages will need of what is at hand, and tells what is
    /// known of each from then on.
    pub(super) fn bring_near<'a>(&self, messages: impl Iterator<Item = &'a [u8]>) -> Vec<Near> {
        quick::bring_near(&self.introspection, messages)
    }

    /// The answer, where it is one and all that it rests on is at hand.
    fn decide_at_once(&self, request: &IntrospectRequest) -> Option<IntrospectResponse> {
        let calling = self.credentials.calling(self.digest.as_ref(), &self.introspection)?;
        let question = question(request);
        let full = question.full;
        let decided = self.introspection.answer_at_once(&calling, question)?;
        Some(answer(&decided, full))
    }

    async fn decide(
        &self,
        request: Option<IntrospectRequest>,
    ) -> Result<IntrospectResponse, Failed> {
        // Who calls is asked for each question: what was revoked meanwhile counts. And each is a
        // use of its key, so that one which asks for days is not taken for unused.
        let caller = self.credentials.called().await?;
        let Some(request) = request else {
            self.introspection.may_ask(&caller)?;
            let (field, description) = ("request".to_owned(), "is required".to_owned());
            return Err(IntrospectError::Invalid(vec![Fault { field, description }]).into());
        };
        let question = question(&request);
        let full = question.full;
        let decided = self.introspection.introspect(&caller, question).await?;
        Ok(answer(&decided, full))
    }

    async fn still_may(&self) -> Result<(), Failed> {
        Ok(self.introspection.may_ask(&self.credentials.caller().await?)?)
    }
}

impl Answers for Asker {
    type Question = StreamIntrospectRequest;
    type Answer = StreamIntrospectResponse;

    fn answer_at_once(
        &self,
        question: &StreamIntrospectRequest,
    ) -> Option<StreamIntrospectResponse> {
        let response = self.decide_at_once(question.request.as_ref()?)?;
        let outcome = Some(Outcome::Response(response));
        Some(StreamIntrospectResponse { id: question.id, outcome })
    }

    fn answer(
        self: Arc<Self>,
        question: StreamIntrospectRequest,
    ) -> Result<Saying<StreamIntrospectResponse>, Status> {
        Ok(Box::pin(async move {
            let StreamIntrospectRequest { id, request } = question;
            let decided = tokio::time::timeout(self.question_max, self.decide(request)).await;
            let outcome = match decided {
                Ok(Ok(response)) => Outcome::Response(response),
                Ok(Err(Failed::Alone(status))) => Outcome::Error(of_question(&status)),
                Ok(Err(Failed::ForGood(status))) => return Err(status),
                Err(_) => Outcome::Error(of_question(&exceeded(self.question_max))),
            };
            Ok(StreamIntrospectResponse { id, outcome: Some(outcome) })
        }))
    }

    fn check(self: Arc<Self>) -> BoxFuture<'static, Result<(), Status>> {
        Box::pin(async move {
            match self.still_may().await {
                // What cannot be told now is asked again.
                Ok(()) | Err(Failed::Alone(_)) => Ok(()),
                Err(Failed::ForGood(status)) => Err(status),
            }
        })
    }
}

#[cfg(test)]
mod tests;
