//! `CreateKey`.

mod expiry;
mod fields;
mod minting;
mod presets;
mod warnings;

use keyward::proto::{self, CreateKeyRequest, Grant, KeyState};
use prost::Message as _;
use tonic::Code;

use super::{creation, explained, in_seconds, metadata, read, ttl};
use crate::support::{
    Server, grants, labels, not_found, reader, refused, request_id, scope_missing, strings,
    wrong_fields,
};

/// Characters of a secret after its prefix.
const SECRET_BODY_LENGTH: usize = 50;

/// Sees to it that this is a secret of a key type with this prefix.
#[track_caller]
fn check_secret(secret: &str, prefix: &str) {
    let body = secret.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).unwrap();
    assert_eq!(body.len(), SECRET_BODY_LENGTH);
    assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert!(keyward::domain::secret::PATTERN.ends_with("_[0-9A-Za-z]{50}"));
}

#[tokio::test]
async fn every_field_comes_back_as_it_was_sent_and_stays_so() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "owner").await;
    let end = in_seconds(3_600);
    let sent = proto::Key {
        display_name: "ci of Acme".to_owned(),
        r#type: "personal".to_owned(),
        principal: "workspaces/acme/principals/ada".to_owned(),
        grants: vec![
            Grant { scope: "sites:read".to_owned(), resource: String::new() },
            Grant { scope: "sites:write".to_owned(), resource: "sites/*/pages/**".to_owned() },
        ],
        constraint: strings(&["sites/7", "sites/*/pages/**"]),
        allowed_cidrs: strings(&["192.0.2.0/24", "2001:db8::/32"]),
        labels: labels(&[("team", "web"), ("a.b/c_d-e", "Größe 7")]),
        expiration: Some(proto::key::Expiration::ExpireTime(end)),
        ..proto::Key::default()
    };
    let made = root.create_key("acme", "ci", sent.clone()).await;
    let key = made.key.unwrap();
    let revision = root.head().await;
    let expected = proto::Key {
        name: "workspaces/acme/keys/ci".to_owned(),
        state: KeyState::Active.into(),
        etag: format!("r{revision}"),
        revision,
        create_time: key.create_time,
        update_time: key.create_time,
        secrets: vec![proto::KeySecret {
            create_time: key.create_time,
            ..proto::KeySecret::default()
        }],
        ..sent
    };
    assert_eq!(key, expected);
    assert!(key.create_time.is_some());
    assert_eq!(read(&mut root, &key.name).await, expected);
}

#[tokio::test]
async fn a_secret_has_the_prefix_of_its_type_and_stands_nowhere_else() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "owner").await;
    let made = root.create_key("acme", "ci", reader()).await;
    assert_eq!(made.key.as_ref().unwrap().r#type, "live");
    check_secret(&made.secret, "acme_live");
    let personal = proto::Key {
        r#type: "personal".to_owned(),
        principal: "workspaces/acme/principals/ada".to_owned(),
        ..reader()
    };
    check_secret(&root.create_key("acme", "me", personal).await.secret, "acme_me");
    assert!(root.ask(&made.secret, &["sites:read"], "").await.active);

    let body = made.secret.strip_prefix("acme_live_").unwrap().as_bytes();
    let holds = |bytes: &[u8]| bytes.windows(body.len()).any(|window| window == body);
    assert!(holds(made.secret.as_bytes()));
    assert!(!holds(&made.key.unwrap().encode_to_vec()));
    assert!(!holds(&read(&mut root, "workspaces/acme/keys/ci").await.encode_to_vec()));
    let log = proto::ListEventsRequest { page_size: 1_000, ..Default::default() };
    let log = root.admin.list_events(log).await.unwrap().into_inner();
    assert!(log.events.iter().any(|event| event.subject == "workspaces/acme/keys/ci"));
    assert!(!holds(&log.encode_to_vec()));
}

