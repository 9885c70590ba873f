//! What a run came to.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    counted::Counted,
    found::Lost,
    limited::Judged,
    load::{World, names},
    strikes::Strikes,
    tally::Figures,
    verdict::{DESCRIPTORS_MORE, Descriptors, Memory},
};

/// The part of the calls outside of faults that may fail, or not be sent, in a long run.
const FAILED_MAX: f64 = 0.05;
/// The part of the faults that may be without effect.
const WITHOUT_EFFECT_MAX: f64 = 0.1;
/// How many kinds of fault there are at least in the short form.
const FAULTS_MIN: usize = 3;

/// In calls a second, all kinds together.
pub(crate) struct Rates {
    pub(crate) saturating: f64,
    pub(crate) driven: f64,
    /// Calls that were due, and in how long.
    pub(crate) due: u64,
    pub(crate) took: Duration,
}

pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) is_long: bool,
    pub(crate) has_all_faults: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) rates: Rates,
    /// What calls came to while as much as possible was asked for.
    pub(crate) at_most: Value,
    pub(crate) changes: u64,
    pub(crate) events: i64,
    pub(crate) answers: u64,
    pub(crate) figures: Figures,
    pub(crate) lost: Lost,
    /// Keys that some replica did not answer for in the end.
    pub(crate) unasked: Vec<String>,
    /// How often anything panicked, by the logs.
    pub(crate) panics: usize,
    pub(crate) memory: Vec<Memory>,
    pub(crate) descriptors: Vec<Descriptors>,
    pub(crate) limits: Judged,
    pub(crate) counted: Vec<Counted>,
    pub(crate) killed: usize,
    /// Whether `keyward events verify` found the log unbroken, and what it said.
    pub(crate) verified: (bool, String),
    pub(crate) recovered_within: Duration,
    pub(crate) world: Arc<World>,
}

fn ms(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e5).round() / 100.0
}

/// The part of a thousand of the spans that are no longer.
fn percentile(sorted: &[Duration], thousandth: usize) -> Option<f64> {
    let place = (sorted.len() * thousandth).div_ceil(1_000).saturating_sub(1);
    sorted.get(place).map(|span| ms(*span))
}

impl Report {
    /// All changes, by kind.
    fn changes_told(&self) -> Value {
        let of_kind = |(kind, by_code): (&String, &BTreeMap<String, u64>)| {
            let mut took = self.figures.timed.get(kind).cloned().unwrap_or_default();
            took.sort_unstable();
            let told = json!({
                "attempts_by_answer": by_code,
                "timed": took.len(),
                "ms_p50": percentile(&took, 500),
                "ms_p99": percentile(&took, 990),
                "ms_p99_9": percentile(&took, 999),
            });
            (kind.clone(), told)
        };
        Value::Object(self.figures.attempts.iter().map(of_kind).collect())
    }

    fn descriptors_told(&self) -> Value {
        let told = self.descriptors.iter().map(|it| {
            json!({
                "replica": it.replica,
                "fewest_in_the_first_third": it.first,
                "fewest_in_the_last_third": it.last,
                "most": it.most,
                "may_be_more_by": DESCRIPTORS_MORE,
                "are_flat": it.are_flat(),
            })
        });
        told.collect()
    }

    fn told(&self) -> Value {
        let (figures, Rates { saturating, driven, due, took }) = (&self.figures, &self.rates);
        let book = &self.world.book;
        let (seconds, [calls, failed, good]) = (took.as_secs_f64(), book.sums());
        let of_usage = |it: &Counted| json!({"kept": it.kept, "least": it.least, "most": it.most});
        json!({
            "minutes": (seconds / 6.0).round() / 10.0,
            "seed": self.seed,
            "rate_per_s": {
                "saturating": saturating.round(),
                "driven": driven.round(),
                "achieved": (calls as f64 / seconds).round(),
                "achieved_and_ok": (book.good.load(Relaxed) as f64 / seconds).round(),
                "due": due,
                "not_sent": book.not_sent.load(Relaxed),
                "not_sent_outside_of_faults": book.not_sent_in_quiet.load(Relaxed),
            },
            "outside_of_faults": {"ok": good, "failed": failed},
            "operations": book.told(),
            "operations_while_saturated": self.at_most,
            "changes": self.changes_told(),
            "answers_judged": self.answers,
            "answers_by_outcome": figures.answered,
            "faults": figures.faults,
            "panics": self.panics,
            "faults_without_effect": figures.without_effect,
            "recovery_ms_max": figures.recoveries.iter().max().map(|span| ms(*span)),
            "violations": figures.violations,
            "told": figures.told,
            "changes_acknowledged": self.changes,
            "events": self.events,
            "lost_writes": self.lost.lost,
            "lost_told": self.lost.told,
            "records_compared": self.lost.compared,
            "changes_found_in_log": self.lost.changes,
            "memory": self.memory.iter().map(Memory::told).collect::<Value>(),
            "descriptors": self.descriptors_told(),
            "limits": {
                "passed_while_redis_counts": self.limits.passed,
                "refused": self.limits.refused,
                "not_answered": self.limits.unknown,
                "passed_meanwhile": self.limits.passed_without,
                "most_meanwhile": self.limits.most_without,
                "spans_judged": self.limits.spans,
                "violations": self.limits.violations,
            },
            "usage_of_keys": self.counted.iter().map(of_usage).collect::<Value>(),
            "replicas_killed": self.killed,
            "verify": {"is_unbroken": self.verified.0, "said": self.verified.1.trim_end()},
        })
    }

