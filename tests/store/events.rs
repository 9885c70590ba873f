//! The log, and whether tampering with it is found.

use keyward::domain::{
    event::{Event, Hash, Kind, Revision},
    ports::{Change, EventQuery, NewRequest, Page, Records as _, RequestKey},
};
use keyward::store::{BrokenChain, Store, Verified, VerifyError};

use crate::{
    database::Database,
    sample::{acme, all_events, at, first_page, furnish, key, new_key, new_workspace},
};

/// Events 1 to 5.
pub(crate) async fn five(database: &impl Database) -> Store {
    let store = database.store().await;
    furnish(&store).await;
    for name in ["a", "b"] {
        store.commit(new_key(key(name))).await.unwrap();
    }
    store
}

pub(crate) async fn broken(store: &Store) -> BrokenChain {
    match store.verify_events().await {
        Err(VerifyError::Broken(broken)) => broken,
        outcome => panic!("{outcome:?}"),
    }
}

/// Tampers with a log of five events, and expects to be told where.
async fn check(database: &impl Database, store: &Store, tamper: &str, undo: &str, expected: i64) {
    database.execute(tamper).await;
    assert_eq!(broken(store).await.revision, Revision(expected), "{tamper}");
    database.execute(undo).await;
    assert_eq!(store.verify_events().await.unwrap().count, 5, "{undo}");
}

pub(crate) async fn events_are_filtered_and_paged(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    for (name, time) in [("a", 10), ("b", 20)] {
        let mut change = Change { time: at(time), ..new_key(key(name)) };
        change.deed.actor = format!("actor-{name}");
        change.deed.before = "{\"before\":1}".into();
        change.deed.request_id = "r".into();
        store.commit(change).await.unwrap();
    }
    let check = async |query: EventQuery, expected: &[i64]| {
        let events = store.events(&query, &first_page(100)).await.unwrap();
        assert_eq!(
            events.iter().map(|event| event.revision.0).collect::<Vec<_>>(),
            expected,
            "{query:?}"
        );
    };
    let any = EventQuery::default;
    check(any(), &[1, 2, 3, 4, 5]).await;
    check(EventQuery { workspace: Some(acme()), ..any() }, &[2, 3, 4, 5]).await;
    check(EventQuery { subject: Some("workspaces/acme/keys/a".into()), ..any() }, &[4]).await;
    check(EventQuery { actor: Some("actor-b".into()), ..any() }, &[5]).await;
    check(
        EventQuery { kinds: vec![Kind::PolicyUpdated, Kind::PrincipalUpdated], ..any() },
        &[1, 3],
    )
    .await;
    check(EventQuery { from: Some(at(10)), until: Some(at(20)), ..any() }, &[4]).await;

    let page = Page { after: Some(Revision(3)), size: 1 };
    let [event] = store.events(&any(), &page).await.unwrap().try_into().unwrap();
    let mut deed = new_key(key("a")).deed;
    deed.actor = "actor-a".into();
    deed.before = "{\"before\":1}".into();
    deed.request_id = "r".into();
    let previous = all_events(&store).await[2].hash;
    assert_eq!(event, Event::new(Revision(4), at(10), deed, previous));
}

pub(crate) async fn an_empty_log_is_whole(database: &impl Database) {
    let store = database.store().await;
    let nothing = Verified { count: 0, revision: Revision(0), hash: Hash::default() };
    assert_eq!(store.verify_events().await.unwrap(), nothing);
}

pub(crate) async fn a_long_log_is_whole(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    for number in 0..1_000 {
        store.commit(new_workspace(&format!("w{number}"))).await.unwrap();
    }
    let verified = store.verify_events().await.unwrap();
    assert_eq!((verified.count, verified.revision), (1_003, Revision(1_003)));
    assert_eq!(verified.hash, all_events(&store).await.last().unwrap().hash);
}

pub(crate) async fn an_edit_is_found(database: &impl Database) {
    let store = five(database).await;
    let edits = [
        ("actor = 'x'", "actor = 'cli'"),
        ("time = 2", "time = 1"),
        ("kind = 'key.revoked'", "kind = 'principal.updated'"),
        ("kind = 'nonsense'", "kind = 'principal.updated'"),
        ("after = ''", "after = '{}'"),
        ("after = '', before = '{}'", "after = '{}', before = ''"),
        ("workspace = ''", "workspace = 'acme'"),
        ("request_id = 'x'", "request_id = ''"),
    ];
    for (edit, undo) in edits {
        let update = |set| format!("UPDATE events SET {set} WHERE revision = 3");
        check(database, &store, &update(edit), &update(undo), 3).await;
    }
    let zero = database.literal(&[0; 32]);
    database.execute(&format!("UPDATE events SET hash = {zero} WHERE revision = 3")).await;
    assert_eq!(broken(&store).await.revision, Revision(3));
}

