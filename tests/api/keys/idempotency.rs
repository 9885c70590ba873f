//! The same `request_id` again, and many calls at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use keyward::proto::{
    self, CreateKeyRequest, EventKind, ListEventsRequest, RotateKeyRequest, UpdateKeyRequest,
};
use tonic::Code;

use super::{creation, metadata, read, ttl};
use crate::support::{Caller, Server, reader, refused, request_id, wrong_fields};

/// How many calls are made at once.
const CALLS: usize = 100;

async fn events_after(root: &mut Caller, revision: i64) -> Vec<proto::Event> {
    let request = ListEventsRequest { page_size: 1_000, ..ListEventsRequest::default() };
    let page = root.admin.list_events(request).await.unwrap().into_inner();
    assert_eq!(page.next_page_token, "");
    page.events.into_iter().filter(|event| event.revision > revision).collect()
}

#[tokio::test]
async fn a_hundred_creations_with_one_request_id_make_one_key_and_show_its_secret_once() {
    one_of_a_hundred_is_made("").await;
}

#[tokio::test]
async fn so_they_do_where_the_request_names_the_key() {
    one_of_a_hundred_is_made("ci").await;
}

async fn one_of_a_hundred_is_made(key_id: &str) {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let key_id = key_id.to_owned();
    let request = CreateKeyRequest { key_id, request_id: request_id(), ..creation(reader()) };
    let calls = (0..CALLS).map(|_| {
        let (mut root, request) = (root.clone(), request.clone());
        async move { root.admin.create_key(request).await.unwrap().into_inner() }
    });
    let answers = join_all(calls).await;
    let keys: Vec<_> = answers.iter().map(|answer| answer.key.clone().unwrap()).collect();
    assert!(keys.iter().all(|key| *key == keys[0]));
    let shown: Vec<_> = answers.iter().filter(|answer| !answer.secret.is_empty()).collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(root.ask(&shown[0].secret, &["sites:read"], "").await.key, keys[0].name);
    let events = events_after(&mut root, head).await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].kind(), &events[0].subject), (EventKind::KeyCreated, &keys[0].name));
    assert_eq!(events[0].request_id, request.request_id);
    let list = proto::ListKeysRequest { parent: "workspaces/acme".into(), ..Default::default() };
    assert_eq!(root.admin.list_keys(list).await.unwrap().into_inner().keys.len(), 1);
}

#[tokio::test]
async fn a_hundred_creations_of_one_name_make_one_key() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let calls = (0..CALLS).map(|_| {
        let mut root = root.clone();
        let request = CreateKeyRequest { key_id: "ci".into(), ..creation(reader()) };
        async move { root.admin.create_key(request).await }
    });
    let mut made = 0;
    for outcome in join_all(calls).await {
        match outcome {
            Ok(_) => made += 1,
            Err(status) => {
                refused(
                    Err::<tonic::Response<()>, _>(status),
                    Code::AlreadyExists,
                    "RESOURCE_EXISTS",
                );
            }
        }
    }
    assert_eq!(made, 1);
    assert_eq!(root.head().await, head + 1);
}

#[tokio::test]
async fn a_hundred_rotations_with_one_request_id_show_one_secret_which_works() {
    let (_server, mut root) = Server::with_workspaces().await;
    let old = root.create_key("acme", "ci", reader()).await.secret;
    let head = root.head().await;
    let request = RotateKeyRequest {
        name: "workspaces/acme/keys/ci".into(),
        request_id: request_id(),
        ..RotateKeyRequest::default()
    };
    let calls = (0..CALLS).map(|_| {
        let (mut root, request) = (root.clone(), request.clone());
        async move { root.admin.rotate_key(request).await.unwrap().into_inner().secret }
    });
    let secrets = join_all(calls).await;
    let shown: Vec<_> = secrets.iter().filter(|secret| !secret.is_empty()).collect();
    assert_eq!(shown.len(), 1);
    assert!(root.ask(shown[0], &["sites:read"], "").await.active);
    assert!(!root.ask(&old, &["sites:read"], "").await.active);
    assert_eq!(root.head().await, head + 1);
}

