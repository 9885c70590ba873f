//! Calls that are answered at once: their message is here, and all that they ask for is at hand.
//!
//! They pass the checks of every other call. Whatever is not as it nearly always is, be it a header, the message, the
//! caller or the answer, is left to the services: then nothing was done, and what was read is read again.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use hyper::body::{Frame, SizeHint};
use smallvec::SmallVec;
use tonic::{Status, body::Body};

use super::{
    deadline,
    line::{Open, Wire},
    places::{Kind, Place},
    watch::Watched,
};
use crate::{
    grpc::status::panicked,
    server::{Cut, cut},
};

/// The header by which a caller says how its message is compressed.
const ENCODING: &str = "grpc-encoding";

/// The bytes before a message: whether it is compressed, and its length (gRPC over HTTP/2, Length-Prefixed-Message).
const PREFIX: usize = 5;

/// The end of an answer that went well.
static OK: LazyLock<HeaderMap> =
    LazyLock::new(|| HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]));

impl Wire {
    /// Answers a call at once. An error is the call, of which nothing was done.
    pub(super) async fn at_once<B>(
        self: &Arc<Self>,
        open: Open<B>,
    ) -> Result<Response<Body>, Open<Resumed<B>>>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        let Open { request, mut watched, arrived } = open;
        let (head, rest) = request.into_parts();
        let mut body = Resumed { read: SmallVec::new(), rest };
        if let Some(quick) = self.edge.quick.as_ref().filter(|quick| quick.serves(head.uri.path()))
            && let Some(ends) = self.ends(&head.headers, arrived)
            && let Some(message) = poll_fn(|context| Poll::Ready(body.message(context))).await
            && let Ok(place) = Place::take(self, Kind::Usual)
        {
            let answer = || {
                let _entered = watched.span().enter();
                quick.answer(&head.headers, &self.connected, &self.caller, &message)
            };
            match catch_unwind(AssertUnwindSafe(answer)) {
                Ok(Some(answer)) => {
                    cut(Cut::At(ends));
                    return Ok(told(answer, watched, place));
                }
                Ok(None) => {}
                Err(_) => {
                    let response = panicked().into_http();
                    watched.told(response.headers());
                    return Ok(response);
                }
            }
        }
        let request = Request::from_parts(head, body);
        Err(Open { request, watched, arrived })
    }

    /// When the call ends, where its headers are as usual and there is time left.
    fn ends(&self, headers: &HeaderMap, arrived: Instant) -> Option<Instant> {
        if headers.contains_key(ENCODING) {
            return None;
        }
        let given = deadline::given(headers).ok()?;
        let ends = arrived + deadline::of(given, self.edge.limits.deadline_max);
        (ends > Instant::now()).then_some(ends)
    }
}

/// A body of which the beginning was read already.
pub(super) struct Resumed<B: hyper::body::Body> {
    read: SmallVec<[Result<Frame<Bytes>, B::Error>; 1]>,
    rest: B,
}

impl<B: hyper::body::Body<Data = Bytes> + Unpin> Resumed<B> {
    /// The one message of the body, where it is all here.
    fn message(&mut self, context: &mut Context<'_>) -> Option<Bytes> {
        while !self.rest.is_end_stream() {
            let Poll::Ready(Some(frame)) = Pin::new(&mut self.rest).poll_frame(context) else {
                break;
            };
            self.read.push(frame);
        }
        let [Ok(frame)] = &*self.read else { return None };
        let data = frame.data_ref().filter(|_| self.rest.is_end_stream())?;
        let (prefix, message) = data.split_first_chunk::<PREFIX>()?;
        let [compressed, length @ ..] = *prefix;
        let is_whole = usize::try_from(u32::from_be_bytes(length)) == Ok(message.len());
        (is_whole && compressed == 0).then(|| data.slice(PREFIX..))
    }
}

impl<B> hyper::body::Body for Resumed<B>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.rest).poll_frame(context);
        }
        Poll::Ready(Some(self.read.remove(0)))
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.read.is_empty() { self.rest.size_hint() } else { SizeHint::default() }
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
                self.watched.told(&OK);
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
