//! Many keys in a database, made by the use case that makes them for everybody.

use std::{path::Path, sync::Arc};

use keyward::{
    admin::{
        Admin, BatchCreateKeys, Bootstrapped, CreateKey, CreatePrincipal, CreateResource,
        GrantDraft, Intent, KeyDraft, PolicyDraft, PrincipalDraft, WorkspaceDraft,
    },
    app,
    clock::SystemClock,
    config::Settings,
    domain::{
        caller::Caller,
        key::Expiration,
        policy::{KeyType, Plan, Policy, RateLimit, Role, Scope},
        principal::PrincipalKind,
        secret::Keyring,
    },
    introspect::Introspection,
    limits::Refuse,
    store::Store,
};
use ring::rand::SystemRandom;

/// The most keys of one request, and the keys of a workspace.
const BATCH: usize = 1_000;
/// The scopes of the policy.
pub(crate) const SCOPES: usize = 1_000;

/// What a key is like.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) scopes: usize,
    pub(crate) cidrs: usize,
}

/// What is usual.
pub(crate) const USUAL: Shape = Shape { scopes: 10, cidrs: 3 };

/// A database with a policy, and who may do everything there.
pub(crate) struct Furnished {
    pub(crate) store: Arc<Store>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) root: Caller,
    admin: Admin,
}

/// Settings of a file and a keyring in this directory, and beside them the database of this
/// address, where there is one.
pub(crate) fn settings(directory: &Path, url: Option<String>) -> Settings {
    let path = |name: &str| directory.join(name).display().to_string();
    let database = match url {
        Some(url) => ("KEYWARD__DATABASE__URL".to_owned(), url),
        None => ("KEYWARD__DATABASE__PATH".to_owned(), path("keyward.db")),
    };
    let migrates = ("KEYWARD__DATABASE__MIGRATE_ON_START".to_owned(), "true".to_owned());
    let keyring = ("KEYWARD__KEYRING__PATH".to_owned(), path("keyward.keyring"));
    Settings::load(None, [database, migrates, keyring].into_iter()).unwrap()
}

impl Furnished {
    /// A new one. To be run on the back.
    pub(crate) async fn new(settings: &Settings) -> Self {
        let (store, keyring) = app::open_store(settings).await.unwrap();
        let (records, clock) = (Arc::clone(&store) as _, Arc::new(SystemClock));
        let entropy = Arc::new(SystemRandom::new());
        let admin = Admin::new(records, clock, Arc::clone(&keyring), entropy);
        admin.install().await.unwrap();
        let Bootstrapped::Minted(_, secret) = admin.bootstrap(false).await.unwrap() else {
            panic!("the database is not new");
        };
        let (keys, clock) = (Arc::clone(&store) as _, Arc::new(SystemClock));
        let asking = Introspection::new(Arc::clone(&keyring), keys, clock, Arc::new(Refuse));
        let root = asking.authenticate(secret.as_str(), None).await.unwrap();
        let draft = PolicyDraft { policy: policy(), ..PolicyDraft::default() };
        let request = CreateResource { id: "bench".into(), draft, intent: Intent::default() };
        admin.create_policy(&root, &request).await.unwrap();
        Self { store, keyring, root, admin }
    }

    /// So many keys, in workspaces of a thousand, each with an owner. Gives their secrets.
    pub(crate) async fn keys(&self, name: &str, count: usize, shape: Shape) -> Vec<String> {
        let mut secrets = Vec::with_capacity(count);
        for place in 0..count.div_ceil(BATCH) {
            let workspace = format!("{name}-{place}");
            let many = BATCH.min(count - secrets.len());
            secrets.extend(self.batch(&workspace, many, shape).await);
        }
        secrets
    }

    async fn batch(&self, id: &str, count: usize, shape: Shape) -> Vec<String> {
        let (root, intent) = (&self.root, Intent::default);
        let draft = WorkspaceDraft {
            title: "Bench".into(),
            policy: "policies/bench".into(),
            plan: "plan".into(),
        };
        let request = CreateResource { id: id.into(), draft, intent: intent() };
        self.admin.create_workspace(root, &request).await.unwrap();
        let parent = format!("workspaces/{id}");
        let kind = Some(PrincipalKind::User);
        let draft = PrincipalDraft {
            title: "Ada".into(),
            kind,
            role: "owner".into(),
            ..PrincipalDraft::default()
        };
        let request =
            CreatePrincipal { parent: parent.clone(), id: "ada".into(), draft, intent: intent() };
        self.admin.create_principal(root, &request).await.unwrap();
        let each = CreateKey {
            parent: String::new(),
            id: String::new(),
            draft: draft_of(&parent, shape),
            presets: vec![],
            minting_key: String::new(),
            intent: intent(),
        };
        let request = BatchCreateKeys { parent, requests: vec![each; count], intent: intent() };
        let issued = self.admin.batch_create_keys(root, &request, tokio::task::yield_now).await;
        issued.unwrap().into_iter().map(|issued| issued.secret.unwrap().reveal()).collect()
    }
}

fn draft_of(parent: &str, shape: Shape) -> KeyDraft {
    let grant = |place| GrantDraft { scope: scope(place), resource: String::new() };
    KeyDraft {
        title: "Nightly backup".into(),
        key_type: String::new(),
        principal: format!("{parent}/principals/ada"),
        grants: (0..shape.scopes).map(grant).collect(),
        constraint: vec![],
        allowed_cidrs: (0..shape.cidrs).map(network).collect(),
        expiration: Expiration::Never,
        plan: String::new(),
        labels: [("team".to_owned(), "search".to_owned())].into(),
    }
}

/// A scope of the policy.
pub(crate) fn scope(place: usize) -> String {
    format!("docs:s{place}")
}

/// A network apart from the others.
fn network(place: usize) -> String {
    format!("10.{}.{}.0/24", place / 128, place % 128 * 2)
}

/// A limit of each key, and a ceiling for those of a workspace; neither is ever spent.
fn policy() -> Policy {
    let limit = |name: &str| RateLimit {
        name: name.into(),
        quota: 1_000_000_000,
        window: std::time::Duration::from_secs(1),
        ..RateLimit::default()
    };
    let plan = Plan {
        name: "plan".into(),
        key_limits: vec![limit("key")],
        workspace_limits: vec![limit("all")],
        ..Plan::default()
    };
    let live = KeyType {
        name: "live".into(),
        prefix: "bench_live".into(),
        is_default: true,
        ..KeyType::default()
    };
    let owner = Role { name: "owner".into(), scopes: vec!["*".into()], ..Role::default() };
    Policy {
        scopes: (0..SCOPES).map(|place| Scope { name: scope(place), ..Scope::default() }).collect(),
        roles: vec![owner],
        key_types: vec![live],
        plans: vec![plan],
        ..Policy::default()
    }
}
