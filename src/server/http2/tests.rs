#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use h2::{Reason, client};
use http::{HeaderMap, Response};
use hyper::body::Body as _;
use hyper::body::Frame;
use tokio::{io::DuplexStream, task::JoinHandle, time::Instant as Moment};
use tonic::body::Body;

use super::*;

const PACE: Pace = Pace { interval: Duration::from_secs(10), timeout: Duration::from_secs(3) };

/// What answers: by its path.
#[derive(Clone, Default)]
struct Service(Arc<AtomicUsize>);

/// Begun when it is polled.
struct Answer(String, Arc<AtomicUsize>);

impl Future for Answer {
    type Output = Response<Body>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Response<Body>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        match &*self.0 {
            "/panics" => panic!("as it was told to"),
            "/waits" => Poll::Pending,
            "/large" => Poll::Ready(Response::new(Body::new(Large(LARGE, false)))),
            "/slow" => Poll::Ready(Response::new(Body::new(Slow))),
            _ => Poll::Ready(Response::new(Body::empty())),
        }
    }
}

impl Answers for Service {
    fn answer(
        self,
        request: Request<Received>,
        _: Instant,
    ) -> impl Future<Output = Response<Body>> + Send + Unpin + 'static {
        Answer(request.uri().path().to_owned(), self.0)
    }
}

/// A body of which nothing ever comes.
struct Slow;

impl hyper::body::Body for Slow {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        Poll::Pending
    }
}

/// So many frames of 1,000 bytes, and trailers.
struct Large(usize, bool);

const LARGE: usize = 5;

impl hyper::body::Body for Large {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        if self.1 {
            return Poll::Ready(None);
        }
        let Some(left) = self.0.checked_sub(1) else {
            self.1 = true;
            return Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new()))));
        };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[7; 1_000])))))
    }
}

type Served = JoinHandle<Result<(), Broken>>;

fn serve(service: &Service) -> (DuplexStream, Calls, Served) {
    let (theirs, ours) = tokio::io::duplex(1 << 16);
    let calls = Calls::default();
    let http = Http2::new((&Builder::new(), PACE), ours, service.clone(), calls.clone());
    (theirs, calls, tokio::spawn(http))
}

/// Waits until no call is open, or fails.
async fn are_over(calls: &Calls) {
    let over = async {
        while !calls.are_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PACE.interval / 2, over).await.unwrap();
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://a{path}")).body(()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_is_reset_and_the_others_go_on() {
    let (io, _, served) = serve(&Service::default());
    let (mut client, connection) = client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let (bad, _) = client.send_request(get("/panics"), true).unwrap();
    let (good, _) = client.send_request(get("/"), true).unwrap();
    assert_eq!(bad.await.unwrap_err().reason(), Some(Reason::INTERNAL_ERROR));
    assert!(good.await.unwrap().status().is_success());
    assert!(!served.is_finished());
}

#[tokio::test(start_paused = true)]
async fn only_what_waits_has_a_task() {
    let (io, calls, _served) = serve(&Service::default());
    let (mut client, connection) = client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let (answer, _) = client.send_request(get("/"), true).unwrap();
    assert!(answer.await.unwrap().status().is_success());
    assert!(calls.are_none());
    let (_open, _) = client.send_request(get("/waits"), true).unwrap();
    let (answer, _) = client.send_request(get("/slow"), true).unwrap();
    assert!(answer.await.unwrap().status().is_success());
    assert!(!calls.are_none());
}

