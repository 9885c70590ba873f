//! Usage on a server, where others hold what is added to, or are at it themselves.

use std::{sync::Arc, time::Duration};

use keyward::{
    domain::{
        ports::Records as _,
        usage::{Calls, KeepUsage as _, NotAdded, Outcome, Outdated, UsageBatch},
    },
    store::{PostgresOptions, Store},
};
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, TransactionTrait as _};

use crate::{
    database::{Database as _, Postgres},
    groups_on_a_server::until_it_waits,
    sample::{acme, at, furnish, new_workspace, revisions},
    usage::{HOUR, batch, calls, last, query, rows, used},
};

/// Longer than a statement takes that waits for nobody, even on a machine that is busy.
const SHORT: Duration = Duration::from_secs(3);

fn one(number: i64) -> UsageBatch {
    batch("one", number, vec![row(0)], vec![])
}

fn row(hour: i64) -> Calls {
    calls("a", hour, Outcome::Allowed, 1)
}

async fn sum(store: &Store) -> Vec<(i64, Outcome, u64)> {
    rows(store, &query("a", 0, 9, keyward::domain::usage::Step::Hour)).await
}

/// Somebody holds what this selects.
async fn hold(database: &Postgres, rows: &str) -> DatabaseTransaction {
    let transaction = database.connect().await.begin().await.unwrap();
    transaction.execute_unprepared(&format!("SELECT 1 FROM {rows}")).await.unwrap();
    transaction
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_not_added_and_what_may_be_added_just_now_is_in_doubt() {
    let database = Postgres::new().await;
    let patient = database.store().await;
    let options = PostgresOptions { statement_timeout: SHORT, ..database.options() };
    let store = Store::connect(&options).await.unwrap();
    patient.add_usage(&one(1)).await.unwrap();
    let held = hold(&database, "usage FOR UPDATE").await;
    let outcome = store.add_usage(&one(2)).await;
    assert!(matches!(outcome, Err(NotAdded::TooMuch(_))), "{outcome:?}");
    held.rollback().await.unwrap();
    // As one that tries the same batch, and may yet add it.
    let held = hold(&database, "usage_batches FOR UPDATE").await;
    let outcome = store.add_usage(&one(2)).await;
    assert!(matches!(outcome, Err(NotAdded::InDoubt(_))), "{outcome:?}");
    held.rollback().await.unwrap();
    patient.add_usage(&one(2)).await.unwrap();
    assert_eq!(sum(&patient).await, [(0, Outcome::Allowed, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_waits_for_usage_that_waits() {
    let database = Postgres::new().await;
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    store.add_usage(&one(1)).await.unwrap();
    let held = hold(&database, "usage FOR UPDATE").await;
    let adding = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.add_usage(&one(2)).await })
    };
    until_it_waits(&database.connect().await).await;
    for name in ["a", "b", "c"] {
        store.commit(new_workspace(name)).await.unwrap();
    }
    assert_eq!(revisions(&store).await.len(), 6);
    assert!(!adding.is_finished());
    held.rollback().await.unwrap();
    adding.await.unwrap().unwrap();
    assert_eq!(sum(&store).await, [(0, Outcome::Allowed, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_wait_for_is_taken_last() {
    let database = Postgres::new().await;
    let store = Arc::new(database.store().await);
    let add = |number| batch("one", number, vec![row(0)], vec![used("a", 1, last(number, ""))]);
    store.add_usage(&add(1)).await.unwrap();
    let held = hold(&database, "usage FOR UPDATE").await;
    let adding = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.add_usage(&add(2)).await })
    };
    let beside = database.connect().await;
    until_it_waits(&beside).await;
    let free = "DELETE FROM last_uses WHERE digest IN \
        (SELECT digest FROM last_uses FOR UPDATE SKIP LOCKED)";
    assert_eq!(beside.execute_unprepared(free).await.unwrap().rows_affected(), 0);
    held.rollback().await.unwrap();
    adding.await.unwrap().unwrap();
    assert_eq!(sum(&store).await, [(0, Outcome::Allowed, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_ask_who_was_most_used_others_are_answered() {
    let database = Postgres::new().await;
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    let held = database.connect().await.begin().await.unwrap();
    held.execute_unprepared("LOCK TABLE usage IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut ranking = futures_util::future::join_all((0..12).map(|_| async {
        let query = query("", 0, 9, keyward::domain::usage::Step::Hour);
        store.most_used(&query, 10, 100).await
    }));
    let other = async {
        until_it_waits(&database.connect().await).await;
        store.workspace(&acme()).await.unwrap()
    };
    // All of them ask before the other does.
    tokio::select! {
        biased;
        _ = &mut ranking => panic!("nobody can be told yet"),
        found = other => assert!(found.is_some()),
    }
    held.rollback().await.unwrap();
    for most_used in ranking.await {
        assert_eq!(most_used.unwrap().keys, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_second_forgets_nothing_and_waits_for_nobody() {
    let database = Postgres::new().await;
    let store = database.store().await;
    store.add_usage(&batch("one", 1, vec![row(0), row(1)], vec![])).await.unwrap();
    let outdated =
        Outdated { now: at(9 * HOUR), retention: Some(Duration::from_secs(3_600)), rows_max: 9 };
    let held = hold(&database, "pg_advisory_xact_lock(7738725088349021186)").await;
    assert!(!store.forget_usage(outdated).await.unwrap());
    assert_eq!(sum(&store).await.len(), 2);
    held.rollback().await.unwrap();
    // A row that somebody adds to just now is left for the next time.
    let held = hold(&database, "usage WHERE hour = 0 FOR UPDATE").await;
    assert!(!store.forget_usage(outdated).await.unwrap());
    assert_eq!(sum(&store).await, [(0, Outcome::Allowed, 1)]);
    held.rollback().await.unwrap();
    assert!(!store.forget_usage(outdated).await.unwrap());
    assert_eq!(sum(&store).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_of_the_servers_forgets_nothing() {
    let database = Postgres::new().await;
    let store = database.store().await;
    let connection = database.connect().await;
    // What was counted in this hour, and in 1970.
    let now = "INSERT INTO usage SELECT 'acme', extract(epoch FROM now())::bigint / 3600 * 3600000000, 'a', 'allowed', 1";
    connection.execute_unprepared(now).await.unwrap();
    store.add_usage(&one(1)).await.unwrap();
    let outdated = Outdated {
        now: at(i64::MAX / 2),
        retention: Some(Duration::from_secs(3_600)),
        rows_max: 9,
    };
    assert!(!store.forget_usage(outdated).await.unwrap());
    let left = connection.execute_unprepared("DELETE FROM usage").await.unwrap();
    assert_eq!(left.rows_affected(), 1);
}
