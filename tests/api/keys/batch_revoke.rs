//! `BatchRevokeKeys`.

use keyward::proto::{self, BatchRevokeKeysRequest, DenyReason, EventKind, KeyState};
use tonic::Code;

use super::read;
use crate::callers::minted::short_lived;
use crate::support::{
    Caller, Server, grants, named_fields, not_found, reader, refused, request_id, scope_missing,
    wrong_fields,
};

fn batch(ids: &[&str]) -> BatchRevokeKeysRequest {
    BatchRevokeKeysRequest {
        parent: "workspaces/acme".to_owned(),
        names: ids.iter().map(|id| format!("workspaces/acme/keys/{id}")).collect(),
        ..BatchRevokeKeysRequest::default()
    }
}

async fn revoked(caller: &mut Caller, request: BatchRevokeKeysRequest) -> Vec<proto::Key> {
    caller.admin.batch_revoke_keys(request).await.unwrap().into_inner().keys
}

/// Keys of these ids in `acme`; their secrets.
async fn keys(root: &mut Caller, ids: &[&str]) -> Vec<String> {
    let mut secrets = Vec::new();
    for id in ids {
        secrets.push(root.create_key("acme", id, reader()).await.secret);
    }
    secrets
}

#[tokio::test]
async fn every_key_is_denied_from_the_next_call_on_and_stays_on_record() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secrets = keys(&mut root, &["a", "b", "c", "kept"]).await;
    for secret in &secrets {
        assert!(root.ask(secret, &[], "").await.active);
    }
    let head = root.head().await;
    let ended = revoked(&mut root, batch(&["b", "c", "a"])).await;
    for ((key, id), revision) in ended.iter().zip(["b", "c", "a"]).zip(head + 1..) {
        assert_eq!(
            (&key.name, key.state()),
            (&format!("workspaces/acme/keys/{id}"), KeyState::Revoked)
        );
        assert_eq!(key.revision, revision, "one event for each, in order");
        assert!(key.secrets.is_empty());
        assert_eq!(read(&mut root, &key.name).await, *key);
    }
    assert_eq!(root.head().await, head + 3);
    for secret in &secrets[..3] {
        assert_eq!(root.ask(secret, &[], "").await.reason(), DenyReason::Revoked);
    }
    assert!(root.ask(&secrets[3], &[], "").await.active);
    let request = proto::ListEventsRequest { page_size: 1_000, ..Default::default() };
    let events = root.admin.list_events(request).await.unwrap().into_inner().events;
    let new = events.iter().filter(|event| event.revision > head);
    assert!(new.clone().all(|event| event.kind() == EventKind::KeyRevoked));
    assert!(new.clone().all(|event| !event.before_json.contains("revoke_time\":1")));
}

#[tokio::test]
async fn those_that_have_ended_are_answered_and_not_changed_again() {
    let (_server, mut root) = Server::with_workspaces().await;
    keys(&mut root, &["a", "b"]).await;
    let once = revoked(&mut root, batch(&["a"])).await;
    let head = root.head().await;
    let both = revoked(&mut root, batch(&["a", "b"])).await;
    assert_eq!(both[0], once[0]);
    assert_eq!((both[1].state(), both[1].revision), (KeyState::Revoked, head + 1));
    assert_eq!(revoked(&mut root, batch(&["b", "a"])).await, [both[1].clone(), both[0].clone()]);
    assert_eq!(root.head().await, head + 1);
}

#[tokio::test]
async fn none_is_ended_where_one_is_not_there() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secrets = keys(&mut root, &["a"]).await;
    root.create_key("other", "elsewhere", reader()).await;
    let head = root.head().await;
    for missing in ["none", "elsewhere"] {
        let outcome = root.admin.batch_revoke_keys(batch(&["a", missing])).await;
        let status = refused(outcome, Code::NotFound, "RESOURCE_NOT_FOUND");
        let name = format!("workspaces/acme/keys/{missing}");
        assert_eq!(super::metadata(&status, "resource"), name);
    }
    assert_eq!(root.head().await, head);
    assert!(root.ask(&secrets[0], &[], "").await.active);
}

#[tokio::test]
async fn all_that_are_not_there_are_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    keys(&mut root, &["a"]).await;
    let outcome = root.admin.batch_revoke_keys(batch(&["no", "a", "none"])).await;
    let status = refused(outcome, Code::NotFound, "RESOURCE_NOT_FOUND");
    assert_eq!(super::metadata(&status, "resource"), "workspaces/acme/keys/no");
    assert_eq!(named_fields(&status), ["names[0]", "names[2]"]);
}

