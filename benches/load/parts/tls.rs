//! What it costs to encrypt connections.

use keyward::proto::IntrospectView;

use crate::{
    bench::{Bench, SERVER_CORE, fill},
    cases::{Unary, health},
    keys::Deployment,
    questions::Spread,
};

pub(crate) fn measure(bench: &mut Bench) {
    let deployment = Deployment::with(bench.size.few);
    let copy = deployment.copy();
    let (plain, encrypted) = (deployment.serve(SERVER_CORE, &[]), copy.serve_tls(SERVER_CORE));
    fill(&plain, &deployment);
    fill(&encrypted, &deployment);
    let mut healthy = health("health, TLS");
    let short = Unary::new(&deployment, IntrospectView::Decision);
    let mut decision = short.case("introspect, decision", Spread::Zipfian);
    let mut decision_tls = short.case("introspect, decision, TLS", Spread::Zipfian);
    let long = Unary::new(&deployment, IntrospectView::Full);
    let mut full_tls = long.case("introspect, full, TLS", Spread::Zipfian);
    for _ in 0..bench.size.rounds {
        let without = bench.run(&plain, &mut decision);
        let health = bench.run(&encrypted, &mut healthy);
        let decided = bench.run(&encrypted, &mut decision_tls);
        let told = bench.run(&encrypted, &mut full_tls);
        let figures = &mut bench.figures;
        figures.note_run("tls_health", &health);
        figures.note_run("tls_decision", &decided);
        figures.note_run("tls_full", &told);
        figures.note("tls_decision_vs_tls_health", decided.rate / health.rate);
        figures.note("tls_decision_vs_plain", decided.rate / without.rate);
    }
}
