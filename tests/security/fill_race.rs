//! An old state that is put into a cache after the change that ended it.
//!
//! - OpenFGA #3155: a check that had read before a write put its result in after the entry was
//!   taken out, and it stayed.
//! - guava #1881: a load that runs while its key is invalidated stays in the cache.
//!
//! Here a look-up is held open with the old state in its hands, the change runs to its end, and
//! whoever asks afterwards must not be answered by what the look-up brings: neither who is seen to
//! wait for it before it is let go, nor who comes when it has ended. The parts of it, step by step: `tests/cache/interleavings.rs`; every order of the steps: `tests/coherence.rs`.

use std::{net::SocketAddr, time::Duration};

use keyward::proto::{self, DenyReason};
use tokio::task::JoinHandle;

use crate::{
    metrics_reader::Metrics,
    parts::{Parts, with_parts},
    process::{Serving, variable},
    proxy::{Held, Proxy},
    support::{Caller, grants, policy},
    ways::question,
    world::{Replicas, Store, caller_at},
};

/// More than anything takes, even on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);
/// How long is waited between two looks at what is held.
const INTERVAL: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug)]
enum Change {
    Revoke,
    Narrow,
    Suspend,
    Disable,
    Policy,
    /// What was over is not: an old refusal must not stay either.
    Resume,
}

const CHANGES: [(Change, DenyReason); 6] = [
    (Change::Revoke, DenyReason::Revoked),
    (Change::Narrow, DenyReason::InsufficientScope),
    (Change::Suspend, DenyReason::Disabled),
    (Change::Disable, DenyReason::Disabled),
    (Change::Policy, DenyReason::InsufficientScope),
    (Change::Resume, DenyReason::Unspecified),
];

/// A policy, a workspace, an owner and a key, all of this name; the key's secret.
async fn with_key(root: &mut Caller, id: &str) -> String {
    root.create_policy(id, policy()).await;
    root.create_workspace(id, &format!("policies/{id}")).await;
    let principal = root.create_principal(id, id, "owner").await.name;
    let grants = grants(&["sites:write"]);
    let key = proto::Key { display_name: id.to_owned(), principal, grants, ..Default::default() };
    root.create_key(id, id, key).await.secret
}

/// The key of a change, as it is before.
async fn prepared(root: &mut Caller, change: Change, id: &str) -> String {
    let secret = with_key(root, id).await;
    if matches!(change, Change::Resume) {
        make(root, Change::Suspend, id).await;
    }
    secret
}

async fn make(root: &mut Caller, change: Change, id: &str) {
    let workspace = format!("workspaces/{id}");
    let name = format!("{workspace}/keys/{id}");
    let admin = &mut root.admin;
    match change {
        Change::Revoke => {
            let request = proto::RevokeKeyRequest { name, ..Default::default() };
            admin.revoke_key(request).await.unwrap();
        }
        Change::Narrow => {
            let key = proto::Key { name, grants: grants(&["jobs:read"]), ..Default::default() };
            let request = proto::UpdateKeyRequest { key: Some(key), ..Default::default() };
            admin.update_key(request).await.unwrap();
        }
        Change::Suspend => {
            let request = proto::SuspendWorkspaceRequest { name: workspace, ..Default::default() };
            admin.suspend_workspace(request).await.unwrap();
        }
        Change::Resume => {
            let request = proto::ResumeWorkspaceRequest { name: workspace, ..Default::default() };
            admin.resume_workspace(request).await.unwrap();
        }
        Change::Disable => {
            let name = format!("{workspace}/principals/{id}");
            let request = proto::DisablePrincipalRequest { name, ..Default::default() };
            admin.disable_principal(request).await.unwrap();
        }
        Change::Policy => {
            let mut narrower = proto::Policy { name: format!("policies/{id}"), ..policy() };
            narrower.roles[0].scopes = vec!["jobs:read".to_owned()];
            let (policy, force) = (Some(narrower), true);
            let request = proto::UpdatePolicyRequest { policy, force, ..Default::default() };
            admin.update_policy(request).await.unwrap();
        }
    }
}

/// A caller that is revoked while it is looked up for the first time.
async fn caller_of(root: &mut Caller) -> String {
    let key = proto::Key { grants: grants(&["*"]), ..crate::support::reader() };
    root.create_key("system", "late", key).await.secret
}

async fn revoke_caller(root: &mut Caller) {
    let name = "workspaces/system/keys/late".to_owned();
    let request = proto::RevokeKeyRequest { name, ..Default::default() };
    root.admin.revoke_key(request).await.unwrap();
}

/// Whether whoever sends this secret is let in, over a connection of its own.
async fn is_let_in(address: SocketAddr, secret: String) -> bool {
    let mut caller = caller_at(address, &secret).await;
    let asked = caller.introspect.introspect(question("x", &[], "")).await;
    asked.map_err(|status| assert_eq!(status.code(), tonic::Code::Unauthenticated)).is_ok()
}

async fn reason(mut caller: Caller, secret: String) -> DenyReason {
    let question = question(&secret, &["sites:read"], "");
    caller.introspect.introspect(question).await.unwrap().into_inner().reason()
}

