//! The callers' own keys, those of the workspace `system`: none makes, changes, takes
//! over or ends one that is more than itself.

use keyward::proto::{
    self, CreateKeyRequest, RevokeKeyRequest, RotateKeyRequest, UpdateKeyRequest,
};
use tonic::Code;

use super::{end_of, in_seconds, metadata, read, ttl};
use crate::support::{Caller, Server, grants, not_found, refused, strings};

/// Makes a caller whose key has this id, as root.
async fn caller(server: &Server, id: &str, key: proto::Key) -> Caller {
    let secret = server.root().await.create_key("system", id, key).await.secret;
    server.caller_with(Some(&secret)).await
}

fn name(id: &str) -> String {
    format!("workspaces/system/keys/{id}")
}

fn key(scopes: &[&str]) -> proto::Key {
    proto::Key {
        display_name: "a caller".to_owned(),
        grants: grants(scopes),
        ..proto::Key::default()
    }
}

/// A caller that is bounded in every way, and still reaches the workspace `system`.
fn bounded() -> proto::Key {
    proto::Key {
        constraint: strings(&["workspaces/system"]),
        allowed_cidrs: strings(&["127.0.0.0/8"]),
        expiration: ttl(3_600),
        ..key(&["keys:write"])
    }
}

fn creation(id: &str, key: proto::Key) -> CreateKeyRequest {
    CreateKeyRequest {
        parent: "workspaces/system".to_owned(),
        key_id: id.to_owned(),
        key: Some(key),
        ..CreateKeyRequest::default()
    }
}

fn update(id: &str, key: proto::Key, paths: &[&str]) -> UpdateKeyRequest {
    UpdateKeyRequest {
        key: Some(proto::Key { name: name(id), ..key }),
        update_mask: Some(prost_types::FieldMask { paths: strings(paths) }),
        ..UpdateKeyRequest::default()
    }
}

fn rotation(id: &str) -> RotateKeyRequest {
    RotateKeyRequest { name: name(id), ..RotateKeyRequest::default() }
}

fn revocation(id: &str) -> RevokeKeyRequest {
    RevokeKeyRequest { name: name(id), ..RevokeKeyRequest::default() }
}

/// Sees to it that a call was refused because the key is more than the caller's, in these fields.
#[track_caller]
fn check_broader<T: std::fmt::Debug>(
    outcome: Result<tonic::Response<T>, tonic::Status>,
    fields: &str,
) {
    let status = refused(outcome, Code::PermissionDenied, "BROADER_THAN_CALLER");
    assert_eq!(metadata(&status, "fields"), fields);
}

/// Every way of being more than [`bounded`], with the fields.
fn broader() -> Vec<(proto::Key, &'static str)> {
    let inside = || proto::Key { expiration: ttl(60), ..bounded() };
    let granted = |scope: &str, resource: &str| proto::Key {
        grants: vec![proto::Grant { scope: scope.into(), resource: resource.into() }],
        ..inside()
    };
    let within = |patterns: &[&str]| proto::Key { constraint: strings(patterns), ..inside() };
    let from = |networks: &[&str]| proto::Key { allowed_cidrs: strings(networks), ..inside() };
    vec![
        (granted("*", ""), "grants"),
        (granted("introspect", ""), "grants"),
        (granted("events:read", "workspaces/system/keys/x"), "grants"),
        (within(&[]), "constraint"),
        (within(&["*"]), "constraint"),
        (within(&["workspaces/**"]), "constraint"),
        (within(&["workspaces/system2"]), "constraint"),
        (within(&["workspaces/system", "workspaces/acme"]), "constraint"),
        (from(&[]), "allowed_cidrs"),
        (from(&["*"]), "allowed_cidrs"),
        (from(&["127.0.0.1", "::1"]), "allowed_cidrs"),
        (proto::Key { expiration: ttl(7_200), ..inside() }, "expire_time"),
        (proto::Key { expiration: None, ..inside() }, "expire_time"),
        (key(&["*"]), "grants,constraint,allowed_cidrs,expire_time"),
    ]
}

