//! `BatchCreateKeys`.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use keyward::proto::{
    self, BatchCreateKeysRequest, CreateKeyRequest, EventKind, ListEventsRequest, WarningCode,
};
use tonic::Code;

use super::{read, told, ttl};
use crate::support::{
    Caller, Server, grants, named_fields, not_found, reader, refused, request_id, scope_missing,
    strings, wrong_fields,
};

fn of(key_id: &str, key: proto::Key) -> CreateKeyRequest {
    CreateKeyRequest { key_id: key_id.to_owned(), key: Some(key), ..Default::default() }
}

fn batch(requests: Vec<CreateKeyRequest>) -> BatchCreateKeysRequest {
    BatchCreateKeysRequest {
        parent: "workspaces/acme".to_owned(),
        requests,
        ..BatchCreateKeysRequest::default()
    }
}

async fn made(
    caller: &mut Caller,
    request: BatchCreateKeysRequest,
) -> Vec<proto::CreateKeyResponse> {
    caller.admin.batch_create_keys(request).await.unwrap().into_inner().responses
}

fn names(responses: &[proto::CreateKeyResponse]) -> Vec<String> {
    responses.iter().map(|response| response.key.clone().unwrap().name).collect()
}

#[tokio::test]
async fn every_key_works_and_is_on_record_as_it_was_answered() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "observer").await;
    let owned = proto::Key { principal: "workspaces/acme/principals/ada".into(), ..reader() };
    let same = CreateKeyRequest { parent: "workspaces/acme".into(), ..of("own", owned.clone()) };
    let head = root.head().await;
    let answers = made(&mut root, batch(vec![of("ci", reader()), of("", owned), same])).await;
    assert_eq!(answers.len(), 3);
    let named = names(&answers);
    assert_eq!((&*named[0], &*named[2]), ("workspaces/acme/keys/ci", "workspaces/acme/keys/own"));
    assert!(named[1].starts_with("workspaces/acme/keys/") && named[1].len() > 40, "{named:?}");
    for (place, answer) in (1..).zip(answers) {
        let key = answer.key.unwrap();
        assert_eq!(key.revision, head + place, "one event for each, in order");
        assert_eq!(read(&mut root, &key.name).await, key);
        assert_eq!(root.ask(&answer.secret, &["sites:read"], "").await.key, key.name);
        assert_eq!(told(&answer.warnings), [(WarningCode::NoExpiry, "key.expire_time")]);
    }
    let request = ListEventsRequest { page_size: 1_000, ..ListEventsRequest::default() };
    let events = root.admin.list_events(request).await.unwrap().into_inner().events;
    let new: Vec<_> = events.iter().filter(|event| event.revision > head).collect();
    assert!(new.iter().all(|event| event.kind() == EventKind::KeyCreated));
    assert_eq!(
        new.iter().map(|event| &event.subject).collect::<Vec<_>>(),
        named.iter().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_thousand_keys_are_made_at_once_and_one_more_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let many = |count| batch(vec![of("", reader()); count]);
    let outcome = root.admin.batch_create_keys(many(1_001)).await;
    assert_eq!(wrong_fields(outcome), ["requests"]);
    assert_eq!(wrong_fields(root.admin.batch_create_keys(many(0)).await), ["requests"]);
    assert_eq!(root.head().await, head);
    let answers = made(&mut root, many(1_000)).await;
    let distinct: BTreeSet<&str> = answers.iter().map(|answer| &*answer.secret).collect();
    assert_eq!(distinct.len(), 1_000);
    assert_eq!(names(&answers).into_iter().collect::<BTreeSet<_>>().len(), 1_000);
    assert_eq!(root.head().await, head + 1_000);
}

