//! What was measured, and whether it is what must hold.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::load::{PART, Seen, Watched, quantile};

/// The part of the peak that goodput keeps at the least.
const GOODPUT_MIN: f64 = 0.8;
/// Answers are fast again when they take this many times what they did, or no longer than a processor that is shared
/// may pause, in milliseconds.
const SLOWER_MAX: f64 = 2.0;
const PAUSE: f64 = 25.0;
/// And when this part of what was due came in time, in so many parts of time in a row.
const IN_TIME_MIN: f64 = 0.95;
const IN_A_ROW: usize = 3;
/// A client that has more to do than this cannot say what the server can.
const BUSY_MAX: f64 = 0.95;
/// In seconds.
const RECOVERY_MAX: f64 = 5.0;
/// By how much memory may grow, in MiB.
const GROWTH_MAX: u64 = 256;
/// How long a check of health may take for most, in milliseconds.
const HEALTH_MAX: f64 = 1_000.0;
/// The part of few calls that is answered in time beside many of the other kind. Both kinds share one processor, which
/// the system gives to threads in equal parts and not to kinds: so not all, but never none.
const BESIDE_MIN: f64 = 0.5;

#[derive(Default)]
pub(crate) struct Report {
    all: Map<String, Value>,
    broken: Vec<String>,
}

impl Report {
    fn must(&mut self, holds: bool, what: String) {
        println!("  {what}: {}", if holds { "holds" } else { "BROKEN" });
        if !holds {
            self.broken.push(what);
        }
    }

    /// What is said of a server that shares its processor, or by a client that is late itself, says nothing.
    pub(crate) fn can_tell(&mut self, name: &str, is_alone: bool, busy: f64) {
        self.must(is_alone, format!("{name}: the server has a processor of its own"));
        self.must(
            busy <= BUSY_MAX,
            format!("{name}: the client is busy for {busy:.2} of the time"),
        );
    }

    /// `calm`: p50 and p99 at rest. `memory`: before, at most, and after.
    pub(crate) fn overload(
        &mut self,
        name: &str,
        (peak, calm): (f64, [f64; 2]),
        under: &Seen,
        watched: Watched,
        memory: [u64; 3],
        after: &Seen,
    ) {
        let ratio = under.goodput() / peak;
        let recovery = recovery(after, calm[1]);
        let [p50, p99] = [under.quantile(0.5), under.quantile(0.99)];
        let ends: Map<_, _> =
            under.ends.iter().map(|(end, count)| (format!("{end:?}"), json!(count))).collect();
        println!("{name}: at rest p50 {:.2} ms, p99 {:.2} ms; peak {peak:.0}/s", calm[0], calm[1]);
        println!(
            "  of {} asked: {:.0}/s in time, p50 {p50:.1} ms, p99 {p99:.1} ms; {}",
            under.offered,
            under.goodput(),
            Value::Object(ends.clone())
        );
        println!(
            "  client busy {:.2}, late {:?}; memory {memory:?} MiB; fast again after {recovery} s",
            watched.busy, watched.late
        );
        let value = json!({
            "rest_p50_ms": calm[0], "rest_p99_ms": calm[1], "peak_per_s": peak,
            "goodput_per_s": under.goodput(), "goodput_of_peak": ratio,
            "p50_ms": p50, "p99_ms": p99, "offered": under.offered, "ends": ends,
            "closed_as_flood": under.closed, "client_busy": watched.busy,
            "never_sent": under.held_back(), "client_late_ms": watched.late.as_millis() as u64,
            "memory_mib": memory, "recovery_s": recovery,
        });
        self.all.insert(name.to_owned(), value);
        self.must(ratio >= GOODPUT_MIN, format!("{name}: goodput {ratio:.2} of the peak"));
        self.must(recovery <= RECOVERY_MAX, format!("{name}: fast again after {recovery} s"));
        let growth = memory[1].max(memory[2]).saturating_sub(memory[0]);
        self.must(growth <= GROWTH_MAX, format!("{name}: memory grows by {growth} MiB"));
        self.must(under.closed == 0, format!("{name}: {} connections closed", under.closed));
    }

    pub(crate) fn health(&mut self, name: &str, seen: &Seen) {
        let (p50, p99) = (seen.quantile(0.5), seen.quantile(0.99));
        let good: usize = seen.good.iter().map(Vec::len).sum();
        let value = json!({ "asked": seen.offered, "in_time": good, "p50_ms": p50, "p99_ms": p99 });
        self.all.insert(format!("{name}_health"), value);
        let what = format!("{name}: health p50 {p50:.1} ms, p99 {p99:.1} ms, {good} in time");
        self.must(p99 <= HEALTH_MAX && good as u64 * 100 >= seen.offered * 95, what);
    }

    /// Few calls of one kind beside very many of the other.
    pub(crate) fn beside(&mut self, name: &str, few: &Seen) {
        let good: usize = few.good.iter().map(Vec::len).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few million")]
        let part = good as f64 / few.offered as f64;
        let (p50, p99) = (few.quantile(0.5), few.quantile(0.99));
        let value =
            json!({ "offered": few.offered, "in_time": part, "p50_ms": p50, "p99_ms": p99 });
        self.all.insert(name.to_owned(), value);
        let what = format!("{name}: {part:.3} in time, p50 {p50:.1} ms, p99 {p99:.1} ms");
        self.must(part >= BESIDE_MIN, what);
    }

    /// A peak that was found, and how far apart the tries of the same rate were.
    pub(crate) fn peak(&mut self, name: &str, tries: &[f64]) {
        self.all.insert(format!("{name}_peaks"), json!(tries));
    }

    pub(crate) fn end(self, file: Option<&str>) -> ExitCode {
        let Self { all, broken } = self;
        if let Some(file) = file {
            std::fs::write(file, format!("{:#}\n", Value::Object(all))).unwrap();
        }
        for what in &broken {
            println!("broken: {what}");
        }
        if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// In seconds, when answers were fast again, and stayed so.
#[expect(clippy::cast_precision_loss, reason = "a few million")]
fn recovery(after: &Seen, calm: f64) -> f64 {
    let is_fast = |(part, due): (usize, &u64)| {
        let good = after.good.get(part).cloned().unwrap_or_default();
        good.len() as f64 >= IN_TIME_MIN * *due as f64
            && quantile(good, 0.99) <= (SLOWER_MAX * calm).max(PAUSE)
    };
    let fast: Vec<_> = after.due.iter().enumerate().map(is_fast).collect();
    let first = fast.windows(IN_A_ROW).position(|parts| parts.iter().all(|fast| *fast));
    first.map_or(f64::INFINITY, |part| part as f64 * PART.as_secs_f64())
}
