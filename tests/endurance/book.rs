//! How many calls of each kind were answered with what, and how soon.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The longest time that is told apart, in microseconds.
const LONGEST: u64 = 120_000_000;

/// What is written down.
#[derive(Default)]
pub(crate) struct Book {
    calls: Mutex<BTreeMap<&'static str, Calls>>,
    /// Calls that were due and not sent: too many were in flight.
    pub(crate) not_sent: AtomicU64,
    /// Of those, while nothing was broken.
    pub(crate) not_sent_in_quiet: AtomicU64,
    /// Calls that were answered as they should be.
    pub(crate) good: AtomicU64,
}

#[derive(Default)]
struct Calls {
    by_code: BTreeMap<String, u64>,
    /// The same while nothing was broken, but for OK.
    failed_in_quiet: BTreeMap<String, u64>,
    good_in_quiet: u64,
    /// In microseconds, of those that were answered while nothing was broken.
    took: Option<Histogram<u64>>,
}

impl Book {
    /// A call came to this. `took`: where nothing was broken meanwhile.
    pub(crate) fn note(&self, name: &'static str, code: &str, took: Option<Duration>) {
        let is_good = code == "OK";
        self.good.fetch_add(u64::from(is_good), Relaxed);
        let mut calls = self.calls.lock().unwrap();
        let calls = calls.entry(name).or_default();
        *calls.by_code.entry(code.to_owned()).or_default() += 1;
        let Some(took) = took else { return };
        if !is_good {
            *calls.failed_in_quiet.entry(code.to_owned()).or_default() += 1;
            return;
        }
        calls.good_in_quiet += 1;
        let new = || Histogram::new_with_max(LONGEST, 3).unwrap();
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST);
        calls.took.get_or_insert_with(new).saturating_record(micros.max(1));
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.calls.lock().unwrap().clear();
        for count in [&self.not_sent, &self.not_sent_in_quiet, &self.good] {
            count.store(0, Relaxed);
        }
    }

    /// All calls, and those that failed and were good while nothing was broken.
    pub(crate) fn sums(&self) -> [u64; 3] {
        let calls = self.calls.lock().unwrap();
        let sum = |of: &dyn Fn(&Calls) -> u64| calls.values().map(of).sum();
        [
            sum(&|it| it.by_code.values().sum()),
            sum(&|it| it.failed_in_quiet.values().sum()),
            sum(&|it| it.good_in_quiet),
        ]
    }

    /// Kinds of calls of which none was answered as it should be.
    pub(crate) fn never_good(&self, names: &[&'static str]) -> Vec<&'static str> {
        let calls = self.calls.lock().unwrap();
        let is_good =
            |name: &&str| calls.get(*name).is_some_and(|it| it.by_code.contains_key("OK"));
        names.iter().copied().filter(|name| !is_good(name)).collect()
    }

    pub(crate) fn told(&self) -> Value {
        let calls = self.calls.lock().unwrap();
        let told = calls.iter().map(|(name, calls)| {
            let Calls { by_code, failed_in_quiet, good_in_quiet, took } = calls;
            let at =
                |part: f64| took.as_ref().map(|took| took.value_at_quantile(part) as f64 / 1_000.0);
            let told = json!({
                "by_code": by_code,
                "failed_outside_of_faults": failed_in_quiet,
                "timed": good_in_quiet,
                "ms_p50": at(0.5),
                "ms_p99": at(0.99),
                "ms_p99_9": at(0.999),
            });
            ((*name).to_owned(), told)
        });
        Value::Object(told.collect())
    }
}
