//! A server on a port of its own, with services that wait when told to, and a client that can misbehave.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyward::back::Drained;
use keyward::config::ServerSettings;
use keyward::grpc::layers::{EdgeLimits, Watch, edge};
use keyward::measure::Calls;
use keyward::server::Entry;
use keyward::server::{self, Peer, ServerError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

/// Far more than anything here takes: a test that reaches it has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A time limit, in milliseconds, that no test reaches.
pub(crate) const NEVER_MS: u64 = 3_600_000;

pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
pub(crate) const WATCH: &str = "/grpc.health.v1.Health/Watch";
pub(crate) const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
pub(crate) const QUICK: &str = "/test.Slow/Quick";
pub(crate) const WAIT: &str = "/test.Slow/Wait";
pub(crate) const STREAM: &str = "/test.Slow/Stream";
pub(crate) const TRAILERS: &str = "/test.Slow/Trailers";
pub(crate) const PANIC: &str = "/test.Slow/Panic";
pub(crate) const PANIC_LATER: &str = "/test.Slow/PanicLater";

/// An empty message as gRPC frames it.
pub(crate) const EMPTY_MESSAGE: &[u8] = &[0; 5];

/// What the slow service tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Begun { peer: Peer, thread: String },
    Ended,
}

/// `Quick` answers at once; `Wait` when released; `Stream` at once with a body that never ends; `Trailers` fails in its
/// trailers.
#[derive(Clone)]
struct Slow {
    events: mpsc::UnboundedSender<Event>,
    release: Arc<Notify>,
}

impl tonic::server::NamedService for Slow {
    const NAME: &'static str = "test.Slow";
}

struct TellsEnd(mpsc::UnboundedSender<Event>);

impl Drop for TellsEnd {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Ended);
    }
}

impl Service<Request<Body>> for Slow {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { events, release } = self.clone();
        Box::pin(async move {
            match request.uri().path() {
                STREAM => Ok(endless()),
                TRAILERS => {
                    let mut trailers = HeaderMap::new();
                    Status::internal("Missing request message.").add_header(&mut trailers).unwrap();
                    let body = Full::new(Bytes::from_static(EMPTY_MESSAGE));
                    Ok(Response::new(Body::new(body.with_trailers(async { Some(Ok(trailers)) }))))
                }
                QUICK => Ok(Status::ok("").into_http()),
                PANIC => panic!("as it was asked to"),
                PANIC_LATER => {
                    let panics = futures_util::stream::poll_fn(
                        |_| -> Poll<Option<Result<hyper::body::Frame<Bytes>, Status>>> {
                            panic!("as it was asked to")
                        },
                    );
                    Ok(Response::new(Body::new(StreamBody::new(panics))))
                }
                _ => {
                    let _tells_end = TellsEnd(events.clone());
                    let peer = *request.extensions().get::<Peer>().unwrap();
                    let thread = std::thread::current().name().unwrap().to_owned();
                    events.send(Event::Begun { peer, thread }).unwrap();
                    release.notified().await;
                    Ok(Status::ok("").into_http())
                }
            }
        })
    }
}

/// An answer that never ends.
fn endless() -> Response<Body> {
    let never = futures_util::stream::pending::<Result<hyper::body::Frame<Bytes>, Status>>();
    Response::new(Body::new(StreamBody::new(never)))
}

/// In the place of reflection: answers at once with a body that never ends.
#[derive(Clone)]
struct Reflection;

impl tonic::server::NamedService for Reflection {
    const NAME: &'static str = "grpc.reflection.v1.ServerReflection";
}

impl Service<Request<Body>> for Reflection {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::ready(Ok(endless()))
    }
}

/// A running server. Stops when dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) release: Arc<Notify>,
    /// What counts the calls.
    pub(crate) calls: Arc<Calls>,
    ended: JoinHandle<Result<Drained, ServerError>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) async fn start(change: impl FnOnce(&mut ServerSettings)) -> Running {
    let (tell, events) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let slow = Slow { events: tell, release: Arc::clone(&release) };
    let (_, health) = tonic_health::server::health_reporter();
    // So many as a test may want of one connection.
    let mut settings = ServerSettings {
        front_threads: 2,
        max_concurrent_streams: 2_000,
        open_calls_target: 100_000,
        ..ServerSettings::default()
    };
    change(&mut settings);
    let limits = EdgeLimits {
        deadline_max: settings.deadline_max(),
        max_in_flight: settings.max_in_flight,
        max_message_bytes: settings.max_message_bytes,
    };
    let stop = CancellationToken::new();
    let routes = Routes::new(health).add_service(slow).add_service(Reflection);
    let watch = Watch::default();
    let calls = Arc::clone(&watch.calls);
    let service = edge(routes, limits, watch);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = stop.clone();
    let ended = tokio::spawn(async move {
        server::run(listener, service, &settings, Entry::default(), shutdown).await
    });
    Running { address, stop, events, release, calls, ended }
}

impl Running {
    /// How the server ended.
    pub(crate) async fn end(mut self) -> Result<Drained, ServerError> {
        tokio::time::timeout(LONG, &mut self.ended).await.unwrap().unwrap()
    }

    /// Waits until a call was counted to have ended so: its method, or `_OTHER`, and its status.
    pub(crate) async fn counted(&self, method: &str, status: &str, times: u64) {
        let ended = || {
            let ended = self.calls.durations().into_iter();
            ended.map(|one| (one.method, one.status, one.took.count())).collect::<Vec<_>>()
        };
        let coming = async {
            while !ended().contains(&(method, status, times)) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(LONG, coming).await;
        assert!(waited.is_ok(), "{method} {status} {times}: {:?}", ended());
    }

    /// Waits until `Wait` has begun, and says for whom and on which thread.
    pub(crate) async fn begun(&mut self) -> (Peer, String) {
        match tokio::time::timeout(LONG, self.events.recv()).await.unwrap() {
            Some(Event::Begun { peer, thread }) => (peer, thread),
            other => panic!("{other:?} came first"),
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }
}

/// What a call brought back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) http: StatusCode,
    pub(crate) status: Option<Status>,
}

/// One HTTP/2 connection.
#[derive(Clone)]
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    pub(crate) local: SocketAddr,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let local = stream.local_addr().unwrap();
        let (sender, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender, local }
    }

    /// A well-formed request to `path`.
    pub(crate) fn request(path: &str, body: &'static [u8]) -> Request<Full<Bytes>> {
        Request::post(format!("http://test{path}"))
            .header("content-type", "application/grpc")
            .body(Full::new(Bytes::from_static(body)))
            .unwrap()
    }

    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<hyper::body::Incoming>> {
        let mut sender = self.sender.clone();
        tokio::time::timeout(LONG, sender.send_request(request)).await.unwrap()
    }

    /// Sends `request` and reads the answer to its end.
    pub(crate) async fn reply(&self, request: Request<Full<Bytes>>) -> hyper::Result<Reply> {
        let (head, body) = self.send(request).await?.into_parts();
        let body = tokio::time::timeout(LONG, body.collect()).await.unwrap()?;
        let status = Status::from_header_map(&head.headers)
            .or_else(|| body.trailers().and_then(Status::from_header_map));
        Ok(Reply { http: head.status, status })
    }

    /// The gRPC status of a well-formed request.
    pub(crate) async fn call(&self, path: &str, body: &'static [u8]) -> Status {
        self.reply(Self::request(path, body)).await.unwrap().status.unwrap()
    }
}
