//! Ten thousand changes of every kind, of eight callers at once, made as callers make them: each
//! is one event that tells what was before and after, and the chain is whole.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use keyward::{
    admin::{
        Admin, CreateKey, CreatePrincipal, CreateResource, GrantDraft, Intent, KeyDraft, Mask,
        Named, PolicyDraft, PrincipalDraft, RotateKey, UpdatePolicy, UpdateResource,
        WorkspaceDraft,
    },
    checkpoints::Checkpoints,
    domain::{
        caller::Caller,
        checkpoint::{Checkpoint, CheckpointKey, Head},
        event::{Event, Kind, Revision},
        key::Expiration,
        policy::Policy,
        ports::{EventQuery, Page, Records as _},
        principal::PrincipalKind,
    },
    store::Store,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{
    database::Database,
    replicas::{Deployment, Replica},
    sample::policy,
};

const CALLERS: usize = 8;
/// How many changes a caller has under way at once, each with records of its own.
const LANES: usize = 10;
const CYCLES: usize = 5;

/// What a lane does in each of its cycles.
const CYCLE: [(Kind, usize); 15] = [
    (Kind::PolicyCreated, 1),
    (Kind::PolicyUpdated, 1),
    (Kind::WorkspaceCreated, 1),
    (Kind::WorkspaceUpdated, 1),
    (Kind::WorkspaceSuspended, 1),
    (Kind::WorkspaceResumed, 1),
    (Kind::PrincipalCreated, 2),
    (Kind::PrincipalUpdated, 2),
    (Kind::PrincipalDisabled, 2),
    (Kind::PrincipalEnabled, 1),
    (Kind::PrincipalDeleted, 2),
    (Kind::KeyCreated, 2),
    (Kind::KeyUpdated, 3),
    (Kind::KeyRotated, 3),
    (Kind::KeyRevoked, 2),
];

/// A caller, where it calls, and what it changes there.
struct Lane<'a> {
    admin: &'a Admin,
    caller: &'a Caller,
    /// The last part of all its names.
    id: String,
}

impl Lane<'_> {
    fn workspace(&self) -> String {
        format!("workspaces/{}", self.id)
    }

    fn principal(&self, name: &str) -> String {
        format!("{}/principals/{name}", self.workspace())
    }

    fn key(&self, name: &str) -> String {
        format!("{}/keys/{name}", self.workspace())
    }

    async fn cycle(&self) {
        self.places().await;
        self.owner("ada", true).await;
        for name in ["a", "b"] {
            self.create_key(name).await;
            self.update_key(name, "first").await;
            self.rotate(name).await;
        }
        self.update_key("b", "second").await;
        self.rotate("b").await;
        for name in ["a", "b"] {
            let name = named(&self.key(name));
            self.admin.revoke_key(self.caller, &name).await.unwrap();
        }
        self.delete("ada").await;
        self.owner("bob", false).await;
        self.delete("bob").await;
    }

    async fn places(&self) {
        let Self { admin, caller, id } = self;
        let policy = |title: &str| {
            let title = title.to_owned();
            let policy = Policy { title: title.parse().unwrap(), ..policy() };
            PolicyDraft { policy, title, unread: vec![] }
        };
        admin.create_policy(caller, &new(id, policy("old"))).await.unwrap();
        let update = changed(&format!("policies/{id}"), policy("new"));
        admin.update_policy(caller, &UpdatePolicy { update, force: false }).await.unwrap();
        let draft = |title: &str| WorkspaceDraft {
            title: title.into(),
            policy: format!("policies/{id}"),
            plan: String::new(),
        };
        admin.create_workspace(caller, &new(id, draft("old"))).await.unwrap();
        let name = self.workspace();
        admin.update_workspace(caller, &changed(&name, draft("new"))).await.unwrap();
        for suspended in [true, false] {
            admin.suspend_workspace(caller, &named(&name), suspended).await.unwrap();
        }
    }

    async fn owner(&self, id: &str, is_enabled: bool) {
        let Self { admin, caller, .. } = self;
        let draft = |title: &str| PrincipalDraft {
            title: title.into(),
            kind: Some(PrincipalKind::Team),
            role: "member".into(),
            confined_to: vec![],
        };
        let request = CreatePrincipal {
            parent: self.workspace(),
            id: id.into(),
            draft: draft("old"),
            intent: Intent::default(),
        };
        admin.create_principal(caller, &request).await.unwrap();
        let name = self.principal(id);
        admin.update_principal(caller, &changed(&name, draft("new"))).await.unwrap();
        admin.disable_principal(caller, &named(&name), true).await.unwrap();
        if is_enabled {
            admin.disable_principal(caller, &named(&name), false).await.unwrap();
        }
    }

    async fn delete(&self, id: &str) {
        self.admin.delete_principal(self.caller, &named(&self.principal(id))).await.unwrap();
    }

    async fn create_key(&self, id: &str) {
        let request = CreateKey {
            parent: self.workspace(),
            id: id.into(),
            draft: draft("new", &self.principal("ada"), "sites:read"),
            presets: vec![],
            minting_key: String::new(),
            intent: Intent::default(),
        };
        self.admin.create_key(self.caller, &request).await.unwrap();
    }

    async fn update_key(&self, id: &str, title: &str) {
        let draft = draft(title, &self.principal("ada"), "sites:read");
        self.admin.update_key(self.caller, &changed(&self.key(id), draft)).await.unwrap();
    }

    async fn rotate(&self, id: &str) {
        let request = RotateKey { named: named(&self.key(id)), ..RotateKey::default() };
        self.admin.rotate_key(self.caller, &request).await.unwrap();
    }
}

