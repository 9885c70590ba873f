//! Lists: which, in which order, in which parts.

use keyward::domain::{
    key::{Key, KeyState},
    ports::{
        Change, EventQuery, KeyCursor, KeyOrder, KeyQuery, KeyRecord, Page, Records as _, Write,
    },
    time::Timestamp,
};
use keyward::store::Store;

use crate::{
    database::Database,
    sample::{
        acme, at, change, first_page, full_key, furnish, id, key, key_name, new_key, new_workspace,
        principal, rev, secret, workspace,
    },
};

pub(crate) fn every_key() -> KeyQuery {
    KeyQuery {
        workspace: acme(),
        states: vec![KeyState::Active, KeyState::Expired, KeyState::Revoked],
        now: at(0),
        title_part: String::new(),
        key_type: None,
        principal: None,
        scope: None,
        expiring_before: None,
        never_used: false,
        unused_since: None,
        newest_secret_until: None,
        order: KeyOrder::CreateTime,
        descending: false,
    }
}

async fn listed(store: &Store, query: &KeyQuery) -> Vec<String> {
    names(&store.keys(query, &first_page(1_000)).await.unwrap())
}

fn names(records: &[KeyRecord]) -> Vec<String> {
    records.iter().map(|record| record.key.value.name.key.to_string()).collect()
}

async fn add(store: &Store, key: Key, time: i64) {
    store.commit(Change { time: at(time), ..new_key(key) }).await.unwrap();
}

fn titled(name: &str, title: &str) -> Key {
    Key { title: title.parse().unwrap(), ..key(name) }
}

pub(crate) async fn identifiers_are_listed_bytewise_in_pages(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    for name in ["b", "a1", "a-b", "0", "a"] {
        store.commit(new_workspace(name)).await.unwrap();
        let mut record = principal();
        record.name.principal = id(name);
        store.commit(change(Write::Principal(record.clone(), None))).await.unwrap();
        record.name.workspace = id("a");
        // Of another workspace; or refused, as long as that is not there.
        _ = store.commit(change(Write::Principal(record, None))).await;
    }
    let (mut seen, mut after) = (vec![], None);
    while let Some(last) = {
        let part = store.workspaces(&Page { after: after.take(), size: 2 }).await.unwrap();
        assert!(part.len() <= 2);
        seen.extend(part.iter().map(|record| record.value.name.workspace.to_string()));
        part.last().map(|record| record.value.name.workspace.clone())
    } {
        after = Some(last);
    }
    assert_eq!(seen, ["0", "a", "a-b", "a1", "acme", "b"]);

    let page = Page { after: Some(id("a-b")), size: 10 };
    let principals = store.principals(&acme(), &page).await.unwrap();
    let principals: Vec<_> =
        principals.iter().map(|record| record.value.name.to_string()).collect();
    let expected = ["a1", "ann", "b"].map(|name| format!("workspaces/acme/principals/{name}"));
    assert_eq!(principals, expected);
    assert_eq!(store.policies(&first_page(10)).await.unwrap().len(), 1);
    assert!(store.policies(&Page { after: Some(id("web")), size: 10 }).await.unwrap().is_empty());
}

pub(crate) async fn keys_are_listed_by_time_and_identifier(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    for (name, time) in [("c", 5), ("b", 5), ("a", 9), ("d", 2)] {
        add(&store, key(name), time).await;
    }
    let mut query = every_key();
    assert_eq!(listed(&store, &query).await, ["d", "b", "c", "a"]);
    query.descending = true;
    assert_eq!(listed(&store, &query).await, ["a", "c", "b", "d"]);
    query.workspace = workspace("other").name;
    assert!(listed(&store, &query).await.is_empty());
}

pub(crate) async fn titles_are_sorted_bytewise(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    for (name, title) in [
        ("1", "é"),
        ("2", "a"),
        ("3", "B"),
        ("4", "a b"),
        ("5", "ab"),
        ("6", "😀"),
        ("7", "\u{FF5E}"),
    ] {
        add(&store, titled(name, title), 1).await;
    }
    let query = KeyQuery { order: KeyOrder::Title, ..every_key() };
    assert_eq!(listed(&store, &query).await, ["3", "2", "4", "5", "1", "7", "6"]);
}