#[tokio::test]
async fn a_key_is_called_as_was_asked_or_by_a_uuid_and_a_name_is_given_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let chosen = root.create_key("acme", "ci", reader()).await.key.unwrap();
    assert_eq!(chosen.name, "workspaces/acme/keys/ci");
    let other = root.create_key("acme", "", reader()).await.key.unwrap();
    let id = other.name.strip_prefix("workspaces/acme/keys/").unwrap();
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().to_string(), id);

    let head = root.head().await;
    for validate_only in [false, true] {
        let again = CreateKeyRequest { key_id: "ci".into(), validate_only, ..creation(reader()) };
        let status =
            refused(root.admin.create_key(again).await, Code::AlreadyExists, "RESOURCE_EXISTS");
        assert_eq!(metadata(&status, "resource"), "workspaces/acme/keys/ci");
    }
    assert_eq!(root.head().await, head);
    root.create_key("other", "ci", reader()).await;
    let revoke = proto::RevokeKeyRequest { name: chosen.name, ..Default::default() };
    root.admin.revoke_key(revoke).await.unwrap();
    let taken = CreateKeyRequest { key_id: "ci".into(), ..creation(reader()) };
    refused(root.admin.create_key(taken).await, Code::AlreadyExists, "RESOURCE_EXISTS");
    let long = "a".repeat(64);
    for id in ["CI", "-ci", "ci-", "c_i", "c/i", "ci ", "é", "..", &long] {
        let wrong = CreateKeyRequest { key_id: id.to_owned(), ..creation(reader()) };
        assert_eq!(wrong_fields(root.admin.create_key(wrong).await), ["key_id"], "{id:?}");
    }
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let key = proto::Key {
        display_name: "a\u{7}b".to_owned(),
        r#type: "lives".to_owned(),
        principal: "ada".to_owned(),
        grants: vec![Grant { scope: "site:read".to_owned(), resource: "sites//x".to_owned() }],
        constraint: strings(&["sites/"]),
        allowed_cidrs: strings(&["192.0.2.1/24"]),
        expiration: ttl(0),
        plan: "pro".to_owned(),
        labels: labels(&[("Team", "web")]),
        ..proto::Key::default()
    };
    let bad = CreateKeyRequest {
        key_id: "C I".into(),
        presets: strings(&["deploy"]),
        minting_key: "acme/keys/x".into(),
        request_id: "no uuid".into(),
        ..creation(key)
    };
    let fields = wrong_fields(root.admin.create_key(bad.clone()).await);
    assert_eq!(
        fields,
        [
            "request_id",
            "key_id",
            "minting_key",
            "presets[0]",
            "key.type",
            "key.principal",
            "key.display_name",
            "key.grants[0].scope",
            "key.grants[0].resource",
            "key.constraint[0]",
            "key.allowed_cidrs[0]",
            "key.expire_time",
            "key.plan",
            "key.labels[\"Team\"]",
        ]
    );
    let lost = CreateKeyRequest { parent: "workspaces/A".into(), ..bad };
    let fields = wrong_fields(root.admin.create_key(lost).await);
    for field in ["parent", "request_id", "key_id", "key.display_name", "key.allowed_cidrs[0]"] {
        assert!(fields.iter().any(|named| named == field), "{field} is not in {fields:?}");
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn types_and_owners_must_fit() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "owner").await;
    root.create_principal("other", "bob", "owner").await;
    let head = root.head().await;
    let of = |kind: &str, principal: &str| {
        let (r#type, principal) = (kind.to_owned(), principal.to_owned());
        creation(proto::Key { r#type, principal, ..reader() })
    };
    let faults = explained(root.admin.create_key(of("personal", "")).await);
    assert_eq!((faults.len(), &*faults[0].0), (1, "key.principal"));
    let faults = explained(root.admin.create_key(of("persnal", "")).await);
    assert_eq!((faults.len(), &*faults[0].0), (1, "key.type"));
    assert!(faults[0].1.contains("did you mean \"personal\"?"), "{faults:?}");
    for malformed in ["ada", "principals/ada", "workspaces/acme/keys/ada"] {
        let fields = wrong_fields(root.admin.create_key(of("", malformed)).await);
        assert_eq!(fields, ["key.principal"], "{malformed}");
    }
    for absent in ["workspaces/acme/principals/eve", "workspaces/other/principals/bob"] {
        not_found(root.admin.create_key(of("personal", absent)).await);
        not_found(root.admin.create_key(of("live", absent)).await);
    }
    let ada = "workspaces/acme/principals/ada";
    let disable = proto::DisablePrincipalRequest { name: ada.into(), ..Default::default() };
    root.admin.disable_principal(disable).await.unwrap();
    for kind in ["live", "personal"] {
        let outcome = root.admin.create_key(of(kind, ada)).await;
        let status = refused(outcome, Code::FailedPrecondition, "PRINCIPAL_DISABLED");
        assert_eq!(metadata(&status, "resource"), ada);
    }
    assert_eq!(root.head().await, head + 1);
}

#[tokio::test]
async fn the_secret_of_a_key_never_exceeds_the_role_of_its_owner() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "eve", "observer").await;
    let principal = "workspaces/acme/principals/eve".to_owned();
    let key = proto::Key { principal, grants: grants(&["sites:write"]), ..reader() };
    let made = root.create_key("acme", "", key).await;
    assert_eq!(root.ask(&made.secret, &[], "").await.effective_scopes, ["sites:read"]);
}

#[tokio::test]
async fn another_workspace_is_not_found() {
    let (server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let absent = CreateKeyRequest { parent: "workspaces/nobody".into(), ..creation(reader()) };
    not_found(root.admin.create_key(absent.clone()).await);
    assert_eq!(root.head().await, head);
    let mut bound = server.caller(&["keys:write"], &["workspaces/acme"]).await;
    let head = root.head().await;
    let foreign = CreateKeyRequest { parent: "workspaces/other".into(), ..creation(reader()) };
    not_found(bound.admin.create_key(foreign.clone()).await);
    let broken = CreateKeyRequest { key: None, request_id: "no uuid".into(), ..foreign };
    not_found(bound.admin.create_key(broken).await);
    assert_eq!(root.head().await, head);
    bound.create_key("acme", "ci", reader()).await;
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut reader = server.caller(&["keys:read", "principals:write"], &[]).await;
    scope_missing(reader.admin.create_key(CreateKeyRequest::default()).await);
}

#[tokio::test]
async fn validation_alone_tells_all_and_makes_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let id = request_id();
    let checked = CreateKeyRequest {
        key_id: "ci".into(),
        validate_only: true,
        request_id: id.clone(),
        ..creation(reader())
    };
    let answer = root.admin.create_key(checked).await.unwrap().into_inner();
    let key = answer.key.unwrap();
    assert_eq!((&*key.name, &*answer.secret), ("workspaces/acme/keys/ci", ""));
    assert_eq!(answer.warnings.len(), 1);
    assert_eq!(root.head().await, head);
    not_found(root.admin.get_key(proto::GetKeyRequest { name: key.name }).await);
    let real = CreateKeyRequest { key_id: "ci".into(), request_id: id, ..creation(reader()) };
    assert!(!root.admin.create_key(real).await.unwrap().into_inner().secret.is_empty());
}
