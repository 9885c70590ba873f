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
/// The least room that there may be.
const NONE: &str = "1048576";
const LOADS: &str = "keyward_cache_loads_total";

pub(crate) fn measure(bench: &mut Bench) {
    let deployment = Deployment::with(bench.size.many);
    for _ in 0..bench.size.rounds {
        let start = deployment.serve(SERVER_CORE, &[]).start.as_secs_f64();
        println!("{:<28} {start:>9.3} s", "start to serving");
        bench.figures.note("start_to_serving_1m_s", start);
    }
    let copies = tempfile::tempdir().unwrap();
    let [of_all, of_none] = ["all", "none"].map(|name| deployment.copy(&copies.path().join(name)));
    let all = of_all.serve(SERVER_CORE, &[("cache.max_bytes", ALL)]);
    fill(&all, &of_all);
    let room = room(&all, bench.size.keys);
    let none = of_none.serve(SERVER_CORE, &[("cache.max_bytes", NONE)]);
    let bound = deployment.serve(SERVER_CORE, &[("cache.max_bytes", &room)]);
    let cases = Unary::new(&deployment, IntrospectView::Decision);
    let mut hits = cases.case("all in memory", Spread::Zipfian);
    let mut evenly = cases.case("all in memory, uniform", Spread::Uniform);
    let mut misses = cases.case("none in memory", Spread::Uniform);
    let mut zipf = cases.case("some in memory", Spread::Zipfian);
    // What is asked for most is in memory then.
    ask(&bound, &mut zipf, 4 * bench.size.keys);
    for _ in 0..bench.size.rounds {
        let (hit, hit_part) = found(&all, || bench.run(&all, &mut hits));
        let (uniform, _) = found(&all, || bench.run(&all, &mut evenly));
        let (miss, miss_part) = found(&none, || bench.run(&none, &mut misses));
        let (some, part) = found(&bound, || bench.run(&bound, &mut zipf));
        println!("{:<28} {:>9.1} %", "found in memory", part * 100.0);
        assert!(hit_part > 0.999 && miss_part < part, "{hit_part} and {miss_part} are found");
        // Of what is measured where none should be found, a few are.
        let cold = (miss.cpu_us() - miss_part * hit.cpu_us()) / (1.0 - miss_part);
        let cpu = part * hit.cpu_us() + (1.0 - part) * cold;
        let figures = &mut bench.figures;
        figures.note_run("many_zipf_all", &hit);
        figures.note_run("many_uniform_all", &uniform);
        figures.note_run("many_uniform_none", &miss);
        figures.note_run("many_zipf_bound", &some);
        figures.note("many_hit_ratio", part);
        figures.note("zipf_1m_vs_predicted", some.rate * cpu / 1e6);
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
