//! Usage: added up, once each, forgotten in time, and reported.

use std::time::Duration;

use keyward::domain::{
    name::KeyName,
    ports::{KeyOrder, KeyQuery, KeyRecord, Records as _, Write},
    time::Timestamp,
    usage::{
        Calls, Hour, KeepUsage as _, LastUse, MostUsed, NotAdded, Outcome, Outdated, SecretUse,
        Step, UsageBatch, UsageQuery, UsageRow,
    },
};
use keyward::store::Store;

use crate::{
    database::Database,
    listing::every_key,
    sample::{
        acme, all_events, at, change, digest, first_page, full_key, furnish, id, key, key_name,
        rev, secret,
    },
};

pub(crate) const HOUR: i64 = 3_600_000_000;

fn hour(number: i64) -> Hour {
    Hour::of(at(number * HOUR))
}

/// Calls of a key of `acme`, or of all together.
pub(crate) fn calls(key: &str, number: i64, outcome: Outcome, calls: u64) -> Calls {
    let key = (!key.is_empty()).then(|| id(key));
    Calls { workspace: id("acme"), key, hour: hour(number), outcome, calls }
}

pub(crate) fn last(time: i64, address: &str) -> LastUse {
    let address = (!address.is_empty()).then(|| address.parse().unwrap());
    LastUse { time: at(time), address }
}

pub(crate) fn used(key: &str, number: u8, last: LastUse) -> SecretUse {
    SecretUse { key: key_name(key), digest: digest(number), last }
}

pub(crate) fn batch(
    source: &str,
    number: i64,
    calls: Vec<Calls>,
    last: Vec<SecretUse>,
) -> UsageBatch {
    UsageBatch { source: id(source), number, time: at(number), calls, last }
}

pub(crate) fn query(key: &str, from: i64, until: i64, step: Step) -> UsageQuery {
    let key = (!key.is_empty()).then(|| id(key));
    UsageQuery { workspace: acme(), key, from: hour(from), until: hour(until), step }
}

/// The rows as hours, outcomes and calls.
pub(crate) async fn rows(store: &Store, query: &UsageQuery) -> Vec<(i64, Outcome, u64)> {
    let rows = store.usage(query).await.unwrap();
    let row =
        |UsageRow { start, outcome, calls }: UsageRow| (start.micros() / HOUR, outcome, calls);
    rows.into_iter().map(row).collect()
}

pub(crate) async fn counts_are_added_up_over_sources_and_batches(database: &impl Database) {
    let store = database.store().await;
    let add = |source, number, n| {
        let rows = vec![
            calls("", 5, Outcome::Allowed, n),
            calls("a", 5, Outcome::Allowed, n),
            calls("a", 5, Outcome::Expired, 1),
        ];
        batch(source, number, rows, vec![])
    };
    for (source, number, n) in [("one", 1, 1), ("two", 1, 10), ("one", 2, 100)] {
        store.add_usage(&add(source, number, n)).await.unwrap();
    }
    let of = async |key| rows(&store, &query(key, 0, 10, Step::Hour)).await;
    assert_eq!(of("").await, [(5, Outcome::Allowed, 111)]);
    assert_eq!(of("a").await, [(5, Outcome::Allowed, 111), (5, Outcome::Expired, 3)]);
    assert_eq!(of("b").await, []);
    assert_eq!(all_events(&store).await, []);
}

pub(crate) async fn a_batch_of_one_row_or_none_is_added(database: &impl Database) {
    let store = database.store().await;
    store.add_usage(&batch("one", 1, vec![], vec![])).await.unwrap();
    store
        .add_usage(&batch("one", 2, vec![calls("", 0, Outcome::Allowed, 3)], vec![]))
        .await
        .unwrap();
    assert_eq!(rows(&store, &query("", 0, 1, Step::Hour)).await, [(0, Outcome::Allowed, 3)]);
}

