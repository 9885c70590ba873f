//! What is taken note of a call: how it ended, how long it took, and its span where it is traced.

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, Request};
use tonic::Status;
use tracing::Span;

use super::places::Kind;
use crate::{
    domain::identity::Presented,
    grpc::authenticate::Knows,
    measure::{Call, Calls, Counting},
    telemetry::context::{self, Sampler},
};

/// Takes note of calls.
#[derive(Clone, Default)]
pub struct Watch {
    /// What counts them.
    pub calls: Arc<Calls>,
    /// What decides which are traced.
    pub sampler: Sampler,
    /// By which strangers are told from callers, whose traces are gone on with. None: all are
    /// strangers.
    pub knows: Option<Knows>,
}

impl AsRef<Self> for Watch {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Counting for Watch {
    fn calls(&self) -> &Calls {
        &self.calls
    }
}

/// A call that is taken note of by what has a [`Watch`], until this is dropped.
#[derive(Debug)]
pub(super) struct Watched<W: Counting> {
    call: Call<W>,
    span: Span,
}

impl<W: Counting + AsRef<Watch>> Watched<W> {
    /// A call that begins now, by a connection whose client showed this.
    pub(super) fn begin<B>(
        by: Arc<W>,
        request: &Request<B>,
        presented: Option<&Arc<Presented>>,
        (kind, now): (Kind, Instant),
    ) -> Self {
        let call = Call::begin(by, request.uri().path(), now);
        let Watch { sampler, knows, .. } = call.counting().as_ref();
        let is_known =
            || knows.as_ref().is_some_and(|knows| knows.may_know(request.headers(), presented));
        let span = match kind {
            Kind::Usual | Kind::Admin | Kind::QuestionStream => {
                sampler.begin(request.headers(), call.method(), is_known)
            }
            // Machines ask for these all day long, and nobody wants to know.
            Kind::Check | Kind::OpenStream | Kind::Watch => Span::none(),
        };
        Self { call, span }
    }
}

impl<W: Counting> Watched<W> {
    /// Its span, disabled where it is not traced.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// What the head or the trailers of its answer say of its end, where they do.
    pub(super) fn told(&mut self, headers: &HeaderMap) {
        if let Some(value) = headers.get(Status::GRPC_STATUS) {
            // What is no number is none that gRPC knows.
            let number = value.to_str().ok().and_then(|text| text.parse().ok());
            self.ended(number.unwrap_or(usize::MAX));
        }
    }

    /// It ended with the status 0.
    pub(super) fn went_well(&mut self) {
        self.ended(0);
    }

    fn ended(&mut self, code: usize) {
        let name = self.call.told(code);
        context::told(&self.span, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::KINDS;

    #[test]
    fn each_kind_is_counted_by_its_own_name() {
        for (kind, name) in [
            (Kind::Usual, "usual"),
            (Kind::Admin, "admin"),
            (Kind::QuestionStream, "question_stream"),
            (Kind::Check, "check"),
            (Kind::OpenStream, "open_stream"),
            (Kind::Watch, "watch"),
        ] {
            assert_eq!(KINDS.get(kind as usize), Some(&name));
        }
    }

    #[test]
    fn a_call_ends_as_its_answer_says() {
        let watch = Arc::new(Watch::default());
        let request = Request::builder().uri("/keyward.v1.KeyAdmin/GetKey").body(());
        let Ok(request) = request else { return assert!(request.is_ok()) };
        for value in ["5", "99", "five"] {
            let mut watched =
                Watched::begin(Arc::clone(&watch), &request, None, (Kind::Usual, Instant::now()));
            let value = value
                .parse()
                .ok()
                .map(|value| (http::HeaderName::from_static("grpc-status"), value));
            watched.told(&HeaderMap::new());
            watched.told(&HeaderMap::from_iter(value));
        }
        drop(Watched::begin(Arc::clone(&watch), &request, None, (Kind::Usual, Instant::now())));
        let ended = watch.calls.durations();
        let ended: Vec<_> = ended.iter().map(|one| (one.status, one.took.count())).collect();
        assert_eq!(ended, [("CANCELLED", 1), ("UNKNOWN", 2), ("NOT_FOUND", 1)]);
    }
}
