//! The calls of one connection, from their head to the end of their answers.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response, Uri};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::ServiceExt as _;
use tracing::Instrument as _;

use super::at_once::{Begun, Lacking};
use super::places::{CHECKS_MAX, Kind, Place, Places, too_many_in_flight};
use super::watch::{Watch, Watched};
use super::{Ends, Parts, READ_WITHIN, StreamTerms, body, deadline, ending, protocol};
use crate::grpc::authenticate::Remembered;
use crate::grpc::status::panicked;
use crate::measure::{Calls, Counting};
use crate::server::{Answers, Connected, Cut, Leaving, Received, cut};

/// Answers the calls of one connection.
#[derive(Clone)]
pub struct Line(Arc<Wire>);

/// What the calls of a connection share.
pub(super) struct Wire {
    pub(super) edge: Arc<Parts>,
    pub(super) connected: Connected,
    pub(super) caller: Remembered,
}

impl Counting for Wire {
    fn calls(&self) -> &Calls {
        &self.edge.watch.calls
    }
}

impl AsRef<Watch> for Wire {
    fn as_ref(&self) -> &Watch {
        &self.edge.watch
    }
}

impl AsRef<Places> for Wire {
    fn as_ref(&self) -> &Places {
        &self.edge.places
    }
}

/// A call that is not answered yet.
pub(super) struct Open<B> {
    pub(super) request: Request<B>,
    pub(super) watched: Watched<Wire>,
    pub(super) arrived: Instant,
    /// Where it has one already.
    pub(super) place: Option<Place<Wire>>,
}

impl Answers for Line {
    fn answer(
        self,
        request: Request<Received>,
        arrived: Instant,
    ) -> impl Future<Output = Response<Body>> + Send + Unpin + 'static {
        self.answer_to(request, arrived)
    }
}

impl Line {
    pub(super) fn new(edge: Arc<Parts>, connected: Connected) -> Self {
        Self(Arc::new(Wire { edge, connected, caller: Remembered::default() }))
    }

    /// Answers a request that came at this moment.
    pub fn answer_to<B: Read>(self, request: Request<B>, arrived: Instant) -> Answering<B> {
        Answering(State::Came(Box::new((self, request, arrived))))
    }
}

/// The body of a request.
pub trait Read:
    hyper::body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError> + Send + Unpin>
    + Send
    + Unpin
    + 'static
{
}

impl<B> Read for B where
    B: hyper::body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError> + Send + Unpin>
        + Send
        + Unpin
        + 'static
{
}

/// The answer to come of a call.
pub struct Answering<B: Read>(State<B>);

/// How far it is. What is large has a place of its own.
enum State<B: Read> {
    Came(Box<(Line, Request<B>, Instant)>),
    /// Its message is not here yet.
    Lacking(Arc<Wire>, Box<Lacking<B>>),
    Later(BoxFuture<'static, Response<Body>>),
    Answered,
}

impl<B: Read> Future for Answering<B> {
    type Output = Response<Body>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response<Body>> {
        let mut later = match std::mem::replace(&mut self.0, State::Answered) {
            State::Later(later) => later,
            // Whoever asks for an answer again waits for ever.
            State::Answered => return Poll::Pending,
            begins => {
                let (wire, begun) = match begins {
                    State::Came(call) => begin(*call, context),
                    State::Lacking(wire, lacking) => {
                        let begun = wire.go_on(lacking, context);
                        (wire, begun)
                    }
                    State::Later(_) | State::Answered => return Poll::Pending,
                };
                match begun {
                    Begun::Answered(response) => return Poll::Ready(response),
                    Begun::Lacking(lacking) => {
                        self.0 = State::Lacking(wire, lacking);
                        return Poll::Pending;
                    }
                    Begun::Left(open) => wire.later(*open),
                }
            }
        };
        let polled = later.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = State::Later(later);
        }
        polled
    }
}

/// Answers a call at once, or begins to.
fn begin<B: Read>(
    (Line(wire), mut request, arrived): (Line, Request<B>, Instant),
    context: &mut Context<'_>,
) -> (Arc<Wire>, Begun<B>) {
    if let Some(response) = protocol::refuse(&request) {
        drop(wire.edge.rests.of(request));
        return (wire, Begun::Answered(response));
    }
    // A method is named byte for byte (gRPC over HTTP/2, "Path"): with a query it is another, and there is none. Whoever
    // judges calls by their path before they come here must see what is served.
    if request.uri().query().is_some() {
        *request.uri_mut() = Uri::default();
    }
    let (kind, now) = (Kind::of(request.uri().path()), Instant::now());
    let watched = {
        let presented = wire.connected.presented.as_ref();
        Watched::begin(Arc::clone(&wire), &request, presented, (kind, now))
    };
    let begun = wire.at_once(Open { request, watched, arrived, place: None }, now, context);
    (wire, begun)
}

