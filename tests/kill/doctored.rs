//! The checker finds what it is there to find: histories with one thing wrong.

use keyward::{
    domain::{
        event::{self, Deed, Hash, Kind, Revision},
        time::Timestamp as Moment,
    },
    proto::{DenyReason, Event, EventKind},
};
use prost_types::Timestamp;

use crate::ledger::{Answer, Change, Figures, Ledger, Record, broken_links};

const POLICY: &str = "policies/p0";
const WORKSPACE: &str = "workspaces/w0";
const KEY: &str = "workspaces/w0/keys/i1";

fn change(kind: EventKind, subject: &str, request_id: &str) -> Change {
    Change {
        kind,
        subject: subject.to_owned(),
        title: String::new(),
        owner: String::new(),
        request_id: request_id.to_owned(),
    }
}

fn told(revision: i64, change: &Change) -> Event {
    Event {
        revision,
        kind: change.kind.into(),
        subject: change.subject.clone(),
        request_id: change.request_id.clone(),
        ..Event::default()
    }
}

/// Four changes acknowledged, one not answered, and the log of all five after revision 2.
fn history() -> (Ledger, Vec<Event>) {
    let changes = [
        change(EventKind::PolicyCreated, POLICY, "a"),
        change(EventKind::WorkspaceCreated, WORKSPACE, "b"),
        change(EventKind::KeyCreated, KEY, "c"),
        change(EventKind::KeyRotated, KEY, "d"),
    ];
    let mut ledger = Ledger::new(2);
    for (change, revision) in changes.iter().zip(3..) {
        ledger.send(change);
        let is_minted = matches!(change.kind, EventKind::KeyCreated | EventKind::KeyRotated);
        ledger.acknowledge(change, revision, is_minted.then(|| format!("secret {revision}")));
    }
    let unanswered = change(EventKind::KeyRevoked, KEY, "e");
    ledger.send(&unanswered);
    let asked = changes.iter().chain([&unanswered]);
    let events = asked.zip(3..).map(|(change, revision)| told(revision, change)).collect();
    (ledger, events)
}

/// The faults that settling finds once the events were doctored.
#[track_caller]
fn check(doctor: impl FnOnce(&mut Vec<Event>), expected: &str) {
    let (mut ledger, mut events) = history();
    doctor(&mut events);
    let faults = ledger.settle(&events).unwrap_err();
    assert!(faults.iter().any(|fault| fault.contains(expected)), "{faults:?}");
}

#[test]
fn an_honest_history_passes_whether_the_unanswered_change_was_made_or_not() {
    let (mut ledger, mut events) = history();
    let made = Figures { acknowledged: 4, done: 1, not_done: 0 };
    assert_eq!(ledger.settle(&events), Ok(made));
    assert!(ledger.records[KEY].is_off);
    let (mut ledger, _) = history();
    events.pop();
    let not_made = Figures { acknowledged: 4, done: 0, not_done: 1 };
    assert_eq!(ledger.settle(&events), Ok(not_made));
    assert!(!ledger.records[KEY].is_off);
}

#[test]
fn a_lost_acknowledged_change_is_found() {
    check(|events| events.truncate(3), "was acknowledged as 6: None");
}

#[test]
fn a_gap_in_the_revisions_is_found() {
    check(|events| events[4].revision = 8, "event 8 stands where 7 should");
}

#[test]
fn an_event_with_another_number_than_was_answered_is_found() {
    check(|events| events.swap(2, 3), "event 6 stands where 5 should");
    check(
        |events| (events[2].revision, events[3].revision) = (6, 5),
        "was acknowledged as 5: Some(6)",
    );
}

#[test]
fn a_change_that_was_made_twice_is_found() {
    check(
        |events| {
            let again = Event { revision: 8, ..events[3].clone() };
            events.push(again);
        },
        "6 and 8 are one request",
    );
}

#[test]
fn an_event_that_nobody_asked_for_is_found() {
    check(|events| events[4].request_id = "z".to_owned(), "nobody asked for");
}