pub(crate) async fn a_batch_of_many_rows_is_added_to_the_last_of_them(database: &impl Database) {
    let store = database.store().await;
    let name = |number: u8| format!("k{number:03}");
    for round in 1..=2 {
        let row = |number| calls(&name(number), 5, Outcome::Allowed, 1 + u64::from(number));
        let used = |number| used(&name(number), number, last(round, "2001:db8::7"));
        let (rows, uses) = ((0..=u8::MAX).map(row).collect(), (0..=u8::MAX).map(used).collect());
        store.add_usage(&batch("one", round, rows, uses)).await.unwrap();
    }
    for number in 0..=u8::MAX {
        let all = query(&name(number), 0, 10, Step::Hour);
        let expected = [(5, Outcome::Allowed, 2 + 2 * u64::from(number))];
        assert_eq!(rows(&store, &all).await, expected);
    }
}

pub(crate) async fn a_batch_that_comes_again_is_not_added_again(database: &impl Database) {
    let store = database.store().await;
    let add = |number| {
        let uses = vec![used("a", 1, last(number, ""))];
        batch("one", number, vec![calls("a", 0, Outcome::Allowed, 1)], uses)
    };
    for number in [1, 1, 2, 2, 1, 3] {
        store.add_usage(&add(number)).await.unwrap();
    }
    assert_eq!(rows(&store, &query("a", 0, 1, Step::Hour)).await, [(0, Outcome::Allowed, 3)]);
}

pub(crate) async fn what_a_newer_version_counts_is_left_out(database: &impl Database) {
    let store = database.store().await;
    store
        .add_usage(&batch("one", 1, vec![calls("a", 1, Outcome::Allowed, 2)], vec![]))
        .await
        .unwrap();
    let newer = format!("INSERT INTO usage VALUES ('acme', {HOUR}, 'a', 'of_tomorrow', 1)");
    database.execute(&newer).await;
    assert_eq!(rows(&store, &query("a", 0, 9, Step::Hour)).await, [(1, Outcome::Allowed, 2)]);
}

pub(crate) async fn sources_that_ended_are_forgotten_after_a_week(database: &impl Database) {
    const DAY: i64 = 24 * HOUR;
    let store = database.store().await;
    let old = batch("old", 1, vec![calls("a", 0, Outcome::Allowed, 1)], vec![]);
    let old = UsageBatch { time: at(0), ..old };
    let forget = async |now| {
        let outdated = Outdated { now: at(now), retention: None, rows_max: 1 };
        assert!(!store.forget_usage(outdated).await.unwrap());
    };
    store.add_usage(&old).await.unwrap();
    let added = async || {
        store.add_usage(&old).await.unwrap();
        rows(&store, &query("a", 0, 1, Step::Hour)).await
    };
    forget(7 * DAY).await;
    assert_eq!(added().await, [(0, Outcome::Allowed, 1)], "after seven days it is still known");
    forget(7 * DAY + 1).await;
    assert_eq!(added().await, [(0, Outcome::Allowed, 2)]);
}

