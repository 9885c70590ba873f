//! Three replicas on one database, each behind a proxy of its own.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, QueryResult, Statement};
use tonic::transport::Endpoint;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::{
    caller::Caller,
    metrics_reader,
    pace::Pace,
    postgres::{Server, keeper::Keeper},
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

/// How long a change is tried before it counts as never done.
const TRIED_FOR: Duration = Duration::from_secs(120);
/// What the server does, and what for.
const ACTIVITY: &str = "SELECT coalesce(string_agg(concat_ws(' ', pid, state, wait_event_type, wait_event, \
    now() - xact_start, left(query, 80)), '; '), '') FROM pg_stat_activity WHERE state <> 'idle'";

/// What a test runs on. Ends with the value, the replicas first.
pub(crate) struct Cluster {
    replicas: [Mutex<Replica>; REPLICAS],
    pub(crate) proxies: Vec<Proxy>,
    deployment: Deployment,
    root_secret: String,
    server: Mutex<Arc<Server>>,
    /// Variables of the programs beside their settings.
    variables: Vec<(String, String)>,
    /// And those of each.
    own: [Vec<(String, String)>; REPLICAS],
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
        Self::start_with(pace, &[], Default::default()).await
    }

    /// With these settings beside those of all, and each replica with those of its own.
    pub(crate) async fn start_with(
        pace: &Pace,
        more: &[(&str, &str)],
        own: [Vec<(String, String)>; REPLICAS],
    ) -> Self {
        let keeper = Keeper::start();
        let server = Server::start();
        let mut proxies = Vec::new();
        for _ in 0..REPLICAS {
            proxies.push(Proxy::start(server.address()).await);
        }
        let url = proxies[0].through(&server.url);
        let [statement_timeout, lease, poll_interval] =
            [pace.statement_timeout_ms, pace.lease_ms, pace.lease_ms / 5].map(|it| it.to_string());
        let settings = [
            ("log.level", "warn"),
            ("database.url", &*url),
            ("database.migrate_on_start", "true"),
            ("database.connect_timeout_ms", "2000"),
            ("database.acquire_timeout_ms", "1000"),
            ("database.statement_timeout_ms", &statement_timeout),
            ("server.drain_timeout_ms", "5000"),
            ("replicas.lease_ms", &lease),
            ("replicas.poll_interval_ms", &poll_interval),
        ];
        let deployment = Deployment::new(&[&settings[..], more].concat());
        let root_secret = deployment.bootstrap();
        let server = Mutex::new(Arc::new(server));
        let variables = std::env::var(MUTANT).map(|mutant| (MUTANT.to_owned(), mutant));
        let variables = variables.into_iter().collect();
        let replicas = Default::default();
        let cluster =
            Self { replicas, proxies, deployment, root_secret, server, variables, own, keeper };
        for replica in 0..REPLICAS {
            cluster.serve(replica).await;
        }
        cluster
    }

    /// Starts a program in this place.
    pub(crate) async fn serve(&self, replica: usize) {
        let url = self.proxies[replica].through(&self.server().url);
        let mut variables = [&self.variables[..], &self.own[replica]].concat();
        variables.push((variable("database.url"), url));
        let serving = self.deployment.start_with(ServingStatus::Serving, &variables).await;
        // Unless its number is another's by then.
        let process = serving.child.id();
        self.keeper.does(&format!(
            "case $(cat /proc/{process}/comm 2>/dev/null) in keyward*) kill -KILL {process};; esac"
        ));
        let endpoint = Endpoint::from_shared(format!("http://{}", serving.address)).unwrap();
        let channel = endpoint.connect_timeout(CONNECT_TIMEOUT).connect_lazy();
        let caller = Some(Caller::on(channel, &self.root_secret));
        *self.replicas[replica].lock().unwrap() = Replica { serving: Some(serving), caller };
    }

    /// The server that all use.
    pub(crate) fn server(&self) -> Arc<Server> {
        Arc::clone(&self.server.lock().unwrap())
    }

    /// One that follows the server that all use, and is waited for at every commit.
    pub(crate) async fn standby(&self) -> Server {
        let standby = tokio::task::block_in_place(|| {
            let standby = self.server().standby();
            self.server().set("synchronous_standby_names", &format!("\"{}\"", standby.name()));
            standby
        });
        let database = self.database().await;
        let sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        let begun = Instant::now();
        let mut interval = tokio::time::interval(Duration::from_millis(20));
        while database.number(sql, Vec::new()).await == 0 {
            assert!(begun.elapsed() < ENDED_WITHIN, "the standby does not follow");
            interval.tick().await;
        }
        standby
    }

    /// The server that all use ends as in a crash, and this one takes its place.
    pub(crate) fn fail_over(&self, standby: Server) {
        tokio::task::block_in_place(|| {
            self.server().kill();
            standby.promote();
            // Nobody follows this one yet.
            standby.set("synchronous_standby_names", "");
        });
        for proxy in &self.proxies {
            proxy.point_at(standby.address());
            proxy.reset();
        }
        *self.server.lock().unwrap() = Arc::new(standby);
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

    /// The number of the process in this place, and where it tells how it is; None while there
    /// is none.
    pub(crate) fn running(&self, replica: usize) -> Option<(u32, SocketAddr)> {
        let replica = self.replicas[replica].lock().unwrap();
        replica.serving.as_ref().map(|serving| (serving.id(), serving.metrics))
    }

    /// How often somebody waited for a look-up that another had begun there.
    pub(crate) fn joined(&self, replica: usize) -> u64 {
        let address = self.replicas[replica].lock().unwrap().serving.as_ref().unwrap().metrics;
        let told = tokio::task::block_in_place(|| metrics_reader::status(address));
        told["cache"]["joins"].as_u64().unwrap()
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
        let mut options = ConnectOptions::new(&self.server().url);
        options.max_connections(1).sqlx_logging(false);
        Database(sea_orm::Database::connect(options).await.unwrap())
    }

    /// Fails where something is tried for too long since then, and says what the server does.
    pub(crate) async fn still_tries(&self, begun: Instant, what: impl FnOnce() -> String) {
        if begun.elapsed() < TRIED_FOR {
            return;
        }
        let mut options = ConnectOptions::new(&self.server().url);
        options.max_connections(1).acquire_timeout(ENDED_WITHIN).sqlx_logging(false);
        let activity = async {
            let database = sea_orm::Database::connect(options).await?;
            let statement = Statement::from_string(database.get_database_backend(), ACTIVITY);
            let row = database.query_one_raw(statement).await?;
            row.map(|row| row.try_get_by_index::<String>(0)).transpose()
        };
        let activity = tokio::time::timeout(ENDED_WITHIN, activity).await;
        panic!("{}; the server: {activity:?}; the programs: {}", what(), self.log());
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

    /// The numbers and texts that a query yields.
    pub(crate) async fn pairs(&self, sql: &str) -> Vec<(i64, String)> {
        let statement = Statement::from_string(self.0.get_database_backend(), sql);
        let rows = self.0.query_all_raw(statement).await.unwrap();
        let pair = |row: &QueryResult| {
            (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())
        };
        rows.iter().map(pair).collect()
    }
}
