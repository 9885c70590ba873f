//! What one connection, and one too many, is granted.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, StatusCode};
use keyward::config::ServerSettings;
use keyward::server::Entry;
use keyward::server::Received;
use keyward::server::{self, ServerError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::frames::Frames;
use crate::support::{CHECK, Client, EMPTY_MESSAGE, Event, LONG, NEVER_MS, WAIT, start};

/// Sends `bytes` and waits for the server to close the connection; what it sent before is dropped.
async fn is_closed_after(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has closed already makes this fail, which is no news.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap();
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once() {
    let server = start(|settings| {
        settings.max_connections = 1;
        settings.handshake_timeout_ms = NEVER_MS;
    })
    .await;
    let first = server.client().await;
    assert_eq!(first.call(CHECK, EMPTY_MESSAGE).await.code(), Status::ok("").code());
    is_closed_after(server.address, b"").await;
    assert_eq!(first.call(CHECK, EMPTY_MESSAGE).await.code(), Status::ok("").code());
}

#[tokio::test]
async fn who_has_not_begun_makes_room_only_where_many_have_not() {
    let server = start(|settings| {
        settings.max_connections = 32;
        settings.handshake_timeout_ms = NEVER_MS;
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..30 {
        let client = server.client().await;
        client.call(CHECK, EMPTY_MESSAGE).await;
        open.push(client);
    }
    let silent = async || TcpStream::connect(server.address).await.unwrap();
    let mut first = silent().await;
    let mut second = silent().await;
    // Two are a sixteenth: the older of them goes.
    let late = server.client().await;
    assert_eq!(late.call(CHECK, EMPTY_MESSAGE).await.code(), Status::ok("").code());
    assert_eq!(tokio::time::timeout(LONG, first.read(&mut [0])).await.unwrap().unwrap(), 0);
    // One is left alone, however many come.
    for _ in 0..3 {
        is_closed_after(server.address, b"").await;
    }
    second.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut settings = [0; 9];
    tokio::time::timeout(LONG, second.read_exact(&mut settings)).await.unwrap().unwrap();
    assert_eq!(settings[3], 4, "it is served");
}

#[tokio::test]
async fn connections_are_handed_to_the_front_threads_in_turn() {
    let mut server = start(|settings| settings.front_threads = 3).await;
    let mut threads = BTreeSet::new();
    for _ in 0..3 {
        server.release.notify_one();
        server.client().await.call(WAIT, EMPTY_MESSAGE).await;
        let (_, thread) = server.begun().await;
        assert!(threads.insert(thread));
        assert_eq!(server.events.recv().await, Some(Event::Ended));
    }
}

#[tokio::test]
async fn a_connection_that_ends_makes_place_for_another() {
    let server = start(|settings| settings.max_connections = 1).await;
    for _ in 0..3 {
        let answered = async {
            let request = || Client::request(CHECK, EMPTY_MESSAGE);
            while server.client().await.reply(request()).await.is_err() {}
        };
        tokio::time::timeout(LONG, answered).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = start(|settings| settings.handshake_timeout_ms = 10).await;
    is_closed_after(server.address, b"").await;
    is_closed_after(server.address, b"PRI * HTTP/2.0\r\n").await;
}

#[tokio::test]
async fn a_connection_of_another_protocol_is_closed() {
    let server = start(|settings| settings.handshake_timeout_ms = NEVER_MS).await;
    is_closed_after(server.address, b"GET / HTTP/1.1\r\nhost: keyward\r\n\r\n").await;
}

#[tokio::test]
async fn a_peer_that_leaves_pings_unanswered_is_closed() {
    let server = start(|settings| {
        settings.keepalive_interval_ms = 10;
        settings.keepalive_timeout_ms = 10;
    })
    .await;
    let preface_and_settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    is_closed_after(server.address, preface_and_settings).await;
}

#[tokio::test]
async fn headers_too_large_are_refused() {
    let server = start(|settings| settings.max_header_bytes = 1024).await;
    let client = server.client().await;
    let mut request = Client::request(CHECK, EMPTY_MESSAGE);
    request.headers_mut().insert("x-large", HeaderValue::from_str(&"x".repeat(2048)).unwrap());
    let reply = client.reply(request).await.unwrap();
    assert_eq!(reply.http, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(client.call(CHECK, EMPTY_MESSAGE).await.code(), Status::ok("").code());
}

/// Panics on the front thread itself when a connection arrives: a front thread alone clones it there.
struct Deadly;

impl Clone for Deadly {
    fn clone(&self) -> Self {
        assert!(
            !std::thread::current().name().is_some_and(|name| name.starts_with("front-")),
            "deliberate"
        );
        Self
    }
}

impl Service<Request<Received>> for Deadly {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Received>) -> Self::Future {
        ready(Ok(Response::new(Body::empty())))
    }
}

#[tokio::test]
async fn the_death_of_a_front_thread_ends_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = ServerSettings { front_threads: 2, ..ServerSettings::default() };
    let server =
        server::run(listener, Deadly, &settings, Entry::default(), CancellationToken::new());
    let (ended, ()) =
        tokio::join!(tokio::time::timeout(LONG, server), is_closed_after(address, b""));
    assert!(matches!(ended.unwrap(), Err(ServerError::FrontDied)));
}

#[tokio::test]
async fn the_more_connections_are_open_the_fewer_calls_a_new_one_may_have_open() {
    let server = start(|settings| {
        settings.max_concurrent_streams = 50;
        settings.open_calls_target = 100;
    })
    .await;
    let mut open = Vec::new();
    for streams in [50, 50, 33, 25, 20, 16] {
        let mut connection = Frames::connect(server.address).await;
        assert_eq!(connection.streams().await, streams);
        open.push(connection);
    }
    for _ in open.len()..20 {
        let mut connection = Frames::connect(server.address).await;
        assert!(connection.streams().await >= 16, "each may watch, and ask");
        open.push(connection);
    }
}
