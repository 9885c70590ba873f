//! A caller that takes its time: what counts is who it is when its message is there.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use keyward::proto::{CreateKeyRequest, RevokeKeyRequest};
use prost::Message as _;
use tokio::sync::mpsc;
use tonic::{Status, body::Body};
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

use super::raw::{bearer, framed};
use crate::support::{Server, grants, reader};

#[tokio::test]
async fn a_key_revoked_while_its_caller_sends_its_message_makes_nothing() {
    let (server, mut root) = Server::with_workspaces().await;
    let thief = keyward::proto::Key { grants: grants(&["*"]), ..reader() };
    let secret = root.create_key("system", "thief", thief).await.secret;

    let (body, frames) = mpsc::channel::<Result<Frame<Bytes>, Status>>(1);
    let frames = stream::unfold(frames, async |mut frames| {
        let frame = frames.recv().await?;
        Some((frame, frames))
    });
    let mut headers: HeaderMap = bearer(&secret);
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut request = Request::post("/keyward.v1.KeyAdmin/CreateKey")
        .body(Body::new(StreamBody::new(Box::pin(frames))))
        .unwrap();
    *request.headers_mut() = headers;
    let call = tokio::spawn(server.channel().await.oneshot(request));

    // An empty frame is taken once the request is on its way, and says nothing.
    body.send(Ok(Frame::data(Bytes::new()))).await.unwrap();
    let revoke =
        RevokeKeyRequest { name: "workspaces/system/keys/thief".into(), ..Default::default() };
    let revoked = root.admin.revoke_key(revoke).await.unwrap().into_inner();
    let message = CreateKeyRequest {
        parent: "workspaces/acme".into(),
        key: Some(reader()),
        ..Default::default()
    };
    body.send(Ok(Frame::data(framed(&message.encode_to_vec()).into()))).await.unwrap();
    drop(body);

    let (head, rest) = call.await.unwrap().unwrap().into_parts();
    rest.collect().await.unwrap();
    let status = Status::from_header_map(&head.headers).unwrap();
    assert_eq!(status.get_details_error_info().unwrap().reason, "CREDENTIALS_INVALID");
    assert_eq!(root.head().await, revoked.revision);
}
