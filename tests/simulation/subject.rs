//! What changes: a policy, a workspace, a principal, and keys that rest on them.

use std::sync::{Arc, LazyLock};

use keyward::domain::{
    event::{Deed, Kind, Revision},
    fault::Faults,
    key::Key,
    live::{Facts, LiveKey, Stored},
    policy::{CompiledPolicy, KeyType, Policy, Role, Scope},
    ports::{Change, NewRequest, RequestKey, Write},
    principal::{Principal, PrincipalKind},
    secret::Digest,
    time::Timestamp,
    workspace::Workspace,
};

use crate::database::{Database, Ordinal};

pub(crate) const KEYS: usize = 3;
pub(crate) const SUBJECTS: usize = KEYS + 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Key(usize),
    Principal,
    Workspace,
    Policy,
}

impl Subject {
    /// The one of this number, below [`SUBJECTS`].
    pub(crate) fn of(place: usize) -> Self {
        match place {
            place if place < KEYS => Self::Key(place),
            KEYS => Self::Principal,
            place if place == KEYS + 1 => Self::Workspace,
            _ => Self::Policy,
        }
    }

    pub(crate) fn of_name(name: &str) -> Self {
        (0..SUBJECTS).map(Self::of).find(|subject| subject.name() == name).unwrap()
    }

    pub(crate) fn place(self) -> usize {
        match self {
            Self::Key(number) => number,
            Self::Principal => KEYS,
            Self::Workspace => KEYS + 1,
            Self::Policy => KEYS + 2,
        }
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Key(number) => format!("workspaces/acme/keys/k{number}"),
            Self::Principal => "workspaces/acme/principals/ada".to_owned(),
            Self::Workspace => "workspaces/acme".to_owned(),
            Self::Policy => "policies/acme".to_owned(),
        }
    }

    /// Another version of it, asked for by this request.
    pub(crate) fn change(self, request: u64) -> Change {
        let expected = Some(Revision(1));
        let write = match self {
            Self::Key(number) => Write::Key(key(number), expected, None),
            Self::Principal => Write::Principal(principal(), expected),
            Self::Workspace => Write::Workspace(workspace(), expected),
            Self::Policy => Write::Policy("policies/acme".parse().unwrap(), policy(), expected),
        };
        let deed = Deed {
            actor: String::new(),
            kind: Kind::KeyUpdated,
            subject: self.name(),
            workspace: String::new(),
            before: String::new(),
            after: String::new(),
            request_id: request.to_string(),
        };
        let key = RequestKey { actor: String::new(), id: request.to_string() };
        let until = Timestamp::MAX;
        let request = Some(NewRequest { key, fingerprint: [0; 32], until });
        Change { time: Timestamp::from_micros(0), guards: vec![], write, deed, request }
    }
}

pub(crate) fn digest(key: usize) -> Digest {
    Digest::from_bytes([u8::try_from(key).unwrap(); Digest::LEN])
}

/// The key that has this digest, with all that it rests on; each says by which change it is so.
pub(crate) fn find(database: &Database, digest: &Digest) -> Arc<LiveKey> {
    fn stored<T>(value: T, (ordinal, revision): (Ordinal, Revision)) -> Stored<T> {
        let time = Timestamp::from_micros(ordinal);
        Stored { value, revision, create_time: time, update_time: time }
    }
    let number = usize::from(digest.as_bytes()[0]);
    let at = |subject| database.record(subject);
    Arc::new(LiveKey::new(
        Facts {
            key: stored(key(number), at(Subject::Key(number))),
            replaced: None,
            // That of the policy has no other place.
            workspace: Arc::new(Stored {
                create_time: Timestamp::from_micros(at(Subject::Policy).0),
                ..stored(workspace(), at(Subject::Workspace))
            }),
            principal: owner(number).map(|()| stored(principal(), at(Subject::Principal)).into()),
            policy: ("policies/acme".parse().unwrap(), at(Subject::Policy).1),
        },
        Arc::clone(&POLICY),
    ))
}

/// By which changes a key is as it is.
pub(crate) fn versions(key: &LiveKey) -> Vec<(Subject, Ordinal)> {
    let Facts { key, workspace, principal, .. } = key.facts();
    let mut versions = vec![
        (Subject::of_name(&key.value.name.to_string()), key.update_time.micros()),
        (Subject::Workspace, workspace.update_time.micros()),
        (Subject::Policy, workspace.create_time.micros()),
    ];
    versions
        .extend(principal.as_ref().map(|owner| (Subject::Principal, owner.update_time.micros())));
    versions
}

/// Some keys have an owner.
fn owner(key: usize) -> Option<()> {
    key.is_multiple_of(2).then_some(())
}

fn key(number: usize) -> Key {
    Key {
        name: Subject::Key(number).name().parse().unwrap(),
        title: "k".parse().unwrap(),
        key_type: "live".into(),
        principal: owner(number).map(|()| "ada".parse().unwrap()),
        grants: vec![],
        constraint: vec![],
        allowed_cidrs: Default::default(),
        expire_time: None,
        plan: String::new(),
        labels: [].into(),
        minting_key: None,
        revoke_time: None,
    }
}

fn workspace() -> Workspace {
    Workspace {
        name: Subject::Workspace.name().parse().unwrap(),
        title: "Acme".parse().unwrap(),
        policy: Subject::Policy.name().parse().unwrap(),
        plan: String::new(),
        suspended: false,
    }
}

fn principal() -> Principal {
    Principal {
        name: Subject::Principal.name().parse().unwrap(),
        title: "Ada".parse().unwrap(),
        kind: PrincipalKind::User,
        role: "owner".into(),
        confined_to: vec![],
        disabled: false,
        deleted: false,
    }
}

fn policy() -> Policy {
    Policy {
        scopes: vec![Scope { name: "read".into(), ..Scope::default() }],
        roles: vec![Role { name: "owner".into(), scopes: vec!["read".into()], ..Role::default() }],
        key_types: vec![KeyType {
            name: "live".into(),
            prefix: "acme".into(),
            is_default: true,
            ..KeyType::default()
        }],
        ..Policy::default()
    }
}

static POLICY: LazyLock<Arc<CompiledPolicy>> = LazyLock::new(|| {
    Arc::new(CompiledPolicy::compile(policy(), "policy", &mut Faults::new()).unwrap())
});