/// Waits until a count has come to this.
async fn come_to(what: &str, wanted: u64, count: impl AsyncFn() -> u64) {
    let waiting = async {
        let mut interval = tokio::time::interval(INTERVAL);
        while count().await < wanted {
            interval.tick().await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect(what);
}

/// A place where a look-up can be held with what it has read, and who waits for it is seen.
trait Holding {
    /// How many look-ups were ever held.
    fn held(&self) -> u64;
    /// How many questions ever waited for a look-up of another.
    async fn joined(&self) -> u64;
    fn hold(&self);
    fn let_go(&self);

    /// Asks, and has the look-up held with the state of now in its hands.
    async fn begin<T: Send + 'static>(
        &self,
        question: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let before = self.held();
        self.hold();
        let first = tokio::spawn(question);
        come_to("a look-up is to be held", before + 1, async || self.held()).await;
        first
    }

    /// Asks, and lets the look-up that is held go when the question is seen to wait for it.
    async fn join<T: Send + 'static>(
        &self,
        question: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let before = self.joined().await;
        let later = tokio::spawn(question);
        come_to("a question is to wait", before + 1, async || self.joined().await).await;
        assert!(!later.is_finished(), "it was answered while the look-up was held");
        self.let_go();
        later.await.unwrap()
    }
}

impl Holding for Parts {
    fn held(&self) -> u64 {
        self.keys.held() as u64
    }

    async fn joined(&self) -> u64 {
        self.cache.counts().joins
    }

    fn hold(&self) {
        self.keys.hold(true);
    }

    fn let_go(&self) {
        self.keys.hold(false);
    }
}

/// A program, and what stands between it and its database.
struct Behind {
    proxy: Proxy,
    serving: Serving,
}

impl Holding for Behind {
    fn held(&self) -> u64 {
        self.proxy.counted().look_ups
    }

    async fn joined(&self) -> u64 {
        let address = self.serving.metrics;
        let told = tokio::task::spawn_blocking(move || Metrics::of(address)).await.unwrap();
        told.value("keyward_cache_joins_total") as u64
    }

    fn hold(&self) {
        self.proxy.hold(Held { look_ups: true, ..Held::default() });
    }

    fn let_go(&self) {
        self.proxy.release();
    }
}

#[test]
fn what_a_look_up_read_before_a_change_answers_nobody_after_it_on_sqlite() {
    with_parts(async |parts: Parts| {
        let address = parts.serve().await;
        let mut root = caller_at(address, &parts.root_secret).await;
        // A change may be noted in the same place as one of this caller's: its look-up would be held.
        parts.know_root_by_heart().await;
        for (number, (change, expected)) in CHANGES.into_iter().enumerate() {
            let id = format!("c{number}");
            let secret = prepared(&mut root, change, &id).await;
            let first = parts.begin(reason(root.clone(), secret.clone())).await;
            make(&mut root, change, &id).await;
            let later = parts.join(reason(root.clone(), secret.clone())).await;
            assert_eq!(later, expected, "{change:?}: asked before it was let go");
            // Asked before the change, it may know either state.
            let _ = first.await.unwrap();
            assert_eq!(reason(root.clone(), secret).await, expected, "{change:?}: what stayed");
        }
        let secret = caller_of(&mut root).await;
        let first = parts.begin(is_let_in(address, secret.clone())).await;
        revoke_caller(&mut root).await;
        let later = parts.join(is_let_in(address, secret.clone())).await;
        assert!(!later, "a caller that called before it was let go");
        let _ = first.await.unwrap();
        assert!(!is_let_in(address, secret).await, "a caller that stayed");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_look_up_read_before_a_change_answers_nobody_after_it_on_postgres() {
    let replicas = Replicas::start(Store::Postgres).await;
    let url = replicas.database.as_ref().unwrap().url();
    let server = url.split_once('@').unwrap().1.split_once('/').unwrap().0.parse().unwrap();
    let proxy = Proxy::start(server).await;
    let through = (variable("database.url"), proxy.through(&url));
    let status = tonic_health::pb::health_check_response::ServingStatus::Serving;
    let serving = replicas.deployment.start_with(status, &[through]).await;
    let behind = Behind { proxy, serving };
    let address = behind.serving.address;
    let mut roots = replicas.roots().await;
    let there = caller_at(address, &replicas.root_secret).await;
    // From now on the caller itself is known there.
    assert_eq!(reason(there.clone(), "x".to_owned()).await, DenyReason::InvalidKey);
    for (number, (change, expected)) in CHANGES.into_iter().enumerate() {
        let id = format!("c{number}");
        let at = number % roots.len();
        let secret = prepared(&mut roots[at], change, &id).await;
        let first = behind.begin(reason(there.clone(), secret.clone())).await;
        make(&mut roots[at], change, &id).await;
        let later = behind.join(reason(there.clone(), secret.clone())).await;
        assert_eq!(later, expected, "{change:?}: asked before it was let go");
        let _ = first.await.unwrap();
        assert_eq!(reason(there.clone(), secret).await, expected, "{change:?}: what stayed");
    }
    let secret = caller_of(&mut roots[0]).await;
    let first = behind.begin(is_let_in(address, secret.clone())).await;
    revoke_caller(&mut roots[0]).await;
    let later = behind.join(is_let_in(address, secret.clone())).await;
    assert!(!later, "a caller that called before it was let go");
    let _ = first.await.unwrap();
    assert!(!is_let_in(address, secret).await, "a caller that stayed");
}
