//! A real server on a port of its own with a database of its own, and clients of it.
//!
//! The database is an SQLite file, or where `KEYWARD_TEST_API_ON=postgres` one on the server
//! that `tests/run` starts: each test that does not choose its database runs on both.

#[path = "../postgres/database.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
pub(crate) mod fresh;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, mpsc},
    time::Duration,
};

use keyward::{
    admin::Bootstrapped,
    app::App,
    back::Back,
    cache::Cache,
    config::{DatabaseSettings, MigrateOnStart, Settings},
    grpc::ERROR_DOMAIN,
    proto::{self, introspect_client::IntrospectClient, key_admin_client::KeyAdminClient},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

use fresh::Fresh;

/// How long a server waits for connections that tests leave open when it ends.
const DRAIN_TIMEOUT_MS: u64 = 100;
const HOUR_MS: u64 = 3_600_000;

/// A running server. It ends when this is dropped, and its directory is removed.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The secret of a caller that may do everything.
    pub(crate) root_secret: String,
    /// What its introspection finds keys in.
    pub(crate) cache: Arc<Cache>,
    /// Where its keyring is.
    pub(crate) keyring: PathBuf,
    shutdown: CancellationToken,
    /// Gone after the server was told to end.
    _database: Option<Fresh>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Sends a secret as `authorization: Bearer …`.
#[derive(Clone)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

pub(crate) type Authorized = InterceptedService<Channel, Bearer>;

/// The clients of one caller.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) admin: KeyAdminClient<Authorized>,
    pub(crate) introspect: IntrospectClient<Authorized>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let on = std::env::var("KEYWARD_TEST_API_ON");
        Self::start_on(on.is_ok_and(|kind| kind == "postgres"), change).await
    }

    /// On a database of PostgreSQL, or on a file.
    pub(crate) async fn start_on(is_postgres: bool, change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.database.path = directory.path().join("keyward.db");
        settings.keyring.path = directory.path().join("keyward.keyring");
        settings.server.listen = "127.0.0.1:0".parse().unwrap();
        settings.server.front_threads = 1;
        settings.server.drain_timeout_ms = DRAIN_TIMEOUT_MS;
        // A key that is used must not change while a test looks at it.
        settings.usage.flush_interval_ms = HOUR_MS;
        // However busy the machine is: who waits too long, and leases, have tests of their own.
        settings.server.admin_wait_ms = 60_000;
        settings.replicas.lease_ms = 60_000;
        settings.replicas.poll_interval_ms = 800;
        let mut database = None;
        if is_postgres {
            let fresh = Fresh::new().await;
            settings.database =
                DatabaseSettings { migrate_on_start: MigrateOnStart::Always, ..fresh.settings() };
            database = Some(fresh);
        }
        // And however busy the database is with what other tests do.
        settings.database.connect_timeout_ms = 60_000;
        settings.database.acquire_timeout_ms = 60_000;
        settings.database.statement_timeout_ms = 60_000;
        change(&mut settings);
        let keyring = settings.keyring.path.clone();
        let shutdown = CancellationToken::new();
        let (sender, receiver) = mpsc::channel();
        let ending = shutdown.clone();
        std::thread::spawn(move || {
            let (runtime, back) = Back::start(2).unwrap();
            runtime.block_on(async {
                let app = App::open(&settings, back).await.unwrap();
                let Bootstrapped::Minted(_, secret) = app.admin().bootstrap(false).await.unwrap()
                else {
                    panic!("a new database was bootstrapped before");
                };
                let listener = keyward::app::listen(&settings).await.unwrap();
                let cache = Arc::clone(app.cache());
                sender.send((listener.local_addr().unwrap(), secret.reveal(), cache)).unwrap();
                let _ = app.serve(listener, &settings, ending).await.unwrap();
            });
            let _ = runtime.shutdown(Duration::from_secs(10));
            drop(directory);
        });
        let started = tokio::task::spawn_blocking(move || receiver.recv()).await.unwrap();
        let (address, root_secret, cache) = started.expect("the server starts");
        Self { address, root_secret, cache, keyring, shutdown, _database: database }
    }

    /// A new connection.
    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// The clients of whoever sends this secret; None sends no credentials at all.
    pub(crate) async fn caller_with(&self, secret: Option<&str>) -> Caller {
        Caller::on(self.channel().await, secret)
    }

    /// The caller that may do everything.
    pub(crate) async fn root(&self) -> Caller {
        self.caller_with(Some(&self.root_secret)).await
    }

    /// A caller with these scopes of the policy `system`, bound to these resources
    /// (such as `workspaces/acme`); no resources: not bound.
    pub(crate) async fn caller(&self, scopes: &[&str], constraint: &[&str]) -> Caller {
        let key = proto::Key {
            display_name: "a caller".to_owned(),
            grants: grants(scopes),
            constraint: strings(constraint),
            ..proto::Key::default()
        };
        let secret = self.root().await.create_key("system", "", key).await.secret;
        self.caller_with(Some(&secret)).await
    }

    /// A server with the policy `acme` and the workspaces `acme` and `other` under it.
    pub(crate) async fn with_workspaces() -> (Self, Caller) {
        let server = Self::start().await;
        let mut root = server.root().await;
        root.create_policy("acme", policy()).await;
        root.create_workspace("acme", "policies/acme").await;
        root.create_workspace("other", "policies/acme").await;
        (server, root)
    }
}

