//! A deployment with keys of every kind, and both ways over it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use keyward::{
    admin::{Admin, Bootstrapped},
    app,
    back::Back,
    cache::{Announced, SoleOwner},
    clock::SystemStopwatch,
    config::Settings,
    domain::{
        secret::{Digest, Keyring, Prefix},
        time::Timestamp,
    },
    grpc::{
        authenticate::{Authenticated, Knows},
        key_admin::KeyAdminService,
        layers::{EdgeLimits, Line, Watch, edge},
    },
    introspect::Introspection,
    limits::Refuse,
    proto::{self, key::Expiration, key_admin_server::KeyAdminServer},
    server::{Connected, Leaving, Serves as _},
    store::Store,
};
use ring::rand::SystemRandom;
use tempfile::TempDir;
use tonic::service::Routes;

use crate::{
    both::{Both, Way},
    policies::{policy, strings},
    ports::Still,
    sent::{Call, PEER, Told},
};

/// When everything is made.
const MADE: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
/// How much later it is asked about.
const LATER: Duration = Duration::from_secs(2 * 3_600);
const WAIT: Duration = Duration::from_secs(10);

/// A deployment, both ways over it, and the secrets by what they are for.
pub(crate) struct World {
    pub(crate) both: Both,
    pub(crate) keyring: Arc<Keyring>,
    secrets: BTreeMap<&'static str, String>,
    admin: Line,
    root: String,
    _directory: TempDir,
}

/// Runs a test on a new deployment.
pub(crate) fn with_world<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    let (runtime, back) = Back::start(2).unwrap();
    runtime.block_on(async {
        test(World::furnished(back).await).await;
    });
    let _ = runtime.shutdown(WAIT);
}

/// Who changes things, over a clock of its own.
fn admin_line(store: &Arc<Store>, keyring: &Arc<Keyring>, admin: Arc<Admin>, back: Back) -> Line {
    let clock = Arc::new(Still::at(MADE));
    let finder = Arc::clone(store) as _;
    let keys = Introspection::new(Arc::clone(keyring), finder, clock, Arc::new(Refuse));
    let stopwatch = Arc::new(SystemStopwatch);
    let service = KeyAdminService::new(admin, back, stopwatch, 10, WAIT, &Arc::default());
    let knows = Knows { keys: Arc::new(keys), certificates: None };
    let routes = Routes::new(Authenticated::new(KeyAdminServer::new(service), knows));
    let limits = EdgeLimits { deadline_max: WAIT, max_in_flight: 10, max_message_bytes: 1 << 20 };
    let edge = edge(routes, limits, Watch::default());
    edge.connection(Connected { peer: PEER, leaving: Leaving(Arc::default()), presented: None })
}

fn name(workspace: &str, id: &str) -> String {
    format!("workspaces/{workspace}/keys/{id}")
}

fn grants(grants: &[(&str, &str)]) -> Vec<proto::Grant> {
    let grant = |(scope, resource): &(&str, &str)| proto::Grant {
        scope: (*scope).into(),
        resource: (*resource).into(),
    };
    grants.iter().map(grant).collect()
}

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

/// A key with these grants.
fn key(on: &[(&str, &str)]) -> proto::Key {
    proto::Key { display_name: "a key".into(), grants: grants(on), ..Default::default() }
}

/// A key with a bit of everything.
fn full() -> proto::Key {
    let scopes: Vec<_> = (0..10).map(|number| format!("area{number}:read")).collect();
    let on: Vec<_> = scopes.iter().map(|scope| (&**scope, "")).collect();
    proto::Key {
        display_name: "the full one".into(),
        r#type: "robot".into(),
        principal: "workspaces/acme/principals/owner".into(),
        constraint: strings(&["sites/1", "sites/2"]),
        allowed_cidrs: strings(&["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32"]),
        expiration: Some(Expiration::Ttl(seconds(86_400))),
        labels: [("env", "prod"), ("team", "shop")].map(|(k, v)| (k.into(), v.into())).into(),
        ..key(&on)
    }
}

impl World {
    /// A new deployment, with all there is in it.
    pub(crate) async fn furnished(back: Back) -> Self {
        let mut world = Self::new(back).await;
        world.furnish().await;
        world
    }

