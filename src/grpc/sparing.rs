//! A service that spares its callers' wait for nothing: a call whose turn would come too late is refused before its
//! caller is looked up and its message is read.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{Request, Response};
use tokio::sync::Semaphore;
use tonic::{Status, body::Body, server::NamedService};
use tower::Service;

use super::{layers::Ends, turns::Turns};
use crate::measure::Calls;

/// Calls that are kept at once until they are told so, at most, and as a part of the places of their kind. They may be
/// anybody's: known callers must have places left.
const KEPT_MAX: usize = 2_000;
const KEPT_PART: usize = 4;

/// For how long one is kept at the most.
const KEPT_FOR_MAX: Duration = Duration::from_secs(2);

/// The turns of all methods.
#[derive(Clone)]
pub struct Queues {
    pub(super) changes: Arc<Turns>,
    pub(super) readings: Arc<Turns>,
    kept: Arc<Semaphore>,
}

impl Queues {
    /// Of `places` calls at once, for so many of which it is the turn.
    pub(super) fn new(
        places: usize,
        at_once: usize,
        wait_max: Duration,
        calls: &Arc<Calls>,
    ) -> Self {
        let turns = || Arc::new(Turns::new(at_once, wait_max, Arc::clone(calls)));
        let [changes, readings] = [turns(), turns()];
        Self { changes, readings, kept: Arc::new(Semaphore::new(KEPT_MAX.min(places / KEPT_PART))) }
    }

    /// The one in which calls to this path wait.
    fn of(&self, path: &str) -> &Turns {
        let method = path.rsplit('/').next().unwrap_or_default();
        let reads = ["Get", "List", "Identify"].iter().any(|verb| method.starts_with(verb));
        if reads { &self.readings } else { &self.changes }
    }

    /// How long a call would wait whose turn would come too late.
    fn comes_too_late<B>(&self, request: &Request<B>) -> Option<TooLate> {
        let left = request.extensions().get::<Ends>();
        let left = left.map(|Ends(end)| end.saturating_duration_since(Instant::now()));
        let turns = self.of(request.uri().path());
        let wait = turns.comes_too_late(left)?;
        Some(TooLate { wait, status: turns.waited_too_long(wait), kept: Arc::clone(&self.kept) })
    }
}

/// A call whose turn would come too late.
struct TooLate {
    wait: Duration,
    status: Status,
    kept: Arc<Semaphore>,
}

impl TooLate {
    /// It is told so when it would have waited in vain: told at once, its client would send the next one at once, and
    /// each costs something.
    async fn refused(self) -> Status {
        if let Ok(_kept) = self.kept.try_acquire() {
            tokio::time::sleep(self.wait.min(KEPT_FOR_MAX)).await;
        }
        self.status
    }
}

/// A service before which calls are refused whose turn would come too late.
#[derive(Clone)]
pub struct Sparing<S> {
    inner: S,
    queues: Queues,
}

impl<S> Sparing<S> {
    /// The service, whose calls wait in these queues.
    pub fn new(inner: S, queues: Queues) -> Self {
        Self { inner, queues }
    }
}

impl<S: NamedService> NamedService for Sparing<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<B>> for Sparing<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
        + Clone,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled ready is the one to call; its clone takes its place.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        match self.queues.comes_too_late(&request) {
            Some(late) => Box::pin(async { Ok(late.refused().await.into_http()) }),
            None => Box::pin(inner.call(request)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;

    use super::*;

    const PLACES: usize = 4_000;
    const WAIT: Duration = Duration::from_millis(500);
    const CREATE: &str = "/keyward.v1.KeyAdmin/CreateKey";

    /// Counts what reaches it.
    #[derive(Clone, Default)]
    struct Counts(Arc<AtomicUsize>);

    impl Service<Request<()>> for Counts {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            self.0.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok(Response::default()))
        }
    }

    fn request(path: &str) -> Request<()> {
        Request::builder().uri(path).body(()).unwrap()
    }

    #[test]
    fn calls_that_change_nothing_wait_apart() {
        let queues = Queues::new(PLACES, 1, WAIT, &Arc::default());
        for method in ["GetKey", "ListEvents", "IdentifyKey", "GetUsage"] {
            let path = format!("/keyward.v1.KeyAdmin/{method}");
            assert!(std::ptr::eq(queues.of(&path), &raw const *queues.readings), "{method}");
        }
        for method in ["CreateKey", "RevokeKey", "BatchRevokeKeys", "UpdatePolicy", "Nothing", ""] {
            let path = format!("/keyward.v1.KeyAdmin/{method}");
            assert!(std::ptr::eq(queues.of(&path), &raw const *queues.changes), "{method}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_turn_comes_too_late_does_not_reach_the_service() {
        let (counts, queues) = (Counts::default(), Queues::new(PLACES, 1, WAIT, &Arc::default()));
        let mut service = Sparing::new(counts.clone(), queues.clone());
        service.call(request(CREATE)).await.unwrap();
        assert_eq!(counts.0.load(Ordering::SeqCst), 1);
        queues.changes.learn(Duration::from_secs(1));
        let _taken = queues.changes.take(None).await.unwrap();
        let mut waits = Box::pin(queues.changes.take(None));
        assert!((&mut waits).now_or_never().is_none());
        let begun = tokio::time::Instant::now();
        let answer = service.call(request(CREATE)).await.unwrap();
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), Status::resource_exhausted("").code());
        assert_eq!(begun.elapsed(), WAIT);
        assert_eq!(counts.0.load(Ordering::SeqCst), 1);
        service.call(request("/keyward.v1.KeyAdmin/GetKey")).await.unwrap();
        assert_eq!(counts.0.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_kept_for_long() {
        let queues = Queues::new(PLACES, 1, 100 * KEPT_FOR_MAX, &Arc::default());
        queues.changes.learn(1_000 * KEPT_FOR_MAX);
        let _taken = queues.changes.take(None).await.unwrap();
        let mut waits = Box::pin(queues.changes.take(None));
        assert!((&mut waits).now_or_never().is_none());
        let begun = tokio::time::Instant::now();
        queues.comes_too_late(&request(CREATE)).unwrap().refused().await;
        assert_eq!(begun.elapsed(), KEPT_FOR_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_kept_and_more_are_told_at_once() {
        let queues = Queues::new(PLACES, 1, WAIT, &Arc::default());
        queues.changes.learn(Duration::from_secs(1));
        let _taken = queues.changes.take(None).await.unwrap();
        let mut waits = Box::pin(queues.changes.take(None));
        assert!((&mut waits).now_or_never().is_none());
        let request = request(CREATE);
        let refused = || Box::pin(queues.comes_too_late(&request).unwrap().refused());
        let mut kept: Vec<_> = (0..PLACES / KEPT_PART).map(|_| refused()).collect();
        assert!(kept.iter_mut().all(|one| one.now_or_never().is_none()));
        assert!(refused().now_or_never().is_some());
    }
}