impl Caller {
    /// Whoever sends this secret, over this connection.
    pub(crate) fn on(channel: Channel, secret: Option<&str>) -> Self {
        let bearer = Bearer(secret.map(|secret| format!("Bearer {secret}").parse().unwrap()));
        Self {
            admin: KeyAdminClient::with_interceptor(channel.clone(), bearer.clone()),
            introspect: IntrospectClient::with_interceptor(channel, bearer),
        }
    }

    pub(crate) async fn create_policy(&mut self, id: &str, policy: proto::Policy) -> proto::Policy {
        let request = proto::CreatePolicyRequest {
            policy_id: id.to_owned(),
            policy: Some(policy),
            ..Default::default()
        };
        self.admin.create_policy(request).await.unwrap().into_inner().policy.unwrap()
    }

    pub(crate) async fn create_workspace(&mut self, id: &str, policy: &str) -> proto::Workspace {
        let workspace = proto::Workspace { policy: policy.to_owned(), ..Default::default() };
        let request = proto::CreateWorkspaceRequest {
            workspace_id: id.to_owned(),
            workspace: Some(workspace),
            ..Default::default()
        };
        self.admin.create_workspace(request).await.unwrap().into_inner().workspace.unwrap()
    }

    pub(crate) async fn create_principal(
        &mut self,
        workspace: &str,
        id: &str,
        role: &str,
    ) -> proto::Principal {
        let principal = proto::Principal {
            kind: proto::PrincipalKind::User.into(),
            role: role.to_owned(),
            ..Default::default()
        };
        let request = proto::CreatePrincipalRequest {
            parent: format!("workspaces/{workspace}"),
            principal_id: id.to_owned(),
            principal: Some(principal),
            ..Default::default()
        };
        self.admin.create_principal(request).await.unwrap().into_inner().principal.unwrap()
    }

    /// Makes a key; an empty id lets the server choose.
    pub(crate) async fn create_key(
        &mut self,
        workspace: &str,
        id: &str,
        key: proto::Key,
    ) -> proto::CreateKeyResponse {
        let request = proto::CreateKeyRequest {
            parent: format!("workspaces/{workspace}"),
            key_id: id.to_owned(),
            key: Some(key),
            ..Default::default()
        };
        self.admin.create_key(request).await.unwrap().into_inner()
    }

