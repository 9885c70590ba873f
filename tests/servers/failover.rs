//! A standby takes the place of the database: one that has every change which was acknowledged,
//! and one that lacks some.

use std::time::Duration;

use keyward::{
    config::Settings,
    domain::ports::{Page, Records as _, StoreError},
    proto,
    store::Store,
};
use tonic::{Code, Status};

use crate::{
    LONG,
    caller::Caller,
    fresh::Fresh,
    policy,
    postgres::Server,
    process::{Deployment, Serving},
    proxy::Proxy,
    waits::{ask, creation, revocation},
};

const INTERVAL: Duration = Duration::from_millis(20);
/// How long a database is waited for that is there, on a machine that is busy.
const PATIENCE_MS: &str = "60000";

struct Pair {
    roots: [Caller; 2],
    _servings: [Serving; 2],
    proxy: Proxy,
    deployment: Deployment,
    // Not dropped by name: its server is gone by then.
    _database: std::mem::ManuallyDrop<Fresh>,
}

/// Two programs on a database that they reach through a proxy.
async fn pair(primary: &Server) -> Pair {
    let database = std::mem::ManuallyDrop::new(Fresh::on(primary.url.clone()).await);
    let proxy = Proxy::start(primary.address()).await;
    let url = proxy.through(&database.url());
    let deployment = Deployment::new(&[
        ("database.url", &url),
        ("database.migrate_on_start", "true"),
        ("database.acquire_timeout_ms", "3000"),
        ("replicas.lease_ms", "4000"),
        ("log.level", "warn"),
    ]);
    let secret = deployment.bootstrap();
    let servings = [deployment.serve().await, deployment.serve().await];
    let roots = [
        Caller::connect(servings[0].address, &secret).await,
        Caller::connect(servings[1].address, &secret).await,
    ];
    furnish(&roots[0]).await;
    Pair { roots, _servings: servings, proxy, deployment, _database: database }
}

/// Makes a policy and a workspace, both `web`, as soon as it can.
async fn furnish(root: &Caller) {
    let request = proto::CreatePolicyRequest {
        policy_id: "web".to_owned(),
        policy: Some(policy()),
        request_id: format!("{ID}8"),
        ..Default::default()
    };
    until_it_can(async || root.clone().admin.create_policy(request.clone()).await).await;
    let workspace = proto::Workspace { policy: "policies/web".to_owned(), ..Default::default() };
    let request = proto::CreateWorkspaceRequest {
        workspace_id: "web".to_owned(),
        workspace: Some(workspace),
        request_id: format!("{ID}9"),
        ..Default::default()
    };
    until_it_can(async || root.clone().admin.create_workspace(request.clone()).await).await;
}

/// Makes a key as soon as it can; its identifier and its secret. Another one each time that it is
/// asked for: a secret is told once, also where the answer is lost.
async fn create(root: &Caller) -> (String, String) {
    let create = async || {
        let id = format!("k{}", uuid::Uuid::new_v4());
        let made = root.clone().admin.create_key(creation(&id)).await;
        made.map(|made| (id, made.into_inner().secret))
    };
    until_it_can(create).await
}

impl Pair {
    /// The answer of each about a secret, once it gives one.
    async fn answers(&mut self, secret: &str) -> [proto::DenyReason; 2] {
        let mut answers = Vec::new();
        for root in &mut self.roots {
            let answer = until_it_can(async || ask(&mut root.clone(), secret).await).await;
            answers.push(answer.reason());
        }
        answers.try_into().unwrap()
    }

    /// Each asks about a key and revokes one, with what it was told meanwhile: as a caller does,
    /// again and again.
    async fn revoke(&mut self, place: usize, id: &str, request_id: &str) -> i64 {
        let root = &self.roots[place];
        let revoke = async || {
            let mut root = root.clone();
            root.admin.revoke_key(revocation(id, request_id)).await.map(tonic::Response::into_inner)
        };
        until_it_can(revoke).await.revision
    }

    /// The standby takes over.
    fn fail_over(&self, primary: &Server, standby: &Server) {
        primary.kill();
        standby.promote();
        self.proxy.point_at(standby.address());
        self.proxy.reset();
    }
}

/// Asks until it is not unavailable.
pub(crate) async fn until_it_can<T>(ask: impl AsyncFn() -> Result<T, Status>) -> T {
    let asking = async {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            match ask().await {
                Ok(answer) => break answer,
                Err(status) => assert!(
                    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded),
                    "{status:?}"
                ),
            }
        }
    };
    tokio::time::timeout(LONG, asking).await.unwrap()
}

