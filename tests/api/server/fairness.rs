//! Questions do not wait behind changes.

use std::time::Duration;

use keyward::proto::CreateKeyRequest;
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{Server, policy, reader};

/// More changes than the back of the process takes at once.
const CHANGES: usize = 1_500;
/// How many questions are asked beside them.
const QUESTIONS: usize = 500;
/// How long one may take, which is far less than a change waits for the database.
const PATIENCE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn questions_are_answered_while_any_number_of_changes_waits_for_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    let server = Server::start_with(|settings| {
        settings.database.path = path.clone();
        settings.database.busy_timeout_ms = 60_000;
        settings.server.max_concurrent_streams = 1_000;
        settings.server.open_calls_target = 10_000;
        settings.server.admin_wait_ms = 2_000;
    })
    .await;
    let mut root = server.root().await;
    root.create_policy("acme", policy()).await;
    root.create_workspace("acme", "policies/acme").await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;

    // Another program, such as a backup, holds the file.
    let mut options = ConnectOptions::new(format!("sqlite://{}", path.display()));
    options.max_connections(1);
    let other = Database::connect(options).await.unwrap();
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let mut changes = tokio::task::JoinSet::new();
    for connection in 0..2 {
        let busy = server.root().await;
        for _ in (0..CHANGES).filter(|change| change % 2 == connection) {
            let mut busy = busy.clone();
            changes.spawn(async move {
                let request = CreateKeyRequest {
                    parent: "workspaces/acme".to_owned(),
                    key: Some(reader()),
                    ..CreateKeyRequest::default()
                };
                busy.admin.create_key(request).await
            });
        }
    }
    for question in 0..QUESTIONS {
        let asked = root.ask(&secret, &["sites:read"], "");
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        assert!(answer.is_ok_and(|answer| answer.active), "question {question}");
    }
    // Those whose turn does not come soon are told so, long before their deadline.
    let ended = tokio::time::timeout(PATIENCE, changes.join_next()).await.unwrap();
    let refused = ended.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert_eq!(refused.get_details_error_info().unwrap().reason, "TOO_MANY_IN_FLIGHT");
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    while let Some(ended) = changes.try_join_next() {
        assert!(ended.unwrap().is_err(), "no change is made while the file is held");
    }
}
