//! Bodies and paths that are none, on real RPCs.

use keyward::{domain::system::SystemScope, proto};
use prost::Message as _;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    callers::raw::{Reply, bearer, call, framed, rpcs, send},
    support::Server,
};

#[track_caller]
fn check(reply: &Reply, code: Code, reason: &str, what: &str) {
    assert_eq!((reply.status().code(), reply.reason().as_str()), (code, reason), "{what}");
}

#[tokio::test]
async fn an_empty_body_is_no_message_on_any_rpc() {
    let server = Server::start().await;
    let channel = server.channel().await;
    let mut root = server.root().await;
    let head = root.head().await;
    for rpc in rpcs().iter().filter(|rpc| rpc.method != "StreamIntrospect") {
        let headers = bearer(&server.root_secret);
        let reply = send(&channel, &rpc.path(), headers, Vec::new()).await;
        check(&reply, Code::InvalidArgument, "MALFORMED_REQUEST", &rpc.method);
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_body_of_another_form_is_no_message_on_any_rpc() {
    let server = Server::start().await;
    let channel = server.channel().await;
    let bodies = [framed(b"\xff\xff"), framed(&[0x0a, 0x05]), framed(&[0x0a, 1, 0xff]), vec![0, 0]];
    for rpc in rpcs().iter().filter(|rpc| rpc.method != "StreamIntrospect") {
        for body in &bodies {
            let headers = bearer(&server.root_secret);
            let reply = send(&channel, &rpc.path(), headers, body.clone()).await;
            check(&reply, Code::InvalidArgument, "MALFORMED_REQUEST", &rpc.method);
        }
    }
}

#[tokio::test]
async fn a_message_is_as_long_as_the_setting_allows_and_no_longer() {
    const MOST: usize = 1_000;
    let server = Server::start_with(|settings| settings.server.max_message_bytes = MOST).await;
    let channel = server.channel().await;
    // The tag and the length of the field take three bytes.
    let of = |length: usize| {
        let name = "n".repeat(length - 3);
        let message = proto::GetKeyRequest { name }.encode_to_vec();
        assert_eq!(message.len(), length);
        message
    };
    let get = rpcs().into_iter().find(|rpc| rpc.method == "GetKey").unwrap();
    let most = call(&channel, &get, &server.root_secret, &of(MOST)).await;
    check(&most, Code::InvalidArgument, "INVALID_FIELDS", "as long as allowed");
    for rpc in rpcs().iter().filter(|rpc| rpc.method != "StreamIntrospect") {
        let more = call(&channel, rpc, &server.root_secret, &of(MOST + 1)).await;
        check(&more, Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &rpc.method);
        let told = more.status().get_details_error_info().unwrap().metadata;
        assert_eq!(told.get("max_message_bytes").map(String::as_str), Some("1000"));
    }
}

#[tokio::test]
async fn a_path_that_is_almost_an_rpc_is_never_served() {
    let server = Server::start().await;
    let channel = server.channel().await;
    let list = "/keyward.v1.KeyAdmin/ListPolicies";
    let served = send(&channel, list, bearer(&server.root_secret), framed(&[])).await;
    check(&served, Code::Ok, "", list);
    for path in [
        "/",
        "//keyward.v1.KeyAdmin/ListPolicies",
        "/keyward.v1.KeyAdmin//ListPolicies",
        "/keyward.v1.KeyAdmin/ListPolicies/",
        "/keyward.v1.KeyAdmin/listpolicies",
        "/keyward.v1.KeyAdmin/LISTPOLICIES",
        "/keyward.v1.keyadmin/ListPolicies",
        "/KeyAdmin/ListPolicies",
        "/keyward.v1.KeyAdmin/",
        "/keyward.v1.KeyAdmin",
        "/keyward.v1.KeyAdmin/%4CistPolicies",
        "/keyward.v1.KeyAdmin/./ListPolicies",
        "/x/../keyward.v1.KeyAdmin/ListPolicies",
        "/keyward.v1.Introspect/ListPolicies",
        "/keyward.v2.KeyAdmin/ListPolicies",
    ] {
        let reply = send(&channel, path, bearer(&server.root_secret), framed(&[])).await;
        check(&reply, Code::Unimplemented, "UNKNOWN_METHOD", path);
        let nobody = send(&channel, path, http::HeaderMap::new(), framed(&[])).await;
        assert_ne!(nobody.status().code(), Code::Ok, "{path}");
    }
}

#[tokio::test]
async fn the_built_in_policy_is_served_as_it_is_declared() {
    let server = Server::start().await;
    let request = proto::GetPolicyRequest { name: "policies/system".to_owned() };
    let policy = server.root().await.admin.get_policy(request).await.unwrap().into_inner();
    let served: Vec<&str> = policy.scopes.iter().map(|scope| scope.name.as_str()).collect();
    let declared: Vec<&str> = SystemScope::ALL.iter().map(|scope| scope.as_str()).collect();
    assert_eq!(served, declared);
    assert!(policy.hide_existence);
}
