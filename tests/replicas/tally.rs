//! What is counted while a run goes on.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{history::Observation, world::Key};

/// How many violations are told of; all are counted.
const TOLD_MAX: usize = 20;

/// What was done and answered so far.
#[derive(Default)]
pub(crate) struct Tally {
    /// Changes that returned OK.
    pub(crate) changes: AtomicU64,
    /// Whether nothing is being broken on purpose.
    pub(crate) is_quiet: AtomicBool,
    /// Answers that are still to be judged.
    pub(crate) seen: Mutex<Vec<Observation>>,
    pub(crate) answers: AtomicU64,
    /// Every key that was made.
    pub(crate) made: Mutex<Vec<Arc<Key>>>,
    figures: Mutex<Figures>,
}

/// What is reported in the end.
#[derive(Clone, Default)]
pub(crate) struct Figures {
    /// Answers to questions, by reason; and why there was none.
    pub(crate) answered: BTreeMap<String, u64>,
    /// Answers to changes.
    pub(crate) changed: BTreeMap<String, u64>,
    /// Changes that returned OK, by kind.
    pub(crate) kinds: BTreeMap<String, u64>,
    /// How long changes took that were done at the first attempt while nothing was broken, by kind.
    pub(crate) timed: BTreeMap<String, Vec<Duration>>,
    /// Attempts at changes, by kind and answer.
    pub(crate) attempts: BTreeMap<String, BTreeMap<String, u64>>,
    /// From the first attempt to OK.
    pub(crate) longest: Duration,
    pub(crate) violations: u64,
    pub(crate) told: Vec<String>,
    /// What failed although nothing was being broken.
    pub(crate) quiet_failures: Vec<String>,
    pub(crate) faults: BTreeMap<String, u64>,
    /// Faults that were none, and why.
    pub(crate) without_effect: Vec<String>,
    /// Calls that failed while the replicas were replaced one after another.
    pub(crate) rolling_failed: u64,
    /// From the end of a fault until all replicas answer as before.
    pub(crate) recoveries: Vec<Duration>,
}

/// Why a call was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The replica said that it could not tell, or not do it.
    Unavailable,
    /// The replica said that the time was over.
    Deadline,
    /// The replica said that others were at it.
    Aborted,
    /// The owner of the key is disabled: whoever did it will undo it.
    Disabled,
    /// Nobody said anything.
    Lost,
}

impl Failure {
    /// What a status says; None where it is none that a replica may answer.
    pub(crate) fn of(status: &Status) -> Option<Self> {
        let reason = status.get_details_error_info().map(|info| info.reason);
        let (is_ours, reason) = (reason.is_some(), reason.unwrap_or_default());
        match status.code() {
            Code::Unavailable if is_ours => Some(Self::Unavailable),
            // The client's own clock says the latter.
            Code::DeadlineExceeded | Code::Cancelled => Some(Self::Deadline),
            Code::ResourceExhausted if reason == "TOO_MANY_LOOK_UPS" => Some(Self::Unavailable),
            // Its turn would come after that.
            Code::ResourceExhausted if reason == "TOO_MANY_IN_FLIGHT" => Some(Self::Deadline),
            Code::Aborted if is_ours => Some(Self::Aborted),
            Code::FailedPrecondition if reason == "PRINCIPAL_DISABLED" => Some(Self::Disabled),
            // What the transport says.
            Code::Unavailable | Code::Unknown | Code::Internal if !is_ours => Some(Self::Lost),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Deadline => "deadline",
            Self::Aborted => "aborted",
            Self::Disabled => "owner disabled",
            Self::Lost => "lost",
        }
    }
}

impl Tally {
    pub(crate) fn figures(&self) -> Figures {
        self.figures.lock().unwrap().clone()
    }

    pub(crate) fn note(&self, note: impl FnOnce(&mut Figures)) {
        note(&mut self.figures.lock().unwrap());
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::SeqCst)
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    pub(crate) fn saw(&self, seen: Observation) {
        self.answers.fetch_add(1, Ordering::SeqCst);
        self.seen.lock().unwrap().push(seen);
    }

    pub(crate) fn violation(&self, what: String) {
        self.note(|figures| {
            figures.violations += 1;
            if figures.told.len() < TOLD_MAX {
                figures.told.push(what);
            }
        });
    }

    /// A change of this kind was answered so.
    pub(crate) fn attempted(&self, kind: &str, answer: &str) {
        self.note(|figures| {
            let of_kind = figures.attempts.entry(kind.to_owned()).or_default();
            *of_kind.entry(answer.to_owned()).or_default() += 1;
        });
    }

    /// A question had no answer.
    pub(crate) fn unanswered(&self, replica: usize, failure: Failure, status: &str) {
        let is_quiet = self.is_quiet();
        self.note(|figures| {
            *figures.answered.entry(failure.name().to_owned()).or_default() += 1;
            if is_quiet && figures.quiet_failures.len() < TOLD_MAX {
                figures.quiet_failures.push(format!("replica {replica}: {status}"));
            }
        });
    }
}