pub(crate) async fn hours_that_ended_longer_ago_than_they_are_kept_are_forgotten(
    database: &impl Database,
) {
    let store = database.store().await;
    let both = |workspace: &str, number| {
        let of =
            |key| Calls { workspace: id(workspace), ..calls(key, number, Outcome::Allowed, 1) };
        [of("a"), of("")]
    };
    let all: Vec<_> = ["acme", "other"]
        .into_iter()
        .flat_map(|workspace| (0..4).flat_map(move |number| both(workspace, number)))
        .collect();
    store.add_usage(&batch("one", 1, all, vec![used("a", 1, last(0, ""))])).await.unwrap();
    let left = async |key| {
        let rows = rows(&store, &query(key, 0, 9, Step::Hour)).await;
        rows.into_iter().map(|(hour, ..)| hour).collect::<Vec<_>>()
    };
    let forget = async |now, hours: Option<u64>, rows_max| {
        let retention = hours.map(|hours| Duration::from_secs(hours * 3_600));
        store.forget_usage(Outdated { now: at(now), retention, rows_max }).await.unwrap()
    };
    assert!(!forget(100 * HOUR, None, 10).await, "for ever");
    assert!(!forget(3 * HOUR - 1, Some(2), 10).await, "the first hour ended less than two ago");
    assert_eq!(left("a").await, [0, 1, 2, 3]);
    assert!(!forget(3 * HOUR, Some(2), 10).await);
    assert_eq!((left("a").await, left("").await), (vec![1, 2, 3], vec![1, 2, 3]));

    // Of two hours in two workspaces there are eight rows.
    assert!(forget(5 * HOUR, Some(2), 5).await, "there is more");
    assert!(!forget(5 * HOUR, Some(2), 5).await);
    assert!(!forget(5 * HOUR, Some(2), 5).await);
    assert_eq!((left("a").await, left("").await), (vec![3], vec![3]));
    let theirs = UsageQuery {
        workspace: "workspaces/other".parse().unwrap(),
        ..query("", 0, 9, Step::Hour)
    };
    assert_eq!(rows(&store, &theirs).await, [(3, Outcome::Allowed, 1)]);
    // When a secret was used last stays known.
    store.add_usage(&batch("one", 2, both("acme", 0).to_vec(), vec![])).await.unwrap();
    assert_eq!(left("a").await, [0, 3]);
}

pub(crate) async fn what_a_rule_of_the_database_refuses_is_refused_for_good(
    database: &impl Database,
) {
    let store = database.store().await;
    let rule = "CREATE UNIQUE INDEX rule ON usage (workspace, calls)";
    database.execute(rule).await;
    let add = |number, key, n| {
        let (rows, uses) = (calls(key, 0, Outcome::Allowed, n), used(key, 1, last(0, "")));
        batch("one", number, vec![rows], vec![uses])
    };
    store.add_usage(&add(1, "a", 5)).await.unwrap();
    let refused = store.add_usage(&add(2, "b", 5)).await.unwrap_err();
    assert!(matches!(refused, NotAdded::Refused(_)), "{refused:?}");
    // Nothing of it was noted.
    store.add_usage(&add(2, "b", 6)).await.unwrap();
    assert_eq!(rows(&store, &query("b", 0, 1, Step::Hour)).await, [(0, Outcome::Allowed, 6)]);
}

pub(crate) async fn a_last_use_by_a_clock_that_was_wrong_is_put_right(database: &impl Database) {
    const DAY: i64 = 24 * HOUR;
    let store = database.store().await;
    furnish(&store).await;
    store.commit(change(Write::Key(key("a"), None, secret(1)))).await.unwrap();
    let add = async |number, now, time| {
        let batch = batch("one", number, vec![], vec![used("a", 1, last(time, ""))]);
        store.add_usage(&UsageBatch { time: at(now), ..batch }).await.unwrap();
        store.key(&key_name("a")).await.unwrap().unwrap().last_use().unwrap().time
    };
    assert_eq!(add(1, 0, DAY + 7).await, at(DAY + 7));
    assert_eq!(add(2, 7, 6).await, at(DAY + 7), "a day ahead it may be right");
    assert_eq!(add(3, 6, 6).await, at(6));
}

pub(crate) async fn steps_are_hours_or_days_within_the_range(database: &impl Database) {
    let store = database.store().await;
    let hours = [0, 1, 23, 24, 47, 48];
    let some = hours.map(|number| calls("a", number, Outcome::Allowed, 1));
    store.add_usage(&batch("one", 1, some.to_vec(), vec![])).await.unwrap();
    let starts = async |from, until, step| {
        let rows = rows(&store, &query("a", from, until, step)).await;
        rows.into_iter().map(|(start, _, calls)| (start, calls)).collect::<Vec<_>>()
    };
    assert_eq!(starts(1, 48, Step::Hour).await, [(1, 1), (23, 1), (24, 1), (47, 1)]);
    assert_eq!(starts(1, 48, Step::Day).await, [(0, 2), (24, 2)]);
    assert_eq!(starts(1, 49, Step::Day).await, [(0, 2), (24, 2), (48, 1)]);
    assert_eq!(starts(2, 23, Step::Hour).await, []);
}