    /// The full answer to whether a request with this secret may go on.
    pub(crate) async fn ask(
        &mut self,
        secret: &str,
        required: &[&str],
        resource: &str,
    ) -> proto::IntrospectResponse {
        let request = proto::IntrospectRequest {
            secret: secret.to_owned(),
            required_scopes: strings(required),
            resource: resource.to_owned(),
            ..Default::default()
        };
        self.introspect.introspect(request).await.unwrap().into_inner()
    }

    /// The newest revision of the log, which moves with every change and with nothing else.
    pub(crate) async fn head(&mut self) -> i64 {
        let mut request = proto::ListEventsRequest { page_size: 1_000, ..Default::default() };
        let mut head = 0;
        loop {
            let page = self.admin.list_events(request.clone()).await.unwrap().into_inner();
            head = page.events.last().map_or(head, |event| event.revision);
            if page.next_page_token.is_empty() {
                return head;
            }
            request.page_token = page.next_page_token;
        }
    }
}

pub(crate) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) fn grants(scopes: &[&str]) -> Vec<proto::Grant> {
    scopes
        .iter()
        .map(|scope| proto::Grant { scope: (*scope).to_owned(), resource: String::new() })
        .collect()
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Scopes `sites:admin` ⇒ `sites:write` ⇒ `sites:read`, `jobs:read`, the isolated
/// `exec:raw` and the wildcard `*`; roles `owner` (all) and `observer` (`*:read`); key
/// types `live` (the default, prefix `acme_live`) and `personal` (needs a principal).
pub(crate) fn policy() -> proto::Policy {
    let scope = |name: &str, implies: &[&str]| proto::Scope {
        name: name.to_owned(),
        implies: strings(implies),
        ..Default::default()
    };
    let role = |name: &str, scopes: &[&str]| proto::Role {
        name: name.to_owned(),
        scopes: strings(scopes),
        ..Default::default()
    };
    let key_type = |name: &str, prefix: &str, personal: bool| proto::KeyType {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        requires_principal: personal,
        is_default: !personal,
        ..Default::default()
    };
    proto::Policy {
        display_name: "Acme".to_owned(),
        scopes: vec![
            scope("*", &["*"]),
            scope("sites:admin", &["sites:write"]),
            scope("sites:write", &["sites:read"]),
            scope("sites:read", &[]),
            scope("jobs:read", &[]),
            proto::Scope { isolated: true, ..scope("exec:raw", &[]) },
        ],
        roles: vec![role("owner", &["*", "exec:raw"]), role("observer", &["*:read"])],
        key_types: vec![
            key_type("live", "acme_live", false),
            key_type("personal", "acme_me", true),
        ],
        ..Default::default()
    }
}

/// A key that may `sites:read`.
pub(crate) fn reader() -> proto::Key {
    proto::Key {
        display_name: "reader".to_owned(),
        grants: grants(&["sites:read"]),
        ..Default::default()
    }
}

pub(crate) fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The status of a call that must have failed with this code and reason.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    outcome: Result<Response<T>, Status>,
    code: Code,
    reason: &str,
) -> Status {
    let status = outcome.expect_err("the call was to be refused");
    let info =
        status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!((status.code(), info.reason.as_str()), (code, reason), "{status:?}");
    assert_eq!(info.domain, ERROR_DOMAIN);
    status
}

/// The fields that a refused call names as wrong.
#[track_caller]
pub(crate) fn wrong_fields<T: std::fmt::Debug>(
    outcome: Result<Response<T>, Status>,
) -> Vec<String> {
    named_fields(&refused(outcome, Code::InvalidArgument, "INVALID_FIELDS"))
}

/// The fields that a status names.
#[track_caller]
pub(crate) fn named_fields(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

#[track_caller]
pub(crate) fn not_found<T: std::fmt::Debug>(outcome: Result<Response<T>, Status>) {
    refused(outcome, Code::NotFound, "RESOURCE_NOT_FOUND");
}

#[track_caller]
pub(crate) fn scope_missing<T: std::fmt::Debug>(outcome: Result<Response<T>, Status>) {
    refused(outcome, Code::PermissionDenied, "CALLER_SCOPE_MISSING");
}
