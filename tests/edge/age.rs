//! Connections that have become old.

use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use keyward::config::ServerSettings;
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::{
    frames::{Frames, GOAWAY},
    support::{CHECK, Client, EMPTY_MESSAGE, LONG, NEVER_MS, WAIT, WATCH, start},
};

const AGE_MS: u64 = 1_000;

/// Connections that soon become old, and may then end in peace.
fn short(settings: &mut ServerSettings) {
    settings.max_connection_age_ms = AGE_MS;
    settings.max_connection_age_grace_ms = NEVER_MS;
}

#[track_caller]
fn ok(status: &Status) {
    assert_eq!(status.code(), Status::ok("").code(), "{status:?}");
}

#[tokio::test]
async fn an_idle_connection_is_told_to_end_when_it_is_old() {
    let server = start(short).await;
    let begun = Instant::now();
    let mut idle = Frames::connect(server.address).await;
    // Without an error, which this sees to.
    idle.until(GOAWAY, 0, 0).await;
    assert!(begun.elapsed() >= Duration::from_millis(AGE_MS * 9 / 10));
}

#[tokio::test]
async fn a_connection_that_is_not_old_is_left_alone() {
    let server = start(|settings| settings.max_connection_age_ms = 0).await;
    let young = server.client().await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(4 * AGE_MS) {
        ok(&young.call(CHECK, EMPTY_MESSAGE).await);
    }
}

#[tokio::test]
async fn what_is_in_flight_on_an_old_connection_is_finished_and_what_is_new_goes_to_another() {
    let mut server = start(short).await;
    let old = server.client().await;
    let first = old.clone();
    let waiting = tokio::spawn(async move { first.call(WAIT, EMPTY_MESSAGE).await });
    server.begun().await;
    while old.reply(Client::request(CHECK, EMPTY_MESSAGE)).await.is_ok() {}
    ok(&server.client().await.call(CHECK, EMPTY_MESSAGE).await);
    server.release.notify_one();
    ok(&waiting.await.unwrap());
}

/// Clients of gRPC connect again by themselves, and repeat what their connection never sent.
#[tokio::test]
async fn a_client_that_connects_again_has_no_call_fail() {
    const CONNECTIONS: usize = 5;
    let server = start(short).await;
    let mut answered = 0;
    for _ in 0..CONNECTIONS {
        let begun = Instant::now();
        let client = server.client().await;
        let error = loop {
            match client.reply(Client::request(CHECK, EMPTY_MESSAGE)).await {
                Ok(reply) => ok(&reply.status.unwrap()),
                Err(error) => break error,
            }
            answered += 1;
        };
        assert!(error.is_canceled(), "{error:?} after {answered}");
        assert!(begun.elapsed() >= Duration::from_millis(AGE_MS * 9 / 10), "it is not old yet");
    }
    // On a busy machine some may be old before they are asked anything.
    assert!(answered > 0);
}

#[tokio::test]
async fn a_stream_ends_in_order_when_its_connection_has_had_its_grace() {
    let server = start(|settings| {
        settings.max_connection_age_ms = AGE_MS;
        settings.max_connection_age_grace_ms = AGE_MS;
    })
    .await;
    let watch = server.client().await.send(Client::request(WATCH, EMPTY_MESSAGE)).await.unwrap();
    let body = tokio::time::timeout(LONG, watch.into_body().collect()).await.unwrap().unwrap();
    let status = Status::from_header_map(body.trailers().unwrap()).unwrap();
    assert_eq!(status.code(), Status::unavailable("").code());
    assert_eq!(status.get_details_error_info().unwrap().reason, "SHUTTING_DOWN");
    server.counted("grpc.health.v1.Health/Watch", "UNAVAILABLE", 1).await;
}

#[tokio::test]
async fn a_call_that_goes_on_and_on_is_cut_off_after_the_grace() {
    let mut server = start(|settings| {
        settings.max_connection_age_ms = AGE_MS;
        settings.max_connection_age_grace_ms = AGE_MS;
        settings.deadline_max_ms = NEVER_MS;
    })
    .await;
    let client = server.client().await;
    let waiting =
        tokio::spawn(async move { client.reply(Client::request(WAIT, EMPTY_MESSAGE)).await });
    server.begun().await;
    assert!(tokio::time::timeout(LONG, waiting).await.unwrap().unwrap().is_err());
    assert_eq!(server.events.recv().await, Some(crate::support::Event::Ended));
}
