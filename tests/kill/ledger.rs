//! What was asked and what was acknowledged, and whether a database says the same.

use std::collections::{BTreeMap, HashMap};

use keyward::proto::{DenyReason, Event, EventKind};

/// A change that a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) kind: EventKind,
    /// The resource name of what it changes.
    pub(crate) subject: String,
    /// The title that it gives, where it gives one.
    pub(crate) title: String,
    /// The principal of a new key. Empty: none.
    pub(crate) owner: String,
    pub(crate) request_id: String,
}

/// A policy, workspace, principal or key, as far as changes here go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) revision: i64,
    pub(crate) title: String,
    /// Suspended, disabled or revoked.
    pub(crate) is_off: bool,
    pub(crate) owner: String,
    /// How many of its secrets work as far as the key itself goes.
    pub(crate) live_secrets: usize,
}

/// What clients know. A secret is None where its answer never came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// By resource name.
    pub(crate) records: BTreeMap<String, Record>,
    /// The secrets of each key, oldest first.
    pub(crate) secrets: BTreeMap<String, Vec<Option<String>>>,
    /// What was acknowledged since the last settlement, with its revision.
    acknowledged: Vec<(Change, i64)>,
    /// What was sent and not answered, by request id.
    pending: BTreeMap<String, Change>,
    /// The last revision that is accounted for.
    head: i64,
}

/// What came of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) acknowledged: usize,
    /// Never answered, and found done.
    pub(crate) done: usize,
    /// Never answered, and found not done.
    pub(crate) not_done: usize,
}

/// What a secret was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) key: String,
    /// Which of the key's secrets it was, the oldest being 0.
    pub(crate) place: usize,
    /// Unspecified: it was allowed.
    pub(crate) reason: DenyReason,
}

impl Ledger {
    pub(crate) fn new(head: i64) -> Self {
        Self { head, ..Self::default() }
    }

    pub(crate) fn head(&self) -> i64 {
        self.head
    }

    /// A change is about to be sent.
    pub(crate) fn send(&mut self, change: &Change) {
        self.pending.insert(change.request_id.clone(), change.clone());
    }

    /// A change was answered OK.
    pub(crate) fn acknowledge(&mut self, change: &Change, revision: i64, secret: Option<String>) {
        self.pending.remove(&change.request_id);
        self.acknowledged.push((change.clone(), revision));
        self.apply(change, revision, secret);
    }

    fn apply(&mut self, change: &Change, revision: i64, secret: Option<String>) {
        let Change { kind, subject, title, owner, request_id: _ } = change;
        let record = self.records.entry(subject.clone()).or_default();
        record.revision = revision;
        if !title.is_empty() {
            record.title.clone_from(title);
        }
        if !owner.is_empty() {
            record.owner.clone_from(owner);
        }
        match kind {
            EventKind::WorkspaceSuspended | EventKind::PrincipalDisabled => record.is_off = true,
            EventKind::WorkspaceResumed | EventKind::PrincipalEnabled => record.is_off = false,
            EventKind::KeyRevoked => (record.is_off, record.live_secrets) = (true, 0),
            EventKind::KeyCreated | EventKind::KeyRotated => {
                record.live_secrets = 1;
                self.secrets.entry(subject.clone()).or_default().push(secret);
            }
            _ => {}
        }
    }