fn new<T>(id: &str, draft: T) -> CreateResource<T> {
    CreateResource { id: id.into(), draft, intent: Intent::default() }
}

fn changed<T>(name: &str, draft: T) -> UpdateResource<T> {
    let (name, etag) = (name.to_owned(), String::new());
    UpdateResource { name, etag, draft, mask: Mask::Given, intent: Intent::default() }
}

fn named(name: &str) -> Named {
    Named { name: name.into(), ..Named::default() }
}

pub(crate) fn draft(title: &str, principal: &str, scope: &str) -> KeyDraft {
    KeyDraft {
        title: title.into(),
        key_type: String::new(),
        principal: principal.into(),
        grants: vec![GrantDraft { scope: scope.into(), resource: String::new() }],
        constraint: vec![],
        allowed_cidrs: vec![],
        expiration: Expiration::Default,
        plan: String::new(),
        labels: [].into(),
    }
}

/// A caller that may do everything.
async fn caller(deployment: &Deployment, number: usize) -> Caller {
    let Deployment { replicas, root, .. } = deployment;
    let request = CreateKey {
        parent: "workspaces/system".into(),
        id: format!("caller-{number}"),
        draft: KeyDraft { expiration: Expiration::Never, ..draft("caller", "", "*") },
        presets: vec![],
        minting_key: String::new(),
        intent: Intent::default(),
    };
    let Replica { admin, .. } = &replicas[number % replicas.len()];
    let secret = admin.create_key(root, &request).await.unwrap().secret.unwrap();
    replicas[number % replicas.len()].authenticate(&secret.reveal()).await
}

/// Signs a checkpoint each time that it is told to, and that three times.
async fn witness(deployment: &Deployment, mut due: UnboundedReceiver<()>) -> Vec<Head> {
    let Deployment { store, dial, .. } = deployment;
    let key = CheckpointKey::new(&[1; CheckpointKey::SEED_LEN]).unwrap();
    let origin = "keyward".parse().unwrap();
    let (store, clock) = (Arc::clone(store), Arc::clone(dial) as _);
    let mut checkpoints = Checkpoints::new(store, clock, (key, &[]), origin, None);
    let mut heads = Vec::new();
    for _ in 0..3 {
        due.recv().await.unwrap();
        let Checkpoint { head, .. } = checkpoints.sign().await.unwrap();
        heads.push(head);
    }
    heads
}