    /// Writes it where it was asked for, and prints it.
    pub(crate) fn write(&self) {
        let mut told = self.told();
        told["faults_of_promises"] = self.broken().into();
        let text = serde_json::to_string_pretty(&told).unwrap();
        println!("{text}");
        if let Some(path) = &self.json {
            std::fs::write(path, text + "\n").unwrap();
        }
    }

    /// What is not as promised, in words.
    fn broken(&self) -> Vec<String> {
        let figures = &self.figures;
        let flat = self.memory.iter().filter(|it| it.is_judged && it.is_flat()).count();
        let growing: Vec<_> =
            self.memory.iter().filter(|it| it.is_judged && !it.is_flat()).collect();
        let are_flat =
            self.descriptors.len() == 3 && self.descriptors.iter().all(Descriptors::are_flat);
        let [_, failed, good] = self.world.book.sums();
        let failed = failed + self.world.book.not_sent_in_quiet.load(Relaxed);
        let injected: u64 = figures.faults.values().sum();
        let kinds = figures.faults.len();
        let missing: Vec<_> =
            Strikes::names().filter(|it| !figures.faults.contains_key(*it)).collect();
        let missing_max = if self.has_all_faults { 0 } else { usize::MAX };
        let without = figures.without_effect.len();
        let never = self.world.book.never_good(&names());
        let unlike: Vec<_> = self.counted.iter().filter(|it| !it.is_right()).collect();
        let slowest = figures.recoveries.iter().max().copied().unwrap_or_default();
        let is_enough = without as f64 <= (injected as f64 * WITHOUT_EFFECT_MAX).ceil();
        let failed_max = if self.is_long { good as f64 * FAILED_MAX } else { f64::MAX };
        let checks = [
            (figures.violations == 0, format!("{} violations", figures.violations)),
            (self.lost.lost == 0, format!("{} lost writes", self.lost.lost)),
            (self.lost.changes > 0 && self.lost.compared > 0, "nothing was looked for".to_owned()),
            (
                self.events == self.changes as i64,
                format!("{} events of {} changes", self.events, self.changes),
            ),
            (self.verified.0, format!("the log: {}", self.verified.1)),
            (growing.is_empty(), format!("memory grows: {growing:?}")),
            (flat > 0, "no process lasted for long enough".to_owned()),
            (are_flat, format!("descriptors: {:?}", self.descriptors)),
            (self.limits.violations.is_empty(), format!("{:?}", self.limits.violations)),
            (self.limits.passed > 0 && self.limits.refused > 0, "no limit was spent".to_owned()),
            (unlike.is_empty(), format!("usage is not what was asked: {unlike:?}")),
            (kinds >= FAULTS_MIN, format!("there were {kinds} kinds of fault")),
            (missing.len() <= missing_max, format!("never came: {missing:?}")),
            (self.unasked.is_empty(), format!("not answered in the end: {:?}", self.unasked)),
            (self.panics == 0, format!("{} panics in the logs", self.panics)),
            (is_enough, format!("without effect: {:?}", figures.without_effect)),
            (never.is_empty(), format!("never answered well: {never:?}")),
            (failed as f64 <= failed_max, format!("{failed} failed beside {good} good calls")),
            (slowest < self.recovered_within, format!("it took {slowest:?} to recover")),
        ];
        checks.into_iter().filter(|(holds, _)| !holds).map(|(_, what)| what).collect()
    }

    /// Sees to it that all is as promised.
    pub(crate) fn check(&self) {
        let broken = self.broken();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}