pub(crate) async fn the_most_used_keys_come_first(database: &impl Database) {
    let store = database.store().await;
    let rows = vec![
        calls("", 0, Outcome::Allowed, 100),
        calls("a", 0, Outcome::Allowed, 2),
        calls("a", 1, Outcome::Expired, 2),
        calls("b", 0, Outcome::Allowed, 5),
        calls("c", 1, Outcome::Allowed, 4),
        calls("d", 2, Outcome::Allowed, 100),
    ];
    store.add_usage(&batch("one", 1, rows, vec![])).await.unwrap();
    let mut theirs = calls("x", 0, Outcome::Allowed, 1_000);
    theirs.workspace = id("other");
    store.add_usage(&batch("one", 2, vec![theirs], vec![])).await.unwrap();
    let most = async |until, most, rows_max| {
        let query = query("", 0, until, Step::Hour);
        let MostUsed { from, keys } = store.most_used(&query, most, rows_max).await.unwrap();
        let keys = keys.into_iter().map(|(key, calls)| format!("{key} {calls}"));
        (from.since(hour(0)), keys.collect::<Vec<_>>().join(", "))
    };
    assert_eq!(most(2, 10, 100).await, (0, "b 5, a 4, c 4".to_owned()));
    assert_eq!(most(2, 2, 4).await, (0, "b 5, a 4".to_owned()));
    // One row too many: of the newest hours that fit, whole.
    assert_eq!(most(2, 10, 3).await, (1, "c 4, a 2".to_owned()));
    assert_eq!(most(2, 10, 2).await, (1, "c 4, a 2".to_owned()));
    assert_eq!(most(2, 10, 1).await, (2, String::new()));
    assert_eq!(most(3, 10, 1).await, (2, "d 100".to_owned()));
}

pub(crate) async fn the_last_use_of_a_secret_is_the_greatest(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(change(Write::Key(key("a"), None, secret(1)))).await.unwrap();
    store.commit(change(Write::Key(key("a"), rev(4), secret(2)))).await.unwrap();
    store.commit(change(Write::Key(key("b"), None, secret(3)))).await.unwrap();
    let uses = async || {
        let record = store.key(&key_name("a")).await.unwrap().unwrap();
        let listed = store.keys(&every_key(), &first_page(10)).await.unwrap();
        let same = listed.iter().find(|other| other.key.value.name == record.key.value.name);
        assert_eq!(same.unwrap().secrets, record.secrets);
        let uses: Vec<_> = record.secrets.iter().map(|secret| secret.last_use).collect();
        (uses, record.last_use())
    };
    assert_eq!(uses().await, (vec![None, None], None));

    let [early, late] = [last(5, "192.0.2.1"), last(6, "2001:db8::1")];
    let add = |source, number, uses| batch(source, number, vec![], uses);
    store.add_usage(&add("one", 1, vec![used("a", 1, early)])).await.unwrap();
    assert_eq!(uses().await, (vec![None, Some(early)], Some(early)));
    store.add_usage(&add("two", 1, vec![used("a", 1, late)])).await.unwrap();
    store.add_usage(&add("one", 2, vec![used("a", 1, early)])).await.unwrap();
    assert_eq!(uses().await, (vec![None, Some(late)], Some(late)));
    let newest = last(7, "");
    let both = vec![used("a", 1, last(6, "192.0.2.9")), used("a", 2, newest)];
    store.add_usage(&add("one", 3, both)).await.unwrap();
    assert_eq!(uses().await, (vec![Some(newest), Some(late)], Some(newest)));
}

