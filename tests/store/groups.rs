//! Changes that wait are made together, and yet each for itself.

use std::{sync::Arc, time::Duration};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use keyward::{
    domain::{
        event::Revision,
        key::{Grant, Key},
        name::KeyName,
        ports::{Change, Guard, Records as _, RememberedAs, StoreError, Write},
    },
    store::Store,
};
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, TransactionTrait as _};

use crate::{
    database::Database,
    sample::{
        acme, at, change, furnish, id, key, key_name, new_key, new_workspace, policy, policy_name,
        principal, principal_name, request, rev, revisions, secret, workspace,
    },
};

/// What becomes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Made,
    Conflict,
    Exists,
    Unavailable,
}

pub(crate) fn fate<T>(outcome: &Result<T, StoreError>) -> Fate {
    match outcome {
        Ok(_) => Fate::Made,
        Err(StoreError::Conflict) => Fate::Conflict,
        Err(StoreError::Exists) => Fate::Exists,
        Err(StoreError::Unavailable(_)) => Fate::Unavailable,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) type Asked = BoxFuture<'static, Result<Revision, StoreError>>;

/// Keeps everybody from changes until it is dropped.
pub(crate) async fn hold(database: &impl Database) -> DatabaseTransaction {
    let held = database.connect().await.begin().await.unwrap();
    held.execute_unprepared("UPDATE counter SET revision = revision").await.unwrap();
    held
}

/// Asks for the changes, in this order, and goes on without the answers.
pub(crate) fn begin(store: &Arc<Store>, changes: impl IntoIterator<Item = Change>) -> Vec<Asked> {
    let ask = |change| {
        let store = Arc::clone(store);
        let mut asked: Asked = Box::pin(async move { store.commit(change).await });
        assert!((&mut asked).now_or_never().is_none());
        asked
    };
    changes.into_iter().map(ask).collect()
}

/// Makes all of these changes while they wait for each other.
async fn commit_together(
    database: &impl Database,
    store: &Arc<Store>,
    changes: impl IntoIterator<Item = Change>,
) -> Vec<Result<Revision, StoreError>> {
    let held = hold(database).await;
    let asked = begin(store, changes);
    held.rollback().await.unwrap();
    join_all(asked).await
}

fn guarded(guard: Guard, revision: i64, change: Change) -> Change {
    Change { guards: vec![(guard, Revision(revision))], ..change }
}

fn asked(name: &str, change: Change) -> Change {
    Change { request: Some(request(name)), ..change }
}

fn in_zeta(name: &str) -> Key {
    Key { name: KeyName { workspace: id("zeta"), key: id(name) }, ..key(name) }
}

fn owned(name: &str) -> Key {
    Key { principal: Some(id("ann")), ..key(name) }
}

/// Changes of every kind, and what becomes of each after `furnish` and two keys.
fn mixture() -> Vec<(Change, Fate)> {
    let suspended = || {
        let mut suspended = workspace("acme");
        suspended.suspended = true;
        change(Write::Workspace(suspended, rev(2)))
    };
    let with_secret = |name, number| change(Write::Key(key(name), None, secret(number)));
    let rotated = |number| change(Write::Key(key("old"), rev(4), secret(number)));
    let titled = |under| {
        let write = Write::Policy(policy_name(), policy(), rev(1));
        guarded(Guard::Under(policy_name()), under, change(write))
    };
    let deleted = |newest| {
        let write = Write::Principal(principal(), rev(3));
        guarded(Guard::KeysOf(principal_name()), newest, change(write))
    };
    let elsewhere = |name: &str| {
        let mut orphan = key(name);
        orphan.name.workspace = id("nowhere");
        new_key(orphan)
    };
    let mut ownerless = key("ownerless");
    ownerless.principal = Some(id("nobody"));
    use Fate::{Conflict, Exists, Made};
    vec![
        (guarded(Guard::Workspace(acme()), 2, new_key(key("a"))), Made),
        (new_key(key("a")), Exists),
        (change(Write::Key(key("a"), rev(99), None)), Conflict),
        (suspended(), Made),
        (suspended(), Conflict),
        (guarded(Guard::Workspace(acme()), 2, new_key(key("b"))), Conflict),
        (guarded(Guard::Workspace(acme()), 99, new_key(key("b"))), Conflict),
        (guarded(Guard::Principal(principal_name()), 99, new_key(key("b"))), Conflict),
        (guarded(Guard::Principal(principal_name()), 3, new_key(owned("b"))), Made),
        (asked("r", new_key(key("c"))), Made),
        (asked("r", new_key(key("d"))), Conflict),
        (asked("r", new_key(key("c"))), Conflict),
        (elsewhere("e"), Conflict),
        (new_key(ownerless), Conflict),
        (new_key(in_zeta("a")), Conflict),
        (new_workspace("zeta"), Made),
        (new_key(in_zeta("a")), Made),
        (with_secret("f", 1), Conflict),
        (with_secret("f", 3), Made),
        (with_secret("g", 3), Conflict),
        (rotated(4), Made),
        (rotated(5), Conflict),
        // Made until here: events 6 to 13.
        (titled(12), Conflict),
        (new_key(key("h")), Made),
        (titled(14), Made),
        (guarded(Guard::Policy(policy_name()), 1, new_key(key("i"))), Conflict),
        // The owner's only key is of event 8.
        (deleted(14), Conflict),
        (deleted(8), Made),
    ]
}

pub(crate) async fn changes_that_wait_are_made_together_each_for_itself(database: &impl Database) {
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    store.commit(change(Write::Key(key("old"), None, secret(1)))).await.unwrap();
    store.commit(change(Write::Key(key("old2"), None, secret(2)))).await.unwrap();
    let (mut changes, mut fates): (Vec<_>, Vec<_>) = mixture().into_iter().unzip();
    changes.extend((0..100).map(|number| new_key(key(&format!("k{number}")))));
    fates.extend([Fate::Made; 100]);
    let before = store.committed();
    let outcomes = commit_together(database, &store, changes).await;

    assert_eq!(outcomes.iter().map(fate).collect::<Vec<_>>(), fates);
    let made: Vec<i64> = outcomes.into_iter().flatten().map(|revision| revision.0).collect();
    assert_eq!(made, (6..=116).collect::<Vec<_>>(), "in the order in which they were asked for");
    assert_eq!(revisions(&store).await, (1..=116).collect::<Vec<_>>());
    assert_eq!(store.verify_events().await.unwrap().count, 116);
    let after = store.committed();
    assert_eq!(after.changes - before.changes, 111);
    // The first, what met while it was made, and what began a group of its own.
    assert!(after.groups - before.groups <= 6, "{after:?}");

    assert!(store.workspace(&acme()).await.unwrap().unwrap().value.suspended);
    assert_eq!(store.key(&in_zeta("a").name).await.unwrap().unwrap().key.revision, Revision(11));
    let old = store.key(&key_name("old")).await.unwrap().unwrap();
    assert_eq!((old.key.revision, old.key.create_time), (Revision(13), at(1)));
    let replaced: Vec<_> = old.secrets.iter().map(|secret| secret.replaced).collect();
    assert!(replaced.contains(&None) && replaced.contains(&Some(at(40))), "{replaced:?}");
    let other = store.key(&key_name("old2")).await.unwrap().unwrap();
    assert_eq!(other.secrets.iter().filter(|secret| secret.replaced.is_none()).count(), 1);
    let remembered = store.request(&request("r").key, at(1)).await.unwrap().unwrap();
    assert_eq!((remembered.subject, remembered.revision.0), (key_name("c").to_string(), 9));
    for name in ["d", "e", "g", "i"] {
        assert!(store.key(&key_name(name)).await.unwrap().is_none());
    }
}

pub(crate) async fn what_the_database_refuses_is_refused_alone(database: &impl Database) {
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    // A rule of which the store knows nothing.
    database.execute("CREATE UNIQUE INDEX rule ON keys (plan) WHERE plan = 'sole'").await;
    let sole = |name: &str| new_key(Key { plan: "sole".into(), ..key(name) });
    let named = |name: &str| new_key(key(name));
    let changes = [named("a"), sole("b"), named("c"), sole("d"), named("e")];
    let outcomes = commit_together(database, &store, changes).await;
    use Fate::{Conflict, Made};
    assert_eq!(outcomes.iter().map(fate).collect::<Vec<_>>(), [Made, Made, Made, Conflict, Made]);
    assert_eq!(revisions(&store).await, (1..=7).collect::<Vec<_>>());
    assert_eq!(store.verify_events().await.unwrap().count, 7);
}

pub(crate) async fn a_request_that_changed_nothing_is_one_of_its_group(database: &impl Database) {
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    let held = hold(database).await;
    let mut changes = begin(&store, [asked("r", new_key(key("a")))]);
    let remember = |name: &'static str| {
        let store = Arc::clone(&store);
        let done = RememberedAs { subject: "it".into(), revision: Revision(2), time: at(1) };
        let mut asked: BoxFuture<'_, _> =
            Box::pin(async move { store.remember(request(name), done).await });
        assert!((&mut asked).now_or_never().is_none());
        asked
    };
    let remembered = [remember("r"), remember("s"), remember("s")];
    changes.extend(begin(&store, [asked("s", new_key(key("b"))), new_key(key("b"))]));
    held.rollback().await.unwrap();
    let remembered = join_all(remembered).await;
    use Fate::{Conflict, Made};
    assert_eq!(remembered.iter().map(fate).collect::<Vec<_>>(), [Conflict, Made, Conflict]);
    let changes = join_all(changes).await;
    assert_eq!(changes.iter().map(fate).collect::<Vec<_>>(), [Made, Conflict, Made]);
    let remembered = store.request(&request("s").key, at(1)).await.unwrap().unwrap();
    assert_eq!((&*remembered.subject, remembered.revision), ("it", Revision(2)));
    assert_eq!(store.verify_events().await.unwrap().count, 5);
}

