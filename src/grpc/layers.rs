//! What happens to a call before and after the services: [`edge`].
//!
//! | what | answer | reason |
//! |---|---|---|
//! | not POST; not `application/grpc` | HTTP 405; HTTP 415 | – |
//! | more calls of its kind in flight than the process takes | RESOURCE_EXHAUSTED, RetryInfo | TOO_MANY_IN_FLIGHT |
//! | a `grpc-timeout` that is none | INVALID_ARGUMENT | MALFORMED_REQUEST |
//! | the deadline passes | DEADLINE_EXCEEDED | DEADLINE_EXCEEDED |
//! | no message, or bytes that are no message | INVALID_ARGUMENT | MALFORMED_REQUEST |
//! | a compressed message | UNIMPLEMENTED | MALFORMED_REQUEST |
//! | a message too large | RESOURCE_EXHAUSTED | MESSAGE_TOO_LARGE |
//! | no such method | UNIMPLEMENTED | UNKNOWN_METHOD |
//! | a panic | INTERNAL | INTERNAL |
//! | the server ends during a stream, or its connection is too old | UNAVAILABLE | SHUTTING_DOWN |
//!
//! Calls are of six kinds, and none takes the places of another, so that strangers keep nobody out:
//!
//! | kind | which | in flight at once |
//! |---|---|---|
//! | usual | `Introspect`, and methods that do not exist | [`EdgeLimits::max_in_flight`] |
//! | admin | `KeyAdmin` | as many |
//! | stream of questions | `StreamIntrospect`: as long as its caller likes | [`QUESTION_STREAMS_MAX`] |
//! | check | `Health/Check`: short, and open to everybody | 1,000 |
//! | open stream | reflection: as long as clients like, and open to everybody | [`OPEN_STREAMS_MAX`] |
//! | watch | `Health/Watch`: the same; one too many is answered UNIMPLEMENTED, by which clients do without | [`WATCHES_MAX`] |

mod body;
mod deadline;
mod ending;
mod explain;
mod places;
mod protocol;
mod rest;
mod watch;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tower::{Service, ServiceExt as _};
use tracing::Instrument as _;

use super::status::panicked;
use crate::measure::{Calls, Counting};
use crate::server::{Arrived, Cut, Leaving, cut};
pub(super) use deadline::exceeded;
pub(super) use places::too_many_in_flight;
use places::{Kind, Places};
pub use places::{OPEN_STREAMS_MAX, QUESTION_STREAMS_MAX, WATCHES_MAX};
use rest::Rests;
pub use watch::Watch;
use watch::Watched;

/// When a call ends, whether or not there is an answer; in its extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends(pub(super) Instant);

/// How long a stream of questions goes on; in its extensions.
#[derive(Debug, Clone)]
pub(super) struct StreamTerms {
    /// All of it. None: as long as its caller likes.
    pub(super) whole: Option<Duration>,
    /// Each of its questions.
    pub(super) question: Duration,
    /// Cancelled when the server ends, or the connection for its age: no more questions are read.
    pub(super) stop: CancellationToken,
    /// To be cancelled when the stream is over, also where its caller has not read all of it.
    pub(super) over: CancellationToken,
}

/// What the caller of a stream may take to read its end, which otherwise would keep its place for as long as it likes.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// The bounds of every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeLimits {
    /// What a call may take at most, and when its caller names no deadline.
    pub deadline_max: Duration,
    /// Usual calls in flight at once, and calls of `KeyAdmin`.
    pub max_in_flight: usize,
    /// Bytes of one request message, as told to callers. The generated services enforce it
    /// (`max_decoding_message_size`) and must have been given the same number.
    pub max_message_bytes: usize,
}

/// Puts `routes` behind the checks above. All clones share one count of calls in flight.
///
/// The deadline bounds a call, also where its caller does not read the answer, but no stream: an open one ends with its
/// caller, and when `stop` is cancelled. A stream of questions bounds itself, by the time that its caller gives it and
/// by `stop`, so that the questions it has taken are answered. A call is in flight until its response's body has ended,
/// streams too; one whose end is not read within [`READ_WITHIN`] is cut. What is left unread of a request is read after
/// the answer.
pub fn edge<B>(
    routes: Routes,
    limits: EdgeLimits,
    watch: Watch,
    stop: CancellationToken,
) -> impl Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static
where
    B: hyper::body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError>>
        + Send
        + Unpin
        + 'static,
{
    let places = Arc::new(Places::new(limits.max_in_flight));
    let taken = Arc::clone(&places);
    watch.calls.watch_places(move || taken.taken());
    let rests = Rests::new(limits.max_message_bytes);
    let edge = Arc::new(Edge { places, rests, limits, watch, stop });
    tower::service_fn(move |request: Request<B>| {
        let (edge, routes) = (Arc::clone(&edge), routes.clone());
        async move {
            let request = edge.rests.of(request);
            Ok(edge.answer(routes, request).await)
        }
    })
}