#[tokio::test]
async fn of_a_hundred_updates_at_once_each_that_was_acknowledged_is_one_event() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "ci", reader()).await;
    let head = root.head().await;
    let name = "workspaces/acme/keys/ci";
    let calls = (0..CALLS).map(|number| {
        let mut root = root.clone();
        let display_name = format!("title {number}");
        let key = proto::Key { name: name.into(), display_name, ..proto::Key::default() };
        let request = UpdateKeyRequest { key: Some(key), ..UpdateKeyRequest::default() };
        async move { root.admin.update_key(request).await }
    });
    let mut acknowledged = BTreeSet::new();
    for outcome in join_all(calls).await {
        match outcome {
            Ok(answer) => {
                let key = answer.into_inner().key.unwrap();
                assert!(acknowledged.insert((key.revision, key.display_name)), "told twice");
            }
            // On a slow machine its turn would have come too late.
            Err(status) if status.code() == Code::ResourceExhausted => {
                let outcome = Err::<tonic::Response<()>, _>(status);
                refused(outcome, Code::ResourceExhausted, "TOO_MANY_IN_FLIGHT");
            }
            Err(status) => {
                refused(Err::<tonic::Response<()>, _>(status), Code::Aborted, "CONCURRENT_CHANGE");
            }
        }
    }
    assert!(!acknowledged.is_empty());
    let logged: BTreeSet<_> = events_after(&mut root, head)
        .await
        .into_iter()
        .map(|event| {
            assert_eq!((event.kind(), &*event.subject), (EventKind::KeyUpdated, name));
            let after: serde_json::Value = serde_json::from_str(&event.after_json).unwrap();
            (event.revision, after["title"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(logged, acknowledged);
    let (revision, display_name) = acknowledged.last().unwrap();
    let key = read(&mut root, name).await;
    assert_eq!((&key.revision, &key.display_name), (revision, display_name));
}

#[tokio::test]
async fn two_callers_share_no_request_ids() {
    let (server, mut root) = Server::with_workspaces().await;
    let mut one = server.caller(&["keys:write"], &[]).await;
    let mut two = server.caller(&["keys:write"], &[]).await;
    let request = CreateKeyRequest { request_id: request_id(), ..creation(reader()) };
    let ones = one.admin.create_key(request.clone()).await.unwrap().into_inner();
    let twos = two.admin.create_key(request.clone()).await.unwrap().into_inner();
    assert_ne!(ones.key.unwrap().name, twos.key.unwrap().name);
    for secret in [&ones.secret, &twos.secret] {
        assert!(root.ask(secret, &["sites:read"], "").await.active);
    }
    let other = CreateKeyRequest { key_id: "cd".into(), ..request };
    refused(one.admin.create_key(other.clone()).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
    root.admin.create_key(other).await.unwrap();
}

#[tokio::test]
async fn a_repeated_creation_answers_the_key_as_it_is_now_without_its_secret() {
    let (_server, mut root) = Server::with_workspaces().await;
    let request =
        CreateKeyRequest { request_id: request_id(), key_id: "ci".into(), ..creation(reader()) };
    let made = root.admin.create_key(request.clone()).await.unwrap().into_inner();
    assert!(!made.secret.is_empty());
    let key = proto::Key {
        name: "workspaces/acme/keys/ci".into(),
        display_name: "cd".into(),
        ..proto::Key::default()
    };
    let update = UpdateKeyRequest { key: Some(key), ..UpdateKeyRequest::default() };
    let changed = root.admin.update_key(update).await.unwrap().into_inner();
    let head = root.head().await;
    let again = root.admin.create_key(request).await.unwrap().into_inner();
    assert_eq!((again.key, &*again.secret), (changed.key, ""));
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_repeated_request_is_answered_also_where_the_rules_have_changed_since() {
    let (_server, mut root) = Server::with_workspaces().await;
    let longer = proto::Key { expiration: ttl(7_200), ..reader() };
    let create =
        CreateKeyRequest { request_id: request_id(), key_id: "ci".into(), ..creation(longer) };
    root.admin.create_key(create.clone()).await.unwrap();
    let key = proto::Key {
        name: "workspaces/acme/keys/ci".into(),
        expiration: ttl(7_201),
        ..proto::Key::default()
    };
    let update = UpdateKeyRequest {
        request_id: request_id(),
        key: Some(key),
        ..UpdateKeyRequest::default()
    };
    let updated = root.admin.update_key(update.clone()).await.unwrap().into_inner().key;
    let max_ttl = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    let policy = proto::Policy {
        name: "policies/acme".into(),
        expiry: Some(proto::ExpiryRule { max_ttl, ..proto::ExpiryRule::default() }),
        ..proto::Policy::default()
    };
    let stricter = proto::UpdatePolicyRequest { policy: Some(policy), ..Default::default() };
    root.admin.update_policy(stricter).await.unwrap();
    let head = root.head().await;
    let created = root.admin.create_key(create.clone()).await.unwrap().into_inner();
    assert_eq!((&created.key, &*created.secret), (&updated, ""));
    assert_eq!(root.admin.update_key(update).await.unwrap().into_inner().key, updated);
    let new = CreateKeyRequest { request_id: request_id(), key_id: "cd".into(), ..create };
    assert_eq!(wrong_fields(root.admin.create_key(new).await), ["key.expire_time"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn one_request_id_is_one_request_whatever_the_rpc() {
    let (_server, mut root) = Server::with_workspaces().await;
    let id = request_id();
    let request =
        CreateKeyRequest { request_id: id.clone(), key_id: "ci".into(), ..creation(reader()) };
    root.admin.create_key(request.clone()).await.unwrap();
    let head = root.head().await;
    let rotate = RotateKeyRequest {
        name: "workspaces/acme/keys/ci".into(),
        request_id: id.clone(),
        ..RotateKeyRequest::default()
    };
    let status =
        refused(root.admin.rotate_key(rotate).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(metadata(&status, "request_id"), id);
    let other = proto::Key { display_name: "other".into(), ..reader() };
    let other = CreateKeyRequest { key: Some(other), ..request };
    refused(root.admin.create_key(other).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_id() {
    let (_server, mut root) = Server::with_workspaces().await;
    let id = request_id();
    let with = |key| CreateKeyRequest { request_id: id.clone(), ..creation(key) };
    let nameless = proto::Key { display_name: String::new(), ..reader() };
    assert_eq!(wrong_fields(root.admin.create_key(with(nameless)).await), ["key.display_name"]);
    assert!(!root.admin.create_key(with(reader())).await.unwrap().into_inner().secret.is_empty());
}

#[tokio::test]
async fn only_a_uuid_is_a_request_id() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let huge = "0".repeat(1 << 20);
    for id in [
        "1",
        "00000000000040008000000000000000",
        "{00000000-0000-4000-8000-000000000000}",
        "urn:uuid:00000000-0000-4000-8000-000000000000",
        "00000000-0000-4000-8000-00000000000g",
        " 0000000-0000-4000-8000-000000000000",
        &huge,
    ] {
        let request = CreateKeyRequest { request_id: id.to_owned(), ..creation(reader()) };
        assert_eq!(wrong_fields(root.admin.create_key(request).await), ["request_id"]);
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_request_that_found_all_as_it_asked_for_does_not_come_about_later() {
    let (_server, mut root) = Server::with_workspaces().await;
    let name = "workspaces/acme".to_owned();
    let resume = proto::ResumeWorkspaceRequest {
        name: name.clone(),
        request_id: request_id(),
        ..Default::default()
    };
    root.admin.resume_workspace(resume.clone()).await.unwrap();
    let suspend = proto::SuspendWorkspaceRequest { name, ..Default::default() };
    root.admin.suspend_workspace(suspend).await.unwrap();
    let again = root.admin.resume_workspace(resume).await.unwrap().into_inner();
    assert_eq!(again.state(), proto::WorkspaceState::Suspended);

    root.create_key("acme", "ci", reader()).await;
    let same = proto::UpdateKeyRequest {
        key: Some(proto::Key { name: "workspaces/acme/keys/ci".into(), ..reader() }),
        request_id: request_id(),
        ..Default::default()
    };
    root.admin.update_key(same.clone()).await.unwrap();
    let renamed = proto::UpdateKeyRequest {
        key: Some(proto::Key {
            name: "workspaces/acme/keys/ci".into(),
            display_name: "renamed".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    root.admin.update_key(renamed).await.unwrap();
    let again = root.admin.update_key(same).await.unwrap().into_inner().key.unwrap();
    assert_eq!(again.display_name, "renamed");
}