/// The events after this one, of which there are so many.
async fn events_after(store: &Store, after: Revision, count: usize) -> Vec<Event> {
    let page = Page { after: Some(after), size: count as u64 + 1 };
    let events = store.events(&EventQuery::default(), &page).await.unwrap();
    assert_eq!(events.len(), count, "one for each change");
    events
}

pub(crate) async fn ten_thousand_changes_of_eight_callers_are_one_event_each(
    database: &impl Database,
) {
    let cycle: usize = CYCLE.iter().map(|(_, count)| count).sum();
    let lane = cycle * CYCLES;
    let all = lane * LANES * CALLERS;
    assert_eq!(all, 10_000);
    let deployment = Deployment::alone(database).await;
    let mut callers = Vec::new();
    for number in 0..CALLERS {
        callers.push(caller(&deployment, number).await);
    }
    let before = deployment.store.head().await.unwrap();
    let (done, (tell, due)) = (AtomicUsize::new(0), unbounded_channel());
    let lanes = (0..CALLERS * LANES).map(|number| {
        let caller = &callers[number % CALLERS];
        let admin = &deployment.replicas[number % deployment.replicas.len()].admin;
        let (done, tell) = (&done, &tell);
        async move {
            for cycle in 0..CYCLES {
                let id = format!("l{number}-{cycle}");
                Lane { admin, caller, id }.cycle().await;
                // At a quarter of all, a half, three quarters; at the end nobody listens.
                if (done.fetch_add(1, SeqCst) + 1).is_multiple_of(CALLERS * LANES * CYCLES / 4) {
                    _ = tell.send(());
                }
            }
        }
    });
    let witness = witness(&deployment, due);
    let (heads, _) = tokio::join!(witness, futures_util::future::join_all(lanes));

    let store = &deployment.store;
    let verified = store.verify_events().await.unwrap();
    assert_eq!(verified.count, before.revision.0 as u64 + all as u64);
    assert_eq!(Head::from(verified), store.head().await.unwrap());
    for head in heads {
        assert!(head.revision > before.revision && head.revision < verified.revision, "{head:?}");
        assert_eq!(store.verify_events_with(head).await.unwrap(), verified);
        assert_eq!(store.verify_events_after(head).await.unwrap(), verified);
    }
    let events = events_after(store, before.revision, all).await;
    check(&events, lane * LANES);
    deployment.end().await;
}

/// Whether each event tells of one change, and what was before and after it.
fn check(events: &[Event], by_each: usize) {
    let mut kinds = HashMap::<Kind, usize>::new();
    let mut actors = HashMap::<&str, usize>::new();
    let mut records = HashMap::<&str, &str>::new();
    let mut told = HashSet::new();
    for (Event { deed, .. }, number) in events.iter().zip(1..) {
        *kinds.entry(deed.kind).or_default() += 1;
        *actors.entry(&deed.actor).or_default() += 1;
        let before = records.insert(&deed.subject, &deed.after).unwrap_or_default();
        assert_eq!(deed.before, before, "{number}: {deed:?}");
        let is_made = deed.kind.as_str().ends_with(".created");
        assert_eq!(deed.before.is_empty(), is_made, "{number}: {deed:?}");
        assert_eq!(deed.after.is_empty(), deed.kind == Kind::PrincipalDeleted, "{deed:?}");
        if deed.kind != Kind::KeyRotated {
            assert_ne!(deed.before, deed.after, "{number}: {deed:?}");
            assert!(told.insert((&deed.subject, &deed.before, &deed.after)), "{deed:?}");
        }
    }
    let cycles = CYCLES * LANES * CALLERS;
    assert_eq!(kinds, CYCLE.iter().map(|(kind, count)| (*kind, count * cycles)).collect());
    assert_eq!(kinds.len(), Kind::ALL.len(), "of every kind");
    assert_eq!(actors.len(), CALLERS);
    assert!(actors.values().all(|count| *count == by_each), "{actors:?}");
}
