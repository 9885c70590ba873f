//! The RPCs that are declared and not served by this version.

use futures_util::stream;
use keyward::proto;
use tonic::Code;

use super::metadata;
use crate::support::{Server, refused};

#[tokio::test]
async fn each_says_that_it_is_not_served_and_changes_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let outcomes = [
        (
            "KeyAdmin/BatchCreateKeys",
            root.admin.batch_create_keys(proto::BatchCreateKeysRequest::default()).await.map(drop),
        ),
        (
            "KeyAdmin/BatchRevokeKeys",
            root.admin.batch_revoke_keys(proto::BatchRevokeKeysRequest::default()).await.map(drop),
        ),
        (
            "KeyAdmin/GetUsage",
            root.admin.get_usage(proto::GetUsageRequest::default()).await.map(drop),
        ),
        (
            "Introspect/BatchIntrospect",
            root.introspect
                .batch_introspect(proto::BatchIntrospectRequest::default())
                .await
                .map(drop),
        ),
        (
            "Introspect/StreamIntrospect",
            root.introspect
                .stream_introspect(stream::iter([proto::StreamIntrospectRequest::default()]))
                .await
                .map(drop),
        ),
    ];
    for (rpc, outcome) in outcomes {
        let outcome = outcome.map(tonic::Response::new);
        let status = refused(outcome, Code::Unimplemented, "RPC_NOT_SERVED");
        assert_eq!(metadata(&status, "rpc"), format!("keyward.v1.{rpc}"));
        assert!(status.message().contains(rpc), "{status:?}");
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn nobody_without_credentials_is_told_so() {
    let server = Server::start().await;
    let mut nobody = server.caller_with(None).await;
    let usage = nobody.admin.get_usage(proto::GetUsageRequest::default()).await;
    refused(usage, Code::Unauthenticated, "CREDENTIALS_MISSING");
    let batch = nobody.introspect.batch_introspect(proto::BatchIntrospectRequest::default()).await;
    refused(batch, Code::Unauthenticated, "CREDENTIALS_MISSING");
}