pub(crate) async fn pages_join_to_the_whole_list_in_both_directions(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    for number in 0..12 {
        let title = ["same", "Other", "z"][number % 3];
        add(&store, titled(&format!("k{}", (number * 5) % 12), title), (number / 4) as i64).await;
    }
    for (order, descending) in [
        (KeyOrder::CreateTime, false),
        (KeyOrder::CreateTime, true),
        (KeyOrder::Title, false),
        (KeyOrder::Title, true),
    ] {
        let query = KeyQuery { order, descending, ..every_key() };
        let whole = listed(&store, &query).await;
        assert_eq!(whole.len(), 12);
        for size in [1, 2, 5, 12] {
            let (mut joined, mut page) = (vec![], first_page(size));
            loop {
                let part = store.keys(&query, &page).await.unwrap();
                joined.extend(names(&part));
                assert!(joined.len() <= whole.len(), "{joined:?}");
                let Some(KeyRecord { key: last, .. }) = part.last() else { break };
                let id = last.value.name.key.clone();
                page.after = Some(match order {
                    KeyOrder::CreateTime => KeyCursor::CreateTime(last.create_time, id),
                    KeyOrder::Title => KeyCursor::Title(last.value.title.as_str().to_owned(), id),
                });
            }
            assert_eq!(joined, whole, "{order:?} {descending} {size}");
        }
    }
}

