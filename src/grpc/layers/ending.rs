//! The end of streams that would go on for as long as their clients like.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Frame;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::body::trailers;
use crate::{back::Stopped, grpc::status::stopped};

/// The request, whose messages end with UNAVAILABLE and SHUTTING_DOWN when `stop` is cancelled: no service waits for
/// another one.
pub(super) fn request(request: Request<Body>, stop: &CancellationToken) -> Request<Body> {
    request.map(|body| until(stop, body, Err(stopped(Stopped::Ending))))
}

/// The response, which ends so when `stop` is cancelled, after all messages that were there before.
pub(super) fn response(response: Response<Body>, stop: &CancellationToken) -> Response<Body> {
    let last = Ok(trailers(&stopped(Stopped::Ending)));
    response.map(|body| until(stop, body, last))
}

type Part = Result<Frame<Bytes>, Status>;

fn until(stop: &CancellationToken, body: Body, last: Part) -> Body {
    let stop = Box::pin(stop.clone().cancelled_owned());
    Body::new(Ending { body, stop, last: Some(last) })
}

/// A body that ends at a sign.
struct Ending {
    body: Body,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    /// None: it has ended.
    last: Option<Part>,
}

impl hyper::body::Body for Ending {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Part>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        ready!(self.stop.as_mut().poll(context));
        Poll::Ready(self.last.take())
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures_util::stream::{StreamExt as _, iter, pending};
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// A body of one message that never ends, and a sign that was given.
    fn endless() -> (Body, CancellationToken) {
        let message = Ok::<_, Status>(Frame::data(Bytes::from_static(b"message")));
        let stop = CancellationToken::new();
        stop.cancel();
        (Body::new(StreamBody::new(iter([message]).chain(pending()))), stop)
    }

    #[tokio::test]
    async fn a_request_ends_with_an_error_after_what_has_arrived() {
        let (body, stop) = endless();
        let mut body = request(Request::new(body), &stop).into_body();
        assert!(body.frame().await.unwrap().unwrap().is_data());
        let end = body.frame().await.unwrap().unwrap_err();
        assert_eq!(end.code(), Status::unavailable("").code());
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_response_ends_with_trailers_after_what_is_ready() {
        let (body, stop) = endless();
        let mut body = response(Response::new(body), &stop).into_body();
        assert!(body.frame().await.unwrap().unwrap().is_data());
        let end = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
        let status = Status::from_header_map(&end).unwrap();
        assert_eq!(status.code(), Status::unavailable("").code());
        assert!(body.frame().await.is_none());
    }
}