#[test]
fn an_event_that_tells_something_else_is_found() {
    check(|events| events[3].set_kind(EventKind::KeyUpdated), "is told as");
    check(|events| events[3].subject.push('x'), "is told as");
}

#[test]
fn a_record_that_is_missing_half_made_or_too_many_is_found() {
    let (mut ledger, events) = history();
    ledger.settle(&events).unwrap();
    let edits: [fn(&mut std::collections::BTreeMap<String, Record>); 5] = [
        |found| _ = found.remove(KEY),
        |found| found.get_mut(KEY).unwrap().is_off = false,
        |found| found.get_mut(KEY).unwrap().live_secrets = 1,
        |found| found.get_mut(WORKSPACE).unwrap().revision += 1,
        |found| _ = found.insert("workspaces/w1".to_owned(), Record::default()),
    ];
    assert_eq!(ledger.compare(&ledger.records.clone()), [""; 0]);
    for (place, edit) in edits.into_iter().enumerate() {
        let mut found = ledger.records.clone();
        edit(&mut found);
        assert_eq!(ledger.compare(&found).len(), 1, "edit {place}");
    }
}

#[test]
fn a_secret_that_is_answered_otherwise_is_found() {
    let (mut ledger, mut events) = history();
    events.pop();
    ledger.settle(&events).unwrap();
    let wrong = |ledger: &Ledger, place, reason| {
        ledger.examine(&[Answer { key: KEY.to_owned(), place, reason }]).len()
    };
    assert_eq!(wrong(&ledger, 0, DenyReason::InvalidKey), 0);
    assert_eq!(wrong(&ledger, 1, DenyReason::Unspecified), 0);
    assert_eq!(wrong(&ledger, 0, DenyReason::Unspecified), 1);
    assert_eq!(wrong(&ledger, 1, DenyReason::InvalidKey), 1);
    ledger.records.get_mut(WORKSPACE).unwrap().is_off = true;
    assert_eq!(wrong(&ledger, 1, DenyReason::Disabled), 0);
    ledger.records.get_mut(KEY).unwrap().is_off = true;
    assert_eq!(wrong(&ledger, 1, DenyReason::Revoked), 0);
    assert_eq!(wrong(&ledger, 1, DenyReason::Unspecified), 1);
}

/// An event as the log has it, bound to the one before it.
fn linked(revision: i64, previous: &[u8]) -> Event {
    let deed = Deed {
        actor: "bootstrap".to_owned(),
        kind: Kind::KeyCreated,
        subject: KEY.to_owned(),
        workspace: "w0".to_owned(),
        before: String::new(),
        after: "{}".to_owned(),
        request_id: "a".to_owned(),
    };
    let previous = Hash(previous.try_into().unwrap());
    let made =
        event::Event::new(Revision(revision), Moment::from_micros(1_000_005), deed, previous);
    Event {
        revision,
        create_time: Some(Timestamp { seconds: 1, nanos: 5_000 }),
        actor: made.deed.actor,
        kind: EventKind::KeyCreated.into(),
        subject: made.deed.subject,
        workspace: WORKSPACE.to_owned(),
        after_json: made.deed.after,
        request_id: made.deed.request_id,
        previous_hash: made.previous.0.to_vec(),
        hash: made.hash.0.to_vec(),
        ..Event::default()
    }
}

#[test]
fn a_log_is_broken_where_an_event_was_edited_or_removed() {
    let mut events = vec![linked(1, &[0; 32])];
    for revision in 2..=4 {
        let previous = events.last().unwrap().hash.clone();
        events.push(linked(revision, &previous));
    }
    assert_eq!(broken_links(&events), [0; 0]);
    let mut edited = events.clone();
    edited[1].after_json.push(' ');
    assert_eq!(broken_links(&edited), [2]);
    events.remove(1);
    assert_eq!(broken_links(&events), [3]);
}
