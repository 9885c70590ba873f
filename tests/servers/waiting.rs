//! A database that is not ready when the program starts.

use keyward::proto;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::{caller::Caller, fresh::Fresh, postgres::Server, process::Deployment, unavailable};

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
    server.start_again();
    assert!(serving.comes_to(ServingStatus::Serving).await, "{}", deployment.log());
    let mut root = Caller::connect(serving.address, &secret).await;
    root.admin.list_workspaces(proto::ListWorkspacesRequest::default()).await.unwrap();
}