#[tokio::test]
async fn what_is_left_of_a_deleted_principals_keys_is_ended_too() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "owner").await;
    let ada = "workspaces/acme/principals/ada".to_owned();
    let expired = short_lived(proto::Key { principal: ada.clone(), ..reader() });
    root.create_key("acme", "expired", expired).await;
    keys(&mut root, &["a"]).await;
    let delete = proto::DeletePrincipalRequest { name: ada, ..Default::default() };
    root.admin.delete_principal(delete).await.unwrap();
    let ended = revoked(&mut root, batch(&["expired", "a"])).await;
    assert!(ended.iter().all(|key| key.state() == KeyState::Revoked), "{ended:?}");
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    keys(&mut root, &["a"]).await;
    let head = root.head().await;
    let names =
        ["workspaces/acme/keys/a", "keys/b", "workspaces/other/keys/c", "workspaces/acme/keys/a"];
    let bad = BatchRevokeKeysRequest {
        names: crate::support::strings(&names),
        request_id: "no uuid".into(),
        ..batch(&[])
    };
    let fields = wrong_fields(root.admin.batch_revoke_keys(bad.clone()).await);
    assert_eq!(fields, ["request_id", "names[1]", "names[2]", "names[3]"]);
    let nowhere = BatchRevokeKeysRequest { parent: "acme".into(), ..bad };
    let fields = wrong_fields(root.admin.batch_revoke_keys(nowhere).await);
    assert_eq!(fields, ["parent", "request_id", "names[1]"]);
    for count in [0, 1_001] {
        let outcome = root.admin.batch_revoke_keys(batch(&vec!["a"; count])).await;
        assert_eq!(wrong_fields(outcome), ["names"], "{count}");
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_thousand_keys_are_ended_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let ids: Vec<String> = (0..1_000).map(|number| format!("k{number}")).collect();
    let one = |id: &String| proto::CreateKeyRequest {
        key_id: id.clone(),
        key: Some(reader()),
        ..Default::default()
    };
    let request = proto::BatchCreateKeysRequest {
        parent: "workspaces/acme".into(),
        requests: ids.iter().map(one).collect(),
        ..Default::default()
    };
    let made = root.admin.batch_create_keys(request).await.unwrap().into_inner().responses;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let ended = revoked(&mut root, batch(&ids)).await;
    assert!(ended.len() == 1_000 && ended.iter().all(|key| key.state() == KeyState::Revoked));
    for answer in [&made[0], &made[500], &made[999]] {
        assert_eq!(root.ask(&answer.secret, &[], "").await.reason(), DenyReason::Revoked);
    }
}

