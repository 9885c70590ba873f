//! What is asked about, and every state that it has had.
//!
//! A key rests on four subjects: itself, its principal, its workspace and their policy. Each
//! subject has one who changes it, so that its states are one after another, each with the
//! revision from which on it held.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use keyward::proto::DenyReason;

/// One thing that changes: its states by revision, and the newest change that has returned.
#[derive(Debug)]
pub(crate) struct Subject<T> {
    returned: AtomicI64,
    states: Mutex<BTreeMap<i64, T>>,
}

/// What of a key is its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) is_revoked: bool,
    /// Whether its grant is the scope that is asked for.
    pub(crate) may_write: bool,
    pub(crate) networks: Bound,
    pub(crate) constraint: Bound,
    /// The end, in microseconds since 1970. None: never.
    pub(crate) expire: Option<i64>,
}

/// A key that may do what is asked for, as it is made.
pub(crate) const ABLE: Own = Own {
    is_revoked: false,
    may_write: true,
    networks: Bound::Anywhere,
    constraint: Bound::Anywhere,
    expire: None,
};

/// Where a key may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bound {
    #[default]
    Anywhere,
    /// Where it is asked about.
    Here,
    Elsewhere,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Principal {
    pub(crate) is_disabled: bool,
    pub(crate) is_reader: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Workspace {
    pub(crate) is_suspended: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) readers_write: bool,
}

/// All that an answer rests on, at one revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) own: Own,
    pub(crate) principal: Principal,
    pub(crate) workspace: Workspace,
    pub(crate) policy: Policy,
}

/// A workspace with a policy, a principal and keys of its own.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) policy: Subject<Policy>,
    pub(crate) workspace: Subject<Workspace>,
    pub(crate) principal: Subject<Principal>,
    /// The keys that are asked about: a new one takes the place of one that ended.
    pub(crate) keys: RwLock<Vec<Arc<Key>>>,
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) own: Subject<Own>,
    pub(crate) tenant: Arc<Tenant>,
    /// The newest secret last; those before are replaced.
    pub(crate) secrets: RwLock<Vec<Arc<Secret>>>,
}

pub(crate) struct Secret {
    pub(crate) text: String,
    pub(crate) replaced: Mutex<Option<Replaced>>,
}

/// How a newer secret took the place of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replaced {
    /// From when on it may have.
    pub(crate) begun: Instant,
    /// When the rotation had returned, and its revision.
    pub(crate) returned: Option<(Instant, i64)>,
}

impl<T: Copy> Subject<T> {
    /// One that is not there yet.
    pub(crate) fn new() -> Self {
        Self { returned: AtomicI64::new(0), states: Mutex::default() }
    }

    /// A change has returned: from this revision on it is so.
    pub(crate) fn changed(&self, revision: i64, state: T) {
        let before = self.states.lock().unwrap().insert(revision, state);
        assert!(before.is_none(), "two changes have revision {revision}");
        self.returned.fetch_max(revision, Ordering::SeqCst);
    }

    /// The newest revision that has returned.
    pub(crate) fn returned(&self) -> i64 {
        self.returned.load(Ordering::SeqCst)
    }

    /// The state as of a revision, and the revision of its last change by then.
    pub(crate) fn at(&self, revision: i64) -> Option<(i64, T)> {
        let states = self.states.lock().unwrap();
        states.range(..=revision).next_back().map(|(revision, state)| (*revision, *state))
    }

    /// The revisions of all changes that have returned.
    pub(crate) fn revisions(&self) -> impl Iterator<Item = i64> + use<T> {
        self.states.lock().unwrap().keys().copied().collect::<Vec<_>>().into_iter()
    }

    /// The newest state.
    pub(crate) fn now(&self) -> T {
        let states = self.states.lock().unwrap();
        *states.last_key_value().unwrap().1
    }
}

impl Tenant {
    pub(crate) fn new(id: &str) -> Arc<Self> {
        Arc::new(Self {
            id: id.to_owned(),
            policy: Subject::new(),
            workspace: Subject::new(),
            principal: Subject::new(),
            keys: RwLock::default(),
        })
    }

    pub(crate) fn policy_name(&self) -> String {
        format!("policies/{}", self.id)
    }

    pub(crate) fn name(&self) -> String {
        format!("workspaces/{}", self.id)
    }

    pub(crate) fn principal_name(&self) -> String {
        format!("workspaces/{}/principals/owner", self.id)
    }

    pub(crate) fn key(&self, slot: usize) -> Arc<Key> {
        Arc::clone(&self.keys.read().unwrap()[slot])
    }
}

impl Key {
    /// One that was made, with the secret that was told of it.
    pub(crate) fn new(tenant: &Arc<Tenant>, id: String, secret: Option<String>) -> Self {
        let secrets = RwLock::new(secret.map(Secret::new).into_iter().collect());
        Self { id, own: Subject::new(), tenant: Arc::clone(tenant), secrets }
    }

    pub(crate) fn name(&self) -> String {
        format!("{}/keys/{}", self.tenant.name(), self.id)
    }

    /// The newest change that has returned, of all that the key rests on.
    pub(crate) fn returned(&self) -> i64 {
        let Tenant { policy, workspace, principal, .. } = &*self.tenant;
        let shared = policy.returned().max(workspace.returned()).max(principal.returned());
        self.own.returned().max(shared)
    }

    /// All that an answer of this revision rests on; None where there is no such revision
    /// of this key.
    pub(crate) fn at(&self, revision: i64) -> Option<State> {
        let own = self.own.at(revision)?;
        let principal = self.tenant.principal.at(revision)?;
        let workspace = self.tenant.workspace.at(revision)?;
        let policy = self.tenant.policy.at(revision)?;
        let newest = own.0.max(principal.0).max(workspace.0).max(policy.0);
        (newest == revision).then_some(State {
            own: own.1,
            principal: principal.1,
            workspace: workspace.1,
            policy: policy.1,
        })
    }

    pub(crate) fn newest_secret(&self) -> Arc<Secret> {
        Arc::clone(self.secrets.read().unwrap().last().unwrap())
    }
}

impl Secret {
    pub(crate) fn new(text: String) -> Arc<Self> {
        Arc::new(Self { text, replaced: Mutex::default() })
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "replaced {:?}", self.replaced.lock().unwrap())
    }
}

impl State {
    /// What a request to write is answered, before the key's end and after it.
    pub(crate) fn expected(&self, is_expired: bool) -> DenyReason {
        let Self { own, principal, workspace, policy } = self;
        let role_writes = !principal.is_reader || policy.readers_write;
        if own.is_revoked {
            DenyReason::Revoked
        } else if is_expired {
            DenyReason::Expired
        } else if workspace.is_suspended || principal.is_disabled {
            DenyReason::Disabled
        } else if own.networks == Bound::Elsewhere {
            DenyReason::IpNotAllowed
        } else if own.constraint == Bound::Elsewhere {
            DenyReason::OutsideConstraint
        } else if own.may_write && role_writes {
            DenyReason::Unspecified
        } else {
            DenyReason::InsufficientScope
        }
    }
}
