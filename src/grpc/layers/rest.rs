//! The rest of a request that was answered before all of it was read.
//!
//! HTTP/2 would have the server reset such a call, and whatever of it is still on its way would count as an error of
//! its client: a thousand of those, and the connection with all its calls is ended as a flood. But who is refused has
//! done nothing of the kind, and may share a connection with others behind a proxy. So the rest is read.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, SizeHint};
use tokio::{runtime::Handle, sync::Semaphore};

/// Requests whose rest is read at once, over all connections: more are reset.
const AT_ONCE_MAX: usize = 1_000;

/// How long the rest of one may take to come: what was sent with the call is here by then.
const WITHIN: Duration = Duration::from_secs(1);

/// What reads the rest of requests.
#[derive(Clone)]
pub(super) struct Rests {
    places: Arc<Semaphore>,
    max_bytes: usize,
}

impl Rests {
    /// Reads up to `max_bytes` of each request; one with more is reset.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE_MAX)), max_bytes }
    }

    /// The request, whose body is read to its end wherever it is dropped before.
    pub(super) fn of<B>(&self, request: Request<B>) -> Request<tonic::body::Body>
    where
        B: Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + Unpin + 'static,
    {
        request.map(|body| tonic::body::Body::new(Whole { body: Some(body), rests: self.clone() }))
    }

    fn read<B>(&self, body: B)
    where
        B: Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + Unpin + 'static,
    {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        // None where the process ends.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut rest = Limited::new(body, self.max_bytes);
        runtime.spawn(async move {
            let _until_the_end = place;
            let to_the_end = async { while let Some(Ok(_)) = rest.frame().await {} };
            let _ = tokio::time::timeout(WITHIN, to_the_end).await;
        });
    }
}

/// A body that is read to its end.
struct Whole<B>
where
    B: Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + Unpin + 'static,
{
    /// None once it is dropped.
    body: Option<B>,
    rests: Rests,
}

impl<B> Body for Whole<B>
where
    B: Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + Unpin + 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl<B> Drop for Whole<B>
where
    B: Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + Unpin + 'static,
{
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            self.rests.read(body);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{
        collections::VecDeque,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::watch;

    use super::*;

    /// Parts of four bytes, and then the end or nothing for ever. Counts what was read of it.
    struct Parts {
        left: VecDeque<&'static [u8]>,
        ends: bool,
        read: Arc<AtomicUsize>,
        /// Closed when this is dropped.
        _lives: watch::Sender<()>,
    }

    struct Seen {
        read: Arc<AtomicUsize>,
        lives: watch::Receiver<()>,
    }

    impl Body for Parts {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            match self.left.pop_front() {
                Some(part) => {
                    self.read.fetch_add(1, Ordering::SeqCst);
                    Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(part)))))
                }
                None if self.ends => Poll::Ready(None),
                None => Poll::Pending,
            }
        }

        fn is_end_stream(&self) -> bool {
            self.ends && self.left.is_empty()
        }
    }

    fn parts(count: usize, ends: bool) -> (Parts, Seen) {
        let (lives, seen) = watch::channel(());
        let read = Arc::default();
        let left = std::iter::repeat_n(&b"part"[..], count).collect();
        let seen = Seen { read: Arc::clone(&read), lives: seen };
        (Parts { left, ends, read, _lives: lives }, seen)
    }

    impl Seen {
        /// Waits until the body is dropped, and says how many parts were read, and how long it took.
        async fn end(mut self) -> (usize, Duration) {
            let begun = tokio::time::Instant::now();
            assert!(self.lives.changed().await.is_err());
            (self.read.load(Ordering::SeqCst), begun.elapsed())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_dropped_unread_is_read_to_its_end() {
        let (body, seen) = parts(3, true);
        drop(Rests::new(12).of(Request::new(body)));
        assert_eq!(seen.end().await, (3, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_is_as_it_came_and_not_read_again() {
        let rests = Rests::new(12);
        let (body, seen) = parts(3, true);
        let mut request = rests.of(Request::new(body)).into_body();
        while let Some(frame) = request.frame().await {
            assert_eq!(frame.unwrap().into_data().unwrap(), "part");
        }
        assert!(request.is_end_stream());
        drop(request);
        assert_eq!(rests.places.available_permits(), AT_ONCE_MAX);
        assert_eq!(seen.end().await, (3, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_a_message_is_not_read() {
        let (body, seen) = parts(100, false);
        drop(Rests::new(12).of(Request::new(body)));
        assert_eq!(seen.end().await, (4, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_is_not_waited_for() {
        let (body, seen) = parts(1, false);
        drop(Rests::new(12).of(Request::new(body)));
        assert_eq!(seen.end().await, (1, WITHIN));
    }

    #[tokio::test(start_paused = true)]
    async fn one_too_many_is_not_read() {
        let rests = Rests::new(12);
        let slow: Vec<_> = (0..AT_ONCE_MAX)
            .map(|_| {
                let (body, seen) = parts(0, false);
                drop(rests.of(Request::new(body)));
                seen
            })
            .collect();
        let (body, seen) = parts(3, true);
        drop(rests.of(Request::new(body)));
        assert_eq!(seen.end().await, (0, Duration::ZERO));
        for seen in slow {
            seen.end().await;
        }
        assert_eq!(rests.places.available_permits(), AT_ONCE_MAX);
    }

    #[test]
    fn where_nothing_runs_nothing_is_read() {
        let (body, seen) = parts(3, true);
        drop(Rests::new(12).of(Request::new(body)));
        assert_eq!(seen.read.load(Ordering::SeqCst), 0);
    }
}
