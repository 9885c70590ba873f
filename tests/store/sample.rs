//! Records to write, and changes that write them.

use keyward::domain::{
    event::{Deed, Event, Kind, Revision},
    key::{Grant, Key},
    name::{Id, KeyName, PolicyName, PrincipalName, WorkspaceName},
    network::AllowedNetworks,
    policy::{KeyType, Policy, Role, Scope},
    ports::{Change, EventQuery, NewRequest, NewSecret, Page, Records as _, RequestKey, Write},
    principal::{Principal, PrincipalKind},
    secret::{Digest, KeyVersion},
    time::Timestamp,
    workspace::Workspace,
};
use keyward::store::Store;

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn id(text: &str) -> Id {
    text.parse().unwrap()
}

pub(crate) fn policy_name() -> PolicyName {
    PolicyName { policy: id("web") }
}

pub(crate) fn acme() -> WorkspaceName {
    WorkspaceName { workspace: id("acme") }
}

pub(crate) fn principal_name() -> PrincipalName {
    PrincipalName { workspace: id("acme"), principal: id("ann") }
}

pub(crate) fn key_name(key: &str) -> KeyName {
    KeyName { workspace: id("acme"), key: id(key) }
}

pub(crate) fn policy() -> Policy {
    let scope = |name: &str| Scope { name: name.into(), ..Scope::default() };
    Policy {
        title: "Web — “sites”".parse().unwrap(),
        scopes: vec![scope("sites:read"), scope("sites:write")],
        roles: vec![Role {
            name: "member".into(),
            scopes: vec!["sites:*".into()],
            ..Role::default()
        }],
        key_types: vec![KeyType {
            name: "api".into(),
            prefix: "acme".into(),
            is_default: true,
            ..KeyType::default()
        }],
        ..Policy::default()
    }
}

pub(crate) fn workspace(name: &str) -> Workspace {
    Workspace {
        name: WorkspaceName { workspace: id(name) },
        title: "Größe 'n\" \\".parse().unwrap(),
        policy: policy_name(),
        plan: "basic".into(),
        suspended: false,
    }
}

pub(crate) fn principal() -> Principal {
    Principal {
        name: principal_name(),
        title: "Ann".parse().unwrap(),
        kind: PrincipalKind::Team,
        role: "member".into(),
        confined_to: vec!["sites/**".into()],
        disabled: false,
        deleted: false,
    }
}

/// A key with nothing that it need not have.
pub(crate) fn key(name: &str) -> Key {
    Key {
        name: key_name(name),
        title: name.parse().unwrap(),
        key_type: "api".into(),
        principal: None,
        grants: vec![],
        constraint: vec![],
        allowed_cidrs: AllowedNetworks::default(),
        expire_time: None,
        labels: [].into(),
        plan: String::new(),
        minting_key: None,
        revoke_time: None,
    }
}

/// A key with all that it can have.
pub(crate) fn full_key(name: &str) -> Key {
    let grant = |scope: &str, resource: Option<&str>| Grant {
        scope: scope.into(),
        resource: resource.map(Into::into),
    };
    Key {
        principal: Some(id("ann")),
        grants: vec![
            grant("sites:read", None),
            grant("sites:write", Some("sites/a")),
            grant("sites:write", Some("sites/b")),
        ],
        constraint: vec!["sites/*".into()],
        allowed_cidrs: AllowedNetworks::parse(["10.0.0.0/8", "::/0"].into_iter()).unwrap(),
        expire_time: Some(at(1_000)),
        plan: "pro".into(),
        labels: [("team".into(), "ä\"\\".into())].into(),
        minting_key: Some(id("minter")),
        revoke_time: Some(at(900)),
        ..key(name)
    }
}

/// A change at moment 1 that rests on nothing else.
pub(crate) fn change(write: Write) -> Change {
    let (kind, subject, workspace) = match &write {
        Write::Policy(name, ..) => (Kind::PolicyUpdated, name.to_string(), String::new()),
        Write::Workspace(record, _) => {
            (Kind::WorkspaceUpdated, record.name.to_string(), record.name.workspace.to_string())
        }
        Write::Principal(record, _) => {
            (Kind::PrincipalUpdated, record.name.to_string(), record.name.workspace.to_string())
        }
        Write::Key(record, ..) => {
            (Kind::KeyUpdated, record.name.to_string(), record.name.workspace.to_string())
        }
    };
    let (before, after, request_id) = (String::new(), "{}".to_owned(), String::new());
    let deed = Deed { actor: "cli".into(), kind, subject, workspace, before, after, request_id };
    Change { time: at(1), guards: vec![], write, deed, request: None }
}

pub(crate) fn new_workspace(name: &str) -> Change {
    change(Write::Workspace(workspace(name), None))
}

pub(crate) fn new_key(key: Key) -> Change {
    change(Write::Key(key, None, None))
}

pub(crate) fn request(request: &str) -> NewRequest {
    NewRequest {
        key: RequestKey { actor: "cli".into(), id: request.into() },
        fingerprint: [7; 32],
        until: at(100),
    }
}

/// A secret's digest, made of a number.
pub(crate) fn digest(number: u8) -> Digest {
    Digest::from_bytes([number; Digest::LEN])
}

/// A secret that replaces older ones at ten times its number.
pub(crate) fn secret(number: u8) -> Option<NewSecret> {
    let older_until = at(10 * i64::from(number));
    Some(NewSecret { digest: digest(number), version: KeyVersion::FIRST, older_until })
}

/// Writes a policy, the workspace `acme` and the principal `ann`: events 1 to 3.
pub(crate) async fn furnish(store: &Store) {
    store.commit(change(Write::Policy(policy_name(), policy(), None))).await.unwrap();
    store.commit(new_workspace("acme")).await.unwrap();
    store.commit(change(Write::Principal(principal(), None))).await.unwrap();
}

pub(crate) async fn all_events(store: &Store) -> Vec<Event> {
    store.events(&EventQuery::default(), &first_page(10_000)).await.unwrap()
}

pub(crate) async fn revisions(store: &Store) -> Vec<i64> {
    all_events(store).await.iter().map(|event| event.revision.0).collect()
}

pub(crate) fn first_page<T>(size: u64) -> Page<T> {
    Page { after: None, size }
}

pub(crate) fn rev(number: i64) -> Option<Revision> {
    Some(Revision(number))
}
