//! A database in memory: the counter, the log, the rows of replicas, the records, and a standby
//! that lags until a reply is sent.

use std::collections::{BTreeMap, BTreeSet};

use keyward::domain::{
    event::Revision,
    replica::{Member, Noted, Position, Renewal, Row, Tail, Terms},
    time::Timestamp,
};

use crate::subject::{SUBJECTS, Subject};

/// As few as make a replica come again for the rest.
const CHANGES_MAX: usize = 3;

/// The number of a change in the order of commits, also of those that are lost later. What no
/// change has touched is of number 0.
pub(crate) type Ordinal = i64;

#[derive(Clone, Copy)]
struct Logged {
    ordinal: Ordinal,
    subject: Subject,
}

#[derive(Clone, Default)]
struct State {
    /// Revision n is at n − 1.
    log: Vec<Logged>,
    records: [(Ordinal, Revision); SUBJECTS],
    requests: BTreeMap<u64, Revision>,
    rows: BTreeMap<String, Row>,
}

#[derive(Default)]
pub(crate) struct Database {
    state: State,
    last: Ordinal,
    /// How it was before each write that no standby has yet, by the number of that.
    undo: BTreeMap<u64, State>,
    lost: BTreeSet<u64>,
    writes: u64,
    /// How often the rows were read.
    pub(crate) looks: usize,
    /// Statements are refused.
    pub(crate) is_down: bool,
}

impl Database {
    /// Notes that a write follows; its reply is sent when it is [settled](Self::settle).
    pub(crate) fn write(&mut self) -> u64 {
        self.writes += 1;
        self.undo.insert(self.writes, self.state.clone());
        self.writes
    }

    /// The standby has this write, and so each one before it. False: it was lost.
    pub(crate) fn settle(&mut self, write: u64) -> bool {
        let is_lost = self.lost.contains(&write);
        if !is_lost {
            self.undo.retain(|number, _| *number > write);
        }
        !is_lost
    }

    /// The newest write: what is read now is of no later one.
    pub(crate) fn newest(&self) -> u64 {
        self.writes
    }

    /// Whether the standby has this write, as it must before anybody is told of it; None: it was
    /// lost.
    pub(crate) fn is_settled(&self, write: u64) -> Option<bool> {
        let is_open = self.undo.keys().any(|open| *open <= write);
        (!self.lost.contains(&write)).then_some(!is_open)
    }

    /// The standby takes over: the last of the writes that it may not have are lost.
    pub(crate) fn fail_over(&mut self, pick: impl FnOnce(usize) -> usize) -> usize {
        let open: Vec<u64> = self.undo.keys().copied().collect();
        let lost = &open[pick(open.len() + 1)..];
        if let Some(first) = lost.first() {
            self.state = self.undo.remove(first).unwrap();
        }
        self.lost.extend(lost);
        self.undo.clear();
        lost.len()
    }

    pub(crate) fn head(&self) -> Position {
        let nonce = self.state.log.last().map_or(0, |last| last.ordinal);
        Position { revision: Revision(i64::try_from(self.state.log.len()).unwrap()), nonce }
    }

    /// The last change of a subject.
    pub(crate) fn record(&self, subject: Subject) -> (Ordinal, Revision) {
        self.state.records[subject.place()]
    }

    pub(crate) fn request(&self, request: u64) -> Option<Revision> {
        self.state.requests.get(&request).copied()
    }

    /// Makes the changes of a request, all or none. None: they were made before.
    pub(crate) fn commit_all(&mut self, subjects: &[Subject], request: u64) -> Option<Revision> {
        if self.state.requests.contains_key(&request) {
            return None;
        }
        for subject in subjects {
            self.last += 1;
            self.state.log.push(Logged { ordinal: self.last, subject: *subject });
            self.state.records[subject.place()] = (self.last, self.head().revision);
        }
        let revision = self.head().revision;
        self.state.requests.insert(request, revision);
        Some(revision)
    }

    /// The change of this revision, as the history is now.
    pub(crate) fn ordinal(&self, revision: Revision) -> Ordinal {
        self.state.log[usize::try_from(revision.0).unwrap() - 1].ordinal
    }

    /// A row that begins at `position`, which an earlier snapshot showed. False: the row is of a
    /// later life.
    pub(crate) fn join(&mut self, member: &Member, terms: Terms, position: Position) -> bool {
        let id = member.id.as_str().to_owned();
        let before = self.state.rows.get(&id);
        if before.is_some_and(|row| row.member.incarnation >= member.incarnation) {
            return false;
        }
        let lease_seq = before.map_or(0, |row| row.lease_seq + 1);
        let row = Row { member: member.clone(), applied: position.revision, lease_seq, terms };
        self.state.rows.insert(id, row);
        true
    }

    pub(crate) fn renew(&mut self, member: &Member, applied: Position, time: Timestamp) -> Renewal {
        let at = usize::try_from(applied.revision.0).unwrap();
        let known = at == 0
            || self.state.log.get(at - 1).is_some_and(|event| event.ordinal == applied.nonce);
        if !known {
            return Renewal::HistoryLost;
        }
        let row = self.state.rows.get_mut(member.id.as_str());
        let Some(row) = row.filter(|row| row.member == *member) else { return Renewal::Outside };
        row.applied = applied.revision;
        row.lease_seq += 1;
        let changes = self.state.log.iter().enumerate().skip(at).take(CHANGES_MAX);
        let changes = changes.map(|(place, event)| Noted {
            position: Position {
                revision: Revision(i64::try_from(place).unwrap() + 1),
                nonce: event.ordinal,
            },
            subject: event.subject.name(),
        });
        let changes = changes.collect();
        Renewal::Done(Tail { head: self.head().revision, time, changes })
    }

    pub(crate) fn leave(&mut self, member: &Member) {
        self.state.rows.retain(|_, row| row.member != *member);
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        self.state.rows.values().cloned().collect()
    }

    pub(crate) fn evict(&mut self, row: &Row) -> bool {
        let before = self.state.rows.len();
        self.state.rows.retain(|_, now| now != row);
        self.state.rows.len() < before
    }
}