    async fn new(back: Back) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.database.path = directory.path().join("keyward.db");
        settings.keyring.path = directory.path().join("keyward.keyring");
        let (store, keyring) = app::open_store(&settings).await.unwrap();
        let owner = Arc::new(SoleOwner::default());
        let admin = Arc::new(Admin::new(
            Arc::new(Announced::new(Arc::clone(&store) as _, owner)),
            Arc::new(Still::at(MADE)),
            Arc::clone(&keyring),
            Arc::new(SystemRandom::new()),
        ));
        admin.install().await.unwrap();
        let Bootstrapped::Minted(_, root) = admin.bootstrap(false).await.unwrap() else {
            panic!("a new database was bootstrapped before");
        };
        let root = root.reveal();
        let now = MADE.after(LATER).unwrap();
        let way = |is_quick| Way::new(&store, &keyring, now, is_quick);
        let both = Both { plain: way(false), quick: way(true) };
        let admin = admin_line(&store, &keyring, admin, back);
        let secrets = BTreeMap::from([("root", root.clone())]);
        Self { both, keyring, secrets, admin, root, _directory: directory }
    }

    /// The secret that is for this.
    pub(crate) fn secret(&self, of: &str) -> &str {
        &self.secrets[of]
    }

    /// All of them.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        self.secrets.values().map(String::as_str).collect()
    }

    pub(crate) fn digest(&self, of: &str) -> Digest {
        self.keyring.recognise(self.secret(of)).unwrap().digest
    }

    /// A secret of a key that is not there, signed as ours are.
    pub(crate) fn mint(&self) -> String {
        let prefix = Prefix::parse("acme").unwrap();
        self.keyring.mint(&prefix, &SystemRandom::new()).unwrap().secret.reveal()
    }

    async fn change<M: prost::Message + Default>(
        &self,
        method: &str,
        request: impl prost::Message,
    ) -> M {
        let path = format!("/keyward.v1.KeyAdmin/{method}");
        let (request, arrived) = Call::asking(&self.root, &request).to(&path).request();
        let told = Told::read(self.admin.clone().answer_to(request, arrived).await).await;
        assert_eq!(told.code(), Some("0"), "{method}: {told:?}");
        told.messages().pop().unwrap()
    }

    /// Makes a key, whose secret is known by its id from now on.
    async fn create(&mut self, workspace: &str, id: &'static str, key: proto::Key) {
        let request = proto::CreateKeyRequest {
            parent: format!("workspaces/{workspace}"),
            key_id: id.into(),
            key: Some(key),
            ..Default::default()
        };
        let made: proto::CreateKeyResponse = self.change("CreateKey", request).await;
        self.secrets.insert(id, made.secret);
    }

    /// Rotates a key; its newer secret is known by this.
    async fn rotate(&mut self, id: &str, newer: &'static str, grace: i64) {
        let grace = Some(seconds(grace));
        let request =
            proto::RotateKeyRequest { name: name("acme", id), grace, ..Default::default() };
        let made: proto::RotateKeyResponse = self.change("RotateKey", request).await;
        self.secrets.insert(newer, made.secret);
    }

    pub(crate) async fn revoke(&self, workspace: &str, id: &str) {
        let name = name(workspace, id);
        let request = proto::RevokeKeyRequest { name, ..Default::default() };
        let _: proto::Key = self.change("RevokeKey", request).await;
    }

    async fn create_workspace(&self, id: &str, policy: &str, plan: &str) {
        let workspace = proto::Workspace {
            policy: format!("policies/{policy}"),
            plan: plan.into(),
            ..Default::default()
        };
        let request = proto::CreateWorkspaceRequest {
            workspace_id: id.into(),
            workspace: Some(workspace),
            ..Default::default()
        };
        let _: proto::CreateWorkspaceResponse = self.change("CreateWorkspace", request).await;
    }

    async fn create_principal(&self, id: &str) {
        let principal = proto::Principal {
            kind: proto::PrincipalKind::User.into(),
            role: "operator".into(),
            confined_to: strings(&["sites"]),
            ..Default::default()
        };
        let request = proto::CreatePrincipalRequest {
            parent: "workspaces/acme".into(),
            principal_id: id.into(),
            principal: Some(principal),
            ..Default::default()
        };
        let _: proto::CreatePrincipalResponse = self.change("CreatePrincipal", request).await;
    }

    /// What is at hand of a secret is what the database says now.
    pub(crate) async fn learn(&self, secret: &str) {
        let digest = self.keyring.recognise(secret).unwrap().digest;
        self.both.quick.keys.learn(&digest).await;
    }

    /// Makes all there is, and has all of it at hand but the key `cold`.
    async fn furnish(&mut self) {
        for (id, hides) in [("acme", false), ("veiled", true)] {
            let policy = Some(policy(id, hides));
            let request =
                proto::CreatePolicyRequest { policy_id: id.into(), policy, ..Default::default() };
            let _: proto::CreatePolicyResponse = self.change("CreatePolicy", request).await;
        }
        let workspaces = [
            ("acme", "acme", ""),
            ("other", "acme", ""),
            ("asleep", "acme", ""),
            ("veiled", "veiled", ""),
            ("metered", "acme", "metered"),
        ];
        for (id, policy, plan) in workspaces {
            self.create_workspace(id, policy, plan).await;
        }
        self.create_principal("owner").await;
        self.create_principal("gone").await;
        self.keys_of_products().await;
        self.callers().await;
        let request = proto::SuspendWorkspaceRequest {
            name: "workspaces/asleep".into(),
            ..Default::default()
        };
        let _: proto::Workspace = self.change("SuspendWorkspace", request).await;
        let name = "workspaces/acme/principals/gone".into();
        let request = proto::DisablePrincipalRequest { name, ..Default::default() };
        let _: proto::Principal = self.change("DisablePrincipal", request).await;
        for (id, secret) in &self.secrets {
            if *id != "cold" {
                self.learn(secret).await;
            }
        }
    }

    async fn keys_of_products(&mut self) {
        let reader = || key(&[("area0:read", "")]);
        let soon = || proto::Key { expiration: Some(Expiration::Ttl(seconds(600))), ..reader() };
        let granted =
            || key(&[("area0:read", "sites/*"), ("area1:read", "sites/1/*"), ("area2:read", "")]);
        let bound = proto::Key { constraint: strings(&["sites/1"]), ..granted() };
        let orphan = proto::Key { principal: "workspaces/acme/principals/gone".into(), ..reader() };
        let narrow = proto::Key { plan: "narrow".into(), ..key(&[("sites:write", "")]) };
        for (workspace, id, key) in [
            ("acme", "full", full()),
            ("acme", "reader", reader()),
            ("acme", "cold", reader()),
            ("acme", "granted", granted()),
            ("acme", "bound", bound.clone()),
            ("acme", "expired", soon()),
            ("acme", "revoked", reader()),
            ("acme", "graced", reader()),
            ("acme", "replaced", reader()),
            ("acme", "orphan", orphan),
            ("acme", "narrow", narrow),
            ("other", "foreign", reader()),
            ("asleep", "sleeper", reader()),
            ("veiled", "veiled", granted()),
            ("veiled", "veiled-bound", bound),
            ("metered", "metered", key(&[("sites:write", "")])),
            ("metered", "metered-too", reader()),
        ] {
            self.create(workspace, id, key).await;
        }
        self.revoke("acme", "revoked").await;
        self.rotate("graced", "newer-of-graced", 86_400).await;
        self.rotate("replaced", "newer-of-replaced", 60).await;
    }

    async fn callers(&mut self) {
        let asker = || key(&[("introspect", "")]);
        let bound_to =
            |networks: &[&str]| proto::Key { allowed_cidrs: strings(networks), ..asker() };
        let confined = proto::Key { constraint: strings(&["workspaces/acme"]), ..asker() };
        let ended = proto::Key { expiration: Some(Expiration::Ttl(seconds(600))), ..asker() };
        for (id, key) in [
            ("asker", asker()),
            ("asker-too", asker()),
            ("confined", confined),
            ("without-scope", key(&[("keys:read", "")])),
            ("fired", asker()),
            ("ended", ended),
            ("at-home", bound_to(&["203.0.113.0/24"])),
            ("abroad", bound_to(&["192.0.2.0/24"])),
        ] {
            self.create("system", id, key).await;
        }
        self.revoke("system", "fired").await;
    }
}
