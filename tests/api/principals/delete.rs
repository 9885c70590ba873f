//! `DeletePrincipal`.

use keyward::proto::{
    self, CreateKeyRequest, CreatePrincipalRequest, DeletePrincipalRequest, DenyReason,
    DisablePrincipalRequest, EnablePrincipalRequest, EventKind, GetPrincipalRequest,
    ListEventsRequest, ListPrincipalsRequest, RevokeKeyRequest,
};
use tonic::Code;

use super::{ADA, key_of, operator, stored};
use crate::support::{
    Caller, Server, not_found, reader, refused, request_id, scope_missing, wrong_fields,
};

const KEY: &str = "workspaces/acme/keys/ci";

fn request(name: &str) -> DeletePrincipalRequest {
    DeletePrincipalRequest { name: name.to_owned(), ..Default::default() }
}

async fn revoke(root: &mut Caller) {
    let request = RevokeKeyRequest { name: KEY.into(), ..Default::default() };
    root.admin.revoke_key(request).await.unwrap();
}

/// A server with `ada`, an observer.
async fn with_ada() -> (Server, Caller, proto::Principal) {
    let (server, mut root) = Server::with_workspaces().await;
    let ada = root.create_principal("acme", "ada", "observer").await;
    (server, root, ada)
}

async fn is_there(root: &mut Caller) -> bool {
    let request = GetPrincipalRequest { name: ADA.into() };
    root.admin.get_principal(request).await.is_ok()
}

#[tokio::test]
async fn a_deleted_principal_is_gone_and_the_log_tells_of_it() {
    let (_server, mut root, ada) = with_ada().await;
    root.create_principal("acme", "bob", "observer").await;
    root.create_principal("other", "ada", "observer").await;
    root.admin.delete_principal(request(ADA)).await.unwrap();
    not_found(root.admin.get_principal(GetPrincipalRequest { name: ADA.into() }).await);
    not_found(root.admin.delete_principal(request(ADA)).await);
    let disable = DisablePrincipalRequest { name: ADA.into(), ..Default::default() };
    not_found(root.admin.disable_principal(disable).await);
    let enable = EnablePrincipalRequest { name: ADA.into(), ..Default::default() };
    not_found(root.admin.enable_principal(enable).await);
    let update = proto::UpdatePrincipalRequest {
        principal: Some(proto::Principal { role: "owner".into(), ..ada }),
        ..Default::default()
    };
    not_found(root.admin.update_principal(update).await);
    let list = |parent: &str| ListPrincipalsRequest { parent: parent.into(), ..Default::default() };
    let listed = root.admin.list_principals(list("workspaces/acme")).await.unwrap().into_inner();
    let names: Vec<_> = listed.principals.iter().map(|principal| &*principal.name).collect();
    assert_eq!(names, ["workspaces/acme/principals/bob"]);
    stored(&mut root, "workspaces/other/principals/ada").await;
    let events =
        ListEventsRequest { kinds: vec![EventKind::PrincipalDeleted.into()], ..Default::default() };
    let events = root.admin.list_events(events).await.unwrap().into_inner().events;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&*event.subject, &*event.workspace), (ADA, "workspaces/acme"));
    assert!(event.before_json.contains("\"role\":\"observer\""), "{event:?}");
    assert_eq!((&*event.after_json, event.revision), ("", root.head().await));
}

