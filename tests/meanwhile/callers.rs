//! What becomes of a change whose caller loses what it needs for it, at the last moment before the change is written: it
//! is not made, whatever it is and however the caller loses it.

use keyward::{
    admin::{
        BatchCreateKeys, BatchRevokeKeys, CreatePrincipal, EventFilter, PrincipalDraft, RotateKey,
        UpdateKey,
    },
    domain::principal::PrincipalKind,
};

use super::*;

const ADA: &str = "workspaces/acme/principals/ada";
const EVE: &str = "workspaces/acme/principals/eve";
const KEY: &str = "workspaces/acme/keys/ci";

/// Every change that a caller can ask for.
const CHANGES: [&str; 17] = [
    "create_policy",
    "update_policy",
    "create_workspace",
    "update_workspace",
    "suspend_workspace",
    "resume_workspace",
    "create_principal",
    "update_principal",
    "disable_principal",
    "enable_principal",
    "delete_principal",
    "create_key",
    "batch_create_keys",
    "update_key",
    "rotate_key",
    "revoke_key",
    "batch_revoke_keys",
];

/// How a caller loses what it needs.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Its key is revoked.
    Revoked,
    /// Its secret is replaced.
    Replaced,
    /// Its scope is taken.
    Narrowed,
    /// It is bound to another workspace.
    Bound,
    /// Its owner is disabled.
    Disabled,
}
use Loss::{Bound, Disabled, Narrowed, Replaced, Revoked};

fn named(name: &str) -> Named {
    Named { name: name.into(), ..Named::default() }
}

fn key(grants: &[&str], constraint: &[&str]) -> KeyDraft {
    let grant = |scope: &&str| GrantDraft { scope: (*scope).into(), resource: String::new() };
    let constraint = constraint.iter().map(|pattern| (*pattern).to_owned()).collect();
    KeyDraft { grants: grants.iter().map(grant).collect(), constraint, ..creation("", "").draft }
}

fn principal(parent: &str, id: &str) -> CreatePrincipal {
    let draft = PrincipalDraft { kind: Some(PrincipalKind::User), ..PrincipalDraft::default() };
    CreatePrincipal { parent: parent.into(), id: id.into(), draft, intent: Intent::default() }
}

fn workspace(id: &str) -> CreateResource<WorkspaceDraft> {
    let draft = WorkspaceDraft { policy: "policies/acme".into(), ..WorkspaceDraft::default() };
    CreateResource { id: id.into(), draft, intent: Intent::default() }
}

fn renamed<T>(name: &str, draft: T) -> UpdateResource<T> {
    let mask = Mask::Paths(vec!["display_name".into()]);
    UpdateResource {
        name: name.into(),
        etag: String::new(),
        draft,
        mask,
        intent: Intent::default(),
    }
}

/// With something of each kind that changes can be tried on.
async fn furnished() -> World {
    let world = World::under(&["read"]).await;
    let World { other, root, .. } = &world;
    for id in ["ada", "eve"] {
        other.create_principal(root, &principal("workspaces/acme", id)).await.unwrap();
    }
    other.disable_principal(root, &named(EVE), true).await.unwrap();
    other.create_workspace(root, &workspace("asleep")).await.unwrap();
    other.suspend_workspace(root, &named("workspaces/asleep"), true).await.unwrap();
    other.create_key(root, &creation("ci", "")).await.unwrap();
    world
}

/// Makes the change of this name.
async fn make(admin: &Admin, caller: &Caller, change: &str) -> Result<(), AdminError> {
    let intent = Intent::default();
    let title = || "changed".to_owned();
    match change {
        "create_policy" => {
            let draft = PolicyDraft { policy: policy(&[]), ..PolicyDraft::default() };
            let request = CreateResource { id: "new".into(), draft, intent };
            admin.create_policy(caller, &request).await.map(drop)
        }
        "update_policy" => {
            let request = super::change(Policy::default(), "changed", &["display_name"], false);
            admin.update_policy(caller, &request).await.map(drop)
        }
        "create_workspace" => admin.create_workspace(caller, &workspace("new")).await.map(drop),
        "update_workspace" => {
            let draft = WorkspaceDraft { title: title(), ..WorkspaceDraft::default() };
            admin.update_workspace(caller, &renamed("workspaces/acme", draft)).await.map(drop)
        }
        "suspend_workspace" => {
            admin.suspend_workspace(caller, &named("workspaces/acme"), true).await.map(drop)
        }
        "resume_workspace" => {
            admin.suspend_workspace(caller, &named("workspaces/asleep"), false).await.map(drop)
        }
        "create_principal" => {
            admin.create_principal(caller, &principal("workspaces/acme", "new")).await.map(drop)
        }
        "update_principal" => {
            let draft = PrincipalDraft { title: title(), ..PrincipalDraft::default() };
            admin.update_principal(caller, &renamed(ADA, draft)).await.map(drop)
        }
        "disable_principal" => admin.disable_principal(caller, &named(ADA), true).await.map(drop),
        "enable_principal" => admin.disable_principal(caller, &named(EVE), false).await.map(drop),
        "delete_principal" => admin.delete_principal(caller, &named(ADA)).await,
        "create_key" => admin.create_key(caller, &creation("new", "")).await.map(drop),
        "batch_create_keys" => {
            let one = |id| CreateKey { parent: String::new(), ..creation(id, "") };
            let (parent, requests) = ("workspaces/acme".into(), vec![one("new"), one("newer")]);
            let request = BatchCreateKeys { parent, requests, intent };
            admin.batch_create_keys(caller, &request, || std::future::ready(())).await.map(drop)
        }
        "update_key" => {
            let request: UpdateKey = renamed(KEY, KeyDraft { title: title(), ..key(&[], &[]) });
            admin.update_key(caller, &request).await.map(drop)
        }
        "rotate_key" => {
            let request = RotateKey { named: named(KEY), ..RotateKey::default() };
            admin.rotate_key(caller, &request).await.map(drop)
        }
        "revoke_key" => admin.revoke_key(caller, &named(KEY)).await.map(drop),
        "batch_revoke_keys" => {
            let (parent, names) = ("workspaces/acme".into(), vec![KEY.into()]);
            let request = BatchRevokeKeys { parent, names, intent };
            admin.batch_revoke_keys(caller, &request).await.map(drop)
        }
        _ => panic!("{change} is none of the changes"),
    }
}

