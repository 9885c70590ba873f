//! Each way to tamper with the log is found, by its own hashes and with a checkpoint at any place;
//! what its own hashes cannot tell, with the checkpoint.

use keyward::{
    domain::event::{Event, Revision},
    store::{Store, VerifyError},
};

use crate::{
    checkpoints::{forge, heads, verdicts},
    database::Database,
    events::{broken, five},
    sample::all_events,
};

const COLUMNS: &str =
    "time, actor, kind, subject, workspace, before, after, request_id, nonce, previous_hash, hash";

/// Tampers with a log of five events, and expects to be told of the first that is wrong: without
/// a checkpoint, and with one of each event. What only looks at what came after a checkpoint is
/// told of what is wrong there.
async fn check(database: &impl Database, store: &Store, tamper: &str, expected: i64) {
    let heads = heads(store).await;
    database.execute("CREATE TABLE aside AS SELECT * FROM events").await;
    database.execute(tamper).await;
    assert_eq!(broken(store).await.revision, Revision(expected), "{tamper}");
    for known in heads {
        let [all, after] = verdicts(store, known).await;
        let Err(VerifyError::Broken(found)) = all else { panic!("{tamper}: {all:?}") };
        assert_eq!(found.revision, Revision(expected), "{tamper} {known:?}");
        if known.revision < Revision(expected) {
            let Err(VerifyError::Broken(found)) = after else { panic!("{tamper}: {after:?}") };
            assert_eq!(found.revision, Revision(expected), "{tamper} {known:?}");
        } else if known.revision == Revision(expected) {
            assert!(after.is_err(), "{tamper} {known:?}");
        }
    }
    let undo = "DELETE FROM events; INSERT INTO events SELECT * FROM aside; DROP TABLE aside";
    database.execute(undo).await;
    assert_eq!(store.verify_events().await.unwrap().count, 5, "{tamper}");
}

pub(crate) async fn a_changed_event_is_found(database: &impl Database) {
    let store = five(database).await;
    let zero = database.literal(&[0; 32]);
    let edits = [
        "time = time + 1",
        "actor = 'x'",
        "kind = 'key.revoked'",
        "subject = 'x'",
        "workspace = 'x'",
        "before = 'x'",
        "after = 'x'",
        "request_id = 'x'",
        &format!("previous_hash = {zero}"),
        &format!("hash = {zero}"),
    ];
    for edit in edits {
        // The first has the previous hash that it is given here.
        for revision in 2..=5 {
            let tamper = format!("UPDATE events SET {edit} WHERE revision = {revision}");
            check(database, &store, &tamper, revision).await;
        }
    }
}

pub(crate) async fn a_deleted_event_is_found(database: &impl Database) {
    let store = five(database).await;
    for revision in 1..=5 {
        let tamper = format!("DELETE FROM events WHERE revision = {revision}");
        check(database, &store, &tamper, revision).await;
    }
}

pub(crate) async fn events_in_another_order_are_found(database: &impl Database) {
    let store = five(database).await;
    for (one, other) in [(1, 2), (2, 4), (4, 5), (1, 5)] {
        let tamper = format!(
            "UPDATE events SET revision = 99 WHERE revision = {one};\
             UPDATE events SET revision = {one} WHERE revision = {other};\
             UPDATE events SET revision = {other} WHERE revision = 99"
        );
        check(database, &store, &tamper, one).await;
    }
}

pub(crate) async fn an_inserted_event_is_found(database: &impl Database) {
    let store = five(database).await;
    let copy = |from, to| {
        format!(
            "INSERT INTO events (revision, {COLUMNS}) SELECT {to}, {COLUMNS} FROM events WHERE revision = {from}"
        )
    };
    check(database, &store, &copy(5, 6), 6).await;
    // Between others, which are given later numbers.
    for place in 1..=5 {
        let tamper = format!(
            "UPDATE events SET revision = revision + 100 WHERE revision >= {place};\
             {};\
             UPDATE events SET revision = revision - 99 WHERE revision > 100",
            copy(if place == 5 { 1 } else { 105 }, place)
        );
        check(database, &store, &tamper, place).await;
    }
    // With the hashes that it would have.
    let last = all_events(&store).await.pop().unwrap();
    let forged = Event::new(Revision(6), last.time, last.deed, last.hash);
    let [previous, hash] = [forged.previous, forged.hash].map(|hash| database.literal(&hash.0));
    let fit =
        format!("UPDATE events SET previous_hash = {previous}, hash = {hash} WHERE revision = 6");
    check(database, &store, &format!("{}; {fit}", copy(5, 6)), 6).await;
}

pub(crate) async fn a_log_that_is_cut_off_is_found(database: &impl Database) {
    let store = five(database).await;
    for first in 1..=5 {
        let tamper = format!("DELETE FROM events WHERE revision >= {first}");
        check(database, &store, &tamper, first).await;
    }
    // With care, the counter too: only a checkpoint can tell.
    let (events, heads) = (all_events(&store).await, heads(&store).await);
    for ends in (1..=4).rev() {
        forge(database, &events[..ends]).await;
        assert_eq!(store.verify_events().await.unwrap().count, ends as u64);
        for known in &heads {
            for verdict in verdicts(&store, *known).await {
                match verdict {
                    Ok(_) => assert!(known.revision <= Revision(ends as i64), "{known:?}"),
                    Err(VerifyError::CutOff { known: told, .. }) => {
                        assert_eq!(told, known.revision);
                        assert!(known.revision > Revision(ends as i64), "{known:?}");
                    }
                    Err(error) => panic!("{known:?}: {error:?}"),
                }
            }
        }
    }
}
