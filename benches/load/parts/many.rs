//! More keys than memory has room for: how much is answered, against what follows from how many are found in it; and how
//! soon a server serves that has so many.

use keyward::proto::IntrospectView;

use crate::{
    bench::{Bench, SERVER_CORE, ask, fill},
    cases::Unary,
    keys::Deployment,
    questions::Spread,
    servers::Server,
    tally::Outcome,
};

const MIB: f64 = 1024.0 * 1024.0;
/// Room for every key.
const ALL: &str = "8589934592";
/// More are looked up at once than have their turn: here none is refused for it.
const PATIENT: &str = "10000";
const LOADS: &str = "keyward_cache_loads_total";

pub(crate) fn measure(bench: &mut Bench) {
    let deployment = Deployment::with(bench.size.many);
    for _ in 0..bench.size.rounds {
        let start = deployment.serve(SERVER_CORE, &[]).start.as_secs_f64();
        println!("{:<28} {start:>9.3} s", "start to serving");
        bench.figures.note("start_to_serving_1m_s", start);
    }
    let copy = deployment.copy();
    let all = copy.serve(SERVER_CORE, &[("cache.max_bytes", ALL)]);
    fill(&all, &deployment);
    let room = room(&all, bench.size.keys);
    let settings = [("cache.max_bytes", &*room), ("cache.load_wait_ms", PATIENT)];
    let bound = deployment.serve(SERVER_CORE, &settings);
    let cases = Unary::new(&deployment, IntrospectView::Decision);
    let mut hits = cases.case("all in memory", Spread::Zipfian);
    let mut evenly = cases.case("all in memory, uniform", Spread::Uniform);
    let mut misses = cases.case("few in memory, uniform", Spread::Uniform);
    let mut zipf = cases.case("some in memory", Spread::Zipfian);
    ask(&bound, &mut zipf, 3 * bench.size.keys);
    for _ in 0..bench.size.rounds {
        // What is asked for most is in memory then, again.
        ask(&bound, &mut zipf, bench.size.keys);
        let (some, part) = found(&bound, || bench.run(&bound, &mut zipf));
        let (hit, hit_part) = found(&all, || bench.run(&all, &mut hits));
        let (uniform, _) = found(&all, || bench.run(&all, &mut evenly));
        let (miss, miss_part) = found(&bound, || bench.run(&bound, &mut misses));
        let percent = [part, miss_part].map(|part| part * 100.0);
        println!("  {:.1} and {:.1} % were found in memory", percent[0], percent[1]);
        assert!(hit_part > 0.999 && miss_part < 0.5, "{hit_part} and {miss_part} were found");
        // What those cost that were not.
        let missed = (miss.cpu_us() - miss_part * hit.cpu_us()) / (1.0 - miss_part);
        let cpu = part * hit.cpu_us() + (1.0 - part) * missed;
        let figures = &mut bench.figures;
        figures.note_run("many_zipf_all", &hit);
        figures.note_run("many_uniform_all", &uniform);
        figures.note_run("many_uniform_bound", &miss);
        figures.note_run("many_zipf_bound", &some);
        figures.note("many_zipf_hit_ratio", part);
        figures.note("many_miss_cpu_us", missed);
        figures.note("zipf_1m_vs_predicted", some.rate * cpu / 1e6);
        figures.note("zipf_1m_vs_predicted_by_cpu", cpu / some.cpu_us());
    }
}

/// Room for about so many keys, from what those that are there take.
fn room(server: &Server, keys: usize) -> String {
    let of_one = server.metric("keyward_cache_size_bytes") / server.metric("keyward_cache_entries");
    #[expect(clippy::cast_precision_loss, reason = "a million")]
    let room = (of_one * keys as f64).max(MIB);
    format!("{room:.0}")
}

/// What came of a run, and the part of its questions that was answered from memory.
#[expect(clippy::cast_precision_loss, reason = "a few million")]
fn found(server: &Server, run: impl FnOnce() -> Outcome) -> (Outcome, f64) {
    let before = server.metric(LOADS);
    let outcome = run();
    let loads = server.metric(LOADS) - before;
    let part = 1.0 - loads / outcome.good as f64;
    (outcome, part)
}
