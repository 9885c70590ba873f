//! What others change between the steps of a change: each at the one moment that matters.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "meanwhile/asked.rs"]
mod asked;
#[path = "meanwhile/awaited.rs"]
mod awaited;
#[path = "meanwhile/between.rs"]
mod between;
#[path = "meanwhile/callers.rs"]
mod callers;
#[path = "meanwhile/owners.rs"]
mod owners;

use std::sync::{Arc, atomic::Ordering};

use keyward::{
    admin::{
        Admin, AdminError, BatchCreateKeys, Bootstrapped, CreateKey, CreateResource, GrantDraft,
        Intent, KeyDraft, Mask, Named, PolicyChange, PolicyDraft, UpdatePolicy, UpdateResource,
        WorkspaceDraft,
    },
    clock::SystemClock,
    domain::{
        caller::Caller,
        key::Expiration,
        policy::{KeyType, Policy, Scope, effects::Effects},
        secret::Keyring,
    },
    introspect::Introspection,
    keyring,
    limits::Refuse,
    store::{Options, Store},
};
use ring::rand::SystemRandom;

use between::{Before, Between};

const MINTER: &str = "workspaces/acme/keys/minter";

struct World {
    between: Arc<Between>,
    /// Whose changes are interrupted.
    admin: Admin,
    /// Who interrupts.
    other: Arc<Admin>,
    root: Caller,
    keyring: Arc<Keyring>,
    _directory: tempfile::TempDir,
}

/// A policy under which `write` implies these scopes.
fn policy(implied: &[&str]) -> Policy {
    let scope = |name: &str, implies: &[&str]| Scope {
        name: name.into(),
        implies: implies.iter().map(|name| (*name).to_owned()).collect(),
        ..Scope::default()
    };
    Policy {
        scopes: vec![scope("write", implied), scope("read", &[])],
        key_types: vec![KeyType {
            name: "live".into(),
            prefix: "acme".into(),
            is_default: true,
            ..KeyType::default()
        }],
        ..Policy::default()
    }
}

fn creation(id: &str, minting_key: &str) -> CreateKey {
    CreateKey {
        parent: "workspaces/acme".into(),
        id: id.into(),
        draft: KeyDraft {
            title: "writer".into(),
            key_type: String::new(),
            principal: String::new(),
            grants: vec![GrantDraft { scope: "write".into(), resource: String::new() }],
            constraint: vec![],
            allowed_cidrs: vec![],
            expiration: Expiration::Never,
            plan: String::new(),
            labels: Default::default(),
        },
        presets: vec![],
        minting_key: minting_key.into(),
        intent: Intent::default(),
    }
}

/// A change of the named fields of the policy.
fn change(policy: Policy, title: &str, fields: &[&str], force: bool) -> UpdatePolicy {
    let draft = PolicyDraft { policy, title: title.into(), unread: vec![] };
    let mask = Mask::new(fields.iter().map(|field| (*field).to_owned()).collect());
    let (name, etag, intent) = ("policies/acme".into(), String::new(), Intent::default());
    UpdatePolicy { update: UpdateResource { name, etag, draft, mask, intent }, force }
}

