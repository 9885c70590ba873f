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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use futures_util::stream::{self, StreamExt as _};
    use http_body_util::{BodyExt as _, StreamBody};
    use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

    use super::{
        super::{places::Kind, watch::Watch},
        *,
    };
    use crate::{
        measure::Calls,
        telemetry::{
            Identity,
            context::{Sampler, current},
        },
    };

    struct Wire(Watch, Places);

    impl Counting for Wire {
        fn calls(&self) -> &Calls {
            &self.0.calls
        }
    }

    impl AsRef<Watch> for Wire {
        fn as_ref(&self) -> &Watch {
            &self.0
        }
    }

    impl AsRef<Places> for Wire {
        fn as_ref(&self) -> &Places {
            &self.1
        }
    }

    /// A stream may go on for days, and a trace must end: the stream says itself what is a part of it.
    #[tokio::test]
    async fn what_is_done_to_send_an_answer_is_no_part_of_the_trace_of_its_call() {
        let (spans, _traces) = Identity::new("a".to_owned()).traces();
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::sink).boxed();
        let _gathering = tracing::subscriber::set_default(
            tracing_subscriber::registry().with(lines).with(spans),
        );
        let watch = Watch { sampler: Sampler::new(1.0, 0), ..Watch::default() };
        let wire = Arc::new(Wire(watch, Places::new(1)));
        let path = "/keyward.v1.Introspect/StreamIntrospect";
        let request = http::Request::builder().uri(path).body(()).unwrap();
        let now = std::time::Instant::now();
        let watched =
            Watched::begin(Arc::clone(&wire), &request, None, (Kind::QuestionStream, now));
        assert!(watched.span().in_scope(|| current().is_some()));
        let place = Place::take(&wire, Kind::QuestionStream).unwrap();
        let (sent, traced) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counts = (Arc::clone(&sent), Arc::clone(&traced));
        let messages = stream::iter([(), ()]).map(move |()| {
            counts.0.fetch_add(1, SeqCst);
            counts.1.fetch_add(usize::from(current().is_some()), SeqCst);
            Ok::<_, Status>(Frame::data(Bytes::new()))
        });
        let response = Response::new(Body::new(StreamBody::new(messages)));
        finish(response, place, watched, 1).into_body().collect().await.unwrap();
        assert_eq!((sent.load(SeqCst), traced.load(SeqCst)), (2, 0));
    }
}
