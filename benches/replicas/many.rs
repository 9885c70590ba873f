//! Many replicas, each with connections of its own, as tasks of one process.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use keyward::{
    app,
    cache::Coordinator as _,
    clock::{SystemClock, SystemStopwatch},
    config::Settings,
    domain::{
        event::{Deed, Kind},
        ports::{Change, Clock as _, Records, Write},
        replica::{SharedLog, Terms},
        workspace::Workspace,
    },
    replica::{Following, Parts, Replica},
    store::Store,
};
use sea_orm::ConnectionTrait as _;
use tokio::runtime::Handle;

use crate::{cluster::rate, fresh::Fresh, postgres::Server, sample::Sample};

const LEASE: Duration = Duration::from_secs(4);

struct Many {
    replicas: Vec<Arc<Replica>>,
    store: Arc<Store>,
    database: Fresh,
}

impl Many {
    async fn start(server: &Server, count: usize) -> Self {
        let database = Fresh::on(server.url.clone()).await;
        let settings = Settings { database: database.settings(), ..Settings::default() };
        let store = app::open_database(&settings).await.unwrap();
        store.migrate().await.unwrap();
        let store = Arc::new(store);
        let mut replicas = Vec::new();
        for _ in 0..count {
            let log: Arc<dyn SharedLog> = Arc::new(store.log(LEASE / 4).await.unwrap().unwrap());
            let parts = Parts {
                log,
                stopwatch: Arc::new(SystemStopwatch),
                clock: Arc::new(SystemClock),
                id: uuid::Uuid::now_v7().to_string().parse().unwrap(),
            };
            let terms = Terms { lease: LEASE, stale: Duration::ZERO };
            let following = Following { terms, interval: LEASE / 5, doorbell: true };
            let replica = Replica::start(parts, following, &Handle::current());
            replica.until(true).await;
            replicas.push(replica);
        }
        Self { replicas, store, database }
    }

    async fn end(self) {
        for replica in &self.replicas {
            replica.leave().await;
        }
        self.store.close().await;
    }
}

/// Changes one workspace again and again, and waits each time until all know.
pub(crate) async fn changes(
    server: &Server,
    replicas: usize,
    rounds: usize,
    count: usize,
) -> Vec<Sample> {
    let many = Many::start(server, replicas).await;
    let records: Arc<dyn Records> = Arc::clone(&many.store) as _;
    let first = &many.replicas[0];
    let policy = keyward::domain::policy::Policy::default();
    let (name, time) = ("policies/bench".parse().unwrap(), SystemClock.now());
    let write = Write::Policy(name, policy, None);
    let made =
        Change { time, guards: vec![], write, deed: deed(Kind::PolicyCreated), request: None };
    Arc::clone(first).commit_all(Arc::clone(&records), vec![made]).await.unwrap();
    let mut last = None;
    let mut samples = Vec::new();
    for _ in 0..rounds {
        let mut times = Vec::new();
        for _ in 0..count {
            let workspace = Workspace {
                name: "workspaces/bench".parse().unwrap(),
                title: "bench".parse().unwrap(),
                policy: "policies/bench".parse().unwrap(),
                plan: String::new(),
                suspended: false,
            };
            let write = Write::Workspace(workspace, last);
            let (time, deed) = (SystemClock.now(), deed(Kind::WorkspaceUpdated));
            let change = Change { time, guards: vec![], write, deed, request: None };
            let begun = Instant::now();
            let made =
                Arc::clone(first).commit_all(Arc::clone(&records), vec![change]).await.unwrap();
            first.in_force(made, None).await.unwrap();
            times.push(begun.elapsed());
            last = Some(made);
        }
        samples.push(Sample(times));
    }
    many.end().await;
    samples
}

/// How often all renew in a second while nothing changes.
pub(crate) async fn renewals(server: &Server, replicas: usize, time: Duration) -> f64 {
    let many = Many::start(server, replicas).await;
    let connection = many.database.connect().await;
    let count = async || {
        let sql = "SELECT sum(lease_seq)::bigint AS total FROM replicas";
        let row = connection
            .query_one_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql));
        usize::try_from(row.await.unwrap().unwrap().try_get::<i64>("", "total").unwrap()).unwrap()
    };
    let (before, begun) = (count().await, Instant::now());
    tokio::time::sleep(time).await;
    let renewed = rate(count().await - before, begun.elapsed());
    many.end().await;
    renewed
}

fn deed(kind: Kind) -> Deed {
    Deed {
        actor: "bench".to_owned(),
        kind,
        subject: "workspaces/bench".to_owned(),
        workspace: "bench".to_owned(),
        before: String::new(),
        after: String::new(),
        request_id: String::new(),
    }
}
