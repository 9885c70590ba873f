//! What replicas share, on a server: each statement as the protocol needs it.

use std::time::{Duration, Instant};

use keyward::{
    domain::{
        event::Revision,
        ports::{Records as _, StoreError, Write},
        replica::{Durability, Member, Position, Renewal, Row, SharedLog as _, Tail, Terms},
    },
    store::{Log, Store},
};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tokio::time::timeout;

use crate::{
    database::{Database as _, Postgres},
    sample::{change, furnish, id, new_workspace, policy_name, workspace},
};

const LIMIT: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(60);
const TERMS: Terms =
    Terms { lease: Duration::from_millis(4_001), stale: Duration::from_millis(1_002) };

fn member(name: &str, incarnation: i64) -> Member {
    Member { id: id(name), incarnation }
}

/// A database with three events, and its log.
async fn furnished() -> (Postgres, Store, Log) {
    let database = Postgres::new().await;
    let store = database.store().await;
    furnish(&store).await;
    let log = store.log(LIMIT).await.unwrap().unwrap();
    (database, store, log)
}

async fn only_row(log: &Log) -> Row {
    let rows = log.rows().await.unwrap();
    assert_eq!(rows.len(), 1);
    rows.into_iter().next().unwrap()
}

async fn tail(log: &Log, member: &Member, applied: Position) -> Tail {
    match log.renew(member, applied).await.unwrap() {
        Renewal::Done(tail) => tail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_has_no_log_that_others_follow() {
    let store = crate::database::Sqlite::new();
    assert!(store.store().await.log(LIMIT).await.unwrap().is_none());
}

#[tokio::test]
async fn a_life_begins_with_the_newest_event_and_a_row_that_tells_its_terms() {
    let (_database, _store, log) = furnished().await;
    let joined = log.join(&member("a", 7), TERMS).await.unwrap();
    assert_eq!(joined.revision, Revision(3));
    let row = only_row(&log).await;
    let expected = Row { member: member("a", 7), applied: Revision(3), lease_seq: 0, terms: TERMS };
    assert_eq!(row, expected);
    let tail = tail(&log, &member("a", 7), joined).await;
    assert_eq!((tail.head, tail.changes), (Revision(3), vec![]), "its nonce is that of the event");
}

#[tokio::test]
async fn a_renewal_acknowledges_and_brings_what_comes_after_in_order() {
    let (_database, store, log) = furnished().await;
    let joined = log.join(&member("a", 1), TERMS).await.unwrap();
    for name in ["b", "c"] {
        store.commit(new_workspace(name)).await.unwrap();
    }
    let first = tail(&log, &member("a", 1), joined).await;
    assert_eq!(first.head, Revision(5));
    let subjects: Vec<_> = first.changes.iter().map(|change| &*change.subject).collect();
    assert_eq!(subjects, ["workspaces/b", "workspaces/c"]);
    let row = only_row(&log).await;
    assert_eq!((row.applied, row.lease_seq), (Revision(3), 1), "not what it is only now told");
    let last = first.changes[1].position;
    assert_eq!(last.revision, Revision(5));
    assert_eq!(tail(&log, &member("a", 1), last).await.changes, []);
    let row = only_row(&log).await;
    assert_eq!((row.applied, row.lease_seq), (Revision(5), 2));
}

#[tokio::test]
async fn a_renewal_tells_the_time_of_the_database() {
    let (database, _store, log) = furnished().await;
    let joined = log.join(&member("a", 1), TERMS).await.unwrap();
    let connection = database.connect().await;
    let now = || async {
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now";
        let statement =
            sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql.to_owned());
        let row = connection.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get::<i64>("", "now").unwrap()
    };
    let before = now().await;
    let told = tail(&log, &member("a", 1), joined).await.time.micros();
    let after = now().await;
    assert!(before <= told && told <= after, "{before} {told} {after}");
}

#[tokio::test]
async fn many_changes_come_in_parts_that_join_to_the_whole() {
    let (database, _store, log) = furnished().await;
    let joined = log.join(&member("a", 1), TERMS).await.unwrap();
    database
        .execute(
            "INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object('revision', n))).* \
             FROM events e, generate_series(4, 4503) n WHERE e.revision = 3",
        )
        .await;
    database.execute("UPDATE counter SET revision = 4503").await;
    let (mut position, mut sizes, mut next) = (joined, vec![], 4);
    loop {
        let tail = tail(&log, &member("a", 1), position).await;
        assert_eq!(tail.head, Revision(4503), "of the same moment, though there is more");
        sizes.push(tail.changes.len());
        for change in &tail.changes {
            assert_eq!(change.position.revision, Revision(next));
            next += 1;
        }
        let Some(last) = tail.changes.last() else { break };
        position = last.position;
    }
    assert_eq!(sizes, [2_000, 2_000, 500, 0]);
}

#[tokio::test]
async fn a_row_that_is_not_there_or_of_another_life_is_left_alone() {
    let (_database, _store, log) = furnished().await;
    let joined = log.join(&member("a", 5), TERMS).await.unwrap();
    let before = only_row(&log).await;
    for other in [member("a", 4), member("a", 6), member("b", 5)] {
        assert_eq!(log.renew(&other, joined).await.unwrap(), Renewal::Outside);
        log.leave(&other).await.unwrap();
        assert_eq!(only_row(&log).await, before, "{other:?}");
    }
    log.leave(&member("a", 5)).await.unwrap();
    assert_eq!(log.rows().await.unwrap(), []);
    assert_eq!(log.renew(&member("a", 5), joined).await.unwrap(), Renewal::Outside);
}

#[tokio::test]
async fn only_a_later_life_takes_the_row_over() {
    let (_database, store, log) = furnished().await;
    let first = log.join(&member("a", 5), TERMS).await.unwrap();
    tail(&log, &member("a", 5), first).await;
    let before = only_row(&log).await;
    store.commit(new_workspace("b")).await.unwrap();
    for late in [4, 5] {
        let outcome = log.join(&member("a", late), TERMS).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
        assert_eq!(only_row(&log).await, before, "it acknowledges nothing");
    }
    let other = Terms { lease: Duration::from_secs(9), stale: Duration::ZERO };
    let joined = log.join(&member("a", 6), other).await.unwrap();
    assert_eq!(joined.revision, Revision(4));
    let row = only_row(&log).await;
    assert_eq!((row.member.incarnation, row.applied, row.terms), (6, Revision(4), other));
    assert!(row.lease_seq > before.lease_seq, "who has seen the old one does not evict this");
    assert!(!log.evict(&before).await.unwrap());
    assert_eq!(log.renew(&member("a", 5), first).await.unwrap(), Renewal::Outside);
}

#[tokio::test]
async fn a_row_is_evicted_only_as_it_was_seen() {
    let (_database, _store, log) = furnished().await;
    let joined = log.join(&member("a", 1), TERMS).await.unwrap();
    log.join(&member("b", 1), TERMS).await.unwrap();
    let rows = log.rows().await.unwrap();
    let seen = rows.iter().find(|row| row.member == member("a", 1)).unwrap();
    for other in [
        Row { lease_seq: 1, ..seen.clone() },
        Row { applied: Revision(2), ..seen.clone() },
        Row { member: member("a", 2), ..seen.clone() },
        Row { member: member("c", 1), ..seen.clone() },
    ] {
        assert!(!log.evict(&other).await.unwrap(), "{other:?}");
    }
    tail(&log, &member("a", 1), joined).await;
    assert!(!log.evict(seen).await.unwrap(), "it was renewed since");
    let rows = log.rows().await.unwrap();
    let seen = rows.iter().find(|row| row.member == member("a", 1)).unwrap();
    assert!(log.evict(seen).await.unwrap());
    assert!(!log.evict(seen).await.unwrap(), "it is gone");
    assert_eq!(only_row(&log).await.member, member("b", 1));
}

#[tokio::test]
async fn a_history_without_the_event_applied_is_lost_and_nothing_is_acknowledged() {
    let (database, store, log) = furnished().await;
    let joined = log.join(&member("a", 1), TERMS).await.unwrap();
    let before = only_row(&log).await;
    let other = Position { nonce: joined.nonce ^ 1, ..joined };
    assert_eq!(log.renew(&member("a", 1), other).await.unwrap(), Renewal::HistoryLost);
    let ahead = Position { revision: Revision(4), ..joined };
    assert_eq!(log.renew(&member("a", 1), ahead).await.unwrap(), Renewal::HistoryLost);
    assert_eq!(only_row(&log).await, before);
    // Set back by one event, and another in its place.
    database.execute("DELETE FROM events WHERE revision = 3").await;
    database.execute("UPDATE counter SET revision = 2").await;
    assert_eq!(log.renew(&member("a", 1), joined).await.unwrap(), Renewal::HistoryLost);
    store.commit(new_workspace("b")).await.unwrap();
    assert_eq!(log.renew(&member("a", 1), joined).await.unwrap(), Renewal::HistoryLost);
    let joined = log.join(&member("a", 2), TERMS).await.unwrap();
    assert_eq!(tail(&log, &member("a", 2), joined).await.changes, []);
}

#[tokio::test]
async fn the_counter_and_the_events_are_of_one_moment() {
    let (database, store, log) = furnished().await;
    let joined = log.join(&member("a", 1), TERMS).await.unwrap();
    // A change that has its revision, and is not committed, is not there at all.
    let connection = database.connect().await;
    let open = connection.begin().await.unwrap();
    open.execute_unprepared("UPDATE counter SET revision = revision + 1").await.unwrap();
    let seen = tail(&log, &member("a", 1), joined).await;
    assert_eq!((seen.head, seen.changes), (Revision(3), vec![]));
    open.rollback().await.unwrap();
    // Whatever is committed meanwhile, the last change that a renewal brings is its head.
    let (sender, mut made) = tokio::sync::oneshot::channel();
    let changes = tokio::spawn(async move {
        for number in 0..50 {
            store.commit(new_workspace(&format!("w{number}"))).await.unwrap();
        }
        sender.send(()).unwrap();
    });
    let (mut position, mut seen, mut are_made) = (joined, 0, false);
    while !are_made || position.revision < Revision(53) {
        // Told once: whoever asks again is told of no more.
        are_made |= made.try_recv().is_ok();
        let tail = tail(&log, &member("a", 1), position).await;
        seen += tail.changes.len();
        position = tail.changes.last().map_or(position, |last| last.position);
        assert_eq!(tail.head, position.revision);
    }
    changes.await.unwrap();
    assert_eq!(seen, 50);
}

#[tokio::test]
async fn a_change_rings_when_it_is_committed() {
    let (database, store, log) = furnished().await;
    let mut bell = log.doorbell().await.unwrap();
    store.commit(new_workspace("b")).await.unwrap();
    timeout(LONG, bell.ring()).await.unwrap().unwrap();
    let stale = change(Write::Workspace(workspace("b"), Some(Revision(1))));
    assert!(store.commit(stale).await.is_err());
    let silent = timeout(Duration::from_millis(200), bell.ring()).await;
    assert!(silent.is_err(), "nothing was changed");
    // A connection that the server ends is dead, and says so.
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    database.execute(kill).await;
    assert!(timeout(LONG, bell.ring()).await.unwrap().is_err());
    let mut bell = log.doorbell().await.unwrap();
    store.commit(new_workspace("c")).await.unwrap();
    timeout(LONG, bell.ring()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_statement_that_takes_too_long_fails_in_time() {
    let (database, store, patient) = furnished().await;
    let limit = Duration::from_secs(1);
    let log = store.log(limit).await.unwrap().unwrap();
    let joined = patient.join(&member("a", 1), TERMS).await.unwrap();
    let connection = database.connect().await;
    let open = connection.begin().await.unwrap();
    open.execute_unprepared("LOCK TABLE replicas IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let begun = Instant::now();
    let outcome = log.renew(&member("a", 1), joined).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert!(log.rows().await.is_err());
    let took = begun.elapsed();
    assert!(took >= limit && took < LIMIT, "{took:?}");
    open.rollback().await.unwrap();
    let again = async {
        while log.renew(&member("a", 1), joined).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, again).await.unwrap();
}

#[tokio::test]
async fn how_safe_commits_are_is_told_as_it_is() {
    let (database, _store, log) = furnished().await;
    let durability = log.durability().await.unwrap();
    let expected = Durability { on_disk: true, standbys: 0, synchronous: false };
    assert_eq!(durability, expected);
    assert!(durability.survives_fail_over());
    drop(database);
}

#[tokio::test]
async fn a_log_that_was_closed_answers_no_more() {
    let (_database, store, log) = furnished().await;
    log.join(&member("a", 1), TERMS).await.unwrap();
    log.close().await;
    assert!(log.rows().await.is_err());
    assert!(store.policy(&policy_name()).await.unwrap().is_some(), "the store has its own");
}