/// Takes from the caller of this key, and of this owner, what it needs.
async fn lose(other: &Admin, root: &Caller, loss: Loss, id: &str) {
    let name = format!("workspaces/system/keys/{id}");
    let changed = |draft: KeyDraft, field: &str| {
        let mask = Mask::Paths(vec![field.into()]);
        UpdateKey { mask, ..renamed(&name, draft) }
    };
    match loss {
        Revoked => _ = other.revoke_key(root, &named(&name)).await.unwrap(),
        Replaced => {
            let rotation = RotateKey { named: named(&name), ..RotateKey::default() };
            other.rotate_key(root, &rotation).await.unwrap();
        }
        Narrowed => {
            let less = changed(key(&["introspect"], &[]), "grants");
            other.update_key(root, &less).await.unwrap();
        }
        Bound => {
            let less = changed(key(&["*"], &["workspaces/other"]), "constraint");
            other.update_key(root, &less).await.unwrap();
        }
        Disabled => {
            let owner = format!("workspaces/system/principals/{id}");
            other.disable_principal(root, &named(&owner), true).await.unwrap();
        }
    }
}

/// A new caller that may do everything, with an owner of the same name.
async fn caller(world: &World, introspection: &Introspection, id: &str) -> Caller {
    let World { other, root, .. } = world;
    other.create_principal(root, &principal("workspaces/system", id)).await.unwrap();
    let owner = format!("workspaces/system/principals/{id}");
    let draft = KeyDraft { principal: owner, ..key(&["*"], &[]) };
    let parent = "workspaces/system".into();
    let request = CreateKey { parent, draft, ..creation(id, "") };
    let secret = other.create_key(root, &request).await.unwrap().secret.unwrap();
    introspection.authenticate(secret.as_str(), None).await.unwrap()
}

/// How many events tell of what this caller did.
async fn deeds(world: &World, id: &str) -> usize {
    let actor = format!("workspaces/system/keys/{id}");
    let filter = EventFilter { actor, ..EventFilter::default() };
    world.other.list_events(&world.root, &filter).await.unwrap().items.len()
}

#[tokio::test]
async fn no_change_is_made_whose_caller_loses_what_it_needs_before_it_is_written() {
    let world = furnished().await;
    let (clock, limiter) = (Arc::new(SystemClock), Arc::new(Refuse));
    let keys = Arc::clone(&world.between) as _;
    let introspection = Introspection::new(Arc::clone(&world.keyring), keys, clock, limiter);
    for change in CHANGES {
        for loss in [Revoked, Replaced, Narrowed, Bound, Disabled] {
            let id = format!("{}-{loss:?}", change.replace('_', "-")).to_lowercase();
            let caller = caller(&world, &introspection, &id).await;
            let (other, root, losing) = (Arc::clone(&world.other), world.root.clone(), id.clone());
            world.between.expect(Before::Commit, async move {
                lose(&other, &root, loss, &losing).await;
            });
            let outcome = make(&world.admin, &caller, change).await;
            assert!(world.between.has_happened(), "{change} was not tried: {outcome:?}");
            assert!(
                matches!(outcome, Err(AdminError::Contended)),
                "{change}, {loss:?}: {outcome:?}"
            );
            assert_eq!(deeds(&world, &id).await, 0, "{change}, {loss:?}");
        }
    }
    // What was tried can be carried out; several at once where they are not in the way of one.
    for change in CHANGES {
        let world = if change.starts_with("batch") { furnished().await } else { continue };
        make(&world.admin, &world.root, change).await.unwrap();
    }
    for change in CHANGES.into_iter().filter(|change| !change.starts_with("batch")) {
        make(&world.admin, &world.root, change).await.unwrap();
    }
}