fn names(records: &[KeyRecord]) -> Vec<&str> {
    records.iter().map(|record| record.key.value.name.key.as_str()).collect()
}

async fn check(store: &Store, query: KeyQuery, expected: &[&str]) {
    let query = KeyQuery { order: KeyOrder::Title, ..query };
    let found = store.keys(&query, &first_page(10)).await.unwrap();
    assert_eq!(names(&found), expected, "{query:?}");
}

pub(crate) async fn unused_keys_are_found_to_the_very_moment(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    for (number, name) in [(1, "never"), (2, "once"), (3, "twice")] {
        store.commit(change(Write::Key(key(name), None, secret(number)))).await.unwrap();
    }
    // Of a key of the same name elsewhere.
    let elsewhere = KeyName { workspace: id("other"), key: id("never") };
    let theirs = SecretUse { key: elsewhere, digest: digest(9), last: last(50, "") };
    let uses = vec![
        used("once", 2, last(10, "")),
        used("twice", 3, last(20, "")),
        used("twice", 4, last(5, "")),
        theirs,
    ];
    store.add_usage(&batch("one", 1, vec![], uses)).await.unwrap();

    check(&store, every_key(), &["never", "once", "twice"]).await;
    check(&store, KeyQuery { never_used: true, ..every_key() }, &["never"]).await;
    for (since, expected) in [
        (5, &["never"][..]),
        (10, &["never"]),
        (11, &["never", "once"]),
        (20, &["never", "once"]),
        (21, &["never", "once", "twice"]),
    ] {
        check(&store, KeyQuery { unused_since: Some(at(since)), ..every_key() }, expected).await;
    }
    let both = KeyQuery { never_used: true, unused_since: Some(at(21)), ..every_key() };
    check(&store, both, &["never"]).await;
}

pub(crate) async fn keys_with_an_old_secret_are_found_to_the_very_moment(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    let make = |name, time, expected, number| {
        let write = Write::Key(key(name), expected, secret(number));
        keyward::domain::ports::Change { time: at(time), ..change(write) }
    };
    store.commit(make("old", 10, None, 1)).await.unwrap();
    store.commit(make("rotated", 10, None, 2)).await.unwrap();
    store.commit(make("rotated", 20, rev(5), 3)).await.unwrap();
    let revoked = Write::Key(full_key("revoked"), None, secret(4));
    store.commit(change(revoked)).await.unwrap();
    for (until, expected) in [
        (9, &[][..]),
        (10, &["old"]),
        (19, &["old"]),
        (20, &["old", "rotated"]),
        (Timestamp::MIN.micros(), &[]),
    ] {
        let query = KeyQuery { newest_secret_until: Some(at(until)), ..every_key() };
        check(&store, query, expected).await;
    }
}

/// Rows are added in an order, so that no two ever wait for each other.
pub(crate) async fn many_sources_add_the_same_rows_at_once(database: &impl Database) {
    const SOURCES: u64 = 8;
    const BATCHES: i64 = 10;
    let store = std::sync::Arc::new(database.store().await);
    let adding: Vec<_> = (0..SOURCES)
        .map(|source| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move {
                for number in 1..=BATCHES {
                    let keys = (100..150).map(|key| format!("k{key}"));
                    let rows = keys.clone().map(|key| calls(&key, 0, Outcome::Allowed, 1));
                    let uses = keys.map(|key| used(&key, 1, last(number, "")));
                    let batch =
                        batch(&format!("s{source}"), number, rows.collect(), uses.collect());
                    store.add_usage(&batch).await.unwrap();
                }
            })
        })
        .collect();
    for adding in adding {
        adding.await.unwrap();
    }
    let sum = SOURCES * u64::try_from(BATCHES).unwrap();
    assert_eq!(rows(&store, &query("k120", 0, 1, Step::Hour)).await, [(0, Outcome::Allowed, sum)]);
}