#[tokio::test(start_paused = true)]
async fn what_was_reset_before_its_turn_is_not_begun() {
    let service = Service::default();
    let (io, _, _served) = serve(&service);
    let (mut client, connection) = client::handshake(io).await.unwrap();
    let (given_up, mut stream) = client.send_request(get("/"), false).unwrap();
    // Nothing is sent before the connection is polled: both go in one piece.
    stream.send_reset(Reason::CANCEL);
    drop(given_up);
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let (answer, _) = client.send_request(get("/"), true).unwrap();
    assert!(answer.await.unwrap().status().is_success());
    assert_eq!(service.0.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_reset_while_it_waits_ends() {
    let (io, calls, _served) = serve(&Service::default());
    let (mut client, connection) = client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    for path in ["/waits", "/slow"] {
        let (_answer, mut stream) = client.send_request(get(path), false).unwrap();
        while calls.are_none() {
            tokio::task::yield_now().await;
        }
        stream.send_reset(Reason::CANCEL);
        are_over(&calls).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_leaves_ends_with_its_last_call() {
    let (theirs, ours) = tokio::io::duplex(1 << 16);
    let service = Service::default();
    let mut http = Http2::new((&Builder::new(), PACE), ours, service, Calls::default());
    // Before it has begun.
    http.leave();
    let served = tokio::spawn(http);
    let (_client, connection) = client::handshake(theirs).await.unwrap();
    tokio::spawn(connection);
    // Its client may be gone before it has heard all.
    let _ = tokio::time::timeout(PACE.interval / 2, served).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_leaves_ends_the_calls_that_are_open_first() {
    let (theirs, ours) = tokio::io::duplex(1 << 16);
    let calls = Calls::default();
    let mut http = Http2::new((&Builder::new(), PACE), ours, Service::default(), calls.clone());
    let (client, ()) = tokio::join!(client::handshake(theirs), async {
        let begun = poll_fn(|context| {
            let polled = Pin::new(&mut http).poll(context);
            assert!(polled.is_pending());
            if matches!(http.state, State::Serves(..)) { Poll::Ready(()) } else { Poll::Pending }
        });
        begun.await;
    });
    let (mut client, connection) = client.unwrap();
    let heard = tokio::spawn(connection);
    let (_answer, mut stream) = client.send_request(get("/waits"), false).unwrap();
    let open = poll_fn(|context| {
        assert!(Pin::new(&mut http).poll(context).is_pending());
        if calls.are_none() { Poll::Pending } else { Poll::Ready(()) }
    });
    open.await;
    http.leave();
    let served = tokio::spawn(http);
    // It stays as long as the call does.
    tokio::time::sleep(PACE.interval).await;
    assert!(!served.is_finished());
    stream.send_reset(Reason::CANCEL);
    let _ = tokio::time::timeout(PACE.interval / 2, served).await.unwrap().unwrap();
    drop(client);
    let _ = heard.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn however_many_calls_come_at_once_all_are_answered() {
    let (io, _, _served) = serve(&Service::default());
    let (mut client, connection) = client::handshake(io).await.unwrap();
    // All are there before any is read.
    let answers: Vec<_> =
        (0..3 * TOGETHER_MAX).map(|_| client.send_request(get("/"), true).unwrap().0).collect();
    tokio::spawn(connection);
    for answer in answers {
        assert!(answer.await.unwrap().status().is_success());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_larger_than_its_clients_window_is_sent_as_that_opens() {
    let (io, calls, _served) = serve(&Service::default());
    let mut terms = client::Builder::new();
    let (mut client, connection) =
        terms.initial_window_size(1_500).handshake::<_, Bytes>(io).await.unwrap();
    tokio::spawn(connection);
    let (answer, _) = client.send_request(get("/large"), true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let mut read = 0;
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        read += data.len();
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    assert_eq!(read, LARGE * 1_000);
    assert!(body.trailers().await.unwrap().is_some());
    // One that is not read waits, and ends when it is given up.
    let (answer, mut stream) = client.send_request(get("/large"), false).unwrap();
    let _unread = answer.await.unwrap();
    assert!(!calls.are_none());
    stream.send_reset(Reason::CANCEL);
    are_over(&calls).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_no_ping_is_gone_and_one_that_does_stays() {
    let begun = Moment::now();
    let (io, _, served) = serve(&Service::default());
    let (client, connection) = client::handshake(io).await.unwrap();
    let there = tokio::spawn(connection);
    tokio::time::sleep(20 * PACE.interval).await;
    assert!(!served.is_finished());
    // Its connection stays open, but nobody reads.
    there.abort();
    drop(client);
    let (io, _, silent) = serve(&Service::default());
    let (_client, _unread) = client::handshake(io).await.unwrap();
    let silent_since = Moment::now();
    assert!(matches!(silent.await.unwrap(), Err(Broken::Silent)));
    assert_eq!(silent_since.elapsed().as_secs(), (PACE.interval + PACE.timeout).as_secs());
    assert!(begun.elapsed() > 20 * PACE.interval);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_sends_is_read_with_its_trailers_and_ends_where_it_is_given_up() {
    let (theirs, ours) = tokio::io::duplex(1 << 16);
    let (client, server) = tokio::join!(client::handshake(theirs), h2::server::handshake(ours),);
    let ((mut client, connection), mut server) = (client.unwrap(), server.unwrap());
    tokio::spawn(connection);
    let (_one, mut sent) = client.send_request(get("/"), false).unwrap();
    let (_other, mut given_up) = client.send_request(get("/"), false).unwrap();
    let take = server.accept().await.unwrap().unwrap();
    let other = server.accept().await.unwrap().unwrap();
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    sent.send_data(Bytes::from_static(b"data"), false).unwrap();
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("last"), "x".parse().unwrap())]);
    sent.send_trailers(trailers.clone()).unwrap();
    let mut received = Received::new(take.0.into_body());
    let mut next = async || poll_fn(|context| Pin::new(&mut received).poll_frame(context)).await;
    assert_eq!(next().await.unwrap().unwrap().into_data().unwrap(), "data");
    assert_eq!(next().await.unwrap().unwrap().into_trailers().unwrap(), trailers);
    assert!(next().await.is_none());
    given_up.send_reset(Reason::CANCEL);
    let mut received = Received::new(other.0.into_body());
    assert!(poll_fn(|context| Pin::new(&mut received).poll_frame(context)).await.is_none());
}
