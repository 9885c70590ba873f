//! Calls that are answered at once: their message is here, and all that they ask for is at hand. Many clients send the
//! head of a call, its message and its end one after the other: then the message is waited for first.
//!
//! They pass the checks of every other call. Whatever is not as it nearly always is, be it a header, the message, the
//! caller or the answer, is left to the services: then nothing was done, and what was read is read again.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE, request::Parts,
};
use hyper::body::Frame;
use tokio::time::{Sleep, sleep_until};
use tonic::{Status, body::Body};

use super::{
    deadline,
    line::{Open, Wire},
    places::{Kind, Place},
    resumed::Resumed,
    watch::Watched,
};
use crate::{
    grpc::{
        quick::{Method, Quick},
        status::panicked,
    },
    server::{Cut, cut},
};

/// The header by which a caller says how its message is compressed.
static ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// The end of an answer that went well.
static OK: LazyLock<HeaderMap> =
    LazyLock::new(|| HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]));

/// What comes of a call that begins.
pub(super) enum Begun<B: hyper::body::Body> {
    /// It is answered.
    Answered(Response<Body>),
    /// Its message is not here yet.
    Lacking(Box<Lacking<B>>),
    /// It is left to the services.
    Left(Box<Open<Resumed<B>>>),
}

/// A call whose message is waited for, in a place, until the call ends.
pub(super) struct Lacking<B: hyper::body::Body> {
    call: Usual<B>,
    place: Place<Wire>,
    end: Pin<Box<Sleep>>,
    /// Whether its message is here, but not its end, and was read.
    is_read: bool,
}

/// A call with a head as it nearly always is.
struct Usual<B: hyper::body::Body> {
    head: Parts,
    body: Resumed<B>,
    watched: Watched<Wire>,
    arrived: Instant,
    ends: Instant,
    method: Method,
}

impl<B: hyper::body::Body> Usual<B> {
    fn left(self, place: Option<Place<Wire>>) -> Begun<B> {
        let Self { head, body, watched, arrived, .. } = self;
        let request = Request::from_parts(head, body);
        Begun::Left(Box::new(Open { request, watched, arrived, place }))
    }
}

