//! Changes that are made all of them, or none.

use std::sync::Arc;

use futures_util::{FutureExt as _, future::join_all};
use keyward::domain::{
    event::Revision,
    ports::{Change, Guard, Records as _, Write},
};

use crate::{
    database::Database,
    groups::{Fate, fate, hold},
    sample::{
        acme, change, furnish, id, key, key_name, new_key, principal_name, request, rev, revisions,
        secret,
    },
};

fn with_secret(name: &str, number: u8) -> Change {
    change(Write::Key(key(name), None, secret(number)))
}

pub(crate) async fn changes_are_made_together_with_an_event_each(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    let last = Change { request: Some(request("r")), ..with_secret("c", 3) };
    let changes = vec![with_secret("a", 1), with_secret("b", 2), last];
    let before = store.committed();
    assert_eq!(store.commit_all(changes).await.unwrap(), Revision(6));
    let after = store.committed();
    assert_eq!((after.groups - before.groups, after.changes - before.changes), (1, 3));
    for (name, revision) in [("a", 4), ("b", 5), ("c", 6)] {
        let record = store.key(&key_name(name)).await.unwrap().unwrap();
        assert_eq!((record.key.revision, record.secrets.len()), (Revision(revision), 1));
    }
    let remembered = store.request(&request("r").key, crate::sample::at(1)).await.unwrap().unwrap();
    assert_eq!((remembered.subject, remembered.revision.0), (key_name("c").to_string(), 6));
    assert_eq!(store.verify_events().await.unwrap().count, 6);
}

/// Changes of which the last is refused, each for a reason of its own.
fn refused() -> Vec<(Change, Fate)> {
    let guarded =
        |guard, revision, change| Change { guards: vec![(guard, Revision(revision))], ..change };
    let mut elsewhere = key("x");
    elsewhere.name.workspace = id("nowhere");
    use Fate::{Conflict, Exists};
    vec![
        (new_key(key("old")), Exists),
        (change(Write::Key(key("old"), rev(99), None)), Conflict),
        (guarded(Guard::Principal(principal_name()), 99, new_key(key("x"))), Conflict),
        (new_key(elsewhere), Conflict),
        (with_secret("x", 1), Conflict),
        (Change { request: Some(request("done")), ..new_key(key("x")) }, Conflict),
        // The same as one before it.
        (new_key(key("a")), Conflict),
        (with_secret("x", 2), Conflict),
    ]
}

pub(crate) async fn none_is_made_where_one_is_refused(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    let done = Change { request: Some(request("done")), ..with_secret("old", 1) };
    store.commit(done).await.unwrap();
    for (bad, expected) in refused() {
        let first = Change { request: Some(request("new")), ..with_secret("a", 2) };
        let revoked = change(Write::Key(key("old"), rev(4), secret(3)));
        // What is written twice is refused of a batch of two as well.
        let changes = if matches!(bad.write, Write::Key(_, Some(_), _)) {
            vec![first, bad]
        } else {
            vec![first, revoked, bad]
        };
        assert_eq!(fate(&store.commit_all(changes).await), expected);
        assert!(store.key(&key_name("a")).await.unwrap().is_none());
        assert_eq!(store.request(&request("new").key, crate::sample::at(1)).await.unwrap(), None);
        let old = store.key(&key_name("old")).await.unwrap().unwrap();
        assert_eq!((old.key.revision, old.secrets.len()), (Revision(4), 1));
    }
    assert_eq!(revisions(&store).await, [1, 2, 3, 4]);
    assert_eq!(store.verify_events().await.unwrap().count, 4);
}

pub(crate) async fn each_is_judged_by_what_was_there_before_all(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(new_key(key("a"))).await.unwrap();
    store.commit(new_key(key("b"))).await.unwrap();
    let guards =
        || vec![(Guard::Key(key_name("a")), Revision(4)), (Guard::Workspace(acme()), Revision(2))];
    let revoked = |name, revision| Change {
        guards: guards(),
        ..change(Write::Key(key(name), rev(revision), None))
    };
    let last = store.commit_all(vec![revoked("a", 4), revoked("b", 5)]).await.unwrap();
    assert_eq!(last, Revision(7));
    assert_eq!(fate(&store.commit_all(vec![revoked("b", 7)]).await), Fate::Conflict);
}

pub(crate) async fn all_or_none_holds_amid_a_group_also_where_the_database_refuses(
    database: &impl Database,
) {
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    // A rule of which the store knows nothing.
    database.execute("CREATE UNIQUE INDEX rule ON keys (plan) WHERE plan = 'sole'").await;
    let sole = |name: &str| new_key(keyward::domain::key::Key { plan: "sole".into(), ..key(name) });
    let named = |name: &str| new_key(key(name));
    let held = hold(database).await;
    let batches = [
        vec![named("a"), named("b")],
        vec![named("c"), named("a")],
        vec![sole("d"), named("e")],
        vec![named("f"), sole("g")],
        vec![named("c")],
    ];
    let asked: Vec<_> = batches
        .into_iter()
        .map(|changes| {
            let store = Arc::clone(&store);
            let mut asked = Box::pin(async move { store.commit_all(changes).await });
            assert!((&mut asked).now_or_never().is_none());
            asked
        })
        .collect();
    held.rollback().await.unwrap();
    let outcomes = join_all(asked).await;
    use Fate::{Conflict, Exists, Made};
    let fates: Vec<Fate> = outcomes.iter().map(fate).collect();
    assert_eq!(fates, [Made, Exists, Made, Conflict, Made]);
    let made: Vec<i64> = outcomes.into_iter().flatten().map(|revision| revision.0).collect();
    assert_eq!(made, [5, 7, 8]);
    for (name, is_there) in [("b", true), ("c", true), ("e", true), ("f", false), ("g", false)] {
        assert_eq!(store.key(&key_name(name)).await.unwrap().is_some(), is_there, "{name}");
    }
    assert_eq!(store.verify_events().await.unwrap().count, 8);
}

pub(crate) async fn keys_are_read_by_their_names(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(with_secret("a", 1)).await.unwrap();
    store.commit(change(Write::Key(key("a"), rev(4), secret(2)))).await.unwrap();
    store.commit(new_key(key("b"))).await.unwrap();
    store.commit(new_key(key("c"))).await.unwrap();
    let ids = ["b", "none", "a"].map(id);
    let mut found = store.keys_named(&acme(), &ids).await.unwrap();
    found.sort_by(|one, other| one.key.value.name.cmp(&other.key.value.name));
    assert_eq!(found.len(), 2);
    for (found, name) in found.into_iter().zip(["a", "b"]) {
        let alone = store.key(&key_name(name)).await.unwrap().unwrap();
        assert_eq!((found.key, found.secrets), (alone.key, alone.secrets));
    }
    assert!(store.keys_named(&acme(), &[]).await.unwrap().is_empty());
    let other = keyward::domain::name::WorkspaceName { workspace: id("other") };
    assert!(store.keys_named(&other, &ids).await.unwrap().is_empty());
}
