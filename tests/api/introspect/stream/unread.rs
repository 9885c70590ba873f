//! Streams whose answers nobody reads, frame by frame: they end all the same.

use keyward::{back::Drained, proto::StreamIntrospectRequest};
use prost::Message as _;

use super::{super::question, proto_key};
use crate::{
    callers::{minted::revoke, raw::framed},
    frames::{DATA, END_HEADERS, Frames, HEADERS, PING, RESET, WINDOW_UPDATE, head},
    server::ending,
    support::Server,
};

/// Bytes of the window of a stream, at the least, and of a part of what is sent within it.
const WINDOW: usize = 65_535;
const PART: usize = 16_000;

const PATH: &str = "/keyward.v1.Introspect/StreamIntrospect";

/// A stream on which one question was asked, of whose answer its client takes nothing.
async fn unread(address: std::net::SocketAddr, secret: &str, headers: &[(&str, &str)]) -> Frames {
    let mut frames = Frames::reading(address, 0).await;
    let credentials = format!("Bearer {secret}");
    let headers = [&[("authorization", &*credentials)], headers].concat();
    frames.send(HEADERS, END_HEADERS, 1, &head(PATH, &headers)).await;
    frames.send(DATA, 0, 1, &asked()).await;
    frames.until(HEADERS, END_HEADERS, 1).await;
    frames
}

/// A question, as it is sent.
fn asked() -> Vec<u8> {
    let question = StreamIntrospectRequest { id: 1, request: Some(question("x", &[])) };
    framed(&question.encode_to_vec())
}

#[tokio::test]
async fn a_stream_that_is_not_read_ends_when_its_time_is_over() {
    let server = Server::start().await;
    let mut frames = unread(server.address, &server.root_secret, &[("grpc-timeout", "3S")]).await;
    frames.until(RESET, 0, 1).await;
}

#[tokio::test]
async fn a_stream_that_is_not_read_ends_when_its_caller_is_revoked() {
    let (server, mut root) = Server::with_workspaces().await;
    let own = root.create_key("system", "backend", proto_key(&["introspect"])).await.secret;
    let mut frames = unread(server.address, &own, &[]).await;
    revoke(&mut root, "workspaces/system/keys/backend").await;
    frames.until(RESET, 0, 1).await;
}

#[tokio::test]
async fn a_stream_that_is_not_read_does_not_hold_the_end() {
    let server = ending::start().await;
    let frames = unread(server.address, &server.secret, &[]).await;
    server.shutdown.cancel();
    assert_eq!(server.end().await, Drained::All);
    drop(frames);
}

/// What its client sends stays with the client, but for what the window of its stream takes.
#[tokio::test]
async fn of_a_stream_that_is_not_read_no_more_questions_are_taken() {
    let server = Server::start_with(|settings| settings.server.max_message_bytes = WINDOW).await;
    let mut frames = unread(server.address, &server.root_secret, &[]).await;
    let part = asked().repeat(PART / asked().len());
    for _ in 0..WINDOW / PART {
        frames.send(DATA, 0, 1, &part).await;
    }
    // One byte of an answer is read: the stream has had its turn since.
    frames.read(1, 1).await;
    let mut taken = 0;
    for (last, stream) in [(DATA, 1), (PING, 0)] {
        loop {
            let frame = frames.receive().await;
            if (frame.kind, frame.stream) == (WINDOW_UPDATE, 1) {
                taken += u32::from_be_bytes(frame.payload.try_into().unwrap());
            } else if (frame.kind, frame.stream) == (last, stream) {
                break;
            }
        }
        frames.send(PING, 0, 0, &[0; 8]).await;
    }
    let taken = usize::try_from(taken).unwrap();
    assert!(taken <= 2 * PART, "{taken}");
}
