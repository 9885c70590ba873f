//! A caller is recognised before its change is made. What was taken from it in between
//! counts: the change rests on the caller's key, too.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use keyward::{
    admin::{
        Admin, AdminError, Bootstrapped, CreateKey, CreatePrincipal, GrantDraft, Intent, KeyDraft,
        Mask, Named, PrincipalDraft, RotateKey, UpdateKey,
    },
    clock::SystemClock,
    domain::{
        caller::Caller,
        key::Expiration,
        ports::{EventQuery, Page, Records as _},
        principal::PrincipalKind,
        secret::Secret,
    },
    introspect::Introspection,
    keyring,
    limits::Refuse,
    store::{Options, Store},
};
use ring::rand::SystemRandom;

const LATE: &str = "workspaces/system/keys/late";
const OWNER: &str = "workspaces/system/principals/ada";

struct World {
    store: Arc<Store>,
    admin: Admin,
    introspection: Introspection,
    root: Caller,
    _directory: tempfile::TempDir,
}

fn draft(scope: &str, principal: &str) -> KeyDraft {
    KeyDraft {
        title: "late".into(),
        key_type: String::new(),
        principal: principal.into(),
        grants: vec![GrantDraft { scope: scope.into(), resource: String::new() }],
        constraint: vec![],
        allowed_cidrs: vec![],
        expiration: Expiration::Never,
        plan: String::new(),
        labels: Default::default(),
    }
}

fn creation(id: &str, principal: &str) -> CreateKey {
    CreateKey {
        parent: "workspaces/system".into(),
        id: id.into(),
        draft: draft("*", principal),
        presets: vec![],
        minting_key: String::new(),
        intent: Intent::default(),
    }
}

fn named(name: &str) -> Named {
    Named { name: name.into(), ..Named::default() }
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::new(directory.path().join("db"))).await.unwrap();
        store.migrate().await.unwrap();
        let keyring = keyring::load_or_create(&directory.path().join("keyring"), true, 0).unwrap();
        let (store, keyring) = (Arc::new(store), Arc::new(keyring));
        let clock = Arc::new(SystemClock);
        let entropy = Arc::new(SystemRandom::new());
        let admin = Admin::new(
            Arc::clone(&store) as _,
            Arc::clone(&clock) as _,
            Arc::clone(&keyring),
            entropy,
        );
        admin.install().await.unwrap();
        let Bootstrapped::Minted(_, secret) = admin.bootstrap(false).await.unwrap() else {
            panic!("a new database was bootstrapped before");
        };
        let finder = Arc::clone(&store) as _;
        let introspection = Introspection::new(keyring, finder, clock, Arc::new(Refuse));
        let root = introspection.authenticate(secret.as_str(), None).await.unwrap();
        let owner = CreatePrincipal {
            parent: "workspaces/system".into(),
            id: "ada".into(),
            draft: PrincipalDraft { kind: Some(PrincipalKind::User), ..Default::default() },
            intent: Intent::default(),
        };
        admin.create_principal(&root, &owner).await.unwrap();
        Self { store, admin, introspection, root, _directory: directory }
    }

    async fn late(&self) -> Caller {
        let made = self.admin.create_key(&self.root, &creation("late", OWNER)).await.unwrap();
        let secret: Secret = made.secret.unwrap();
        self.introspection.authenticate(secret.as_str(), None).await.unwrap()
    }

    async fn events(&self) -> usize {
        let page = Page { after: None, size: 1_000 };
        self.store.events(&EventQuery::default(), &page).await.unwrap().len()
    }

    /// Sees to it that the caller, recognised before, now changes nothing.
    async fn check_powerless(&self, late: &Caller) {
        let before = self.events().await;
        let outcome = self.admin.create_key(late, &creation("more", "")).await;
        assert!(matches!(outcome.err(), Some(AdminError::Contended)));
        let outcome = self.admin.disable_principal(late, &named(OWNER), true).await;
        assert!(matches!(outcome.err(), Some(AdminError::Contended)));
        assert_eq!(self.events().await, before);
    }
}

#[tokio::test]
async fn who_was_not_touched_meanwhile_changes_what_it_may() {
    let world = World::new().await;
    let late = world.late().await;
    world.admin.create_key(&late, &creation("more", "")).await.unwrap();
}

#[tokio::test]
async fn a_revoked_caller_changes_nothing() {
    let world = World::new().await;
    let late = world.late().await;
    world.admin.revoke_key(&world.root, &named(LATE)).await.unwrap();
    world.check_powerless(&late).await;
}

#[tokio::test]
async fn a_caller_whose_secret_was_replaced_changes_nothing() {
    let world = World::new().await;
    let late = world.late().await;
    let rotate = RotateKey { named: named(LATE), ..RotateKey::default() };
    world.admin.rotate_key(&world.root, &rotate).await.unwrap();
    world.check_powerless(&late).await;
}

#[tokio::test]
async fn a_narrowed_caller_changes_nothing() {
    let world = World::new().await;
    let late = world.late().await;
    let narrow = UpdateKey {
        name: LATE.into(),
        etag: String::new(),
        draft: draft("introspect", ""),
        mask: Mask::new(vec!["grants".into()]),
        intent: Intent::default(),
    };
    world.admin.update_key(&world.root, &narrow).await.unwrap();
    world.check_powerless(&late).await;
}

#[tokio::test]
async fn a_caller_whose_owner_was_disabled_changes_nothing() {
    let world = World::new().await;
    let late = world.late().await;
    world.admin.disable_principal(&world.root, &named(OWNER), true).await.unwrap();
    let before = world.events().await;
    let outcome = world.admin.create_key(&late, &creation("more", "")).await;
    assert!(matches!(outcome.err(), Some(AdminError::Contended)));
    assert_eq!(world.events().await, before);
}
