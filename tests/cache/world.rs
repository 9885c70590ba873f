//! One key, all that it rests on, and a cache in front.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use keyward::{
    admin::{
        Admin, Bootstrapped, CreateKey, CreatePrincipal, CreateResource, GrantDraft, Intent,
        KeyDraft, PolicyDraft, PrincipalDraft, WorkspaceDraft,
    },
    cache::{Announced, Bounds, Cache, SoleOwner},
    clock::SystemClock,
    domain::{
        caller::Caller,
        decision::Denial,
        key::Expiration,
        policy::{KeyType, Policy, Role, Scope},
        ports::{Clock, Records},
        principal::PrincipalKind,
        secret::{Digest, Keyring},
        time::Timestamp,
    },
    introspect::{Introspection, Question},
    keyring,
    limits::Refuse,
    store::{Options, Store},
};
use ring::rand::SystemRandom;
use tokio::{runtime::Handle, sync::oneshot, task::JoinHandle};

use crate::between::{Before, Between};

pub(crate) const WORKSPACE: &str = "workspaces/acme";
pub(crate) const PRINCIPAL: &str = "workspaces/acme/principals/ada";
pub(crate) const KEY: &str = "workspaces/acme/keys/ci";

pub(crate) const BOUNDS: Bounds =
    Bounds { bytes_max: 1 << 26, loads_max: 8, load_wait: Duration::from_secs(60) };

/// The clock of the system, of which it is only known that it may have been turned forward so far.
#[derive(Default)]
pub(crate) struct Dial(AtomicI64);

impl Clock for Dial {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn latest(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock.now().micros() + self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct World {
    pub(crate) between: Arc<Between>,
    pub(crate) records: Arc<dyn Records>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) admin: Admin,
    pub(crate) root: Caller,
    pub(crate) keyring: Arc<Keyring>,
    secret: String,
    introspection: Introspection,
    clock: Arc<Dial>,
    _directory: tempfile::TempDir,
}

/// A policy under which owners may do these.
pub(crate) fn policy(owners: &[&str]) -> Policy {
    let scope = |name: &str| Scope { name: name.into(), ..Scope::default() };
    let role = |name: &str, scopes: &[&str]| Role {
        name: name.into(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..Role::default()
    };
    Policy {
        scopes: vec![scope("write"), scope("read")],
        roles: vec![role("owner", owners), role("reader", &["read"])],
        key_types: vec![KeyType {
            name: "live".into(),
            prefix: "acme".into(),
            is_default: true,
            ..KeyType::default()
        }],
        ..Policy::default()
    }
}

pub(crate) fn draft(scope: &str) -> KeyDraft {
    KeyDraft {
        title: "nightly".into(),
        key_type: String::new(),
        principal: PRINCIPAL.into(),
        grants: vec![GrantDraft { scope: scope.into(), resource: String::new() }],
        constraint: vec![],
        allowed_cidrs: vec![],
        expiration: Expiration::Never,
        plan: String::new(),
        labels: Default::default(),
    }
}

/// What a pause waits for, and how it is ended.
pub(crate) struct Pause {
    pub(crate) reached: oneshot::Receiver<()>,
    pub(crate) release: oneshot::Sender<()>,
}

impl World {
    pub(crate) async fn new() -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::new(directory.path().join("db"))).await.unwrap();
        store.migrate().await.unwrap();
        let keyring = keyring::load_or_create(&directory.path().join("keyring"), true, 0).unwrap();
        let (store, keyring) = (Arc::new(store), Arc::new(keyring));
        let between = Arc::new(Between::new(Arc::clone(&store)));
        let owner = Arc::new(SoleOwner::default());
        let records: Arc<dyn Records> =
            Arc::new(Announced::new(Arc::clone(&between) as _, Arc::clone(&owner) as _));
        let cache =
            Arc::new(Cache::new(Arc::clone(&between) as _, owner, BOUNDS, Handle::current()));
        let entropy = Arc::new(SystemRandom::new());
        let admin =
            Admin::new(Arc::clone(&records), Arc::new(SystemClock), Arc::clone(&keyring), entropy);
        admin.install().await.unwrap();
        let Bootstrapped::Minted(_, secret) = admin.bootstrap(false).await.unwrap() else {
            panic!("a new database was bootstrapped before");
        };
        let limiter = Arc::new(Refuse);
        let (ring, clock) = (Arc::clone(&keyring), Arc::new(SystemClock));
        let direct = Introspection::new(ring, store, clock, Arc::clone(&limiter) as _);
        let root = direct.authenticate(secret.as_str(), None).await.unwrap();
        let secret = furnish(&admin, &root).await;
        let clock = Arc::<Dial>::default();
        let introspection = Introspection::new(
            Arc::clone(&keyring),
            Arc::clone(&cache) as _,
            Arc::clone(&clock) as _,
            limiter,
        );
        Arc::new(Self {
            between,
            records,
            cache,
            admin,
            root,
            keyring,
            secret,
            introspection,
            clock,
            _directory: directory,
        })
    }

