//! What is sent of an answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};
use hyper::body::Frame;
use tonic::Status;
use tonic::body::Body;

use super::{
    explain::explain,
    places::{Place, Places},
    watch::Watched,
};
use crate::{grpc::status::panicked, measure::Counting};

/// The response, with the errors explained that tonic does not, and with one in the place of a panic. It keeps `place`
/// until its body has ended, and until then the call goes on.
pub(super) fn finish<W: Counting + AsRef<Places> + Send + Sync + 'static>(
    response: Response<Body>,
    place: Place<W>,
    mut watched: Watched<W>,
    max_message_bytes: usize,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    explain(&mut head.headers, max_message_bytes);
    // As the caller is told it: what tonic says of a bad request is that the server is at fault.
    watched.told(&head.headers);
    let body = Finished { body: Some(body), watched, max_message_bytes, _until_the_end: place };
    Response::from_parts(head, Body::new(body))
}

/// The end of a response that failed so after its head was sent.
pub(super) fn trailers(status: &Status) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    // On failure the trailers keep the code, which says enough.
    let _ = status.add_header(&mut trailers);
    Frame::trailers(trailers)
}

struct Finished<W: Counting + AsRef<Places>> {
    /// None: it panicked.
    body: Option<Body>,
    watched: Watched<W>,
    max_message_bytes: usize,
    _until_the_end: Place<W>,
}

impl<W: Counting + AsRef<Places>> hyper::body::Body for Finished<W> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let _entered = self.watched.span().clone().entered();
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let Ok(polled) = catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(context)))
        else {
            self.body = None;
            let frame = trailers(&panicked());
            frame.trailers_ref().inspect(|trailers| self.watched.told(trailers));
            return Poll::Ready(Some(Ok(frame)));
        };
        polled.map_ok(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                explain(trailers, self.max_message_bytes);
                self.watched.told(trailers);
            }
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(hyper::body::Body::is_end_stream)
    }
}