impl Wire {
    /// Answers a call at once, where it can be.
    pub(super) fn at_once<B>(
        self: &Arc<Self>,
        open: Open<B>,
        now: Instant,
        context: &mut Context<'_>,
    ) -> Begun<B>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        let Open { request, watched, arrived, place } = open;
        let (head, rest) = request.into_parts();
        let mut body = Resumed::new(rest);
        let Some((quick, method)) = self.edge.quick.as_ref().zip(Method::of(head.uri.path()))
        else {
            let request = Request::from_parts(head, body);
            return Begun::Left(Box::new(Open { request, watched, arrived, place }));
        };
        let Some(ends) = self.ends(&head.headers, arrived, now) else {
            let request = Request::from_parts(head, body);
            return Begun::Left(Box::new(Open { request, watched, arrived, place }));
        };
        let came = body.poll_message(context);
        let call = Usual { head, body, watched, arrived, ends, method };
        match came {
            Poll::Ready(Some(message)) => self.answer_now(quick, call, None, &message),
            Poll::Pending if self.may_wait(quick, &call) => match Place::take(self, Kind::Usual) {
                Ok(place) => {
                    let (end, is_read) =
                        (Box::pin(sleep_until(ends.into())), !call.body.has_nothing());
                    self.go_on(Box::new(Lacking { call, place, end, is_read }), context)
                }
                Err(_) => call.left(None),
            },
            Poll::Ready(None) | Poll::Pending => call.left(None),
        }
    }

    /// Goes on with a call whose message was waited for.
    pub(super) fn go_on<B>(
        self: &Arc<Self>,
        mut lacking: Box<Lacking<B>>,
        context: &mut Context<'_>,
    ) -> Begun<B>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        let Some(quick) = &self.edge.quick else {
            return lacking.call.left(Some(lacking.place));
        };
        let came = lacking.call.body.poll_message(context);
        let is_over = lacking.end.as_mut().poll(context).is_ready();
        if came.is_pending() && !is_over {
            if !lacking.is_read {
                lacking.is_read = !lacking.call.body.has_nothing();
                if !self.may_come(quick, &lacking.call) {
                    let Lacking { call, place, .. } = *lacking;
                    return call.left(Some(place));
                }
            }
            return Begun::Lacking(lacking);
        }
        let Lacking { call, place, .. } = *lacking;
        match came {
            _ if is_over => call.left(Some(place)),
            Poll::Ready(Some(message)) => self.answer_now(quick, call, Some(place), &message),
            Poll::Ready(None) | Poll::Pending => call.left(Some(place)),
        }
    }

    /// Answers a call with this message, in a place that it has or takes.
    fn answer_now<B>(
        self: &Arc<Self>,
        quick: &Quick,
        mut call: Usual<B>,
        place: Option<Place<Wire>>,
        message: &[u8],
    ) -> Begun<B>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        if message.len() > self.edge.limits.max_message_bytes {
            return call.left(place);
        }
        let Some(place) = place.or_else(|| Place::take(self, Kind::Usual).ok()) else {
            return call.left(None);
        };
        let answer = || {
            let _entered = call.watched.span().enter();
            let by = (&self.connected, &self.caller);
            quick.answer(call.method, &call.head.headers, by, message)
        };
        match catch_unwind(AssertUnwindSafe(answer)) {
            Ok(Some(answer)) => {
                cut(Cut::At(call.ends));
                Begun::Answered(told(answer, call.watched, place))
            }
            Ok(None) => call.left(Some(place)),
            Err(_) => {
                let response = panicked().into_http();
                call.watched.told(response.headers());
                Begun::Answered(response)
            }
        }
    }

    /// Whether the rest of a message is waited for: of those alone who may call, as the services do.
    fn may_wait<B>(&self, quick: &Quick, call: &Usual<B>) -> bool
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        let knows = || quick.knows(&call.head.headers, &self.connected, &self.caller);
        // Where it panics, so do the services, and tell.
        self.may_come(quick, call) && catch_unwind(AssertUnwindSafe(knows)).unwrap_or(false)
    }

    /// Whether what is lacking of a call may make it one that is answered here. Of one that is none the services do not
    /// wait for the rest.
    fn may_come<B>(&self, quick: &Quick, call: &Usual<B>) -> bool
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        let most = self.edge.limits.max_message_bytes;
        let is_good = |message: Bytes| message.len() <= most && quick.reads(call.method, &message);
        call.body.has_nothing() || call.body.whole().is_some_and(is_good)
    }

    /// When the call ends, where its headers are as usual and there is time left.
    fn ends(&self, headers: &HeaderMap, arrived: Instant, now: Instant) -> Option<Instant> {
        if headers.contains_key(&ENCODING) {
            return None;
        }
        let given = deadline::given(headers).ok()?;
        let ends = arrived + deadline::of(given, self.edge.limits.deadline_max);
        (ends > now).then_some(ends)
    }
}

fn told(message: Bytes, watched: Watched<Wire>, place: Place<Wire>) -> Response<Body> {
    let body = Told { left: Left::Message(message), watched, _until_the_end: place };
    let mut response = Response::new(Body::new(body));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, grpc);
    response
}

/// An answer of one message that goes well. It keeps its place until its body has ended, and until then the call goes
/// on.
struct Told {
    left: Left,
    watched: Watched<Wire>,
    _until_the_end: Place<Wire>,
}

/// What is left of it.
enum Left {
    Message(Bytes),
    End,
    Nothing,
}

impl hyper::body::Body for Told {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let (frame, left) = match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::Message(message) => (Frame::data(message), Left::End),
            Left::End => {
                self.watched.went_well();
                (Frame::trailers(OK.clone()), Left::Nothing)
            }
            Left::Nothing => return Poll::Ready(None),
        };
        self.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.left, Left::Nothing)
    }
}
