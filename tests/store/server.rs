//! What only a server can do.

use std::{sync::Arc, time::Duration};

use keyward::{
    domain::{
        event::Revision,
        key::Key,
        ports::{Change, FindKey as _, Guard, Records as _, StoreError, Write},
        secret::{KeyVersion, Keyring, SigningKey},
    },
    store::{BackError, OpenError, PostgresOptions, Store},
};
use sea_orm::{ConnectionTrait as _, Statement};
use tokio::task::JoinSet;

use crate::{
    database::{Database as _, Postgres},
    sample::{
        acme, change, digest, furnish, key, key_name, new_key, new_workspace, principal,
        principal_name, request, rev, revisions, secret, workspace,
    },
};

async fn revision_of(store: &Store, name: &str) -> Revision {
    store.workspace(&workspace(name).name).await.unwrap().unwrap().revision
}

/// Where changes wait for each other, nobody comes to help, and they end as unavailable.
pub(crate) async fn without_help(database: &Postgres) -> Store {
    database.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''1h''', current_database()); END $$").await;
    let options =
        PostgresOptions { statement_timeout: Duration::from_secs(20), ..database.options() };
    let store = Store::connect(&options).await.unwrap();
    store.migrate().await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_servers_use_stays_as_it_is_unless_they_are_gone() {
    let database = Postgres::new().await;
    let store = database.store().await;
    database
        .execute(
            "INSERT INTO replicas VALUES ('a', 1, 0, 1, 1000, 0, ''), ('b', 1, 0, 1, 1000, 0, '')",
        )
        .await;
    let refused = store.migrate_back(None, false).await.unwrap_err();
    assert!(matches!(refused, BackError::InUse { count: 2, .. }), "{refused}");
    assert!(store.schema_fits().await.unwrap());
    assert_eq!(store.migrate_back(None, true).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_rest_on_each_others_subjects_do_not_wait_for_each_other() {
    let database = Postgres::new().await;
    let store = Arc::new(without_help(&database).await);
    furnish(&store).await;
    let names = ["a", "b", "c"];
    for name in names {
        store.commit(new_workspace(name)).await.unwrap();
    }
    let mut made = 0;
    for _ in 0..20 {
        let mut revisions = Vec::new();
        for name in names {
            revisions.push((name, revision_of(&store, name).await));
        }
        let mut tasks = JoinSet::new();
        for (name, revision) in &revisions {
            // The others in both orders, and the subject itself.
            for guards in [revisions.clone(), revisions.iter().rev().copied().collect()] {
                let guards = guards
                    .into_iter()
                    .map(|(name, revision)| (Guard::Workspace(workspace(name).name), revision));
                let write = Write::Workspace(workspace(name), Some(*revision));
                let change = Change { guards: guards.collect(), ..change(write) };
                let store = Arc::clone(&store);
                tasks.spawn(async move { store.commit(change).await });
            }
        }
        let outcomes = tasks.join_all().await;
        assert!(
            outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(StoreError::Conflict))),
            "{outcomes:?}"
        );
        made += outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    }
    assert_eq!(made, 20, "each time the first one alone");
    store.verify_events().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn new_records_and_changes_of_what_they_refer_to_do_not_wait_for_each_other() {
    let database = Postgres::new().await;
    let store = Arc::new(without_help(&database).await);
    furnish(&store).await;
    for round in 0..10 {
        let workspace_revision = revision_of(&store, "acme").await;
        let ann = store.principal(&principal_name()).await.unwrap().unwrap().revision;
        let mut tasks = JoinSet::new();
        let mut begin = |change: Change| {
            let store = Arc::clone(&store);
            tasks.spawn(async move { store.commit(change).await });
        };
        for number in 0..4 {
            let mut owned = key(&format!("k{round}-{number}"));
            owned.principal = Some(principal_name().principal);
            begin(Change { request: Some(request(&format!("r{round}"))), ..new_key(owned) });
        }
        begin(change(Write::Workspace(workspace("acme"), Some(workspace_revision))));
        begin(change(Write::Principal(principal(), Some(ann))));
        let outcomes = tasks.join_all().await;
        let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let refused =
            outcomes.iter().filter(|outcome| matches!(outcome, Err(StoreError::Conflict))).count();
        assert_eq!((made, refused), (3, 3), "{outcomes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_on_one_database_see_each_others_changes_at_once() {
    let database = Postgres::new().await;
    let (one, other) = (database.store().await, database.open().await);
    furnish(&one).await;
    other.commit(new_key(key("a"))).await.unwrap();
    assert_eq!(one.key(&key_name("a")).await.unwrap().unwrap().key.value, key("a"));
    one.commit(change(Write::Workspace(workspace("acme"), rev(2)))).await.unwrap();
    let stale = other.commit(change(Write::Workspace(workspace("acme"), rev(2)))).await;
    assert!(matches!(stale, Err(StoreError::Conflict)));
    let guards = vec![(Guard::Workspace(acme()), Revision(5))];
    other.commit(Change { guards, ..new_key(key("b")) }).await.unwrap();
    assert_eq!(revisions(&one).await, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_migrate_at_once_each_finds_it_done() {
    let database = Postgres::new().await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let options = database.options();
        tasks.spawn(async move {
            let store = Store::connect(&options).await.unwrap();
            store.migrate().await.unwrap();
            store.schema_fits().await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await, [true; 8]);
    furnish(&database.open().await).await;
}

#[tokio::test]
async fn a_database_without_tables_says_what_to_run() {
    let database = Postgres::new().await;
    let store = database.open().await;
    let error = store.check_schema().await.unwrap_err();
    assert!(matches!(error, OpenError::Behind { .. }), "{error:?}");
    assert!(error.may_pass());
    assert!(error.to_string().contains("keyward migrate"), "{error}");
}

#[tokio::test]
async fn the_first_keyring_is_that_of_all() {
    let database = Postgres::new().await;
    let (one, other) = (database.store().await, database.open().await);
    let keyring = |byte| {
        Keyring::new(vec![SigningKey::new(KeyVersion::FIRST, &[byte; 32])], KeyVersion::FIRST)
            .unwrap()
    };
    assert!(other.may_make_keyring().await.unwrap());
    one.check_keyring(&keyring(1)).await.unwrap();
    assert!(!other.may_make_keyring().await.unwrap());
    let error = other.check_keyring(&keyring(2)).await.unwrap_err();
    assert!(matches!(error, OpenError::WrongKeyring { .. }) && !error.may_pass(), "{error:?}");
    other.check_keyring(&keyring(1)).await.unwrap();
}

#[tokio::test]
async fn a_password_is_in_no_error_and_not_in_the_options() {
    let database = Postgres::new().await;
    let password = "canary-of-passwords".to_owned();
    let options = PostgresOptions { password: Some(password.into()), ..database.options() };
    let error = Store::connect(&options).await.err().unwrap();
    assert!(matches!(error, OpenError::Database { .. }) && error.may_pass(), "{error:?}");
    let shown = format!("{error} {error:?} {:?} {options:?}", options.place());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("127.0.0.1"), "{shown}");
}

/// Whether a read of these tables went through all rows, and how often through an index.
async fn scans(database: &Postgres) -> (i64, i64) {
    let connection = database.connect().await;
    let sql = "SELECT sum(seq_scan)::bigint AS every, sum(idx_scan)::bigint AS few \
        FROM pg_stat_user_tables \
        WHERE relname IN ('keys', 'secrets', 'workspaces', 'principals', 'policies')";
    let asked = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(asked).await.unwrap().unwrap();
    connection.close().await.unwrap();
    (row.try_get("", "every").unwrap(), row.try_get("", "few").unwrap())
}

#[tokio::test]
async fn a_look_up_scans_no_table() {
    let database = Postgres::new().await;
    let store = database.store().await;
    furnish(&store).await;
    let owned = Key { principal: Some(principal_name().principal), ..key("a") };
    store.commit(change(Write::Key(owned, None, secret(1)))).await.unwrap();
    store.close().await;
    // Of few rows it would read all, whatever indexes there are.
    database.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database()); END $$").await;
    // What a session did is counted at its end, which comes after the close. A count of its own
    // tells that it came.
    let count = async |look_ups: usize, before: (i64, i64)| {
        let store = database.open().await;
        for _ in 0..look_ups {
            store.find_key(&digest(1)).await.unwrap().unwrap();
        }
        store.close().await;
        let counted = async {
            loop {
                let after = scans(&database).await;
                if after.1 >= before.1 + i64::try_from(5 * look_ups).unwrap() {
                    break after;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), counted).await.unwrap()
    };
    let before = count(1, scans(&database).await).await;
    let after = count(50, before).await;
    assert!(after.0 < before.0 + 50, "{before:?} and then {after:?}");
}
