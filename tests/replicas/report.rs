//! What a run came to.

use std::{path::PathBuf, time::Duration};

use serde_json::json;

use crate::{faults::Fault, tally::Figures};

pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) changes: u64,
    /// Changes that the log has.
    pub(crate) events: u64,
    pub(crate) answers: u64,
    pub(crate) took: Duration,
    pub(crate) figures: Figures,
    pub(crate) is_long: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) recovered_within: Duration,
    /// Whether `keyward events verify` found the log unbroken, and what it said.
    pub(crate) verified: (bool, String),
    pub(crate) log: String,
}

fn ms(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e5).round() / 100.0
}

/// The part of a hundred of the spans that are no longer.
fn percentile(spans: &[Duration], hundredth: usize) -> Option<f64> {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * hundredth).div_ceil(100).saturating_sub(1);
    sorted.get(place).map(|span| ms(*span))
}

/// In how many seconds programs with a mistake in them were found out; null: not.
fn mutants() -> serde_json::Value {
    let found = std::env::var("KEYWARD_FAULTS_MUTANTS").ok();
    found.map_or(serde_json::Value::Null, |found| serde_json::from_str(&found).unwrap())
}

impl Report {
    /// Writes it where it was asked for, and prints it.
    pub(crate) fn write(&self) {
        let figures = &self.figures;
        let revocations = figures.timed.get("revoke").map(Vec::as_slice).unwrap_or_default();
        let report = json!({
            "seed": self.seed,
            "changes": self.changes,
            "events": self.events,
            "answers": self.answers,
            "violations": figures.violations,
            "faults": figures.faults,
            "revoke_ms_p50": percentile(revocations, 50),
            "revoke_ms_p99": percentile(revocations, 99),
            "revokes_timed": revocations.len(),
            "longest_change_ms": ms(figures.longest),
            "answers_by_outcome": figures.answered,
            "changes_by_outcome": figures.changed,
            "changes_by_kind": figures.kinds,
            "faults_without_effect": figures.without_effect,
            "failures_without_fault": figures.quiet_failures.len(),
            "rolling_restart_failed_calls": figures.rolling_failed,
            "recovery_ms_max": figures.recoveries.iter().max().map(|span| ms(*span)),
            "took_s": self.took.as_secs_f64().round(),
            "told": figures.told,
            "mutants": mutants(),
        });
        let text = serde_json::to_string_pretty(&report).unwrap();
        println!("{text}");
        if let Some(path) = &self.json {
            std::fs::write(path, text + "\n").unwrap();
        }
    }

    /// Sees to it that all is as promised.
    pub(crate) fn check(&self) {
        let figures = &self.figures;
        assert_eq!(figures.violations, 0, "{:#?}", figures.told);
        // Each was asked for until it was done: none may be lost, nor be made twice.
        assert_eq!(self.events, self.changes, "events, and changes that returned OK");
        let (is_unbroken, said) = &self.verified;
        assert!(is_unbroken, "{said}");
        let quiet = &figures.quiet_failures;
        assert!(quiet.is_empty(), "failed although nothing was broken: {quiet:#?}\n{}", self.log);
        assert_eq!(figures.without_effect, [""; 0], "faults without effect");
        for fault in &self.faults {
            assert!(figures.faults.contains_key(fault.name()), "{} was not there", fault.name());
        }
        let slowest = figures.recoveries.iter().max().copied().unwrap_or_default();
        assert!(slowest < self.recovered_within, "it took {slowest:?} to recover");
        self.check_variety();
    }

    /// Each kind of change was made and each kind of answer was given, or a run shows less
    /// than it says.
    fn check_variety(&self) {
        for kind in [
            "revoke",
            "rotate",
            "update scopes",
            "update networks",
            "update constraint",
            "update expiry",
            "suspend",
            "resume",
            "disable",
            "enable",
            "lower role",
            "raise role",
            "change policy",
        ] {
            assert!(self.figures.kinds.contains_key(kind), "there was no {kind}");
        }
        for outcome in [
            "ALLOW",
            "INVALID_KEY",
            "REVOKED",
            "EXPIRED",
            "DISABLED",
            "IP_NOT_ALLOWED",
            "OUTSIDE_CONSTRAINT",
            "INSUFFICIENT_SCOPE",
        ] {
            assert!(self.figures.answered.contains_key(outcome), "nobody was told {outcome}");
        }
        let least = if self.is_long { 10 } else { 1 } * self.changes;
        assert!(self.answers > least, "hardly anything was asked");
    }
}