impl World {
    /// With the workspace `acme` and no keys under a policy where `write` implies these.
    async fn under(implied: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::new(directory.path().join("db"))).await.unwrap();
        store.migrate().await.unwrap();
        let keyring = keyring::load_or_create(&directory.path().join("keyring"), true, 0).unwrap();
        let (store, keyring) = (Arc::new(store), Arc::new(keyring));
        let between = Arc::new(Between::new(Arc::clone(&store)));
        let admin = |records| {
            let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemRandom::new()));
            Admin::new(records, clock, Arc::clone(&keyring), entropy)
        };
        let other = Arc::new(admin(Arc::clone(&store) as _));
        let admin = admin(Arc::clone(&between) as _);
        other.install().await.unwrap();
        let Bootstrapped::Minted(_, secret) = other.bootstrap(false).await.unwrap() else {
            panic!("a new database was bootstrapped before");
        };
        let (clock, limiter) = (Arc::new(SystemClock), Arc::new(Refuse));
        let introspection = Introspection::new(Arc::clone(&keyring), store, clock, limiter);
        let root = introspection.authenticate(secret.as_str(), None).await.unwrap();
        let id = "acme".to_owned();
        let draft = PolicyDraft { policy: policy(implied), ..PolicyDraft::default() };
        let request = CreateResource { id: id.clone(), draft, intent: Intent::default() };
        other.create_policy(&root, &request).await.unwrap();
        let draft = WorkspaceDraft { policy: "policies/acme".into(), ..WorkspaceDraft::default() };
        let request = CreateResource { id, draft, intent: Intent::default() };
        other.create_workspace(&root, &request).await.unwrap();
        Self { between, admin, other, root, keyring, _directory: directory }
    }

    /// Has somebody else make a key before this call.
    fn expect_key(&self, before: Before) {
        let (other, root) = (Arc::clone(&self.other), self.root.clone());
        self.between.expect(before, async move {
            other.create_key(&root, &creation("meanwhile", "")).await.unwrap();
        });
    }

    async fn update(&self, change: UpdatePolicy) -> Result<PolicyChange, AdminError> {
        let outcome = self.admin.update_policy(&self.root, &change).await;
        assert!(self.between.has_happened());
        outcome
    }

    fn commits(&self) -> usize {
        self.between.commits.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_key_made_before_the_policy_is_written_is_seen() {
    let world = World::under(&["read"]).await;
    world.expect_key(Before::Commit);
    let refused = world.update(change(policy(&[]), "", &["scopes"], false)).await.unwrap_err();
    let AdminError::LiveKeysAffected(effects) = refused else { panic!("{refused:?}") };
    assert_eq!(effects.keys_losing_scopes, 1);
    assert_eq!(world.commits(), 1, "the second time it is refused before");
}

#[tokio::test]
async fn with_force_a_key_made_meanwhile_does_not_matter() {
    let world = World::under(&["read"]).await;
    world.expect_key(Before::Commit);
    world.update(change(policy(&[]), "", &["scopes"], true)).await.unwrap();
    assert_eq!(world.commits(), 1);
}

#[tokio::test]
async fn a_change_that_rests_on_no_keys_is_made_whatever_becomes_of_them() {
    let world = World::under(&["read"]).await;
    world.expect_key(Before::Commit);
    let titled = change(Policy::default(), "Acme", &["display_name"], false);
    assert_eq!(world.update(titled).await.unwrap().effects, Some(Effects::default()));
    assert_eq!(world.commits(), 1);
}

#[tokio::test]
async fn a_policy_that_only_gives_more_rests_on_no_keys() {
    let world = World::under(&[]).await;
    world.expect_key(Before::Commit);
    let wider = world.update(change(policy(&["read"]), "", &["scopes"], false)).await.unwrap();
    assert_eq!(wider.effects, Some(Effects::default()));
    assert_eq!(world.commits(), 1);
}

#[tokio::test]
async fn a_key_made_while_others_are_looked_at_is_looked_at_too() {
    let world = World::under(&["read"]).await;
    world.other.create_key(&world.root, &creation("there", "")).await.unwrap();
    world.expect_key(Before::WorkspacesUnder);
    let checked = change(policy(&[]), "", &["scopes"], true);
    let effects = world.update(checked).await.unwrap().effects.unwrap();
    let names: Vec<String> = effects.sample_keys.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["workspaces/acme/keys/meanwhile", "workspaces/acme/keys/there"]);
    assert_eq!((effects.keys_losing_scopes, world.commits()), (2, 1));
}

#[tokio::test]
async fn what_another_update_gave_meanwhile_does_not_seem_to_be_taken() {
    let world = World::under(&[]).await;
    world.other.create_key(&world.root, &creation("writer", "")).await.unwrap();
    let (other, root) = (Arc::clone(&world.other), world.root.clone());
    world.between.expect(Before::Rules, async move {
        let wider = change(policy(&["read"]), "", &["scopes"], false);
        other.update_policy(&root, &wider).await.unwrap();
    });
    let titled = change(Policy::default(), "Acme", &["display_name"], false);
    let (_, now) = world.update(titled).await.unwrap().changed.record.value;
    assert_eq!((now.title.as_str(), now.scopes), ("Acme", policy(&["read"]).scopes));
}

#[tokio::test]
async fn a_minting_key_revoked_before_the_new_one_is_written_mints_nothing() {
    let world = World::under(&["read"]).await;
    world.other.create_key(&world.root, &creation("minter", "")).await.unwrap();
    let (other, root) = (Arc::clone(&world.other), world.root.clone());
    world.between.expect(Before::Commit, async move {
        let revoked = Named { name: MINTER.into(), ..Named::default() };
        other.revoke_key(&root, &revoked).await.unwrap();
    });
    let outcome = world.admin.create_key(&world.root, &creation("new", MINTER)).await;
    assert!(world.between.has_happened());
    assert!(matches!(outcome.err(), Some(AdminError::MintingKeyNotActive(name)) if name == MINTER));
}

#[tokio::test]
async fn a_policy_narrowed_before_a_key_is_written_is_the_one_that_it_is_made_under() {
    let world = World::under(&["read"]).await;
    let (other, root) = (Arc::clone(&world.other), world.root.clone());
    world.between.expect(Before::Commit, async move {
        let mut without = policy(&[]);
        without.scopes.remove(0);
        other.update_policy(&root, &change(without, "", &["scopes"], false)).await.unwrap();
    });
    let outcome = world.admin.create_key(&world.root, &creation("new", "")).await;
    assert!(world.between.has_happened());
    assert!(matches!(outcome.err(), Some(AdminError::Invalid(faults)) if faults.len() == 1));
}
