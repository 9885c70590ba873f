//! Groups of changes on a server, which many processes use, and which may be gone.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use keyward::{
    domain::{
        event::Revision,
        key::Key,
        ports::{Change, Guard, Records as _, StoreError, Write},
    },
    store::{PostgresOptions, Store},
};
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DbBackend, Statement, sqlx::postgres::PgListener,
};
use tokio::task::JoinSet;

use crate::{
    database::{Database as _, Postgres},
    groups::{Fate, begin, fate, hold},
    sample::{change, furnish, key, new_key, new_workspace, revisions, workspace},
    server::without_help,
};

const PATIENT: Duration = Duration::from_secs(30);

async fn number(connection: &DatabaseConnection, sql: &str) -> i64 {
    let asked = Statement::from_string(DbBackend::Postgres, sql);
    connection.query_one_raw(asked).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// Waits until a group waits for whoever holds the counter; gives the process that it has.
pub(crate) async fn until_it_waits(beside: &DatabaseConnection) -> i64 {
    let waiting = "SELECT COALESCE(MAX(pid), 0)::bigint FROM pg_stat_activity \
        WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let waits = async {
        loop {
            match number(beside, waiting).await {
                0 => tokio::task::yield_now().await,
                process => break process,
            }
        }
    };
    tokio::time::timeout(PATIENT, waits).await.unwrap()
}

