//! Calls that the layers answer, or whose errors they explain.

use http::{HeaderValue, Method, StatusCode};
use keyward::grpc::ERROR_DOMAIN;
use keyward::grpc::layers::OPEN_STREAMS_MAX;
use keyward::measure::{OTHER, STATUSES};
use keyward::server::Peer;
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::support::{
    CHECK, Client, EMPTY_MESSAGE, Event, LONG, PANIC, PANIC_LATER, QUICK, REFLECTION, Running,
    STREAM, TRAILERS, WAIT, WATCH, start,
};

#[track_caller]
fn check(status: &Status, expected: &Status, reason: &str) {
    assert_eq!(status.code(), expected.code(), "{status:?}");
    let info = status.get_details_error_info().unwrap();
    assert_eq!((info.domain.as_str(), info.reason.as_str()), (ERROR_DOMAIN, reason));
}

/// Sees to it that a call is counted by the status that its caller was sent, and no other.
async fn is_counted(server: &Running, path: &str, status: &Status) {
    let method = if path == CHECK { "grpc.health.v1.Health/Check" } else { OTHER };
    let name = STATUSES.get(status.code() as usize).unwrap();
    server.counted(method, name, 1).await;
    assert_eq!(server.calls.durations().len(), 1, "{:?}", server.calls.durations());
}

async fn check_body(body: &'static [u8], expected: &Status, reason: &str) {
    let server = start(|_| {}).await;
    let status = server.client().await.call(CHECK, body).await;
    check(&status, expected, reason);
    is_counted(&server, CHECK, &status).await;
}

#[tokio::test]
async fn a_good_call_is_answered() {
    let server = start(|_| {}).await;
    assert_eq!(
        server.client().await.call(CHECK, EMPTY_MESSAGE).await.code(),
        Status::ok("").code()
    );
}

#[tokio::test]
async fn the_peer_is_known_to_the_service() {
    let mut server = start(|_| {}).await;
    server.release.notify_one();
    let client = server.client().await;
    client.call(WAIT, EMPTY_MESSAGE).await;
    assert_eq!(server.begun().await.0, Peer(client.local));
}

#[tokio::test]
async fn a_deadline_of_the_caller_ends_the_work() {
    let mut server = start(|_| {}).await;
    let mut request = Client::request(WAIT, EMPTY_MESSAGE);
    request.headers_mut().insert("grpc-timeout", HeaderValue::from_static("1S"));
    let status = server.client().await.reply(request).await.unwrap().status.unwrap();
    check(&status, &Status::deadline_exceeded(""), "DEADLINE_EXCEEDED");
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.metadata.get("deadline_ms").map(String::as_str), Some("1000"));
    is_counted(&server, WAIT, &status).await;
    server.begun().await;
    assert_eq!(server.events.recv().await, Some(Event::Ended));
}

#[tokio::test]
async fn without_a_deadline_the_maximum_binds() {
    let server = start(|settings| settings.deadline_max_ms = 10).await;
    let status = server.client().await.call(WAIT, EMPTY_MESSAGE).await;
    check(&status, &Status::deadline_exceeded(""), "DEADLINE_EXCEEDED");
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.metadata.get("deadline_ms").map(String::as_str), Some("10"));
}

#[tokio::test]
async fn a_malformed_deadline_is_refused() {
    let server = start(|_| {}).await;
    let mut request = Client::request(CHECK, EMPTY_MESSAGE);
    request.headers_mut().insert("grpc-timeout", HeaderValue::from_static("soon"));
    let status = server.client().await.reply(request).await.unwrap().status.unwrap();
    check(&status, &Status::invalid_argument(""), "MALFORMED_REQUEST");
    is_counted(&server, CHECK, &status).await;
}

