//! How the whole server ends.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    body::Frame,
    client::conn::http2::{SendRequest, handshake},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyward::{
    admin::Bootstrapped,
    app::App,
    back::{Back, Drained},
    config::Settings,
    proto::{IntrospectRequest, StreamIntrospectRequest, introspect_client::IntrospectClient},
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};
use tonic_types::StatusExt as _;

use super::health::{of, services};
use crate::callers::raw::framed;

/// Far more than anything here takes: a test that reaches it has failed.
const LONG: Duration = Duration::from_secs(60);

/// A server that tells how it ended.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) secret: String,
    pub(crate) shutdown: CancellationToken,
    ended: oneshot::Receiver<Drained>,
}

pub(crate) async fn start() -> Running {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.database.path = directory.path().join("keyward.db");
    settings.keyring.path = directory.path().join("keyward.keyring");
    settings.server.listen = "127.0.0.1:0".parse().unwrap();
    settings.server.front_threads = 1;
    settings.server.drain_timeout_ms = LONG.as_millis().try_into().unwrap();
    let shutdown = CancellationToken::new();
    let ending = shutdown.clone();
    let (tell_start, started) = oneshot::channel();
    let (tell_end, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let (runtime, back) = Back::start(2).unwrap();
        let drained = runtime.block_on(async {
            let app = App::open(&settings, back).await.unwrap();
            let Bootstrapped::Minted(_, secret) = app.admin().bootstrap(false).await.unwrap()
            else {
                panic!("a new database was bootstrapped before");
            };
            let listener = keyward::app::listen(&settings).await.unwrap();
            tell_start.send((listener.local_addr().unwrap(), secret.reveal())).unwrap();
            app.serve(listener, &settings, ending).await.unwrap()
        });
        _ = runtime.shutdown(LONG);
        drop(directory);
        tell_end.send(drained).unwrap();
    });
    let (address, secret) = started.await.unwrap();
    Running { address, secret, shutdown, ended }
}

impl Running {
    async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    async fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel().await)
    }

    pub(crate) async fn end(self) -> Drained {
        tokio::time::timeout(LONG, self.ended).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_watcher_of_each_service_is_told_and_then_its_watch_ends() {
    let server = start().await;
    let mut health = server.health().await;
    let mut watches = Vec::new();
    for service in services() {
        let mut watch = health.watch(of(&service)).await.unwrap().into_inner();
        let first = watch.message().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving, "{service:?}");
        watches.push((service, watch));
    }
    server.shutdown.cancel();
    for (service, watch) in &mut watches {
        let next = tokio::time::timeout(LONG, watch.message()).await.unwrap();
        assert_eq!(next.unwrap().unwrap().status(), ServingStatus::NotServing, "{service:?}");
        let end = tokio::time::timeout(LONG, watch.message()).await.unwrap();
        assert_shutting_down(&end.unwrap_err());
    }
    assert_eq!(server.end().await, Drained::All);
    drop((watches, health));
}

#[track_caller]
fn assert_shutting_down(status: &Status) {
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "SHUTTING_DOWN");
}

/// It would never end by itself: there always is another question.
#[tokio::test]
async fn a_stream_of_questions_without_a_pause_ends_with_the_server() {
    let server = start().await;
    let mut introspect = IntrospectClient::new(server.channel().await);
    let request = Some(IntrospectRequest { secret: "x".to_owned(), ..Default::default() });
    let mut request =
        tonic::Request::new(stream::repeat(StreamIntrospectRequest { id: 1, request }));
    let credentials = format!("Bearer {}", server.secret).parse().unwrap();
    request.metadata_mut().insert("authorization", credentials);
    let mut answers = introspect.stream_introspect(request).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap();
    server.shutdown.cancel();
    let to_the_end = async {
        loop {
            match answers.message().await {
                Ok(answer) => assert!(answer.is_some(), "it ends with an error"),
                Err(end) => break end,
            }
        }
    };
    assert_shutting_down(&tokio::time::timeout(LONG, to_the_end).await.unwrap());
    assert_eq!(server.end().await, Drained::All);
}

