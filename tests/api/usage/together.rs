//! What is counted of questions that are asked together, and of streams of them.

use futures_util::stream;
use keyward::proto::{
    BatchIntrospectRequest, DenyReason, IntrospectRequest, StreamIntrospectRequest,
};
use tonic::Code;

use super::{get::outcomes, *};
use crate::support::{reader, refused, strings};

const ACME: &str = "workspaces/acme";

fn question(secret: &str, required_scopes: &[&str]) -> IntrospectRequest {
    IntrospectRequest {
        secret: secret.to_owned(),
        required_scopes: strings(required_scopes),
        ..Default::default()
    }
}

/// A caller that may ask, and the name of its key.
async fn asker(server: &Server, root: &mut Caller) -> (Caller, String) {
    let key = proto::Key { grants: crate::support::grants(&["introspect"]), ..reader() };
    let made = root.create_key("system", "asker", key).await;
    (server.caller_with(Some(&made.secret)).await, made.key.unwrap().name)
}

#[tokio::test]
async fn each_question_of_a_batch_is_a_use_and_the_batch_is_one_of_its_caller() {
    let (server, mut root) = counting().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let (mut caller, name) = asker(&server, &mut root).await;
    let mut requests = vec![question(&secret, &["sites:read"]); 40];
    requests.extend(vec![question(&secret, &["sites:write"]); 2]);
    requests.push(question("x", &[]));
    caller.introspect.batch_introspect(BatchIntrospectRequest { requests }).await.unwrap();
    let whole = with_calls(&mut root, ACME, 42).await;
    let (allowed, missing) = (DenyReason::Unspecified, DenyReason::InsufficientScope);
    assert_eq!(outcomes(&whole), [(allowed, 40), (missing, 2)]);
    with_calls(&mut root, &name, 1).await;
}

#[tokio::test]
async fn of_questions_that_are_refused_together_none_is_a_use() {
    let (_server, mut root) = counting().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let requests = vec![question(&secret, &[]), question(&secret, &["site:read"])];
    let outcome = root.introspect.batch_introspect(BatchIntrospectRequest { requests }).await;
    refused(outcome, Code::InvalidArgument, "UNKNOWN_SCOPE");
    root.ask(&secret, &[], "").await;
    with_calls(&mut root, ACME, 1).await;
}

#[tokio::test]
async fn each_question_of_a_stream_is_a_use_of_its_key_and_of_its_callers() {
    let (server, mut root) = counting().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let (mut caller, name) = asker(&server, &mut root).await;
    let asked = ["sites:read", "sites:read", "sites:write", "site:read"];
    let questions = asked
        .map(|scope| StreamIntrospectRequest { id: 0, request: Some(question(&secret, &[scope])) });
    let answers = caller.introspect.stream_introspect(stream::iter(questions)).await.unwrap();
    let mut answers = answers.into_inner();
    let mut count = 0;
    while answers.message().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 4);
    // One makes no sense, and is none of the key.
    let whole = with_calls(&mut root, ACME, 3).await;
    let (allowed, missing) = (DenyReason::Unspecified, DenyReason::InsufficientScope);
    assert_eq!(outcomes(&whole), [(allowed, 2), (missing, 1)]);
    with_calls(&mut root, &name, 4).await;
}

#[tokio::test]
async fn what_a_limit_denies_is_counted_as_such() {
    let window = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    let limit = proto::RateLimit { name: "all".into(), quota: 2, window, ..Default::default() };
    let plan = proto::Plan { name: "free".into(), key_limits: vec![limit], ..Default::default() };
    let (_server, mut root) = counting_under(proto::Policy { plans: vec![plan], ..policy() }).await;
    let key = proto::Key { plan: "free".into(), ..reader() };
    let secret = root.create_key("acme", "ci", key).await.secret;
    for _ in 0..3 {
        root.ask(&secret, &[], "").await;
    }
    let requests = vec![question(&secret, &[]); 2];
    root.introspect.batch_introspect(BatchIntrospectRequest { requests }).await.unwrap();
    let whole = with_calls(&mut root, ACME, 5).await;
    let (allowed, limited) = (DenyReason::Unspecified, DenyReason::RateLimited);
    assert_eq!(outcomes(&whole), [(allowed, 2), (limited, 3)]);
}