#[tokio::test]
async fn one_call_too_many_is_refused_at_once_and_told_when_to_try_again() {
    let mut server = start(|settings| settings.max_in_flight = 1).await;
    let (first, second) = (server.client().await, server.client().await);
    let waiting = tokio::spawn(async move { first.call(WAIT, EMPTY_MESSAGE).await });
    server.begun().await;

    let status = second.call(QUICK, EMPTY_MESSAGE).await;
    check(&status, &Status::resource_exhausted(""), "TOO_MANY_IN_FLIGHT");
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    is_counted(&server, QUICK, &status).await;
    assert_eq!(server.calls.in_flight(), [1, 0, 0, 0, 0, 0]);
    assert_eq!(server.calls.refused().next(), Some(("usual", 1)));

    server.release.notify_one();
    assert_eq!(waiting.await.unwrap().code(), Status::ok("").code());
    assert_eq!(second.call(QUICK, EMPTY_MESSAGE).await.code(), Status::ok("").code());
}

#[tokio::test]
async fn a_panic_is_an_internal_error_of_that_call_alone() {
    let server = start(|settings| settings.max_in_flight = 1).await;
    let client = server.client().await;
    for path in [PANIC, PANIC_LATER] {
        let status = client.call(path, EMPTY_MESSAGE).await;
        check(&status, &Status::internal(""), "INTERNAL");
        assert!(!status.message().contains("asked"), "{status:?}");
    }
    server.counted(OTHER, "INTERNAL", 2).await;
    assert_eq!(client.call(QUICK, EMPTY_MESSAGE).await.code(), Status::ok("").code());
}

#[tokio::test]
async fn a_stream_is_in_flight_until_it_ends() {
    let server = start(|settings| settings.max_in_flight = 1).await;
    let client = server.client().await;
    let stream = client.send(Client::request(STREAM, EMPTY_MESSAGE)).await.unwrap();
    let status = client.call(QUICK, EMPTY_MESSAGE).await;
    check(&status, &Status::resource_exhausted(""), "TOO_MANY_IN_FLIGHT");

    drop(stream);
    server.counted(OTHER, "CANCELLED", 1).await;
    let free =
        async { while client.call(QUICK, EMPTY_MESSAGE).await.code() != Status::ok("").code() {} };
    tokio::time::timeout(LONG, free).await.unwrap();
}

#[tokio::test]
async fn streams_open_to_everybody_take_no_places_of_others() {
    let server = start(|settings| settings.max_in_flight = 1).await;
    let client = server.client().await;
    let open = || client.send(Client::request(REFLECTION, EMPTY_MESSAGE));
    let mut streams = Vec::new();
    for _ in 0..OPEN_STREAMS_MAX {
        let response = open().await.unwrap();
        assert!(Status::from_header_map(response.headers()).is_none());
        streams.push(response);
    }
    let status = client.call(REFLECTION, EMPTY_MESSAGE).await;
    check(&status, &Status::resource_exhausted(""), "TOO_MANY_IN_FLIGHT");
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    for path in [CHECK, QUICK] {
        assert_eq!(client.call(path, EMPTY_MESSAGE).await.code(), Status::ok("").code(), "{path}");
    }
    assert!(client.send(Client::request(WATCH, EMPTY_MESSAGE)).await.is_ok());

    drop(streams);
    let refused = |response: &http::Response<_>| Status::from_header_map(response.headers());
    let free = async { while refused(&open().await.unwrap()).is_some() {} };
    tokio::time::timeout(LONG, free).await.unwrap();
}

/// By the published service config each has one, for as long as its connection is open.
#[tokio::test]
async fn more_clients_than_open_streams_watch_health_each_on_a_connection_of_its_own() {
    let server = start(|settings| settings.max_in_flight = 1).await;
    let mut watching = Vec::new();
    for _ in 0..OPEN_STREAMS_MAX + 50 {
        let client = server.client().await;
        let response = client.send(Client::request(WATCH, EMPTY_MESSAGE)).await.unwrap();
        assert!(Status::from_header_map(response.headers()).is_none());
        assert_eq!(client.call(QUICK, EMPTY_MESSAGE).await.code(), Status::ok("").code());
        watching.push((client, response));
    }
}