#[tokio::test]
async fn a_principal_with_a_live_key_stays_until_that_is_revoked() {
    let (_server, mut root, ada) = with_ada().await;
    let secret = key_of(&mut root, ADA, "ci").await;
    let head = root.head().await;
    let status = refused(
        root.admin.delete_principal(request(ADA)).await,
        Code::FailedPrecondition,
        "PRINCIPAL_HAS_LIVE_KEYS",
    );
    assert!(status.message().contains("revoke them first"), "{status:?}");
    assert_eq!((stored(&mut root, ADA).await, root.head().await), (ada, head));
    assert!(root.ask(&secret, &["sites:read"], "").await.active);
    // Also one of somebody who is disabled, for it is live when that ends.
    let disable = DisablePrincipalRequest { name: ADA.into(), ..Default::default() };
    root.admin.disable_principal(disable).await.unwrap();
    let outcome = root.admin.delete_principal(request(ADA)).await;
    refused(outcome, Code::FailedPrecondition, "PRINCIPAL_HAS_LIVE_KEYS");
    revoke(&mut root).await;
    root.admin.delete_principal(request(ADA)).await.unwrap();
    assert!(!is_there(&mut root).await);
}

#[tokio::test]
async fn a_key_that_has_expired_keeps_nobody_and_never_goes_on() {
    let (_server, mut root, _) = with_ada().await;
    let soon = proto::key::Expiration::Ttl(prost_types::Duration { seconds: 0, nanos: 1_000 });
    let key = proto::Key { principal: ADA.into(), expiration: Some(soon), ..reader() };
    let secret = root.create_key("acme", "ci", key).await.secret;
    root.admin.delete_principal(request(ADA)).await.unwrap();
    let prolonged = proto::Key {
        name: KEY.into(),
        expiration: Some(proto::key::Expiration::NeverExpires(true)),
        ..Default::default()
    };
    let update = proto::UpdateKeyRequest { key: Some(prolonged), ..Default::default() };
    let head = root.head().await;
    not_found(root.admin.update_key(update).await);
    let rotate = proto::RotateKeyRequest { name: KEY.into(), ..Default::default() };
    not_found(root.admin.rotate_key(rotate).await);
    assert_eq!(root.head().await, head);
    assert_eq!(root.ask(&secret, &[], "").await.reason(), DenyReason::Expired);
    // What is left of it can be ended.
    revoke(&mut root).await;
    assert_eq!(root.ask(&secret, &[], "").await.reason(), DenyReason::Revoked);
}