#[tokio::test]
async fn every_bad_field_of_every_request_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let unnamed = proto::Key { display_name: String::new(), ..reader() };
    let wrong = proto::Key { grants: grants(&["nothing:at-all"]), ..reader() };
    let bad = BatchCreateKeysRequest {
        request_id: "no uuid".into(),
        ..batch(vec![
            of("ci", reader()),
            of("No Id", unnamed),
            CreateKeyRequest { presets: strings(&["none"]), ..of("ci", wrong) },
            CreateKeyRequest {
                parent: "workspaces/other".into(),
                minting_key: "keys/x".into(),
                request_id: request_id(),
                validate_only: true,
                ..of("", reader())
            },
        ])
    };
    let expected = [
        "request_id",
        "requests[1].key_id",
        "requests[2].key_id",
        "requests[3].parent",
        "requests[3].request_id",
        "requests[3].validate_only",
        "requests[3].minting_key",
        "requests[1].key.display_name",
        "requests[2].presets[0]",
        "requests[2].key.grants[0].scope",
    ];
    assert_eq!(wrong_fields(root.admin.batch_create_keys(bad.clone()).await), expected);
    let nowhere = BatchCreateKeysRequest { parent: "acme".into(), ..bad };
    let fields = wrong_fields(root.admin.batch_create_keys(nowhere).await);
    assert_eq!(fields[..2], ["parent", "request_id"]);
    assert!(fields.contains(&"requests[1].key.display_name".to_owned()), "{fields:?}");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn what_the_rules_refuse_of_each_is_named_at_once_too() {
    let (_server, mut root) = super::under(|policy| {
        let personal = policy.key_types.iter_mut().find(|kind| kind.name == "personal").unwrap();
        personal.principal_kinds = vec![proto::PrincipalKind::Team.into()];
    })
    .await;
    root.create_principal("acme", "ada", "owner").await;
    let head = root.head().await;
    let owned = proto::Key {
        r#type: "personal".into(),
        principal: "workspaces/acme/principals/ada".into(),
        ..reader()
    };
    let request = batch(vec![of("", owned.clone()), of("", reader()), of("", owned)]);
    let fields = wrong_fields(root.admin.batch_create_keys(request).await);
    assert_eq!(fields, ["requests[0].key.principal", "requests[2].key.principal"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn none_is_made_where_one_cannot_be() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "taken", reader()).await;
    root.create_principal("acme", "gone", "owner").await;
    crate::callers::minted::disable(&mut root, "workspaces/acme/principals/gone").await;
    let head = root.head().await;
    let owned = |owner: &str| proto::Key { principal: owner.to_owned(), ..reader() };
    let after_a_good_one = |bad| batch(vec![of("good", reader()), bad]);
    let taken = root.admin.batch_create_keys(after_a_good_one(of("taken", reader()))).await;
    let status = refused(taken, Code::AlreadyExists, "RESOURCE_EXISTS");
    assert_eq!(super::metadata(&status, "resource"), "workspaces/acme/keys/taken");
    let gone = of("", owned("workspaces/acme/principals/gone"));
    let disabled = root.admin.batch_create_keys(after_a_good_one(gone)).await;
    refused(disabled, Code::FailedPrecondition, "PRINCIPAL_DISABLED");
    for owner in ["workspaces/acme/principals/none", "workspaces/other/principals/none"] {
        not_found(root.admin.batch_create_keys(after_a_good_one(of("", owned(owner)))).await);
    }
    let broader = CreateKeyRequest {
        minting_key: "workspaces/acme/keys/taken".into(),
        ..of("", proto::Key { grants: grants(&["sites:write"]), ..reader() })
    };
    let broader = root.admin.batch_create_keys(after_a_good_one(broader)).await;
    refused(broader, Code::PermissionDenied, "BROADER_THAN_MINTING_KEY");
    assert_eq!(root.head().await, head);
    let good = CreateKeyRequest {
        minting_key: "workspaces/acme/keys/taken".into(),
        ..of("good", reader())
    };
    let answers = made(&mut root, batch(vec![good])).await;
    assert_eq!(answers[0].key.as_ref().unwrap().minting_key, "workspaces/acme/keys/taken");
}

#[tokio::test]
async fn every_key_that_is_too_large_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let grants = (0..128).map(|number| proto::Grant {
        scope: "sites:read".into(),
        resource: format!("{number}-{}", "r".repeat(1_000)),
    });
    let large = proto::Key { grants: grants.collect(), ..reader() };
    let requests = vec![of("", large.clone()), of("", reader()), of("", large)];
    let fields = wrong_fields(root.admin.batch_create_keys(batch(requests)).await);
    assert_eq!(fields, ["requests[0].key", "requests[2].key"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn every_name_that_is_taken_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    for id in ["a", "c"] {
        root.create_key("acme", id, reader()).await;
    }
    let head = root.head().await;
    let requests = ["a", "b", "c"].map(|id| of(id, reader())).to_vec();
    let outcome = root.admin.batch_create_keys(batch(requests)).await;
    let status = refused(outcome, Code::AlreadyExists, "RESOURCE_EXISTS");
    assert_eq!(super::metadata(&status, "resource"), "workspaces/acme/keys/a");
    assert_eq!(named_fields(&status), ["requests[0]", "requests[2]"]);
    assert!(status.message().contains("acme/keys/a exists"), "{status:?}");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn all_that_cannot_be_made_are_named_at_once_for_the_reason_of_the_first() {
    let (_server, mut root) = super::under(|policy| {
        let personal = policy.key_types.iter_mut().find(|kind| kind.name == "personal").unwrap();
        personal.principal_kinds = vec![proto::PrincipalKind::Team.into()];
    })
    .await;
    root.create_principal("acme", "ada", "owner").await;
    root.create_key("acme", "minter", reader()).await;
    let head = root.head().await;
    let owned = |owner: &str| proto::Key {
        r#type: "personal".into(),
        principal: format!("workspaces/acme/principals/{owner}"),
        ..reader()
    };
    let broader = CreateKeyRequest {
        minting_key: "workspaces/acme/keys/minter".into(),
        ..of("", proto::Key { grants: grants(&["sites:write"]), ..reader() })
    };
    let requests =
        vec![of("", reader()), of("", owned("nobody")), of("", owned("ada")), broader.clone()];
    let outcome = root.admin.batch_create_keys(batch(requests)).await;
    let status = refused(outcome, Code::NotFound, "RESOURCE_NOT_FOUND");
    assert_eq!(super::metadata(&status, "resource"), "workspaces/acme/principals/nobody");
    let named = ["requests[1]", "requests[2].key.principal", "requests[3]"];
    assert_eq!(named_fields(&status), named);
    assert!(status.message().ends_with("; 3 of what was asked for cannot be"), "{status:?}");
    let alone = root.admin.batch_create_keys(batch(vec![of("", reader()), broader])).await;
    let status = refused(alone, Code::PermissionDenied, "BROADER_THAN_MINTING_KEY");
    assert!(status.message().starts_with("requests[1]: the key is broader"), "{status:?}");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn validation_alone_makes_nothing_and_shows_no_secret() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let checked = CreateKeyRequest { validate_only: true, ..of("ci", reader()) };
    let request = BatchCreateKeysRequest { validate_only: true, ..batch(vec![checked]) };
    let answers = made(&mut root, request).await;
    assert_eq!(
        (names(&answers), &*answers[0].secret),
        (vec!["workspaces/acme/keys/ci".into()], "")
    );
    assert_eq!(told(&answers[0].warnings), [(WarningCode::NoExpiry, "key.expire_time")]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_repeated_request_answers_the_same_keys_as_they_are_now_without_their_secrets() {
    let (_server, mut root) = Server::with_workspaces().await;
    let request = BatchCreateKeysRequest {
        request_id: request_id(),
        ..batch(vec![of("", reader()), of("b", proto::Key { expiration: ttl(60), ..reader() })])
    };
    let once = made(&mut root, request.clone()).await;
    crate::callers::minted::revoke(&mut root, "workspaces/acme/keys/b").await;
    root.create_key("acme", "later", reader()).await;
    let head = root.head().await;
    let again = made(&mut root, request.clone()).await;
    assert_eq!(names(&again), names(&once));
    assert!(again.iter().all(|answer| answer.secret.is_empty()));
    assert_eq!(again[1].key.as_ref().unwrap().state(), proto::KeyState::Revoked);
    let other = BatchCreateKeysRequest { requests: vec![of("c", reader())], ..request.clone() };
    refused(root.admin.batch_create_keys(other).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, head);
    let request = ListEventsRequest { page_size: 1_000, ..ListEventsRequest::default() };
    let events = root.admin.list_events(request).await.unwrap().into_inner().events;
    let of_it = events.iter().filter(|event| !event.request_id.is_empty());
    assert_eq!(of_it.map(|event| event.subject.clone()).collect::<Vec<_>>(), names(&once));
}

#[tokio::test]
async fn the_same_request_many_times_at_once_makes_its_keys_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    for requests in [vec![of("", reader()); 3], vec![of("x", reader()), of("y", reader())]] {
        let request = BatchCreateKeysRequest { request_id: request_id(), ..batch(requests) };
        let calls = (0..20).map(|_| {
            let (mut root, request) = (root.clone(), request.clone());
            async move { made(&mut root, request).await }
        });
        let answers = join_all(calls).await;
        assert!(answers.iter().all(|answer| names(answer) == names(&answers[0])));
        let shown = answers.iter().filter(|answer| !answer[0].secret.is_empty()).count();
        assert_eq!(shown, 1);
    }
    assert_eq!(root.head().await, head + 5);
}

#[tokio::test]
async fn keys_of_another_workspace_are_not_made() {
    let (server, mut root) = Server::with_workspaces().await;
    let head = {
        let mut bound = server.caller(&["keys:write"], &["workspaces/acme"]).await;
        let head = root.head().await;
        let elsewhere = BatchCreateKeysRequest {
            parent: "workspaces/other".into(),
            ..batch(vec![of("ci", reader())])
        };
        not_found(bound.admin.batch_create_keys(elsewhere).await);
        let mixed = CreateKeyRequest { parent: "workspaces/other".into(), ..of("ci", reader()) };
        let fields = wrong_fields(bound.admin.batch_create_keys(batch(vec![mixed])).await);
        assert_eq!(fields, ["requests[0].parent"]);
        head
    };
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_caller_makes_no_callers_that_are_more_than_itself() {
    let (server, mut root) = Server::with_workspaces().await;
    let mut writer = server.caller(&["keys:write"], &[]).await;
    let head = root.head().await;
    let more = proto::Key { grants: grants(&["*"]), ..reader() };
    let same = proto::Key { grants: grants(&["keys:write"]), ..reader() };
    let request = BatchCreateKeysRequest {
        parent: "workspaces/system".into(),
        ..batch(vec![of("same", same), of("more", more)])
    };
    let outcome = writer.admin.batch_create_keys(request).await;
    refused(outcome, Code::PermissionDenied, "BROADER_THAN_CALLER");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut reader = server.caller(&["keys:read"], &[]).await;
    scope_missing(reader.admin.batch_create_keys(BatchCreateKeysRequest::default()).await);
}

#[tokio::test]
async fn every_minting_key_that_the_caller_does_not_reach_is_named_at_once() {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_key("other", "minter", reader()).await;
    let mut bound = server.caller(&["keys:write"], &["workspaces/acme"]).await;
    let head = root.head().await;
    let minting_key = "workspaces/other/keys/minter".to_owned();
    let minted = || CreateKeyRequest { minting_key: minting_key.clone(), ..of("", reader()) };
    let request = batch(vec![of("", reader()), minted(), of("", reader()), minted()]);
    let status =
        refused(bound.admin.batch_create_keys(request).await, Code::NotFound, "RESOURCE_NOT_FOUND");
    assert_eq!(named_fields(&status), ["requests[1]", "requests[3]"]);
    // What is wrong in itself is told first.
    let request = batch(vec![of("No Id", reader()), minted()]);
    let fields = wrong_fields(bound.admin.batch_create_keys(request).await);
    assert_eq!(fields, ["requests[0].key_id"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn keys_with_too_many_grants_together_are_refused() {
    let (_server, mut root) = super::under(|policy| {
        let names: Vec<String> = (0..1_000).map(|number| format!("many:s{number}")).collect();
        let scope = |name: &String| proto::Scope { name: name.clone(), ..Default::default() };
        policy.scopes.extend(names.iter().map(scope));
        policy.presets =
            vec![proto::Preset { name: "many".into(), scopes: names, ..Default::default() }];
    })
    .await;
    let head = root.head().await;
    let bare = proto::Key { grants: vec![], ..reader() };
    let one = CreateKeyRequest { presets: strings(&["many"]), ..of("", bare) };
    let outcome = root.admin.batch_create_keys(batch(vec![one.clone(); 51])).await;
    let status = refused(outcome, Code::InvalidArgument, "INVALID_FIELDS");
    assert_eq!(named_fields(&status), ["requests"]);
    assert!(status.message().contains("more than 50000 grants"), "{status:?}");
    let checked = BatchCreateKeysRequest { validate_only: true, ..batch(vec![one; 50]) };
    assert_eq!(made(&mut root, checked).await.len(), 50);
    assert_eq!(root.head().await, head);
}
