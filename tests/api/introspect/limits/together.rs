//! Limits of questions that are asked together, and of streams of them.

use futures_util::stream;
use keyward::proto::{StreamIntrospectRequest, stream_introspect_response::Outcome};
use prost::Message as _;

use super::*;

#[tokio::test]
async fn questions_that_are_asked_together_take_of_the_limits_in_their_order() {
    let (_server, mut root) = on(vec![plan("free", &[limit("all", "", 5)], &[])]).await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    let request = proto::BatchIntrospectRequest { requests: vec![question(&secret, &[]); 8] };
    let told = root.introspect.batch_introspect(request).await.unwrap().into_inner().responses;
    let left: Vec<_> = told.iter().map(|answer| (answer.reason(), left(answer)[0].1)).collect();
    let expected = [4, 3, 2, 1, 0].map(|left| (DenyReason::Unspecified, left));
    let denied = [(DenyReason::RateLimited, 0); 3];
    assert_eq!((&left[..5], &left[5..]), (&expected[..], &denied[..]));
}

#[tokio::test]
async fn questions_that_are_refused_together_take_nothing() {
    let (_server, mut root) = on(vec![plan("free", &[limit("all", "", 5)], &[])]).await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    let mut requests = vec![question(&secret, &[]); 4];
    requests.push(question(&secret, &["site:read"]));
    let outcome =
        root.introspect.batch_introspect(proto::BatchIntrospectRequest { requests }).await;
    refused(outcome, Code::InvalidArgument, "UNKNOWN_SCOPE");
    assert_eq!(left(&root.ask(&secret, &[], "").await), [("all", 4)]);
}

#[tokio::test]
async fn questions_whose_answers_would_be_too_large_take_nothing_and_are_answered_in_brief() {
    let (_server, mut root) = on(vec![plan("free", &[limit("all", "", 100)], &[])]).await;
    let grants = (0..1_000)
        .map(|number| crate::introspect::grant("sites:read", &format!("sites/{number:0>60}")));
    let large = proto::Key { grants: grants.collect(), ..reader() };
    let secret = root.create_key("acme", "", large).await.secret;
    let asked = |view: IntrospectView, count| {
        let question = IntrospectRequest { view: view.into(), ..question(&secret, &[]) };
        proto::BatchIntrospectRequest { requests: vec![question; count] }
    };
    for view in [IntrospectView::Full, IntrospectView::Unspecified] {
        let outcome = root.introspect.batch_introspect(asked(view, 60)).await;
        assert_eq!(wrong_fields(outcome), ["requests"], "{view:?}");
    }
    let brief = root.introspect.batch_introspect(asked(IntrospectView::Decision, 60)).await;
    assert_eq!(brief.unwrap().into_inner().responses.len(), 60);
    // What is not refused is no larger than was reckoned.
    let full = root.introspect.batch_introspect(asked(IntrospectView::Full, 30)).await;
    let full = full.unwrap().into_inner();
    assert!(full.encoded_len() <= keyward::introspect::ANSWERS_BYTES_MAX);
    assert_eq!(left(&full.responses[29]), [("all", 10)]);
}

#[tokio::test]
async fn of_many_classes_that_are_not_known_the_first_have_a_hint() {
    let (_server, mut root) = on(vec![plan("free", &[limit("all", "", 5)], &[])]).await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    let asked = IntrospectRequest { class: "reed".into(), ..question(&secret, &[]) };
    let request = proto::BatchIntrospectRequest { requests: vec![asked; 7] };
    let outcome = root.introspect.batch_introspect(request).await;
    let status = refused(outcome, Code::InvalidArgument, "INVALID_FIELDS");
    let faults = status.get_details_bad_request().unwrap().field_violations;
    let hinted = faults.iter().filter(|fault| fault.description.contains("mean \"read\""));
    assert_eq!((hinted.count(), faults.len()), (5, 7));
}

#[tokio::test]
async fn the_questions_of_a_stream_take_of_the_limits_as_calls_do() {
    let (_server, mut root) = on(vec![plan("free", &[limit("all", "", 5)], &[])]).await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    let asked = StreamIntrospectRequest { id: 0, request: Some(question(&secret, &[])) };
    let answers = root.introspect.stream_introspect(stream::iter(vec![asked; 8])).await.unwrap();
    let (mut answers, mut told) = (answers.into_inner(), Vec::new());
    while let Some(answer) = answers.message().await.unwrap() {
        let Some(Outcome::Response(answer)) = answer.outcome else { panic!("{answer:?}") };
        told.push((answer.reason() as i32, left(&answer)[0].1));
    }
    told.sort_unstable();
    let allowed = [0, 1, 2, 3, 4].map(|left| (DenyReason::Unspecified as i32, left));
    let denied = [(DenyReason::RateLimited as i32, 0); 3];
    assert_eq!(told.split_at(5), (&allowed[..], &denied[..]));
}