#[tokio::test]
async fn none_makes_a_broader_one() {
    let (server, mut root) = Server::with_workspaces().await;
    let mut caller = caller(&server, "admin", bounded()).await;
    let head = root.head().await;
    for (key, fields) in broader() {
        for validate_only in [false, true] {
            let request = CreateKeyRequest { validate_only, ..creation("more", key.clone()) };
            check_broader(caller.admin.create_key(request).await, fields);
        }
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn none_changes_takes_over_or_ends_a_broader_one() {
    let (server, mut root) = Server::with_workspaces().await;
    let mut caller = caller(&server, "admin", bounded()).await;
    for (place, (broad, fields)) in broader().into_iter().enumerate() {
        let id = format!("broad{place}");
        let made = root.create_key("system", &id, broad).await.key.unwrap();
        let head = root.head().await;
        // Not even to make it less.
        let less = proto::Key { display_name: "x".into(), ..bounded() };
        let less = update(&id, less, &["display_name", "grants", "constraint", "allowed_cidrs"]);
        check_broader(caller.admin.update_key(less).await, fields);
        check_broader(caller.admin.rotate_key(rotation(&id)).await, fields);
        check_broader(caller.admin.revoke_key(revocation(&id)).await, fields);
        let checked = RotateKeyRequest { validate_only: true, ..rotation(&id) };
        check_broader(caller.admin.rotate_key(checked).await, fields);
        assert_eq!(root.head().await, head);
        assert_eq!(read(&mut root, &name(&id)).await, made);
    }
}

#[tokio::test]
async fn the_first_caller_cannot_be_taken_over() {
    let (server, mut root) = Server::with_workspaces().await;
    let mut caller = caller(&server, "admin", key(&["keys:write"])).await;
    let list = proto::ListKeysRequest { parent: "workspaces/system".into(), ..Default::default() };
    let keys = caller.admin.list_keys(list).await.unwrap().into_inner().keys;
    let first = keys.iter().find(|key| key.name != name("admin")).unwrap();
    let id = first.name.rsplit('/').next().unwrap();
    check_broader(caller.admin.rotate_key(rotation(id)).await, "grants");
    check_broader(caller.admin.revoke_key(revocation(id)).await, "grants");
    let less = update(id, key(&["keys:read"]), &["grants"]);
    check_broader(caller.admin.update_key(less).await, "grants");
    assert_eq!(read(&mut root, &first.name).await, *first);
}

#[tokio::test]
async fn none_widens_itself_or_another() {
    let (server, mut root) = Server::with_workspaces().await;
    let mut caller = caller(&server, "admin", bounded()).await;
    let narrow = proto::Key { expiration: ttl(60), ..bounded() };
    root.create_key("system", "narrow", narrow).await;
    let head = root.head().await;
    for id in ["admin", "narrow"] {
        for (mut wide, fields) in broader() {
            wide.expiration.get_or_insert(proto::key::Expiration::NeverExpires(true));
            let all = ["grants", "constraint", "allowed_cidrs", "expire_time"];
            check_broader(caller.admin.update_key(update(id, wide, &all)).await, fields);
        }
        let never = Some(proto::key::Expiration::NeverExpires(true));
        let endless = proto::Key { expiration: never, ..Default::default() };
        let lifted = |field| update(id, endless.clone(), &[field]);
        for field in ["constraint", "allowed_cidrs", "expire_time"] {
            check_broader(caller.admin.update_key(lifted(field)).await, field);
        }
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn an_equal_or_narrower_one_is_made_changed_rotated_and_ended() {
    let (server, mut root) = Server::with_workspaces().await;
    let end = in_seconds(3_600);
    let expiration = Some(proto::key::Expiration::ExpireTime(end));
    let own = proto::Key { expiration, ..bounded() };
    let mut caller = caller(&server, "admin", own.clone()).await;
    let narrower = proto::Key {
        constraint: strings(&["workspaces/system/keys"]),
        allowed_cidrs: strings(&["127.0.0.1"]),
        expiration: ttl(60),
        ..key(&["keys:read"])
    };
    for (id, key) in [("equal", own.clone()), ("narrower", narrower)] {
        let made = caller.admin.create_key(creation(id, key)).await.unwrap().into_inner();
        let mut new = server.caller_with(Some(&made.secret)).await;
        let get = || proto::GetKeyRequest { name: name(id) };
        new.admin.get_key(get()).await.unwrap();
        let titled =
            update(id, proto::Key { display_name: "x".into(), ..own.clone() }, &["display_name"]);
        caller.admin.update_key(titled).await.unwrap();
        let widened = caller.admin.update_key(update(id, own.clone(), &["expire_time"])).await;
        assert_eq!(end_of(&widened.unwrap().into_inner().key.unwrap()), end.seconds);
        let rotated = caller.admin.rotate_key(rotation(id)).await.unwrap().into_inner();
        refused(new.admin.get_key(get()).await, Code::Unauthenticated, "CREDENTIALS_INVALID");
        let mut new = server.caller_with(Some(&rotated.secret)).await;
        new.admin.get_key(get()).await.unwrap();
        caller.admin.revoke_key(revocation(id)).await.unwrap();
        refused(new.admin.get_key(get()).await, Code::Unauthenticated, "CREDENTIALS_INVALID");
    }
    // Its own, too: narrowed at once, and ended.
    let narrowed = update("admin", key(&["keys:write"]), &["display_name"]);
    caller.admin.update_key(narrowed).await.unwrap();
    caller.admin.revoke_key(revocation("admin")).await.unwrap();
    let again = caller.admin.revoke_key(revocation("admin")).await;
    refused(again, Code::Unauthenticated, "CREDENTIALS_INVALID");
    assert!(read(&mut root, &name("admin")).await.revoke_time.is_some());
}

#[tokio::test]
async fn a_caller_that_lowers_itself_is_lowered_from_the_next_call_on() {
    let (server, mut root) = Server::with_workspaces().await;
    let mut caller = caller(&server, "admin", key(&["keys:write"])).await;
    let lower = update("admin", key(&["keys:read"]), &["grants"]);
    caller.admin.update_key(lower).await.unwrap();
    let head = root.head().await;
    let back = update("admin", key(&["keys:write"]), &["grants"]);
    refused(caller.admin.update_key(back).await, Code::PermissionDenied, "CALLER_SCOPE_MISSING");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_caller_of_one_tenant_does_not_know_of_the_callers() {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_key("system", "ci", key(&["keys:read"])).await;
    let mut tenant = server.caller(&["keys:write"], &["workspaces/acme"]).await;
    let head = root.head().await;
    not_found(tenant.admin.create_key(creation("x", key(&["keys:read"]))).await);
    not_found(tenant.admin.update_key(update("ci", key(&["keys:read"]), &["grants"])).await);
    not_found(tenant.admin.rotate_key(rotation("ci")).await);
    not_found(tenant.admin.revoke_key(revocation("ci")).await);
    not_found(tenant.admin.get_key(proto::GetKeyRequest { name: name("ci") }).await);
    assert_eq!(root.head().await, head);
}