pub(crate) async fn a_removed_event_is_found(database: &impl Database) {
    let store = five(database).await;
    for revision in [1, 3, 5] {
        database.execute("CREATE TABLE aside AS SELECT * FROM events").await;
        let tamper = format!("DELETE FROM events WHERE revision = {revision}");
        let undo = "DELETE FROM events; INSERT INTO events SELECT * FROM aside; DROP TABLE aside";
        check(database, &store, &tamper, undo, revision).await;
    }
    database.execute("DELETE FROM events").await;
    assert_eq!(broken(&store).await.revision, Revision(1));
}

pub(crate) async fn a_renumbered_event_is_found(database: &impl Database) {
    let store = five(database).await;
    for (from, to, expected) in [(3, 9, 3), (5, 6, 5), (1, 0, 0), (1, -7, -7)] {
        let update =
            |from, to| format!("UPDATE events SET revision = {to} WHERE revision = {from}");
        check(database, &store, &update(from, to), &update(to, from), expected).await;
    }
    database.execute("UPDATE events SET revision = 99 WHERE revision = 2").await;
    database.execute("UPDATE events SET revision = 2 WHERE revision = 3").await;
    database.execute("UPDATE events SET revision = 3 WHERE revision = 99").await;
    assert_eq!(broken(&store).await.revision, Revision(2));
}

pub(crate) async fn an_added_event_is_found(database: &impl Database) {
    let store = five(database).await;
    let columns = "time, actor, kind, subject, workspace, before, after, request_id, nonce";
    let copy = |to: i64| {
        format!(
            "INSERT INTO events (revision, {columns}, previous_hash, hash) SELECT {to}, {columns}, previous_hash, hash FROM events WHERE revision = 5"
        )
    };
    for revision in [-1, 0, 6] {
        let undo = format!("DELETE FROM events WHERE revision = {revision}");
        check(database, &store, &copy(revision), &undo, revision).await;
    }
    database.execute(&copy(6)).await;
    assert_eq!(broken(&store).await.why, "it follows another event than the one before it");
    database.execute("DELETE FROM events WHERE revision = 6").await;
    // With hashes such as it would have.
    let last = all_events(&store).await.pop().unwrap();
    let forged = Event::new(Revision(6), last.time, last.deed, last.hash);
    let [previous, hash] = [forged.previous, forged.hash].map(|hash| database.literal(&hash.0));
    database.execute(&copy(6)).await;
    database
        .execute(&format!(
            "UPDATE events SET previous_hash = {previous}, hash = {hash} WHERE revision = 6"
        ))
        .await;
    assert_eq!(broken(&store).await.revision, Revision(6));
}

pub(crate) async fn a_changed_counter_is_found(database: &impl Database) {
    let store = five(database).await;
    let changes = [
        ("revision = 6", "revision = 5", 6),
        ("revision = 4", "revision = 5", 5),
        ("nonce = nonce + 1", "nonce = nonce - 1", 5),
    ];
    for (change, undo, expected) in changes {
        let update = |set| format!("UPDATE counter SET {set}");
        check(database, &store, &update(change), &update(undo), expected).await;
    }
    // The end rewritten, such as to put other words into the last change.
    let last = all_events(&store).await.pop().unwrap();
    let mut deed = last.deed;
    deed.actor = "x".into();
    let hash = database.literal(&Event::new(last.revision, last.time, deed, last.previous).hash.0);
    database
        .execute(&format!("UPDATE events SET actor = 'x', hash = {hash} WHERE revision = 5"))
        .await;
    assert_eq!(broken(&store).await.revision, Revision(5));
}

/// An actor as long as a SPIFFE ID may be, which no database can make shorter.
fn longest_actor() -> String {
    use ring::digest::{SHA256, digest};

    let mut actor = "spiffe://acme.example/".to_owned();
    for number in 0_u32.. {
        for byte in digest(&SHA256, &number.to_be_bytes()).as_ref() {
            if actor.len() == 2_048 {
                return actor;
            }
            actor.push(char::from(
                b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
                    [usize::from(byte % 64)],
            ));
        }
    }
    unreachable!("there are numbers enough")
}

pub(crate) async fn the_longest_actor_is_logged_and_its_requests_are_remembered(
    database: &impl Database,
) {
    let store = database.store().await;
    furnish(&store).await;
    let actor = longest_actor();
    let request_key =
        RequestKey { actor: actor.clone(), id: "7f0c8a1e-4c1e-4c55-9d4d-0d9b7a1f2c3d".into() };
    let mut change = new_key(key("a"));
    change.deed.actor.clone_from(&actor);
    change.request = Some(NewRequest {
        key: request_key.clone(),
        fingerprint: [7; 32],
        until: at(i64::MAX / 2),
    });
    store.commit(change).await.unwrap();
    let remembered = store.request(&request_key, at(1)).await.unwrap().unwrap();
    assert_eq!(remembered.revision, Revision(4));
    let query = EventQuery { actor: Some(actor.clone()), ..EventQuery::default() };
    let events = store.events(&query, &first_page(100)).await.unwrap();
    assert_eq!(events.iter().map(|event| &event.deed.actor).collect::<Vec<_>>(), [&actor]);
    assert_eq!(store.verify_events().await.unwrap().count, 4);
}
