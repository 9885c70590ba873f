//! How the server stops.

use keyward::back::Drained;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tonic::Status;

use crate::support::{CHECK, Client, EMPTY_MESSAGE, Event, NEVER_MS, WAIT, start};

#[tokio::test]
async fn an_idle_server_stops_at_once() {
    let server = start(|_| {}).await;
    let idle = server.client().await;
    assert_eq!(idle.call(CHECK, EMPTY_MESSAGE).await.code(), Status::ok("").code());
    server.stop.cancel();
    assert_eq!(server.end().await.unwrap(), Drained::All);
    assert!(idle.reply(Client::request(CHECK, EMPTY_MESSAGE)).await.is_err());
}

#[tokio::test]
async fn a_call_in_flight_is_finished() {
    let mut server = start(|_| {}).await;
    let client = server.client().await;
    let waiting = tokio::spawn(async move { client.call(WAIT, EMPTY_MESSAGE).await });
    server.begun().await;
    server.stop.cancel();
    server.release.notify_one();
    assert_eq!(waiting.await.unwrap().code(), Status::ok("").code());
    assert_eq!(server.end().await.unwrap(), Drained::All);
}

#[tokio::test]
async fn a_draining_connection_takes_no_more_calls() {
    let mut server = start(|_| {}).await;
    let client = server.client().await;
    let first = client.clone();
    let waiting = tokio::spawn(async move { first.call(WAIT, EMPTY_MESSAGE).await });
    server.begun().await;
    server.stop.cancel();
    // Calls succeed until the GOAWAY has arrived, and never after.
    while client.reply(Client::request(CHECK, EMPTY_MESSAGE)).await.is_ok() {}
    server.release.notify_one();
    assert_eq!(waiting.await.unwrap().code(), Status::ok("").code());
    assert_eq!(server.end().await.unwrap(), Drained::All);
}

#[tokio::test]
async fn the_drain_is_bounded_and_tells_what_it_cut_off() {
    let mut server = start(|settings| settings.drain_timeout_ms = 10).await;
    let client = server.client().await;
    let waiting =
        tokio::spawn(async move { client.reply(Client::request(WAIT, EMPTY_MESSAGE)).await });
    server.begun().await;
    server.stop.cancel();
    assert!(waiting.await.unwrap().is_err());
    assert_eq!(server.events.recv().await, Some(Event::Ended));
    assert_eq!(server.end().await.unwrap(), Drained::CutOff(1));
}

#[tokio::test]
async fn a_connection_that_has_said_nothing_does_not_hold_the_drain_up() {
    let server = start(|settings| settings.handshake_timeout_ms = NEVER_MS).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    // Accepted after `silent`, so that one has been accepted when this is answered.
    server.client().await.call(CHECK, EMPTY_MESSAGE).await;
    server.stop.cancel();
    assert_eq!(server.end().await.unwrap(), Drained::All);
    let _ = silent.read(&mut [0; 1]).await;
}