#[tokio::test]
async fn checks_of_health_take_no_places_of_others_and_are_refused_none() {
    let mut server = start(|settings| settings.max_in_flight = 1).await;
    let (first, second) = (server.client().await, server.client().await);
    let waiting = tokio::spawn(async move { first.call(WAIT, EMPTY_MESSAGE).await });
    server.begun().await;
    assert_eq!(second.call(CHECK, EMPTY_MESSAGE).await.code(), Status::ok("").code());
    server.release.notify_one();
    assert_eq!(waiting.await.unwrap().code(), Status::ok("").code());
}

#[tokio::test]
async fn a_body_that_is_no_message_is_the_callers_error() {
    let bodies: [&[u8]; 6] = [
        b"",
        b"\0\0\0\0\x02\xff\xff",
        b"\0\0\0\0\x05\x0a",
        b"\0\0",
        b"\x01\0\0\0\0",
        b"\x09\0\0\0\0",
    ];
    for body in bodies {
        check_body(body, &Status::invalid_argument(""), "MALFORMED_REQUEST").await;
    }
}

#[tokio::test]
async fn an_empty_body_is_told_what_to_send() {
    let server = start(|_| {}).await;
    let status = server.client().await.call(CHECK, b"").await;
    assert!(status.message().contains("five zero bytes"), "{}", status.message());
}

#[tokio::test]
async fn a_message_too_large_is_refused_by_its_length_alone() {
    check_body(b"\0\x00\x40\x00\x01", &Status::resource_exhausted(""), "MESSAGE_TOO_LARGE").await;
}

#[tokio::test]
async fn a_compressed_message_is_refused() {
    let server = start(|_| {}).await;
    let mut request = Client::request(CHECK, EMPTY_MESSAGE);
    request.headers_mut().insert("grpc-encoding", HeaderValue::from_static("gzip"));
    let response = server.client().await.send(request).await.unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    check(&status, &Status::unimplemented(""), "MALFORMED_REQUEST");
    is_counted(&server, CHECK, &status).await;
    assert_eq!(
        response.headers().get("grpc-accept-encoding"),
        Some(&HeaderValue::from_static("identity"))
    );
}

#[tokio::test]
async fn an_unknown_method_or_service_is_unimplemented() {
    let server = start(|_| {}).await;
    let client = server.client().await;
    for path in ["/grpc.health.v1.Health/Cure", "/grpc.health.v1.Death/Check", "/", "/x"] {
        check(
            &client.call(path, EMPTY_MESSAGE).await,
            &Status::unimplemented(""),
            "UNKNOWN_METHOD",
        );
    }
}

#[tokio::test]
async fn an_error_in_the_trailers_is_explained_too() {
    let server = start(|_| {}).await;
    let status = server.client().await.call(TRAILERS, EMPTY_MESSAGE).await;
    check(&status, &Status::invalid_argument(""), "MALFORMED_REQUEST");
    is_counted(&server, TRAILERS, &status).await;
}

#[tokio::test]
async fn errors_of_other_services_pass_as_they_are() {
    let server = start(|_| {}).await;
    let status = server.client().await.call(CHECK, b"\0\0\0\0\x03\x0a\x01x").await;
    assert_eq!(status.code(), Status::not_found("").code());
}

#[tokio::test]
async fn what_is_not_grpc_is_answered_in_http() {
    let server = start(|_| {}).await;
    let client = server.client().await;
    let mut json = Client::request(CHECK, EMPTY_MESSAGE);
    json.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    let mut get = Client::request(CHECK, b"");
    *get.method_mut() = Method::GET;
    for (request, expected) in
        [(json, StatusCode::UNSUPPORTED_MEDIA_TYPE), (get, StatusCode::METHOD_NOT_ALLOWED)]
    {
        let reply = client.reply(request).await.unwrap();
        assert_eq!(reply.http, expected);
        assert!(reply.status.is_none());
    }
}
