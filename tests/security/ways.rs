//! Every way in which a question can be asked.

use futures_util::stream;
use keyward::proto::{
    self, DenyReason, IntrospectRequest, IntrospectResponse, IntrospectView,
    StreamIntrospectRequest, StreamIntrospectResponse, stream_introspect_response::Outcome,
};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::support::{Caller, strings};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A call for the decision alone.
    Decision,
    /// A call for all there is to say.
    Full,
    /// A batch, in which it stands between others.
    Batch,
    /// A stream that was open before.
    Stream,
}

pub(crate) const WAYS: [Way; 4] = [Way::Decision, Way::Full, Way::Batch, Way::Stream];

/// Why there is no answer: the code and the reason.
pub(crate) type Refusal = (Code, String);

/// A caller with an open stream.
pub(crate) struct Ways {
    pub(crate) caller: Caller,
    asked: mpsc::UnboundedSender<StreamIntrospectRequest>,
    answers: Streaming<StreamIntrospectResponse>,
    next: i64,
}

/// A question about a secret.
pub(crate) fn question(secret: &str, required: &[&str], resource: &str) -> IntrospectRequest {
    IntrospectRequest {
        secret: secret.to_owned(),
        required_scopes: strings(required),
        resource: resource.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn is_allowed(answer: &IntrospectResponse) -> bool {
    let allowed = answer.decision() == proto::Decision::Allow;
    assert_eq!(allowed, answer.reason() == DenyReason::Unspecified, "{answer:?}");
    allowed
}

fn refusal(status: &Status) -> Refusal {
    let reason = status.get_details_error_info().map(|info| info.reason);
    (status.code(), reason.unwrap_or_default())
}

impl Ways {
    pub(crate) async fn new(mut caller: Caller) -> Self {
        let (asked, questions) = mpsc::unbounded_channel();
        let questions =
            stream::unfold(questions, async |mut questions: mpsc::UnboundedReceiver<_>| {
                Some((questions.recv().await?, questions))
            });
        let answers = caller.introspect.stream_introspect(questions).await.unwrap().into_inner();
        Self { caller, asked, answers, next: 0 }
    }

    /// Asks in this way.
    pub(crate) async fn ask(
        &mut self,
        way: Way,
        question: &IntrospectRequest,
    ) -> Result<IntrospectResponse, Refusal> {
        match way {
            Way::Decision => self.one(question, IntrospectView::Decision).await,
            Way::Full => self.one(question, IntrospectView::Full).await,
            Way::Batch => self.batch(question).await,
            Way::Stream => self.stream(question).await,
        }
    }

    async fn one(
        &mut self,
        question: &IntrospectRequest,
        view: IntrospectView,
    ) -> Result<IntrospectResponse, Refusal> {
        let question = IntrospectRequest { view: view.into(), ..question.clone() };
        let answer = self.caller.introspect.introspect(question).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refusal(&status))
    }

    async fn batch(&mut self, question: &IntrospectRequest) -> Result<IntrospectResponse, Refusal> {
        let garbage = IntrospectRequest { secret: "garbage".to_owned(), ..Default::default() };
        let requests = vec![question.clone(), garbage, question.clone()];
        let request = proto::BatchIntrospectRequest { requests };
        let answers = self.caller.introspect.batch_introspect(request).await;
        let answers = answers.map_err(|status| refusal(&status))?.into_inner().responses;
        let [first, garbage, last] = answers.try_into().unwrap();
        assert_eq!(garbage.reason(), DenyReason::InvalidKey);
        assert_eq!(first, last, "one question in one batch");
        Ok(last)
    }

    async fn stream(
        &mut self,
        question: &IntrospectRequest,
    ) -> Result<IntrospectResponse, Refusal> {
        self.next += 1;
        let request = Some(question.clone());
        // Where the stream has ended, its answers say why.
        let _ = self.asked.send(StreamIntrospectRequest { id: self.next, request });
        let answer = self.answers.message().await.map_err(|status| refusal(&status))?;
        let StreamIntrospectResponse { id, outcome } = answer.expect("the stream goes on");
        assert_eq!(id, self.next);
        match outcome.unwrap() {
            Outcome::Response(response) => Ok(response),
            Outcome::Error(error) => Err((Code::from(error.code), error.reason)),
        }
    }
}
