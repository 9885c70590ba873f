//! What is told on a stream, byte for byte.

use keyward::proto::{
    IntrospectRequest, IntrospectView, StreamIntrospectRequest, StreamIntrospectResponse,
};
use prost::Message as _;
use tonic::Code;

use super::super::question;
use crate::{
    callers::raw::{call, framed, rpcs},
    support::{Server, reader},
};

/// Fields that no version has yet, and one more request, of nothing, which adds nothing to the first:
/// what they are in is read by the library.
const UNUSUAL: [&[u8]; 3] = [&[0x7a, 1, 0], &[0x18, 1], &[0x12, 0]];

#[tokio::test]
async fn questions_that_are_read_where_they_lie_are_answered_as_others() {
    let (server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let channel = server.channel().await;
    let stream = rpcs().into_iter().find(|rpc| rpc.method == "StreamIntrospect").unwrap();
    let told = async |message: &[u8]| {
        let reply = call(&channel, &stream, &server.root_secret, message).await;
        assert_eq!(reply.status().code(), Code::Ok);
        reply.body
    };
    let usual = question(&secret, &["sites:read"]);
    let questions = [
        usual.clone(),
        IntrospectRequest { view: IntrospectView::Decision.into(), ..usual.clone() },
        IntrospectRequest { resource: "a/b".into(), client_ip: "::1".into(), ..usual.clone() },
        IntrospectRequest { cost: -1, ..usual },
        question(&secret, &["sites:write"]),
        question(&secret, &["no:such"]),
        question("x", &[]),
        question("", &[]),
    ];
    for request in questions {
        for id in [0, 7, -3, i64::MAX] {
            let request = Some(request.clone());
            let message = StreamIntrospectRequest { id, request }.encode_to_vec();
            let read_here = told(&message).await;
            for unusual in UNUSUAL {
                assert_eq!(told(&[&message, unusual].concat()).await, read_here);
            }
            assert_eq!(told(&message).await, read_here);
            let answer = StreamIntrospectResponse::decode(&read_here[5..]).unwrap();
            assert_eq!(answer.id, id);
            assert_eq!(framed(&answer.encode_to_vec()), read_here);
        }
    }
}

#[tokio::test]
async fn a_message_that_is_none_ends_its_stream_wherever_that_is_seen() {
    let server = Server::start().await;
    let channel = server.channel().await;
    let stream = rpcs().into_iter().find(|rpc| rpc.method == "StreamIntrospect").unwrap();
    let begun = StreamIntrospectRequest { id: 1, request: Some(question("x", &[])) };
    let cut = &begun.encode_to_vec()[..5];
    // No text; a length beyond the end; a field that ends before its number.
    for message in [&[0x12, 3, 0x0a, 1, 0xff][..], cut, &[0x08]] {
        let status = call(&channel, &stream, &server.root_secret, message).await.status();
        assert_eq!(status.code(), Code::InvalidArgument, "{message:?}");
    }
}
