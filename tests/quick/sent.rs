//! Calls as they are sent, whatever a client may send, and answers as they are read.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame};
use prost::Message as _;
use tonic::body::Body;
use tonic_types::pb;

pub(crate) const INTROSPECT: &str = "/keyward.v1.Introspect/Introspect";

/// Polls of a body that fails for ever after which who polls it is taken to go on for ever, too.
const POLLS_MAX: usize = 100;

/// A part of a body.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Data(Bytes),
    Trailers,
    /// It is on its way.
    Pending,
    /// It does not come.
    Never,
    Fails,
    /// And so it goes on.
    FailsForEver,
}

/// A body of these parts.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) parts: VecDeque<Part>,
    /// Whether it tells that the last part was the last.
    pub(crate) tells_end: bool,
    pub(crate) polls: usize,
}

impl Sent {
    pub(crate) fn new(parts: impl IntoIterator<Item = Part>) -> Self {
        Self { parts: parts.into_iter().collect(), tells_end: true, polls: 0 }
    }

    /// All in one frame.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::new([Part::Data(bytes.into())])
    }
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.polls += 1;
        assert!(self.polls < POLLS_MAX, "it is polled for ever");
        let part = match self.parts.front() {
            Some(Part::FailsForEver) => Some(Part::Fails),
            Some(Part::Never) => return Poll::Pending,
            _ => self.parts.pop_front(),
        };
        let mut trailers = HeaderMap::new();
        trailers.insert("x-trailer", HeaderValue::from_static("1"));
        Poll::Ready(match part {
            None => None,
            Some(Part::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Part::Trailers) => Some(Ok(Frame::trailers(trailers))),
            Some(Part::Fails | Part::FailsForEver) => Some(Err(io::Error::other("cut off"))),
            Some(Part::Pending | Part::Never) => {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.tells_end && self.parts.is_empty()
    }
}

/// A message with the bytes before it.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    prefixed(0, message.len(), message)
}

pub(crate) fn prefixed(compressed: u8, length: usize, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    [&[compressed][..], &length, message].concat()
}

/// A call as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Sent,
    /// How long ago it came.
    pub(crate) waited: Duration,
}

impl Call {
    /// What a client sends who has this secret.
    pub(crate) fn new(secret: &str, body: Sent) -> Self {
        let headers = [
            ("content-type", "application/grpc".to_owned()),
            ("te", "trailers".to_owned()),
            ("authorization", format!("Bearer {secret}")),
        ];
        let mut call = Self {
            method: Method::POST,
            path: INTROSPECT.to_owned(),
            headers: HeaderMap::new(),
            body,
            waited: Duration::ZERO,
        };
        for (name, value) in headers {
            call.headers.insert(name, value.parse().unwrap());
        }
        call
    }

    /// The usual call: this question in one frame.
    pub(crate) fn asking(secret: &str, question: &impl prost::Message) -> Self {
        Self::new(secret, Sent::whole(framed(&question.encode_to_vec())))
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: &[u8]) -> Self {
        let value = HeaderValue::from_bytes(value).unwrap();
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    #[must_use]
    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    #[must_use]
    pub(crate) fn to(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    pub(crate) fn request(&self) -> (Request<Sent>, Instant) {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.parse().unwrap();
        *request.headers_mut() = self.headers.clone();
        (request, Instant::now().checked_sub(self.waited).unwrap())
    }
}

/// Headers, without regard to the order of their names.
type Headers = BTreeMap<String, Vec<String>>;

fn headers(map: &HeaderMap) -> Headers {
    let value = |name: &HeaderName, value: &HeaderValue| match name.as_str() {
        "grpc-status-details-bin" => details(value),
        _ => value.as_bytes().escape_ascii().to_string(),
    };
    let values = |name| map.get_all(name).iter().map(|one| value(name, one)).collect();
    map.keys().map(|name| (name.to_string(), values(name))).collect()
}

/// What the details of an error say: the metadata in them have no order.
fn details(value: &HeaderValue) -> String {
    let status = STANDARD_NO_PAD.decode(value).unwrap();
    let pb::Status { code, message, details } = pb::Status::decode(&*status).unwrap();
    let detail = |any: &prost_types::Any| {
        if !any.type_url.ends_with("/google.rpc.ErrorInfo") {
            return format!("{any:?}");
        }
        let pb::ErrorInfo { reason, domain, metadata } =
            pb::ErrorInfo::decode(&*any.value).unwrap();
        format!("{reason} {domain} {:?}", metadata.into_iter().collect::<BTreeMap<_, _>>())
    };
    format!("{code} {message} {:?}", details.iter().map(detail).collect::<Vec<_>>())
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Data(Bytes),
    Trailers(Headers),
    Failed(String),
}

/// All that a client can see of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) headers: Headers,
    /// What the front would tell of it before its end: that there is nothing more than the head, or its length.
    ended: bool,
    length: Option<u64>,
    pub(crate) pieces: Vec<Piece>,
}

impl Told {
    /// Reads an answer to its end.
    pub(crate) async fn read(response: Response<Body>) -> Self {
        let (head, mut body) = response.into_parts();
        let (ended, length) = (body.is_end_stream(), body.size_hint().exact());
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.push(match frame.map(Frame::into_data) {
                Ok(Ok(data)) => Piece::Data(data),
                Ok(Err(frame)) => Piece::Trailers(headers(frame.trailers_ref().unwrap())),
                Err(status) => Piece::Failed(status.to_string()),
            });
        }
        assert!(body.is_end_stream(), "it tells its end");
        Self { status: head.status, headers: headers(&head.headers), ended, length, pieces }
    }

    /// The status of gRPC, from the head or the trailers.
    pub(crate) fn code(&self) -> Option<&str> {
        let trailers = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Trailers(trailers) => Some(trailers),
            Piece::Data(_) | Piece::Failed(_) => None,
        });
        let mut all = trailers.chain([&self.headers]);
        Some(all.find_map(|headers| headers.get("grpc-status"))?.first()?)
    }

    /// The messages in it.
    pub(crate) fn messages<M: prost::Message + Default>(&self) -> Vec<M> {
        self.raw_messages().iter().map(|bytes| M::decode(&**bytes).unwrap()).collect()
    }

    pub(crate) fn raw_messages(&self) -> Vec<Vec<u8>> {
        let data = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Data(data) => Some(&**data),
            Piece::Trailers(_) | Piece::Failed(_) => None,
        });
        let data = data.collect::<Vec<_>>().concat();
        let (mut left, mut messages) = (&*data, Vec::new());
        while let Some(([0, length @ ..], rest)) = left.split_first_chunk::<5>() {
            let (message, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
            messages.push(message.to_vec());
            left = rest;
        }
        assert!(left.is_empty(), "whole messages");
        messages
    }
}

/// Who a connection is with.
pub(crate) const PEER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9)), 4_711);
