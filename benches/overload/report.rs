//! What was measured, and whether it is what must hold.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::load::{PART, Seen, Watched, quantile};

/// The part of the peak that goodput keeps at the least.
const GOODPUT_MIN: f64 = 0.8;
/// Answers are fast again when they take this many times what they did.
const SLOWER_MAX: f64 = 2.0;
/// In seconds.
const RECOVERY_MAX: f64 = 5.0;
/// By how much memory may grow, in MiB.
const GROWTH_MAX: u64 = 256;
/// How long a check of health may take for most, in milliseconds.
const HEALTH_MAX: f64 = 1_000.0;
/// The part of few calls that is answered in time beside many of the other kind.
const BESIDE_MIN: f64 = 0.9;

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
        let slow = |part: &Vec<u32>| quantile(part.clone(), 0.99) > SLOWER_MAX * calm[1];
        let slow_parts = after.good.iter().take_while(|part| slow(part)).count();
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let recovery = slow_parts as f64 * PART.as_secs_f64();
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
            "client_late_ms": watched.late.as_millis() as u64,
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