#[tokio::test]
async fn what_is_left_of_its_keys_is_read_and_the_name_is_not_given_again() {
    let (_server, mut root, _) = with_ada().await;
    let secret = key_of(&mut root, ADA, "ci").await;
    revoke(&mut root).await;
    root.admin.delete_principal(request(ADA)).await.unwrap();
    let key = proto::GetKeyRequest { name: KEY.into() };
    let key = root.admin.get_key(key).await.unwrap().into_inner();
    assert_eq!(key.principal, ADA);
    assert_eq!(root.ask(&secret, &[], "").await.reason(), DenyReason::Revoked);
    revoke(&mut root).await;
    let again = CreatePrincipalRequest {
        parent: "workspaces/acme".into(),
        principal_id: "ada".into(),
        principal: Some(proto::Principal {
            kind: proto::PrincipalKind::User.into(),
            role: "observer".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let outcome = root.admin.create_principal(again).await;
    refused(outcome, Code::AlreadyExists, "RESOURCE_EXISTS");
    let create = CreateKeyRequest {
        parent: "workspaces/acme".into(),
        key: Some(proto::Key { principal: ADA.into(), ..reader() }),
        ..Default::default()
    };
    not_found(root.admin.create_key(create).await);
}

#[tokio::test]
async fn of_a_key_made_and_its_owner_deleted_at_once_one_comes_about() {
    let (_server, mut root, _) = with_ada().await;
    for round in 0..10 {
        let name = format!("workspaces/acme/principals/p{round}");
        root.create_principal("acme", &format!("p{round}"), "observer").await;
        let create = CreateKeyRequest {
            parent: "workspaces/acme".into(),
            key: Some(proto::Key { principal: name.clone(), ..reader() }),
            ..Default::default()
        };
        let (mut one, mut other) = (root.admin.clone(), root.admin.clone());
        let (made, deleted) =
            tokio::join!(one.create_key(create), other.delete_principal(request(&name)));
        assert_ne!(made.is_ok(), deleted.is_ok(), "{made:?} {deleted:?}");
        if let Ok(made) = made {
            let secret = made.into_inner().secret;
            assert!(root.ask(&secret, &["sites:read"], "").await.active);
        }
    }
}

#[tokio::test]
async fn a_repeated_request_id_is_answered_alike_and_is_refused_for_another_request() {
    let (_server, mut root, _) = with_ada().await;
    root.create_principal("acme", "bob", "observer").await;
    let request_id = request_id();
    let first = DeletePrincipalRequest { request_id: request_id.clone(), ..request(ADA) };
    root.admin.delete_principal(first.clone()).await.unwrap();
    let head = root.head().await;
    root.admin.delete_principal(first).await.unwrap();
    let other = request("workspaces/acme/principals/bob");
    let other = DeletePrincipalRequest { request_id, ..other };
    let reused = root.admin.delete_principal(other).await;
    refused(reused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn validation_alone_deletes_nothing_and_tells_of_live_keys() {
    let (_server, mut root, ada) = with_ada().await;
    let head = root.head().await;
    let checked = DeletePrincipalRequest { validate_only: true, ..request(ADA) };
    root.admin.delete_principal(checked.clone()).await.unwrap();
    assert_eq!((stored(&mut root, ADA).await, root.head().await), (ada, head));
    key_of(&mut root, ADA, "ci").await;
    let outcome = root.admin.delete_principal(checked).await;
    refused(outcome, Code::FailedPrecondition, "PRINCIPAL_HAS_LIVE_KEYS");
}

#[tokio::test]
async fn an_old_etag_is_refused() {
    let (_server, mut root, ada) = with_ada().await;
    let stale = DeletePrincipalRequest { etag: "r1".into(), ..request(ADA) };
    refused(root.admin.delete_principal(stale).await, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(stored(&mut root, ADA).await, ada);
    let fresh = DeletePrincipalRequest { etag: ada.etag, ..request(ADA) };
    root.admin.delete_principal(fresh).await.unwrap();
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root, _) = with_ada().await;
    let bad = DeletePrincipalRequest { request_id: "no uuid".into(), ..request("ada") };
    assert_eq!(wrong_fields(root.admin.delete_principal(bad).await), ["name", "request_id"]);
    assert_eq!(wrong_fields(root.admin.delete_principal(request("")).await), ["name"]);
}

#[tokio::test]
async fn owners_of_callers_are_deleted_by_callers_that_may_do_everything() {
    let (server, mut root, _) = with_ada().await;
    let operator = operator(&mut root).await;
    let mut partly = server.caller(&["principals:write", "keys:write"], &[]).await;
    let mut bound = server.caller(&["*"], &["workspaces/system"]).await;
    for caller in [&mut partly, &mut bound] {
        scope_missing(caller.admin.delete_principal(request(&operator.name)).await);
    }
    assert_eq!(stored(&mut root, &operator.name).await, operator);
    root.admin.delete_principal(request(&operator.name)).await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_or_not_reached_is_not_found_and_not_touched() {
    let (server, mut root, ada) = with_ada().await;
    not_found(root.admin.delete_principal(request("workspaces/other/principals/ada")).await);
    not_found(root.admin.delete_principal(request("workspaces/acme/principals/bob")).await);
    let mut bound = server.caller(&["principals:write"], &["workspaces/other"]).await;
    not_found(bound.admin.delete_principal(request(ADA)).await);
    assert_eq!(stored(&mut root, ADA).await, ada);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, ..) = with_ada().await;
    let mut reader = server.caller(&["principals:read", "workspaces:write"], &[]).await;
    scope_missing(reader.admin.delete_principal(request("")).await);
    scope_missing(reader.admin.delete_principal(request(ADA)).await);
    let mut nobody = server.caller_with(None).await;
    let outcome = nobody.admin.delete_principal(DeletePrincipalRequest::default()).await;
    refused(outcome, Code::Unauthenticated, "CREDENTIALS_MISSING");
}