pub(crate) async fn the_search_in_titles_takes_every_character_literally(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    let titles =
        ["100% CI", "100 CI", "a_b", "axb", r"c\d", "cd", "Größe", "GRÖSSE", "'; --", "[x]*?"];
    for (number, title) in titles.into_iter().enumerate() {
        add(&store, titled(&number.to_string(), title), number as i64).await;
    }
    let cases: [(&str, &[&str]); 14] = [
        ("%", &["0"]),
        ("0% c", &["0"]),
        ("_", &["2"]),
        (r"\", &["4"]),
        (r"\d", &["4"]),
        ("ci", &["0", "1"]),
        ("A_B", &["2"]),
        ("größe", &["6"]),
        ("gr", &["6", "7"]),
        ("'; --", &["8"]),
        ("[X]*?", &["9"]),
        ("*", &["9"]),
        ("a\0", &[]),
        ("nowhere", &[]),
    ];
    for (part, expected) in cases {
        let query = KeyQuery { title_part: part.into(), ..every_key() };
        assert_eq!(listed(&store, &query).await, expected, "{part:?}");
    }
    let query = KeyQuery { title_part: "%".repeat(100_000), ..every_key() };
    assert!(listed(&store, &query).await.is_empty());
}

pub(crate) async fn what_no_text_can_hold_is_not_found(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    add(&store, full_key("a"), 1).await;
    for text in ["a\0", "\0"].map(str::to_owned) {
        let queries = [
            KeyQuery { key_type: Some(text.clone()), ..every_key() },
            KeyQuery { scope: Some(text.clone()), ..every_key() },
            KeyQuery { title_part: text.clone(), ..every_key() },
        ];
        for query in queries {
            assert!(listed(&store, &query).await.is_empty(), "{query:?}");
        }
        let queries = [
            EventQuery { actor: Some(text.clone()), ..EventQuery::default() },
            EventQuery { subject: Some(text), ..EventQuery::default() },
        ];
        for query in queries {
            assert_eq!(store.events(&query, &first_page(10)).await.unwrap(), [], "{query:?}");
        }
    }
}

pub(crate) async fn keys_are_filtered_by_each_property(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    add(&store, Key { key_type: "bot".into(), ..key("bot") }, 1).await;
    add(&store, Key { principal: Some(id("ann")), ..key("owned") }, 2).await;
    add(&store, Key { expire_time: Some(at(50)), ..key("short") }, 3).await;
    add(&store, Key { expire_time: Some(at(51)), ..key("long") }, 4).await;
    let check = async |query: KeyQuery, expected: &[&str]| {
        assert_eq!(listed(&store, &query).await, expected);
    };

    check(KeyQuery { key_type: Some("bot".into()), ..every_key() }, &["bot"]).await;
    check(KeyQuery { key_type: Some("BOT".into()), ..every_key() }, &[]).await;
    check(KeyQuery { principal: Some(id("ann")), ..every_key() }, &["owned"]).await;
    check(KeyQuery { expiring_before: Some(at(51)), ..every_key() }, &["short"]).await;
    check(
        KeyQuery { key_type: Some("api".into()), title_part: "o".into(), ..every_key() },
        &["owned", "short", "long"],
    )
    .await;
    check(KeyQuery { states: vec![], ..every_key() }, &[]).await;
}

pub(crate) async fn states_change_at_the_very_moment(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    let keys = [
        key("forever"),
        Key { expire_time: Some(at(50)), ..key("ends") },
        Key { revoke_time: Some(at(10)), ..key("revoked") },
        Key { revoke_time: Some(at(10)), expire_time: Some(at(20)), ..key("both") },
    ];
    for (time, key) in (1..).zip(&keys) {
        add(&store, key.clone(), time).await;
    }
    for now in [0, 10, 49, 50, 51] {
        for state in [KeyState::Active, KeyState::Expired, KeyState::Revoked] {
            let query = KeyQuery { states: vec![state], now: at(now), ..every_key() };
            let expected = keys.iter().filter(|key| key.state(at(now)) == state);
            let expected: Vec<_> = expected.map(|key| key.name.key.to_string()).collect();
            assert_eq!(listed(&store, &query).await, expected, "{state:?} at {now}");
        }
    }
    let query =
        KeyQuery { states: vec![KeyState::Active, KeyState::Expired], now: at(50), ..every_key() };
    assert_eq!(listed(&store, &query).await, ["forever", "ends"]);
}

pub(crate) async fn a_scope_is_found_as_long_as_it_is_granted(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    let with = |scope: &str| KeyQuery { scope: Some(scope.into()), ..every_key() };
    add(&store, full_key("a"), 1).await;
    add(&store, key("b"), 2).await;
    // In another workspace a key of that name holds it.
    store.commit(new_workspace("other")).await.unwrap();
    let mut theirs = Key { principal: None, ..full_key("b") };
    theirs.name.workspace = id("other");
    add(&store, theirs, 3).await;
    assert_eq!(listed(&store, &with("sites:write")).await, ["a"]);
    assert!(listed(&store, &with("sites:*")).await.is_empty());

    let mut fewer = full_key("a");
    fewer.grants.truncate(1);
    store.commit(change(Write::Key(fewer, rev(4), None))).await.unwrap();
    assert!(listed(&store, &with("sites:write")).await.is_empty());
    assert_eq!(listed(&store, &with("sites:read")).await, ["a"]);
}

pub(crate) async fn secrets_are_told_newest_first(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    let rotate = |time, expected, number| Change {
        time: at(time),
        ..change(Write::Key(key("a"), expected, secret(number)))
    };
    store.commit(rotate(10, None, 1)).await.unwrap();
    store.commit(change(Write::Key(key("b"), None, secret(9)))).await.unwrap();
    store.commit(rotate(20, rev(4), 2)).await.unwrap();
    // By a clock that was set back: for it the first secret is still in its grace, and ends.
    store.commit(rotate(15, rev(6), 3)).await.unwrap();

    let record = store.key(&key_name("a")).await.unwrap().unwrap();
    let secrets: Vec<_> =
        record.secrets.iter().map(|secret| (secret.create_time, secret.replaced)).collect();
    assert_eq!(secrets, [(at(15), None), (at(20), Some(at(30))), (at(10), Some(Timestamp::MIN))]);
    let listed = store.keys(&every_key(), &first_page(10)).await.unwrap();
    assert_eq!(listed.iter().map(|record| record.secrets.len()).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(listed[1].secrets, record.secrets);
}
