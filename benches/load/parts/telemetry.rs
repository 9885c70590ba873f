//! What it costs to tell a collector of traces and metrics: nobody told, none sampled, one in a hundred.

use keyward::proto::IntrospectView;

use crate::{
    bench::{Bench, LOAD_CORE, SERVER_CORE, fill, other},
    cases::Unary,
    keys::Deployment,
    questions::Spread,
};

pub(crate) fn measure(bench: &mut Bench) {
    let deployment = Deployment::with(bench.size.few);
    let collector = other("--collector", &LOAD_CORE.to_string());
    let endpoint = format!("http://{}", collector.address);
    let on = ("telemetry.otlp_endpoint", &*endpoint);
    let kinds = [
        ("telemetry_off", vec![]),
        ("telemetry_unsampled", vec![on]),
        ("telemetry_sampled", vec![on, ("telemetry.sample_ratio", "0.01")]),
    ];
    let mut subjects = kinds.map(|(name, settings)| {
        let copy = deployment.copy();
        let server = copy.serve(SERVER_CORE, &settings);
        fill(&server, &copy);
        let cases = Unary::new(&copy, IntrospectView::Decision);
        (name, server, cases.case(name, Spread::Zipfian), copy)
    });
    for _ in 0..bench.size.rounds {
        let [off, unsampled, sampled] = subjects.each_mut().map(|(name, server, case, _)| {
            let outcome = bench.run(server, case);
            bench.figures.note_run(name, &outcome);
            outcome.rate
        });
        bench.figures.note("telemetry_unsampled_vs_off", unsampled / off);
        bench.figures.note("telemetry_sampled_vs_off", sampled / off);
    }
}