/// Waits until the last group that waits for whoever holds the counter has begun then: in
/// microseconds by the server's clock, 0 where none waits.
async fn until_waiting_is(beside: &DatabaseConnection, then: impl Fn(i64) -> bool) -> i64 {
    let begun = "SELECT COALESCE(MAX((EXTRACT(EPOCH FROM xact_start) * 1000000)::bigint), 0) \
        FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let waits = async {
        loop {
            match number(beside, begun).await {
                begun if then(begun) => break begun,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENT, waits).await.unwrap()
}

fn named(names: std::ops::Range<usize>) -> impl Iterator<Item = Change> {
    names.map(|number| new_key(key(&format!("k{number}"))))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gathers_while_a_group_is_made_is_one_transaction() {
    let database = Postgres::new().await;
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    let (before, beside) = (store.committed(), database.connect().await);
    let held = hold(&database).await;
    let mut asked = begin(&store, named(0..1));
    until_it_waits(&beside).await;
    asked.extend(begin(&store, named(1..129)));
    asked.extend(begin(&store, [new_workspace("acme")]));
    held.rollback().await.unwrap();
    let outcomes = join_all(asked).await;
    assert!(outcomes[..129].iter().all(Result::is_ok));
    assert_eq!(fate(&outcomes[129]), Fate::Exists);
    let transactions = "SELECT COUNT(DISTINCT xmin::text) FROM events WHERE revision > 3";
    assert_eq!(number(&beside, transactions).await, 2);
    let after = store.committed();
    assert_eq!((after.groups - before.groups, after.changes - before.changes), (2, 129));
}

/// Rules of which the store knows nothing: by its plan a key is refused, or the connection ends.
const RULES: [&str; 3] = [
    "ALTER TABLE keys ADD CONSTRAINT rule CHECK (plan <> 'checked')",
    "CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        IF NEW.plan = 'raised' THEN RAISE EXCEPTION 'refused'; END IF; \
        IF NEW.plan = 'deadly' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; \
        RETURN NEW; END $$",
    "CREATE TRIGGER rule BEFORE INSERT ON keys FOR EACH ROW EXECUTE FUNCTION rule()",
];

fn planned(plan: &str) -> Change {
    new_key(Key { plan: plan.into(), ..key(plan) })
}

/// A store under these rules, on which these changes are made together.
async fn ruled(database: &Postgres, changes: Vec<Change>) -> (Arc<Store>, Vec<Fate>) {
    let store = Arc::new(database.store().await);
    for rule in RULES {
        database.execute(rule).await;
    }
    furnish(&store).await;
    let beside = database.connect().await;
    let held = hold(database).await;
    let mut asked = begin(&store, [new_workspace("first")]);
    until_it_waits(&beside).await;
    asked.extend(begin(&store, changes));
    held.rollback().await.unwrap();
    let fates = join_all(asked).await.iter().map(fate).collect();
    (store, fates)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_for_its_own_reasons_is_refused_alone() {
    let database = Postgres::new().await;
    let mut unreadable = new_key(key("a"));
    unreadable.deed.actor = "\0".into();
    let changes =
        vec![planned("b"), unreadable, planned("checked"), planned("raised"), planned("c")];
    let (store, fates) = ruled(&database, changes).await;
    use Fate::{Made, Unavailable};
    assert_eq!(fates, [Made, Made, Unavailable, Unavailable, Unavailable, Made]);
    assert_eq!(store.verify_events().await.unwrap().count, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_connection_is_lost_while_each_is_made_alone_the_rest_is_not_tried() {
    let database = Postgres::new().await;
    let changes = vec![planned("a"), planned("raised"), planned("deadly"), planned("b")];
    let (store, fates) = ruled(&database, changes).await;
    use Fate::{Made, Unavailable};
    assert_eq!(fates, [Made, Made, Unavailable, Unavailable, Unavailable]);
    assert_eq!(store.verify_events().await.unwrap().count, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_amid_a_group_is_one_of_each_of_it_and_is_not_tried_again() {
    let database = Postgres::new().await;
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    let beside = database.connect().await;
    let held = hold(&database).await;
    let first = begin(&store, named(0..1));
    let alone = until_it_waits(&beside).await;
    let second = begin(&store, named(1..10));
    let kill = |process| format!("SELECT pg_terminate_backend({process})::int::bigint");
    number(&beside, &kill(alone)).await;
    let lost = |outcomes: &[_]| outcomes.iter().all(|outcome| fate(outcome) == Fate::Unavailable);
    assert!(lost(&join_all(first).await));
    let together = until_it_waits(&beside).await;
    let third = begin(&store, named(10..20));
    number(&beside, &kill(together)).await;
    let second = join_all(second).await;
    held.rollback().await.unwrap();
    assert!(lost(&second));
    assert!(join_all(third).await.iter().all(Result::is_ok));
    assert_eq!(revisions(&store).await, (1..=13).collect::<Vec<_>>());
    store.verify_events().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_too_long_is_not_made() {
    let database = Postgres::new().await;
    let patience = Duration::from_secs(5);
    let options = PostgresOptions { acquire_timeout: patience, ..database.options() };
    let store = Arc::new(Store::connect(&options).await.unwrap());
    store.migrate().await.unwrap();
    furnish(&store).await;
    let beside = database.connect().await;
    let held = hold(&database).await;
    let mut asked = begin(&store, named(0..1));
    until_it_waits(&beside).await;
    asked.extend(begin(&store, named(1..3)));
    tokio::time::sleep(patience + Duration::from_millis(1)).await;
    held.rollback().await.unwrap();
    let fates: Vec<Fate> = join_all(asked).await.iter().map(fate).collect();
    assert_eq!(fates, [Fate::Made, Fate::Unavailable, Fate::Unavailable]);
    assert_eq!(revisions(&store).await, [1, 2, 3, 4]);
}

/// A store whose statements end after this time, furnished.
async fn limited(database: &Postgres, statement_timeout: Duration) -> Arc<Store> {
    let options = PostgresOptions { statement_timeout, ..database.options() };
    let store = Arc::new(Store::connect(&options).await.unwrap());
    store.migrate().await.unwrap();
    furnish(&store).await;
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_together_is_made_one_by_one() {
    const COUNT: usize = 60;
    let database = Postgres::new().await;
    let store = limited(&database, Duration::from_secs(3)).await;
    // Half of them take longer than a statement may, and one alone far less.
    for slow in [
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
            $$ BEGIN PERFORM pg_sleep(0.11); RETURN NEW; END $$",
        "CREATE TRIGGER slow BEFORE INSERT ON keys FOR EACH ROW EXECUTE FUNCTION slow()",
    ] {
        database.execute(slow).await;
    }
    let outcomes = join_all(begin(&store, named(0..COUNT))).await;
    assert_eq!(outcomes.iter().map(fate).collect::<Vec<_>>(), [Fate::Made; COUNT]);
    assert_eq!(store.verify_events().await.unwrap().count, 3 + COUNT as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_too_long_for_another_process_is_not_tried_again() {
    let database = Postgres::new().await;
    let store = limited(&database, Duration::from_secs(5)).await;
    let beside = database.connect().await;
    let held = hold(&database).await;
    let first = begin(&store, named(0..1));
    let alone = until_waiting_is(&beside, |begun| begun > 0).await;
    let second = begin(&store, named(1..10));
    assert_eq!(fate(&join_all(first).await[0]), Fate::Unavailable);
    // Whoever gave the first one up may have done so before the server did.
    let together = until_waiting_is(&beside, |begun| begun > alone).await;
    until_waiting_is(&beside, |begun| begun != together).await;
    held.rollback().await.unwrap();
    let fates: Vec<Fate> = join_all(second).await.iter().map(fate).collect();
    assert_eq!(fates, [Fate::Unavailable; 9]);
    assert_eq!(revisions(&store).await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_two_processes_that_rest_on_each_others_subjects_never_stop_each_other() {
    let database = Postgres::new().await;
    let stores = [without_help(&database).await, without_help(&database).await].map(Arc::new);
    let [one, _] = &stores;
    furnish(one).await;
    let names: Vec<String> = (0..6).map(|number| format!("w{number}")).collect();
    for name in &names {
        one.commit(new_workspace(name)).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for (number, store) in stores.iter().cycle().take(24).enumerate() {
        let (store, names) = (Arc::clone(store), names.clone());
        tasks.spawn(async move {
            let mut made = 0;
            for round in 0..25 {
                let place = (number + round) % names.len();
                // Forwards and backwards, so that they cross.
                let step = if number % 2 == 0 { 1 } else { names.len() - 1 };
                let mut revisions = Vec::new();
                for place in [place, (place + step) % names.len(), (place + 2 * step) % names.len()]
                {
                    let name = workspace(&names[place]).name;
                    let now = store.workspace(&name).await.unwrap().unwrap();
                    revisions.push((Guard::Workspace(name), now.revision));
                }
                let expected = revisions.remove(0).1;
                let write = Write::Workspace(workspace(&names[place]), Some(expected));
                match store.commit(Change { guards: revisions, ..change(write) }).await {
                    Ok(_) => made += 1,
                    Err(StoreError::Conflict) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            made
        });
    }
    let made: i64 = tasks.join_all().await.into_iter().sum();
    let all: Vec<i64> = (1..=9 + made).collect();
    assert!(made > 0);
    assert_eq!(revisions(one).await, all);
    one.verify_events().await.unwrap();
    let changes: u64 = stores.iter().map(|store| store.committed().changes).sum();
    assert_eq!(changes, all.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_make_the_same_names_one_makes_each() {
    let database = Postgres::new().await;
    let stores = [database.store().await, database.open().await].map(Arc::new);
    furnish(&stores[0]).await;
    let asked: Vec<_> = (0..200)
        .flat_map(|number| {
            stores.iter().flat_map(move |store| begin(store, named(number..number + 1)))
        })
        .collect();
    let fates: Vec<Fate> = join_all(asked).await.iter().map(fate).collect();
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Made | Fate::Exists)), "{fates:?}");
    assert_eq!(fates.iter().filter(|fate| **fate == Fate::Made).count(), 200);
    assert_eq!(revisions(&stores[0]).await, (1..=203).collect::<Vec<_>>());
    stores[0].verify_events().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_judged_by_what_was_committed_while_it_waited() {
    let database = Postgres::new().await;
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    let beside = database.connect().await;
    let held = hold(&database).await;
    let another = "UPDATE workspaces SET revision = 99 WHERE id = 'acme'";
    held.execute_unprepared(another).await.unwrap();
    let guards = vec![(Guard::Workspace(workspace("acme").name), Revision(2))];
    let asked = begin(&store, [Change { guards, ..new_key(key("a")) }]);
    until_it_waits(&beside).await;
    held.commit().await.unwrap();
    let fates: Vec<Fate> = join_all(asked).await.iter().map(fate).collect();
    assert_eq!(fates, [Fate::Conflict]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doorbell_rings_once_for_a_group_and_says_nothing() {
    let database = Postgres::new().await;
    let store = Arc::new(database.store().await);
    let beside = database.connect().await;
    let mut listener =
        PgListener::connect_with(beside.get_postgres_connection_pool()).await.unwrap();
    listener.listen("keyward").await.unwrap();
    furnish(&store).await;
    assert!(store.commit(new_workspace("acme")).await.is_err());
    store.commit(new_workspace("last")).await.unwrap();
    // Rung by this test, so that it sees when there are no more.
    database.execute("SELECT pg_notify('keyward', 'end')").await;
    let mut rings = Vec::new();
    while rings.last().is_none_or(|ring| ring != "end") {
        let ring = tokio::time::timeout(PATIENT, listener.recv()).await.unwrap().unwrap();
        rings.push(ring.payload().to_owned());
    }
    assert_eq!(rings, ["", "", "", "", "end"]);
    assert_eq!(store.committed().groups, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_has_a_nonce_of_its_own_and_the_counter_that_of_the_last() {
    let database = Postgres::new().await;
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    let held = hold(&database).await;
    let asked = begin(&store, named(0..20));
    held.rollback().await.unwrap();
    assert!(join_all(asked).await.iter().all(Result::is_ok));
    let beside = database.connect().await;
    assert_eq!(number(&beside, "SELECT COUNT(DISTINCT nonce) FROM events").await, 23);
    let last = "SELECT COUNT(*) FROM events JOIN counter USING (revision, nonce)";
    assert_eq!(number(&beside, last).await, 1);
    assert_eq!(store.commit(new_workspace("next")).await.unwrap(), Revision(24));
}
