//! The stores, and what runs on them.

use std::{net::SocketAddr, time::Duration};

use keyward::config::Settings;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use tonic::transport::Endpoint;

use crate::{
    postgres,
    process::{Deployment, Serving},
    support::{Caller, Server, fresh::Fresh, policy},
};

/// How many programs run on one database of PostgreSQL; on a file, one does.
const REPLICAS: usize = 3;
/// More than anything takes, even on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(20);
/// How long a database is waited for, which is busy with what other tests do.
const PATIENCE_MS: u64 = 60_000;
const PATIENCE: &str = "60000";
/// So long that a program on a busy machine does not lose it.
pub(crate) const LEASE_MS: &str = "20000";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
}

impl Store {
    /// A server in this process.
    pub(crate) async fn server(self) -> Server {
        self.server_with(|_| {}).await
    }

    pub(crate) async fn server_with(self, change: impl FnOnce(&mut Settings)) -> Server {
        let change = |settings: &mut Settings| {
            settings.database.connect_timeout_ms = PATIENCE_MS;
            settings.database.acquire_timeout_ms = PATIENCE_MS;
            settings.database.statement_timeout_ms = PATIENCE_MS;
            change(settings);
        };
        Server::start_on(self == Self::Postgres, change).await
    }

    /// The same with the policy `acme` and the workspaces `acme` and `other` under it.
    pub(crate) async fn with_workspaces(self) -> (Server, Caller) {
        let server = self.server().await;
        let mut root = server.root().await;
        furnish(&mut root).await;
        (server, root)
    }
}

/// Makes the policy `acme` and the workspaces `acme` and `other` under it.
pub(crate) async fn furnish(root: &mut Caller) {
    root.create_policy("acme", policy()).await;
    root.create_workspace("acme", "policies/acme").await;
    root.create_workspace("other", "policies/acme").await;
}

/// Programs on one database: three of them on PostgreSQL, one on a file.
pub(crate) struct Replicas {
    pub(crate) servings: Vec<Serving>,
    pub(crate) deployment: Deployment,
    /// The secret of a caller that may do everything.
    pub(crate) root_secret: String,
    /// Gone after the programs were.
    pub(crate) database: Option<Fresh>,
}

impl Replicas {
    pub(crate) async fn start(store: Store) -> Self {
        Self::start_with(store, &[]).await
    }

    /// With these settings, and the policy `acme` and its workspaces.
    pub(crate) async fn start_with(store: Store, settings: &[(&str, &str)]) -> Self {
        let database = match store {
            Store::Sqlite => None,
            Store::Postgres => Some(Fresh::new().await),
        };
        let url = database.as_ref().map(Fresh::url);
        let mut all = vec![("log.level", "warn")];
        if let Some(url) = &url {
            all.extend([
                ("database.url", url.as_str()),
                ("database.migrate_on_start", "true"),
                ("database.connect_timeout_ms", PATIENCE),
                ("database.acquire_timeout_ms", PATIENCE),
                ("database.statement_timeout_ms", PATIENCE),
                ("replicas.lease_ms", LEASE_MS),
            ]);
        }
        all.extend_from_slice(settings);
        let deployment = Deployment::new(&all);
        let root_secret = deployment.bootstrap();
        let mut servings = Vec::new();
        for _ in 0..if database.is_some() { REPLICAS } else { 1 } {
            servings.push(deployment.serve().await);
        }
        let replicas = Self { servings, deployment, root_secret, database };
        furnish(&mut replicas.caller(0, &replicas.root_secret).await).await;
        replicas
    }

    pub(crate) fn count(&self) -> usize {
        self.servings.len()
    }

    /// Whoever sends this secret to that replica, over a connection of its own.
    pub(crate) async fn caller(&self, replica: usize, secret: &str) -> Caller {
        caller_at(self.servings[replica].address, secret).await
    }

    /// The caller that may do everything, at each replica.
    pub(crate) async fn roots(&self) -> Vec<Caller> {
        let mut roots = Vec::new();
        for replica in 0..self.count() {
            roots.push(self.caller(replica, &self.root_secret).await);
        }
        roots
    }
}

/// Whoever sends this secret to that address.
pub(crate) async fn caller_at(address: SocketAddr, secret: &str) -> Caller {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    Caller::on(endpoint.connect().await.unwrap(), Some(secret))
}

/// A server of PostgreSQL that logs every statement, with what is bound to it, before it runs.
pub(crate) struct Logged {
    pub(crate) server: postgres::Server,
}

impl Logged {
    pub(crate) async fn start() -> Self {
        let server = postgres::Server::start();
        server.set("log_statement", "all");
        let logged = Self { server };
        // It is read again in its own time.
        let waiting = async {
            let fresh = Fresh::on(logged.server.url.clone()).await;
            let mut interval = tokio::time::interval(INTERVAL);
            while texts(&fresh, "SHOW log_statement").await != ["all"] {
                interval.tick().await;
            }
        };
        tokio::time::timeout(LONG, waiting).await.unwrap();
        logged
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        let path = self.server.directory.path().join("data/log");
        String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
    }
}

/// The texts that a query of PostgreSQL yields in its first column.
pub(crate) async fn texts(fresh: &Fresh, sql: &str) -> Vec<String> {
    let connection = fresh.connect().await;
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect()
}
