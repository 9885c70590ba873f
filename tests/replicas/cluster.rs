//! Three replicas on one database, each behind a proxy of its own.

use std::{
    net::SocketAddr,
    process::Command,
    sync::Mutex,
    time::{Duration, Instant},
};

use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, Statement};
use tonic::transport::Endpoint;
use tonic_health::pb::health_check_response::ServingStatus;
use url::Url;

use crate::{
    caller::Caller,
    keeper::Keeper,
    pace::Pace,
    postgres::Server,
    process::{Deployment, Serving, variable},
    proxy::Proxy,
};

pub(crate) const REPLICAS: usize = 3;
/// Selects a mistake in a program that was built with them.
const MUTANT: &str = "KEYWARD_MUTANT";
/// How long a connection to a replica may take to begin.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// More than a program takes to end once it is told to, on a machine that is busy.
const ENDED_WITHIN: Duration = Duration::from_secs(40);

/// What a test runs on. Ends with the value, the replicas first.
pub(crate) struct Cluster {
    replicas: [Mutex<Replica>; REPLICAS],
    pub(crate) proxies: Vec<Proxy>,
    deployment: Deployment,
    root_secret: String,
    pub(crate) server: Server,
    /// Variables of the programs beside their settings.
    variables: Vec<(String, String)>,
    keeper: Keeper,
}

#[derive(Default)]
struct Replica {
    serving: Option<Serving>,
    /// None: nobody is to call it.
    caller: Option<Caller>,
}

impl Cluster {
    pub(crate) async fn start(pace: &Pace) -> Self {
        let keeper = Keeper::start();
        let server = Server::start();
        keeper.stops(server.directory.path());
        let [statement_timeout, lease, poll_interval] =
            [pace.statement_timeout_ms, pace.lease_ms, pace.lease_ms / 5].map(|it| it.to_string());
        let settings = [
            ("log.level", "warn"),
            ("database.url", &*server.url),
            ("database.migrate_on_start", "true"),
            ("database.connect_timeout_ms", "2000"),
            ("database.acquire_timeout_ms", "1000"),
            ("database.statement_timeout_ms", &statement_timeout),
            ("server.drain_timeout_ms", "5000"),
            ("replicas.lease_ms", &lease),
            ("replicas.poll_interval_ms", &poll_interval),
        ];
        let deployment = Deployment::new(&settings);
        let root_secret = deployment.bootstrap();
        let mut proxies = Vec::new();
        for _ in 0..REPLICAS {
            proxies.push(Proxy::start(address(&server.url)).await);
        }
        let variables = std::env::var(MUTANT).map(|mutant| (MUTANT.to_owned(), mutant));
        let variables = variables.into_iter().collect();
        let replicas = Default::default();
        let cluster =
            Self { replicas, proxies, deployment, root_secret, server, variables, keeper };
        for replica in 0..REPLICAS {
            cluster.serve(replica).await;
        }
        cluster
    }

    /// Starts a program in this place.
    pub(crate) async fn serve(&self, replica: usize) {
        let mut url: Url = self.server.url.parse().unwrap();
        url.set_port(Some(self.proxies[replica].address.port())).unwrap();
        let mut variables = self.variables.clone();
        variables.push((variable("database.url"), url.into()));
        let serving = self.deployment.start_with(ServingStatus::Serving, &variables).await;
        self.keeper.kills(serving.child.id());
        let endpoint = Endpoint::from_shared(format!("http://{}", serving.address)).unwrap();
        let channel = endpoint.connect_timeout(CONNECT_TIMEOUT).connect_lazy();
        let caller = Some(Caller::on(channel, &self.root_secret));
        *self.replicas[replica].lock().unwrap() = Replica { serving: Some(serving), caller };
    }

    /// Who calls this replica; None while nobody is to.
    pub(crate) fn caller(&self, replica: usize) -> Option<Caller> {
        self.replicas[replica].lock().unwrap().caller.clone()
    }

    /// Nobody is to call this replica any more.
    pub(crate) fn leave(&self, replica: usize) {
        self.replicas[replica].lock().unwrap().caller = None;
    }

    /// Ends a program without a word before: SIGKILL.
    pub(crate) fn kill(&self, replica: usize) {
        let serving = self.replicas[replica].lock().unwrap().serving.take();
        serving.unwrap().kill();
        self.leave(replica);
    }

    /// The number of the process in this place.
    pub(crate) fn process(&self, replica: usize) -> u32 {
        self.replicas[replica].lock().unwrap().serving.as_ref().unwrap().child.id()
    }

    /// Sends the process a signal: `TERM`, `STOP` or `CONT`.
    pub(crate) fn signal(&self, replica: usize, signal: &str) {
        let process = self.process(replica).to_string();
        let sent = Command::new("kill").args(["-s", signal, &process]).status().unwrap();
        assert!(sent.success(), "kill -s {signal} {process}");
    }

    /// Whether the process is stopped.
    pub(crate) fn is_stopped(&self, replica: usize) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process(replica)));
        // After the name, which is in parentheses.
        stat.unwrap().rsplit_once(") ").unwrap().1.starts_with('T')
    }

    /// Waits until the process has ended by itself.
    pub(crate) async fn ended(&self, replica: usize) {
        let begun = Instant::now();
        let mut serving = self.replicas[replica].lock().unwrap().serving.take().unwrap();
        let mut interval = tokio::time::interval(Duration::from_millis(10));
        while serving.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < ENDED_WITHIN, "it was told to end and does not");
            interval.tick().await;
        }
    }

    /// A connection to the database, by no proxy.
    pub(crate) async fn database(&self) -> Database {
        let mut options = ConnectOptions::new(&self.server.url);
        options.max_connections(1).sqlx_logging(false);
        Database(sea_orm::Database::connect(options).await.unwrap())
    }

    /// What the programs wrote.
    pub(crate) fn log(&self) -> String {
        self.deployment.log()
    }

    /// What `keyward events verify` says.
    pub(crate) fn verify(&self) -> std::process::Output {
        self.deployment.run(&["events", "verify"])
    }
}

/// A connection to the database, by no proxy.
pub(crate) struct Database(DatabaseConnection);

impl Database {
    /// The one number that a query yields.
    pub(crate) async fn number(&self, sql: &str, values: Vec<sea_orm::Value>) -> i64 {
        let backend = self.0.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let row = self.0.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }
}

/// Where the server of this address is.
fn address(url: &str) -> SocketAddr {
    let url: Url = url.parse().unwrap();
    SocketAddr::new(url.host_str().unwrap().parse().unwrap(), url.port().unwrap())
}