#[tokio::test]
async fn validation_alone_revokes_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secrets = keys(&mut root, &["a", "b"]).await;
    let head = root.head().await;
    let checked = BatchRevokeKeysRequest { validate_only: true, ..batch(&["a", "b"]) };
    let keys = revoked(&mut root, checked).await;
    assert!(keys.iter().all(|key| key.state() == KeyState::Revoked));
    assert!(root.ask(&secrets[1], &[], "").await.active);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_repeated_request_changes_nothing_more_and_another_with_its_id_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    keys(&mut root, &["a", "b", "c"]).await;
    let request = BatchRevokeKeysRequest { request_id: request_id(), ..batch(&["a", "b"]) };
    let once = revoked(&mut root, request.clone()).await;
    let head = root.head().await;
    assert_eq!(revoked(&mut root, request.clone()).await, once);
    let other = BatchRevokeKeysRequest { request_id: request.request_id, ..batch(&["c"]) };
    refused(root.admin.batch_revoke_keys(other).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
    // One that found all ended is remembered, too.
    let nothing = BatchRevokeKeysRequest { request_id: request_id(), ..batch(&["a"]) };
    revoked(&mut root, nothing.clone()).await;
    let other = BatchRevokeKeysRequest { request_id: nothing.request_id, ..batch(&["c"]) };
    refused(root.admin.batch_revoke_keys(other).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_caller_may_end_itself_among_others() {
    let (server, mut root) = Server::with_workspaces().await;
    let key = || proto::Key { grants: grants(&["keys:write"]), ..reader() };
    root.create_key("system", "one", key()).await;
    let own = root.create_key("system", "own", key()).await.secret;
    root.create_key("system", "two", key()).await;
    let mut caller = server.caller_with(Some(&own)).await;
    let names = ["one", "own", "two"].map(|id| format!("workspaces/system/keys/{id}"));
    let request = BatchRevokeKeysRequest {
        parent: "workspaces/system".into(),
        names: names.to_vec(),
        ..Default::default()
    };
    let keys = revoked(&mut caller, request.clone()).await;
    assert!(keys.iter().all(|key| key.state() == KeyState::Revoked));
    let again = caller.admin.batch_revoke_keys(request).await;
    refused(again, Code::Unauthenticated, "CREDENTIALS_INVALID");
}

#[tokio::test]
async fn a_caller_ends_none_that_are_more_than_itself() {
    let (server, mut root) = Server::with_workspaces().await;
    let same = proto::Key { grants: grants(&["keys:write"]), ..reader() };
    let more = proto::Key { grants: grants(&["*"]), ..reader() };
    root.create_key("system", "same", same).await;
    root.create_key("system", "more", more.clone()).await;
    root.create_key("system", "most", more).await;
    let mut writer = server.caller(&["keys:write"], &[]).await;
    let head = root.head().await;
    let names = ["same", "more", "most"].map(|id| format!("workspaces/system/keys/{id}"));
    let request = BatchRevokeKeysRequest {
        parent: "workspaces/system".into(),
        names: names.to_vec(),
        ..Default::default()
    };
    let outcome = writer.admin.batch_revoke_keys(request).await;
    let status = refused(outcome, Code::PermissionDenied, "BROADER_THAN_CALLER");
    assert_eq!(named_fields(&status), ["names[1]", "names[2]"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_key_of_another_workspace_is_not_found_and_not_touched() {
    let (server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("other", "ci", reader()).await;
    let mut bound = server.caller(&["keys:write"], &["workspaces/acme"]).await;
    not_found(bound.admin.batch_revoke_keys(batch(&["ci"])).await);
    let elsewhere = BatchRevokeKeysRequest {
        parent: "workspaces/other".into(),
        names: vec!["workspaces/other/keys/ci".into()],
        ..Default::default()
    };
    not_found(bound.admin.batch_revoke_keys(elsewhere).await);
    assert!(root.ask(&made.secret, &[], "").await.active);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut reader = server.caller(&["keys:read"], &[]).await;
    scope_missing(reader.admin.batch_revoke_keys(BatchRevokeKeysRequest::default()).await);
}

/// A repeated request tells no more of keys than the first was allowed.
#[tokio::test]
async fn a_repeated_request_is_refused_where_a_key_is_more_than_the_caller_by_now() {
    let (server, mut root) = Server::with_workspaces().await;
    let same = || proto::Key { grants: grants(&["keys:write"]), ..reader() };
    root.create_key("system", "one", same()).await;
    let own = root.create_key("system", "own", proto::Key { grants: grants(&["*"]), ..reader() });
    let mut caller = server.caller_with(Some(&own.await.secret)).await;
    let request = BatchRevokeKeysRequest {
        parent: "workspaces/system".into(),
        names: vec!["workspaces/system/keys/one".into()],
        request_id: request_id(),
        ..Default::default()
    };
    let once = revoked(&mut caller, request.clone()).await;
    assert_eq!(revoked(&mut caller, request.clone()).await, once);
    // From now on the key that has ended is bound to less than nothing that the caller holds.
    let narrower = proto::UpdateKeyRequest {
        key: Some(proto::Key {
            name: "workspaces/system/keys/own".into(),
            constraint: vec!["workspaces/system".into()],
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["constraint".into()] }),
        ..Default::default()
    };
    root.admin.update_key(narrower).await.unwrap();
    let outcome = caller.admin.batch_revoke_keys(request).await;
    refused(outcome, Code::PermissionDenied, "BROADER_THAN_CALLER");
}

#[tokio::test]
async fn keys_that_are_too_large_together_are_ended_a_few_at_a_time() {
    let (_server, mut root) = Server::with_workspaces().await;
    let grants = (0..1_000).map(|number| proto::Grant {
        scope: "sites:read".into(),
        resource: format!("sites/{number:0>72}"),
    });
    let large = proto::Key { grants: grants.collect(), ..reader() };
    let ids: Vec<String> = (0..40).map(|number| format!("large-{number}")).collect();
    for some in ids.chunks(10) {
        let one = |id: &String| proto::CreateKeyRequest {
            key_id: id.clone(),
            key: Some(large.clone()),
            ..Default::default()
        };
        let request = proto::BatchCreateKeysRequest {
            parent: "workspaces/acme".into(),
            requests: some.iter().map(one).collect(),
            ..Default::default()
        };
        root.admin.batch_create_keys(request).await.unwrap();
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let outcome = root.admin.batch_revoke_keys(batch(&ids)).await;
    let status = refused(outcome, Code::InvalidArgument, "INVALID_FIELDS");
    assert_eq!(named_fields(&status), ["names"]);
    assert!(status.message().contains("at most 8388608"), "{status:?}");
    for some in ids.chunks(20) {
        let ended = revoked(&mut root, batch(some)).await;
        assert!(ended.iter().all(|key| key.state() == KeyState::Revoked));
    }
}