    /// Holds the events since the last settlement against what was asked: whatever was
    /// acknowledged has its one event, whatever was not has one or none, and nothing else
    /// has any. What turns out to be done counts as such from here on.
    pub(crate) fn settle(&mut self, events: &[Event]) -> Result<Figures, Vec<String>> {
        let mut faults = Vec::new();
        let mut by_request: HashMap<&str, &Event> = HashMap::new();
        for (event, expected) in events.iter().zip(self.head + 1..) {
            if event.revision != expected {
                faults.push(format!("event {} stands where {expected} should", event.revision));
            }
            if let Some(twice) = by_request.insert(&event.request_id, event) {
                faults.push(format!("{} and {} are one request", twice.revision, event.revision));
            }
        }
        let mut figures = Figures { acknowledged: self.acknowledged.len(), ..Figures::default() };
        for (change, revision) in std::mem::take(&mut self.acknowledged) {
            match by_request.remove(&*change.request_id) {
                Some(event) if event.revision == revision => faults.extend(differs(&change, event)),
                found => {
                    let found = found.map(|event| event.revision);
                    faults.push(format!("{change:?} was acknowledged as {revision}: {found:?}"));
                }
            }
        }
        for change in std::mem::take(&mut self.pending).into_values() {
            if let Some(event) = by_request.remove(&*change.request_id) {
                figures.done += 1;
                faults.extend(differs(&change, event));
                self.apply(&change, event.revision, None);
            } else {
                figures.not_done += 1;
            }
        }
        faults.extend(by_request.values().map(|event| format!("nobody asked for {event:?}")));
        self.head = events.last().map_or(self.head, |event| event.revision);
        if faults.is_empty() { Ok(figures) } else { Err(faults) }
    }

    /// Where the records of the database are not what the ledger says.
    pub(crate) fn compare(&self, found: &BTreeMap<String, Record>) -> Vec<String> {
        let names =
            self.records.keys().chain(found.keys().filter(|n| !self.records.contains_key(*n)));
        names
            .filter(|name| self.records.get(*name) != found.get(*name))
            .map(|name| {
                let (expected, found) = (self.records.get(name), found.get(name));
                format!("{name}: expected {expected:?}, found {found:?}")
            })
            .collect()
    }

    /// Which answers are not what the ledger says.
    pub(crate) fn examine(&self, answers: &[Answer]) -> Vec<String> {
        let wrong = answers.iter().filter(|answer| answer.reason != self.expected(answer));
        wrong.map(|answer| format!("{answer:?}, not {:?}", self.expected(answer))).collect()
    }

    fn expected(&self, answer: &Answer) -> DenyReason {
        let off = |name: &str| self.records.get(name).is_some_and(|record| record.is_off);
        let key = &self.records[&answer.key];
        let (workspace, _) = answer.key.split_once("/keys/").unwrap();
        if answer.place + 1 < self.secrets[&answer.key].len() {
            DenyReason::InvalidKey
        } else if key.is_off {
            DenyReason::Revoked
        } else if off(workspace) || off(&key.owner) {
            DenyReason::Disabled
        } else {
            DenyReason::Unspecified
        }
    }
}

fn differs(change: &Change, event: &Event) -> Option<String> {
    let same = event.kind() == change.kind && event.subject == change.subject;
    (!same).then(|| format!("{change:?} is told as {event:?}"))
}

/// Where the hashes of a whole log do not hold: computed anew, each field preceded by
/// its length.
pub(crate) fn broken_links(events: &[Event]) -> Vec<i64> {
    let mut previous = vec![0; 32];
    let mut broken = Vec::new();
    for event in events {
        if event.previous_hash != previous || event.hash != digest(event) {
            broken.push(event.revision);
        }
        previous.clone_from(&event.hash);
    }
    broken
}

fn digest(event: &Event) -> Vec<u8> {
    let time = event.create_time.unwrap();
    let micros = time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000;
    let kind = event.kind().as_str_name().strip_prefix("EVENT_KIND_").unwrap();
    let kind = kind.to_lowercase().replacen('_', ".", 1);
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let fields: [&[u8]; 11] = [
        b"keyward event v1",
        &event.revision.to_be_bytes(),
        &micros.to_be_bytes(),
        event.actor.as_bytes(),
        kind.as_bytes(),
        event.subject.as_bytes(),
        event.workspace.trim_start_matches("workspaces/").as_bytes(),
        event.before_json.as_bytes(),
        event.after_json.as_bytes(),
        event.request_id.as_bytes(),
        &event.previous_hash,
    ];
    for field in fields {
        context.update(&(field.len() as u64).to_be_bytes());
        context.update(field);
    }
    context.finish().as_ref().to_vec()
}