impl Wire {
    /// Answers a call by the services.
    fn later<B>(self: Arc<Self>, open: Open<B>) -> BoxFuture<'static, Response<Body>>
    where
        B: hyper::body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError>>
            + Send
            + Unpin
            + 'static,
    {
        let Open { request, watched, arrived, place } = open;
        let kind = Kind::of(request.uri().path());
        let request = self.edge.rests.of(request);
        Box::pin(self.answer(Open { request, watched, arrived, place }, kind))
    }

    async fn answer(self: Arc<Self>, open: Open<Body>, kind: Kind) -> Response<Body> {
        let Open { mut request, mut watched, arrived, place } = open;
        self.connected.tell(&mut request);
        let span = watched.span().clone();
        let max_message_bytes = self.edge.limits.max_message_bytes;
        let answered = self.placed((kind, place), request, arrived).instrument(span).await;
        match answered.place {
            Some(place) => body::finish(answered.response, place, watched, max_message_bytes),
            None => {
                watched.told(answered.response.headers());
                answered.response
            }
        }
    }

    /// Answers a call, if it has a place or there is one for it.
    async fn placed(
        self: &Arc<Self>,
        (kind, place): (Kind, Option<Place<Self>>),
        mut request: Request<Body>,
        arrived: Instant,
    ) -> Answered {
        let place = match place.map_or_else(|| Place::take(self, kind), Ok) {
            Ok(place) => place,
            Err(status) => {
                self.calls().count_refused(kind as usize);
                return Answered::refused(status.into_http());
            }
        };
        let given = match deadline::given(request.headers()) {
            Ok(given) => given,
            Err(status) => return Answered::refused(status.into_http()),
        };
        let question = self.edge.limits.deadline_max;
        let deadline = deadline::of(given, question);
        // What it waited for its turn is time that its caller has waited.
        let ends = arrived + deadline;
        let left = ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Answered::refused(deadline::exceeded(deadline).into_http());
        }
        request.extensions_mut().insert(Ends(ends));
        let end = match kind {
            Kind::Usual | Kind::Admin => Cut::At(ends),
            Kind::Check => left_open(ends, place.goes()),
            Kind::OpenStream | Kind::Watch => unread(self.stop()),
            Kind::QuestionStream => {
                let (stop, over) = (self.stop(), CancellationToken::new());
                let end = unread(over.clone());
                request.extensions_mut().insert(StreamTerms { whole: given, question, stop, over });
                end
            }
        };
        let answer = AssertUnwindSafe(self.ask(kind, request)).catch_unwind();
        let answer = tokio::time::timeout(left, answer);
        let answered = match place.goes() {
            None => Some(answer.await),
            Some(goes) => goes.run_until_cancelled_owned(answer).await,
        };
        let response = match answered {
            Some(Ok(Ok(response))) => response,
            Some(Ok(Err(_))) => return Answered::refused(panicked().into_http()),
            Some(Err(_)) => return Answered::refused(deadline::exceeded(deadline).into_http()),
            None => {
                self.calls().count_refused(kind as usize);
                return Answered::refused(too_many_in_flight(CHECKS_MAX).into_http());
            }
        };
        cut(end);
        Answered { response, place: Some(place) }
    }

    async fn ask(&self, kind: Kind, request: Request<Body>) -> Response<Body> {
        let routes = self.edge.routes.clone();
        match kind {
            Kind::OpenStream | Kind::Watch => {
                let stop = self.stop();
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
    fn stop(&self) -> CancellationToken {
        let Leaving(stop) = &self.connected.leaving;
        CancellationToken::clone(stop)
    }
}

/// An answer, with the place that its call keeps until the answer's end.
struct Answered {
    response: Response<Body>,
    /// None: it has ended.
    place: Option<Place<Wire>>,
}

impl Answered {
    const fn refused(response: Response<Body>) -> Self {
        Self { response, place: None }
    }
}

/// The end of a check whose answer nobody takes: at its deadline, or where another needs its place.
fn left_open(ends: Instant, goes: Option<CancellationToken>) -> Cut {
    let Some(goes) = goes else { return Cut::At(ends) };
    Cut::When(Box::pin(async move {
        let _ = tokio::time::timeout_at(ends.into(), goes.cancelled()).await;
    }))
}

/// The end of a stream that is over with this, whether or not its caller reads that.
fn unread(over: CancellationToken) -> Cut {
    Cut::When(Box::pin(async move {
        over.cancelled().await;
        tokio::time::sleep(READ_WITHIN).await;
    }))
}
