//! Many changes at the same time.

use std::{sync::Arc, time::Duration};

use keyward::domain::ports::{Change, Records as _, StoreError, Write};
use keyward::store::Store;

use crate::{
    database::Database,
    sample::{acme, change, furnish, new_workspace, request, rev, revisions, workspace},
};

/// Makes all changes at once; gives the outcomes.
async fn commit_all(
    store: &Arc<Store>,
    changes: impl Iterator<Item = Change>,
) -> Vec<Result<i64, StoreError>> {
    let mut tasks = tokio::task::JoinSet::new();
    for change in changes {
        let store = Arc::clone(store);
        tasks.spawn(async move { store.commit(change).await.map(|revision| revision.0) });
    }
    tasks.join_all().await
}

fn check_one(outcomes: &[Result<i64, StoreError>]) {
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(StoreError::Conflict))));
}

pub(crate) async fn revisions_have_no_gaps(database: &impl Database) {
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    // Every other one is refused, and takes no number.
    let changes = (0..100).map(|number| new_workspace(&format!("w{}", number / 2)));
    let outcomes = commit_all(&store, changes).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(StoreError::Exists))));
    let mut made: Vec<_> = outcomes.into_iter().flatten().collect();
    made.sort();
    assert_eq!(made, (4..=53).collect::<Vec<_>>());
    assert_eq!(revisions(&store).await, (1..=53).collect::<Vec<_>>());
    assert_eq!(store.verify_events().await.unwrap().count, 53);
    for number in 0..50 {
        let name = workspace(&format!("w{number}")).name;
        assert!(made.contains(&store.workspace(&name).await.unwrap().unwrap().revision.0));
    }
}

pub(crate) async fn a_request_is_done_once(database: &impl Database) {
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    let asked =
        |number| Change { request: Some(request("r")), ..new_workspace(&format!("w{number}")) };
    check_one(&commit_all(&store, (0..100).map(asked)).await);
    assert_eq!(revisions(&store).await, [1, 2, 3, 4]);
}

pub(crate) async fn one_of_many_changes_of_a_revision_is_made(database: &impl Database) {
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    let changes = (0..30).map(|_| change(Write::Workspace(workspace("acme"), rev(2))));
    check_one(&commit_all(&store, changes).await);
    assert_eq!(store.workspace(&acme()).await.unwrap().unwrap().revision.0, 4);
}

pub(crate) async fn a_change_is_made_although_nobody_waits_for_it(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    for number in 0..20 {
        // Polled once and dropped.
        let commit = store.commit(new_workspace(&format!("w{number}")));
        _ = tokio::time::timeout(Duration::ZERO, commit).await;
    }
    let all_made = async {
        while revisions(&store).await.len() < 23 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_made).await.unwrap();
    assert_eq!(store.verify_events().await.unwrap().count, 23);
}