    /// From now on keys are asked about at a moment so much later.
    pub(crate) fn turn_clock(&self, by: Duration) {
        self.clock.0.store(by.as_micros() as i64, Ordering::SeqCst);
    }

    /// Asks whether the key may write. None: it may.
    pub(crate) async fn ask(&self) -> Option<Denial> {
        let required_scopes = ["write".to_owned()];
        let question = Question {
            secret: &self.secret,
            client_ip: "192.0.2.1",
            required_scopes: required_scopes[..].into(),
            resource: "sites/1",
            class: "",
            cost: 0,
            full: false,
            without_hint: false,
        };
        let answer = self.introspection.introspect(&self.root, question).await;
        answer.unwrap().decision.denial
    }

    /// Asks in a task of its own.
    pub(crate) fn ask_aside(self: &Arc<Self>) -> JoinHandle<Option<Denial>> {
        let world = Arc::clone(self);
        tokio::spawn(async move { world.ask().await })
    }

    pub(crate) fn digest(&self) -> Digest {
        self.keyring.recognise(&self.secret).unwrap().digest
    }

    /// How often the store was asked whose a secret is.
    pub(crate) fn finds(&self) -> usize {
        self.between.finds.load(Ordering::SeqCst)
    }

    /// Stops the next call that comes this far.
    pub(crate) fn pause(&self, before: Before) -> Pause {
        let (reach, reached) = oneshot::channel();
        let (release, released) = oneshot::channel();
        self.between.expect(before, async move {
            reach.send(()).unwrap();
            // Whoever drops the other end lets it go on, too.
            _ = released.await;
        });
        Pause { reached, release }
    }

    /// Asks until an answer comes from memory; each must be this one.
    pub(crate) async fn ask_until_hit(&self, expected: Option<Denial>) {
        for _ in 0..1_000 {
            let hits = self.cache.counts().hits;
            assert_eq!(self.ask().await, expected);
            if self.cache.counts().hits > hits {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("nothing is answered from memory any more");
    }
}

/// Makes the policy, the workspace, the principal and the key. Returns its secret.
async fn furnish(admin: &Admin, root: &Caller) -> String {
    let (id, intent) = (|| "acme".to_owned(), Intent::default);
    let draft_of_policy =
        PolicyDraft { policy: policy(&["write", "read"]), ..PolicyDraft::default() };
    let request = CreateResource { id: id(), draft: draft_of_policy, intent: intent() };
    admin.create_policy(root, &request).await.unwrap();
    let workspace = WorkspaceDraft { policy: "policies/acme".into(), ..WorkspaceDraft::default() };
    let request = CreateResource { id: id(), draft: workspace, intent: intent() };
    admin.create_workspace(root, &request).await.unwrap();
    let kind = Some(PrincipalKind::User);
    let principal = PrincipalDraft { kind, role: "owner".into(), ..PrincipalDraft::default() };
    let request = CreatePrincipal {
        parent: WORKSPACE.into(),
        id: "ada".into(),
        draft: principal,
        intent: intent(),
    };
    admin.create_principal(root, &request).await.unwrap();
    let request = CreateKey {
        parent: WORKSPACE.into(),
        id: "ci".into(),
        draft: draft("write"),
        presets: vec![],
        minting_key: String::new(),
        intent: intent(),
    };
    admin.create_key(root, &request).await.unwrap().secret.unwrap().reveal()
}