/// Waits until the standby follows, and is waited for where it is synchronous.
async fn follows(primary: &Server, state: &str) {
    use sea_orm::ConnectionTrait as _;
    let connection = sea_orm::Database::connect(&primary.url).await.unwrap();
    let sql = format!("SELECT 1 FROM pg_stat_replication WHERE sync_state = '{state}'");
    let waiting = async {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, &*sql);
            if connection.query_one_raw(statement).await.unwrap().is_some() {
                break;
            }
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

/// Waits until nothing follows any more.
async fn follows_no_more(primary: &Server) {
    use sea_orm::ConnectionTrait as _;
    let connection = sea_orm::Database::connect(&primary.url).await.unwrap();
    let waiting = async {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            let statement = sea_orm::Statement::from_string(
                sea_orm::DbBackend::Postgres,
                "SELECT 1 FROM pg_stat_replication",
            );
            if connection.query_one_raw(statement).await.unwrap().is_none() {
                break;
            }
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

const ID: &str = "01990e0c-7b6f-7000-8000-00000000000";

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_has_every_change_that_was_acknowledged() {
    let primary = Server::start();
    let standby = primary.standby();
    primary.set("synchronous_standby_names", &format!("\"{}\"", standby.name()));
    follows(&primary, "sync").await;
    let mut pair = pair(&primary).await;
    let (first, one) = create(&pair.roots[0]).await;
    let (second, two) = create(&pair.roots[1]).await;
    for secret in [&one, &two] {
        assert_eq!(pair.answers(secret).await, [proto::DenyReason::Unspecified; 2]);
    }
    let revoked = pair.revoke(0, &first, &format!("{ID}1")).await;
    pair.fail_over(&primary, &standby);
    assert_eq!(pair.answers(&one).await, [proto::DenyReason::Revoked; 2]);
    assert_eq!(pair.answers(&two).await, [proto::DenyReason::Unspecified; 2]);
    assert_eq!(pair.revoke(1, &first, &format!("{ID}2")).await, revoked);
    let later = pair.revoke(1, &second, &format!("{ID}3")).await;
    assert_eq!(later, revoked + 1);
    assert_eq!(pair.answers(&two).await, [proto::DenyReason::Revoked; 2]);
    let log = pair.deployment.log();
    assert!(!log.contains("the database has lost changes"), "{log}");
    assert!(!log.contains("a fail-over may lose changes"), "{log}");
}

/// What was lost is lost. But nobody answers from it: all say what the database says, and a
/// revision that is given a second time is not taken for the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_standby_lacks_changes_and_every_replica_forgets_them() {
    let primary = Server::start();
    let standby = primary.standby();
    follows(&primary, "async").await;
    let mut pair = pair(&primary).await;
    assert!(pair.deployment.log().contains("a fail-over may lose changes"));
    let (first, one) = create(&pair.roots[0]).await;
    let (second, two) = create(&pair.roots[1]).await;
    for secret in [&one, &two] {
        assert_eq!(pair.answers(secret).await, [proto::DenyReason::Unspecified; 2]);
    }
    standby.set("primary_conninfo", "");
    follows_no_more(&primary).await;
    let lost = pair.revoke(0, &first, &format!("{ID}1")).await;
    assert_eq!(pair.answers(&one).await, [proto::DenyReason::Revoked; 2]);
    pair.fail_over(&primary, &standby);
    let begun_anew = async {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            if pair.deployment.log().matches("the database has lost changes").count() >= 2 {
                break;
            }
        }
    };
    tokio::time::timeout(LONG, begun_anew).await.unwrap();
    assert_eq!(pair.answers(&one).await, [proto::DenyReason::Unspecified; 2]);
    let again = pair.revoke(1, &second, &format!("{ID}2")).await;
    assert_eq!(again, lost, "the number is given again");
    assert_eq!(pair.answers(&one).await, [proto::DenyReason::Unspecified; 2]);
    assert_eq!(pair.answers(&two).await, [proto::DenyReason::Revoked; 2]);
    pair.revoke(0, &first, &format!("{ID}3")).await;
    assert_eq!(pair.answers(&one).await, [proto::DenyReason::Revoked; 2]);
    assert!(pair.deployment.run(&["events", "verify"]).status.success());
}

/// A store at this address, that waits so long for a connection.
async fn store(url: &str, acquire_timeout_ms: &str) -> Store {
    let variables = [
        ("URL", url),
        ("CONNECT_TIMEOUT_MS", PATIENCE_MS),
        ("ACQUIRE_TIMEOUT_MS", acquire_timeout_ms),
        ("STATEMENT_TIMEOUT_MS", PATIENCE_MS),
    ];
    let variables =
        variables.map(|(name, value)| (format!("KEYWARD__DATABASE__{name}"), value.to_owned()));
    let settings = Settings::load(None, variables.into_iter()).unwrap();
    keyward::app::open_database(&settings).await.unwrap()
}

/// Waits until the last table that is made is there.
async fn has_tables(url: &str) {
    use sea_orm::ConnectionTrait as _;
    let waiting = async {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            let Ok(connection) = sea_orm::Database::connect(url).await else { continue };
            let asked = connection.execute_unprepared("SELECT 1 FROM replicas").await;
            connection.close().await.unwrap();
            if asked.is_ok() {
                break;
            }
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

/// It may show less than a replica has acknowledged, which would take that for the newest.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_from_a_standby_until_it_is_promoted() {
    let primary = Server::start();
    let standby = primary.standby();
    follows(&primary, "async").await;
    // Not dropped by name: its server is gone by then.
    let database = std::mem::ManuallyDrop::new(Fresh::on(primary.url.clone()).await);
    let writer = store(&database.url(), PATIENCE_MS).await;
    writer.migrate().await.unwrap();
    let page = Page { after: None, size: 1 };
    assert_eq!(writer.workspaces(&page).await.unwrap(), []);
    let address = [&primary, &standby].map(|server| server.address().to_string());
    let url = database.url().replace(&address[0], &address[1]);
    has_tables(&url).await;
    let reader = store(&url, "500").await;
    let outcome = reader.workspaces(&page).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    primary.kill();
    standby.promote();
    let asking = async {
        while reader.workspaces(&page).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, asking).await.unwrap();
}