pub(crate) async fn an_expired_request_is_replaced_amid_a_group(database: &impl Database) {
    // Whether they become one group is not for this test to say: the first may be begun before
    // the others have come.
    for attempt in 0..100 {
        let store = Arc::new(database.store().await);
        if attempt == 0 {
            furnish(&store).await;
        }
        if are_one_group(database, &store, attempt).await {
            return;
        }
    }
    panic!("three changes were never made together");
}

/// Asks for three changes at once, of which one is of a request that expired for another.
async fn are_one_group(database: &impl Database, store: &Arc<Store>, attempt: usize) -> bool {
    let id = |name: &str| format!("{name}-{attempt}");
    let [r, s, t, u] = ["r", "s", "t", "u"].map(id);
    let first = store.commit(asked(&r, new_key(key(&id("a"))))).await.unwrap().0;
    store.commit(asked(&s, new_key(key(&id("b"))))).await.unwrap();
    let at_time = |name: &str, asked_as: &str, time| Change {
        time: at(time),
        ..asked(asked_as, new_key(key(&id(name))))
    };
    // Both were remembered until 100. For who asks at 99 they still are.
    let changes = [at_time("c", &r, 100), at_time("d", &s, 99), at_time("e", &t, 99)];
    let before = store.committed().groups;
    let outcomes = commit_together(database, store, changes).await;
    if store.committed().groups > before + 1 {
        return false;
    }
    use Fate::{Conflict, Made};
    assert_eq!(outcomes.iter().map(fate).collect::<Vec<_>>(), [Made, Conflict, Made]);
    let remembered = async |name: &str| store.request(&request(name).key, at(1)).await.unwrap();
    assert_eq!(remembered(&r).await.unwrap().revision.0, first + 2);
    assert_eq!(remembered(&s).await.unwrap().revision.0, first + 1);
    // What expired for all is gone.
    store.commit(at_time("f", &u, 100)).await.unwrap();
    assert_eq!(remembered(&s).await, None);
    true
}

pub(crate) async fn a_key_with_very_many_scopes_is_written(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    let mut many = key("many");
    let grant = |number: u32| Grant { scope: format!("sites:{number}"), resource: None };
    // More values than any database takes in one statement.
    many.grants = (0..22_000).map(grant).collect();
    store.commit(new_key(many.clone())).await.unwrap();
    let read = store.key(&many.name).await.unwrap().unwrap();
    assert!(read.key.value == many);
}

pub(crate) async fn a_store_closed_while_changes_wait_says_truly_which_were_made(
    database: &impl Database,
) {
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    let held = hold(database).await;
    let asked = begin(&store, (0..200).map(|number| new_key(key(&format!("k{number}")))));
    let closing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.close().await }
    });
    held.rollback().await.unwrap();
    let outcomes = join_all(asked).await;
    closing.await.unwrap();
    let fates: Vec<Fate> = outcomes.iter().map(fate).collect();
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Made | Fate::Unavailable)), "{fates:?}");
    let made = outcomes.into_iter().flatten().count();
    drop(store);
    let store = tokio::time::timeout(Duration::from_secs(30), database.open()).await.unwrap();
    assert_eq!(revisions(&store).await.len(), 3 + made);
    store.verify_events().await.unwrap();
}
