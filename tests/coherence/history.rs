//! What every key was to be answered at every revision, and whether it was.

use std::collections::BTreeMap;

use keyward::proto::DenyReason;

/// All that changes, as of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shared {
    pub(crate) is_suspended: bool,
    pub(crate) is_disabled: bool,
    /// Whether the principal is an observer, and no owner.
    pub(crate) is_observer: bool,
    /// Whether the policy lets observers write.
    pub(crate) observers_write: bool,
}

/// What of it is the key's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) may_write: bool,
    pub(crate) is_revoked: bool,
}

/// When an event of the test happened: numbers of one count, drawn by all.
pub(crate) type Moment = u64;

/// One secret and how it was replaced: between the start and the end of a rotation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Replacement {
    pub(crate) begun: Option<Moment>,
    pub(crate) acknowledged: Option<Moment>,
}

/// One answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observation {
    pub(crate) key: usize,
    pub(crate) secret: usize,
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    /// The newest change of the key, or of what it rests on, that had returned at the start.
    pub(crate) floor: i64,
    pub(crate) revision: i64,
    pub(crate) reason: DenyReason,
}

/// What was to be answered, for each key from each revision on, and each secret's end.
#[derive(Debug, Default)]
pub(crate) struct History {
    answers: Vec<BTreeMap<i64, DenyReason>>,
    pub(crate) replaced: Vec<Replacement>,
}

/// What a request to write is answered.
pub(crate) fn expected(shared: Shared, own: Own) -> DenyReason {
    let role_writes = !shared.is_observer || shared.observers_write;
    if own.is_revoked {
        DenyReason::Revoked
    } else if shared.is_suspended || shared.is_disabled {
        DenyReason::Disabled
    } else if own.may_write && role_writes {
        DenyReason::Unspecified
    } else {
        DenyReason::InsufficientScope
    }
}

impl History {
    /// From this revision on, a key is to be answered so.
    pub(crate) fn note(&mut self, key: usize, revision: i64, reason: DenyReason) {
        if self.answers.len() <= key {
            self.answers.resize_with(key + 1, BTreeMap::new);
        }
        self.answers[key].insert(revision, reason);
    }

    /// What is wrong with an answer.
    pub(crate) fn fault(&self, seen: &Observation) -> Option<String> {
        let Replacement { begun, acknowledged } = self.replaced[seen.secret];
        if seen.reason == DenyReason::InvalidKey {
            let early = begun.is_none_or(|begun| begun > seen.end);
            return early.then(|| format!("called invalid before it was replaced: {seen:?}"));
        }
        if acknowledged.is_some_and(|acknowledged| acknowledged < seen.start) {
            return Some(format!("a replaced secret was known: {seen:?}"));
        }
        if seen.revision < seen.floor {
            return Some(format!("answered from an older state: {seen:?}"));
        }
        match self.answers[seen.key].get(&seen.revision) {
            Some(expected) if *expected == seen.reason => None,
            expected => Some(format!("expected {expected:?}: {seen:?}")),
        }
    }
}

#[test]
fn an_answer_from_an_older_state_is_found() {
    let mut history = History::default();
    history.note(0, 5, DenyReason::Unspecified);
    history.note(0, 7, DenyReason::Revoked);
    history.replaced =
        vec![Replacement::default(), Replacement { begun: Some(10), acknowledged: Some(20) }];
    let seen = |secret, (start, end), floor, revision, reason| {
        history
            .fault(&Observation { key: 0, secret, start, end, floor, revision, reason })
            .is_some()
    };
    let (allow, revoked, invalid) =
        (DenyReason::Unspecified, DenyReason::Revoked, DenyReason::InvalidKey);
    assert!(!seen(0, (1, 2), 5, 5, allow));
    assert!(!seen(0, (1, 2), 5, 7, revoked), "a change in flight may show already");
    assert!(seen(0, (1, 2), 7, 5, allow), "a change that returned must show");
    assert!(seen(0, (1, 2), 7, 7, allow), "the revision alone is not enough");
    assert!(seen(0, (1, 2), 5, 6, allow), "there is no such revision of this key");
    assert!(seen(0, (1, 2), 5, 0, invalid), "it was never replaced");
    assert!(!seen(1, (19, 22), 5, 5, allow), "the rotation is in flight");
    assert!(seen(1, (21, 22), 5, 5, allow), "the rotation has returned");
    assert!(!seen(1, (9, 11), 5, 0, invalid));
    assert!(seen(1, (8, 9), 5, 0, invalid), "the rotation has not begun");
}