/// Neither side ends the stream: the client has more to ask.
#[tokio::test]
async fn a_reflection_that_goes_on_ends_with_the_server() {
    let server = start().await;
    let (question, questions) = mpsc::unbounded_channel();
    let questions = stream::unfold(questions, async |mut questions: mpsc::UnboundedReceiver<_>| {
        Some((questions.recv().await?, questions))
    });
    let mut reflection = ServerReflectionClient::new(server.channel().await);
    question
        .send(ServerReflectionRequest {
            message_request: Some(MessageRequest::ListServices(String::new())),
            ..Default::default()
        })
        .unwrap();
    let answers = reflection.server_reflection_info(questions).await;
    let mut answers = answers.unwrap().into_inner();
    answers.message().await.unwrap().unwrap();
    server.shutdown.cancel();
    let end = tokio::time::timeout(LONG, answers.message()).await.unwrap();
    // The service may see the end of the questions first, which is its own end.
    if let Some(status) = end.map(|answer| assert_eq!(answer, None)).err() {
        assert_shutting_down(&status);
    }
    assert_eq!(server.end().await, Drained::All);
    drop((question, answers, reflection));
}

/// One HTTP/2 connection.
async fn connect(address: SocketAddr) -> SendRequest<Body> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A call whose message is sent when the sender is told to.
fn call(secret: &str) -> (mpsc::UnboundedSender<Bytes>, Request<Body>) {
    let (message, arrives) = mpsc::unbounded_channel();
    let frames = stream::unfold(arrives, async |mut arrives: mpsc::UnboundedReceiver<Bytes>| {
        let frame = arrives.recv().await.map(Frame::data).map(Ok::<_, Status>)?;
        Some((frame, arrives))
    });
    let request = Request::post("http://test/keyward.v1.KeyAdmin/ListPolicies")
        .header("content-type", "application/grpc")
        .header("authorization", format!("Bearer {secret}"))
        .body(Body::new(StreamBody::new(Box::pin(frames))))
        .unwrap();
    (message, request)
}

#[tokio::test]
async fn a_call_in_flight_is_finished_and_no_other_is_taken() {
    let server = start().await;
    let mut watch = server.health().await.watch(of("")).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    let mut connection = connect(server.address).await;

    let (message, request) = call(&server.secret);
    let waiting = connection.send_request(request);
    // Sent after it on the same connection: when this is answered the other has arrived.
    let (other, request) = call(&server.secret);
    let answered = connection.send_request(request);
    other.send(framed(&[]).into()).unwrap();
    drop(other);
    assert_eq!(status(answered.await.unwrap()).await.code(), tonic::Code::Ok);

    server.shutdown.cancel();
    let next = tokio::time::timeout(LONG, watch.message()).await.unwrap();
    assert_eq!(next.unwrap().unwrap().status(), ServingStatus::NotServing);
    drop(watch);
    // New connections are taken until the listener is closed, and never after.
    let closed = async { while TcpStream::connect(server.address).await.is_ok() {} };
    tokio::time::timeout(LONG, closed).await.unwrap();
    message.send(framed(&[]).into()).unwrap();
    drop(message);
    assert_eq!(status(waiting.await.unwrap()).await.code(), tonic::Code::Ok);
    drop(connection);
    assert_eq!(server.end().await, Drained::All);
}

async fn status(response: http::Response<hyper::body::Incoming>) -> Status {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().and_then(Status::from_header_map);
    Status::from_header_map(&head.headers).or(trailers).unwrap()
}

#[tokio::test]
async fn an_idle_server_ends_at_once() {
    let server = start().await;
    let idle = connect(server.address).await;
    server.shutdown.cancel();
    assert_eq!(server.end().await, Drained::All);
    drop(idle);
}
