//! Streams whose answers nobody reads, frame by frame: they end all the same.

use keyward::{back::Drained, proto::StreamIntrospectRequest};
use prost::Message as _;

use super::{super::question, proto_key};
use crate::{
    callers::{minted::revoke, raw::framed},
    frames::{DATA, END_HEADERS, Frames, HEADERS, RESET, head},
    server::ending,
    support::Server,
};

const PATH: &str = "/keyward.v1.Introspect/StreamIntrospect";

/// A stream on which one question was asked, of whose answer its client takes nothing.
async fn unread(address: std::net::SocketAddr, secret: &str, headers: &[(&str, &str)]) -> Frames {
    let mut frames = Frames::reading(address, 0).await;
    let credentials = format!("Bearer {secret}");
    let headers = [&[("authorization", &*credentials)], headers].concat();
    frames.send(HEADERS, END_HEADERS, 1, &head(PATH, &headers)).await;
    let question = StreamIntrospectRequest { id: 1, request: Some(question("x", &[])) };
    frames.send(DATA, 0, 1, &framed(&question.encode_to_vec())).await;
    frames.until(HEADERS, END_HEADERS, 1).await;
    frames
}

#[tokio::test]
async fn a_stream_that_is_not_read_ends_when_its_time_is_over() {
    let server = Server::start().await;
    let mut frames = unread(server.address, &server.root_secret, &[("grpc-timeout", "200m")]).await;
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
