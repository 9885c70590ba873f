//! A database that is not ready when the program starts.

use std::{process::Command, time::Duration};

use keyward::proto;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::{
    LONG, caller::Caller, failover::until_it_can, fresh::Fresh, metrics::stays_down,
    postgres::Server, process::Deployment, unavailable,
};

/// How often a program is asked whether it has ended.
const INTERVAL: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_schema_says_so_and_serves_once_somebody_migrated() {
    let database = Fresh::new().await;
    let url = database.url();
    let deployment = Deployment::new(&[("database.url", &url), ("log.level", "trace")]);
    let refused = deployment.run(&["bootstrap"]);
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
    assert!(String::from_utf8(refused.stderr).unwrap().contains("keyward migrate"));

    let mut serving = deployment.start(ServingStatus::NotServing).await;
    let mut stranger = Caller::connect(serving.address, "none").await;
    unavailable(stranger.introspect.introspect(proto::IntrospectRequest::default()).await);
    unavailable(stranger.admin.list_workspaces(proto::ListWorkspacesRequest::default()).await);
    let log = deployment.log();
    assert_eq!(log.matches("run `keyward migrate`").count(), 1, "{log}");

    // Several at once, of which one has something to do.
    let said = std::thread::scope(|scope| {
        let migrating: Vec<_> =
            (0..4).map(|_| scope.spawn(|| deployment.run(&["migrate"]))).collect();
        migrating.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    for ran in said {
        assert!(ran.status.success(), "{ran:?}");
        assert!(String::from_utf8(ran.stderr).unwrap().contains("fits this version"));
    }
    let secret = deployment.bootstrap();
    assert!(serving.comes_to(ServingStatus::Serving).await, "{}", deployment.log());
    let mut root = Caller::connect(serving.address, &secret).await;
    root.admin.list_workspaces(proto::ListWorkspacesRequest::default()).await.unwrap();
    let log = deployment.log();
    assert!(log.contains("synchronous_commit=\"on\""), "{log}");
    let (_, password) = url.split_once("keyward:").unwrap();
    let (password, _) = password.split_once('@').unwrap();
    assert!(!log.contains(password), "the password is in the log");
    let verified = deployment.run(&["events", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_database_is_gone_at_the_start_serves_once_it_is_there() {
    let server = Server::start();
    let database = Fresh::on(server.url.clone()).await;
    let deployment = Deployment::new(&[
        ("database.url", &database.url()),
        ("database.migrate_on_start", "true"),
        ("database.connect_timeout_ms", "300"),
        ("database.statement_timeout_ms", "300"),
    ]);
    let secret = deployment.bootstrap();
    server.kill();
    let mut serving = deployment.start(ServingStatus::NotServing).await;
    let mut root = Caller::connect(serving.address, &secret).await;
    unavailable(root.admin.list_workspaces(proto::ListWorkspacesRequest::default()).await);
    stays_down(&serving).await;
    server.start_again();
    assert!(serving.comes_to(ServingStatus::Serving).await, "{}", deployment.log());
    let root = Caller::connect(serving.address, &secret).await;
    // On a busy machine the database may be too slow for these settings at first.
    let all = proto::ListWorkspacesRequest::default();
    until_it_can(async || root.clone().admin.list_workspaces(all.clone()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_waits_for_another_which_migrates_says_so_and_ends_when_told() {
    let database = Fresh::new().await;
    let deployment = Deployment::new(&[
        ("database.url", &database.url()),
        ("database.migrate_on_start", "true"),
        ("log.level", "error"),
    ]);
    let connection = database.connect().await;
    let other = connection.begin().await.unwrap();
    other
        .execute_unprepared("SELECT pg_advisory_xact_lock(x'6b65797761726401'::bigint)")
        .await
        .unwrap();

    let mut told = deployment.start(ServingStatus::NotServing).await;
    let sent = Command::new("kill").arg(told.child.id().to_string()).status().unwrap();
    assert!(sent.success());
    let ended = async {
        let mut interval = tokio::time::interval(INTERVAL);
        while told.child.try_wait().unwrap().is_none() {
            interval.tick().await;
        }
    };
    tokio::time::timeout(LONG, ended).await.unwrap();
    let mut serving = deployment.start(ServingStatus::NotServing).await;
    other.rollback().await.unwrap();
    assert!(serving.comes_to(ServingStatus::Serving).await, "{}", deployment.log());
}
