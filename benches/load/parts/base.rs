//! The server that everybody ships beside ours, and what ours can be asked.

use keyward::proto::IntrospectView;

use crate::{
    bench::{Bench, SERVER_CORE, fill, other, stock, stock_of_all_workers},
    cases::{BATCH, Unary, batch, health, stream},
    keys::Deployment,
    questions::Spread,
};

/// How much slower one is than another has to be told of the same moment, and so in turns.
pub(crate) fn measure(bench: &mut Bench) {
    let deployment = Deployment::with(bench.size.keys);
    let (usual, stock, optimised) =
        (stock_of_all_workers(), stock(), other("--stock", SERVER_CORE));
    let own = deployment.serve(SERVER_CORE, &[]);
    fill(&own, &deployment);
    let mut of_stock = health("stock health");
    let mut of_usual = health("stock health, all workers");
    let mut of_optimised = health("stock health, built as ours");
    let mut of_own = health("own health");
    let short = Unary::new(&deployment, IntrospectView::Decision);
    let mut decision = short.case("introspect, decision", Spread::Zipfian);
    let mut uniform = short.case("introspect, uniform", Spread::Uniform);
    let long = Unary::new(&deployment, IntrospectView::Full);
    let mut full = long.case("introspect, full", Spread::Zipfian);
    let mut streams = stream("introspect, stream", &deployment, Spread::Zipfian, true);
    let mut apart = stream("introspect, stream apart", &deployment, Spread::Zipfian, false);
    let mut batches = batch("introspect, batch of 64", &deployment, Spread::Zipfian);
    for _ in 0..bench.size.rounds {
        let stock_health = bench.run(&stock, &mut of_stock);
        let usual_health = bench.run(&usual, &mut of_usual);
        let optimised_health = bench.run(&optimised, &mut of_optimised);
        let own_health = bench.run(&own, &mut of_own);
        let decided = bench.run(&own, &mut decision);
        let told = bench.run(&own, &mut full);
        let evenly = bench.run(&own, &mut uniform);
        let streamed = bench.run(&own, &mut streams);
        let streamed_apart = bench.run(&own, &mut apart);
        let batched = bench.run(&own, &mut batches);
        let half = decided.rate / 2.0;
        let half_decided = bench.run_at(&own, &mut decision, half);
        let half_health = bench.run_at(&own, &mut of_own, own_health.rate / 2.0);
        let same_health = bench.run_at(&own, &mut of_own, half);
        // A call that comes alone costs more than one of those that come together, as they do where all that the server
        // takes is asked: half of that can be all that it takes of calls that come alone.
        let quarter_decided = bench.run_at(&own, &mut decision, half / 2.0);
        let quarter_health = bench.run_at(&own, &mut of_own, own_health.rate / 4.0);
        let figures = &mut bench.figures;
        figures.note_run("stock_health", &stock_health);
        figures.note_run("stock_all_workers_health", &usual_health);
        figures.note_run("stock_lto_health", &optimised_health);
        figures.note_run("own_health", &own_health);
        figures.note_run("introspect_decision", &decided);
        figures.note_run("introspect_full", &told);
        figures.note_run("introspect_uniform", &evenly);
        figures.note_run("stream", &streamed);
        figures.note_run("stream_frame_each", &streamed_apart);
        figures.note_run("batch", &batched);
        let ratios = [
            ("introspect_decision_vs_stock_health", &decided, &stock_health),
            ("introspect_decision_vs_stock_all_workers_health", &decided, &usual_health),
            ("introspect_decision_vs_stock_lto_health", &decided, &optimised_health),
            ("introspect_decision_vs_own_health", &decided, &own_health),
            ("introspect_full_vs_own_health", &told, &own_health),
            ("introspect_uniform_vs_own_health", &evenly, &own_health),
        ];
        for (name, one, other) in ratios {
            figures.note(name, one.rate / other.rate);
            // The same where the machine has other things to do at the time.
            figures.note(&format!("{name}_by_cpu"), other.cpu_us() / one.cpu_us());
        }
        #[expect(clippy::cast_precision_loss, reason = "64")]
        let keys = BATCH as f64;
        figures.note("stream_per_key_cpu_gain", decided.cpu_us() / streamed.cpu_us());
        figures
            .note("stream_frame_each_per_key_cpu_gain", decided.cpu_us() / streamed_apart.cpu_us());
        figures.note("batch_per_key_cpu_gain", decided.cpu_us() * keys / batched.cpu_us());
        figures.note("stream_keys_per_cpu_s", 1e6 / streamed.cpu_us());
        figures.note("batch_keys_per_cpu_s", keys * 1e6 / batched.cpu_us());
        let p99 = half_decided.us(0.99);
        figures.note("p99_at_half_load_us", p99);
        figures.note("p99_ratio_at_half_load", p99 / half_health.us(0.99));
        let quarter_p99 = quarter_decided.us(0.99);
        figures.note("p99_at_quarter_load_us", quarter_p99);
        figures.note("p99_ratio_at_quarter_load", quarter_p99 / quarter_health.us(0.99));
        figures.note("p99_ratio_at_same_rate", p99 / same_health.us(0.99));
    }
}
