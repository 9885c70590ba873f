//! `BatchIntrospect`.

use keyward::proto::{
    self, BatchIntrospectRequest, DenyReason, IntrospectRequest, IntrospectResponse,
};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{answer, question};
use crate::{
    callers::minted::revoke,
    support::{Caller, Server, named_fields, reader, refused, scope_missing, wrong_fields},
};

async fn answers(caller: &mut Caller, requests: Vec<IntrospectRequest>) -> Vec<IntrospectResponse> {
    let request = BatchIntrospectRequest { requests };
    caller.introspect.batch_introspect(request).await.unwrap().into_inner().responses
}

#[tokio::test]
async fn each_is_answered_in_its_place_as_it_would_be_alone() {
    let (_server, mut root) = Server::with_workspaces().await;
    let good = root.create_key("acme", "good", reader()).await.secret;
    let ended = root.create_key("acme", "ended", reader()).await.secret;
    let other = root.create_key("other", "good", reader()).await.secret;
    revoke(&mut root, "workspaces/acme/keys/ended").await;
    let brief =
        IntrospectRequest { view: proto::IntrospectView::Decision.into(), ..question(&good, &[]) };
    let questions = vec![
        question(&good, &["sites:read"]),
        question("x", &[]),
        question(&ended, &[]),
        question("", &[]),
        question(&other, &["sites:write"]),
        brief,
        question(&good, &["sites:read"]),
    ];
    let together = answers(&mut root, questions.clone()).await;
    let reasons: Vec<DenyReason> = together.iter().map(IntrospectResponse::reason).collect();
    use DenyReason::{InsufficientScope, InvalidKey, Revoked, Unspecified};
    let expected =
        [Unspecified, InvalidKey, Revoked, InvalidKey, InsufficientScope, Unspecified, Unspecified];
    assert_eq!(reasons, expected);
    for (question, together) in questions.into_iter().zip(together) {
        assert_eq!(answer(&mut root, question).await, together);
    }
}

#[tokio::test]
async fn a_thousand_keys_that_are_not_in_memory_are_answered_in_order() {
    let (_server, mut root) = Server::with_workspaces().await;
    let one = proto::CreateKeyRequest { key: Some(reader()), ..Default::default() };
    let request = proto::BatchCreateKeysRequest {
        parent: "workspaces/acme".into(),
        requests: vec![one; 1_000],
        ..Default::default()
    };
    let made = root.admin.batch_create_keys(request).await.unwrap().into_inner().responses;
    let questions = made.iter().map(|made| question(&made.secret, &["sites:read"])).collect();
    for (answer, made) in answers(&mut root, questions).await.iter().zip(&made) {
        assert_eq!(Some(&answer.key), made.key.as_ref().map(|key| &key.name));
        assert!(answer.active);
    }
}

#[tokio::test]
async fn none_and_more_than_a_thousand_are_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    for count in [0, 1_001] {
        let request = BatchIntrospectRequest { requests: vec![question("x", &[]); count] };
        let outcome = root.introspect.batch_introspect(request).await;
        assert_eq!(wrong_fields(outcome), ["requests"], "{count}");
    }
}

#[tokio::test]
async fn every_bad_field_of_every_question_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let good = root.create_key("acme", "", reader()).await.secret;
    let bad = IntrospectRequest { client_ip: "localhost".into(), cost: -1, ..question("x", &[]) };
    let worse = IntrospectRequest { class: "c".repeat(101), ..question(&good, &[""; 101]) };
    let request = BatchIntrospectRequest { requests: vec![question(&good, &[]), bad, worse] };
    let fields = wrong_fields(root.introspect.batch_introspect(request).await);
    let expected = [
        "requests[1].client_ip",
        "requests[1].cost",
        "requests[2].required_scopes",
        "requests[2].class",
    ];
    assert_eq!(fields, expected);
}

#[tokio::test]
async fn a_question_that_makes_no_sense_for_its_key_is_named() {
    let (_server, mut root) = Server::with_workspaces().await;
    let good = root.create_key("acme", "", reader()).await.secret;
    let among = |bad| BatchIntrospectRequest {
        requests: vec![question(&good, &[]), question("x", &["any:thing"]), bad],
    };
    let unknown = among(question(&good, &["site:read"]));
    let outcome = root.introspect.batch_introspect(unknown).await;
    let status = refused(outcome, Code::InvalidArgument, "UNKNOWN_SCOPE");
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["field"], "requests[2].required_scopes");
    assert_eq!((&*metadata["scope"], &*metadata["nearest"]), ("site:read", "sites:read"));
    assert!(status.message().starts_with("requests[2].required_scopes: "), "{status:?}");
    let malformed = IntrospectRequest { resource: "a//b".into(), ..question(&good, &[]) };
    let outcome = root.introspect.batch_introspect(among(malformed)).await;
    assert_eq!(wrong_fields(outcome), ["requests[2].resource"]);
}

#[tokio::test]
async fn all_questions_that_make_no_sense_are_named_for_the_reason_of_the_first() {
    let (_server, mut root) = Server::with_workspaces().await;
    let good = root.create_key("acme", "", reader()).await.secret;
    let unknown = || question(&good, &["site:read"]);
    let malformed = || IntrospectRequest { resource: "a//b".into(), ..question(&good, &[]) };
    let asked = |first, last| BatchIntrospectRequest {
        requests: vec![question(&good, &[]), first, question(&good, &[]), last],
    };
    let outcome = root.introspect.batch_introspect(asked(unknown(), malformed())).await;
    let status = refused(outcome, Code::InvalidArgument, "UNKNOWN_SCOPE");
    let named = ["requests[1].required_scopes", "requests[3].resource"];
    assert_eq!(named_fields(&status), named);
    assert_eq!(status.get_details_error_info().unwrap().metadata["field"], named[0]);
    let outcome = root.introspect.batch_introspect(asked(malformed(), unknown())).await;
    assert_eq!(wrong_fields(outcome), ["requests[1].resource", "requests[3].required_scopes"]);
}

#[tokio::test]
async fn a_bound_caller_is_told_nothing_of_keys_of_another_workspace() {
    let (server, mut root) = Server::with_workspaces().await;
    let ours = root.create_key("acme", "", reader()).await.secret;
    let theirs = root.create_key("other", "", reader()).await.secret;
    let mut bound = server.caller(&["introspect"], &["workspaces/acme"]).await;
    let questions = vec![question(&ours, &[]), question(&theirs, &[]), question("x", &[])];
    let told = answers(&mut bound, questions).await;
    assert!(told[0].active);
    assert_eq!(told[1].reason(), DenyReason::InvalidKey);
    assert_eq!(told[1], told[2]);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut reader = server.caller(&["keys:read"], &[]).await;
    let none = BatchIntrospectRequest::default();
    scope_missing(reader.introspect.batch_introspect(none).await);
}

#[tokio::test]
async fn of_many_names_that_are_not_known_the_first_have_a_hint() {
    let (_server, mut root) = Server::with_workspaces().await;
    let good = root.create_key("acme", "", reader()).await.secret;
    let request = BatchIntrospectRequest { requests: vec![question(&good, &["site:read"]); 7] };
    let outcome = root.introspect.batch_introspect(request).await;
    let status = refused(outcome, Code::InvalidArgument, "UNKNOWN_SCOPE");
    let faults = status.get_details_bad_request().unwrap().field_violations;
    let hinted: Vec<bool> =
        faults.iter().map(|fault| fault.description.contains("did you mean")).collect();
    assert_eq!(hinted, [true, true, true, true, true, false, false]);
}