struct Edge {
    places: Arc<Places>,
    rests: Rests,
    limits: EdgeLimits,
    watch: Watch,
    stop: CancellationToken,
}

impl Counting for Edge {
    fn calls(&self) -> &Calls {
        &self.watch.calls
    }
}

impl AsRef<Watch> for Edge {
    fn as_ref(&self) -> &Watch {
        &self.watch
    }
}

impl Edge {
    async fn answer(self: Arc<Self>, routes: Routes, request: Request<Body>) -> Response<Body> {
        if let Some(response) = protocol::refuse(&request) {
            return response;
        }
        let kind = Kind::of(request.uri().path());
        let mut watched = Watched::begin(self, &request, kind);
        let (edge, span) = (watched.by(), watched.span().clone());
        let max_message_bytes = edge.limits.max_message_bytes;
        let answered = edge.placed(routes, kind, request).instrument(span).await;
        match answered.place {
            Some(place) => body::finish(answered.response, place, watched, max_message_bytes),
            None => {
                watched.told(answered.response.headers());
                answered.response
            }
        }
    }

    /// Answers a call, if there is a place for it.
    async fn placed(&self, routes: Routes, kind: Kind, mut request: Request<Body>) -> Answered {
        let place = match self.places.take(kind) {
            Ok(place) => place,
            Err(status) => {
                self.watch.calls.count_refused(kind as usize);
                return Answered::refused(status.into_http());
            }
        };
        let given = match deadline::given(request.headers()) {
            Ok(given) => given,
            Err(status) => return Answered::refused(status.into_http()),
        };
        let question = self.limits.deadline_max;
        let deadline = deadline::of(given, question);
        // What it waited for its turn is time that its caller has waited.
        let now = Instant::now();
        let arrived = request.extensions().get::<Arrived>().map_or(now, |Arrived(at)| *at);
        let ends = arrived + deadline;
        let left = ends.saturating_duration_since(now);
        if left.is_zero() {
            return Answered::refused(deadline::exceeded(deadline).into_http());
        }
        request.extensions_mut().insert(Ends(ends));
        let end = match kind {
            Kind::Usual | Kind::Admin | Kind::Check => Cut::At(ends),
            Kind::OpenStream | Kind::Watch => unread(self.stop_of(&request)),
            Kind::QuestionStream => {
                let (stop, over) = (self.stop_of(&request), CancellationToken::new());
                let end = unread(over.clone());
                request.extensions_mut().insert(StreamTerms { whole: given, question, stop, over });
                end
            }
        };
        let answer = AssertUnwindSafe(self.ask(routes, kind, request)).catch_unwind();
        let response = match tokio::time::timeout(left, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => return Answered::refused(panicked().into_http()),
            Err(_) => return Answered::refused(deadline::exceeded(deadline).into_http()),
        };
        cut(end);
        Answered { response, place: Some(place) }
    }

    async fn ask(&self, routes: Routes, kind: Kind, request: Request<Body>) -> Response<Body> {
        match kind {
            Kind::OpenStream | Kind::Watch => {
                let stop = self.stop_of(&request);
                let Ok(response) = routes.oneshot(ending::request(request, &stop)).await;
                ending::response(response, &stop)
            }
            Kind::Usual | Kind::Admin | Kind::QuestionStream | Kind::Check => {
                let Ok(response) = routes.oneshot(request).await;
                response
            }
        }
    }

    /// When a stream must end: with the server, or before that with the connection that it came by.
    fn stop_of(&self, request: &Request<Body>) -> CancellationToken {
        let leaving = request.extensions().get::<Leaving>();
        leaving.map_or_else(|| self.stop.clone(), |Leaving(stop)| CancellationToken::clone(stop))
    }
}

/// An answer, with the place that its call keeps until the answer's end.
struct Answered {
    response: Response<Body>,
    /// None: it has ended.
    place: Option<OwnedSemaphorePermit>,
}

impl Answered {
    const fn refused(response: Response<Body>) -> Self {
        Self { response, place: None }
    }
}

/// The end of a stream that is over with this, whether or not its caller reads that.
fn unread(over: CancellationToken) -> Cut {
    Cut::When(Box::pin(async move {
        over.cancelled().await;
        tokio::time::sleep(READ_WITHIN).await;
    }))
}
