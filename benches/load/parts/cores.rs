//! One core for the server and the other for the load, and two cores that both share.

use keyward::proto::IntrospectView;

use crate::{
    bench::{Bench, LOAD_CORE, SERVER_CORE, fill, stay_on},
    cases::{Unary, batch, health, stream},
    keys::Deployment,
    questions::Spread,
};

/// All that there are.
const BOTH: &str = "0-1";

pub(crate) fn measure(bench: &mut Bench) {
    let deployment = Deployment::with(bench.size.few);
    let copy = deployment.copy();
    // By default there is a thread for each core.
    let (one, two) = (deployment.serve(SERVER_CORE, &[]), copy.serve(BOTH, &[]));
    fill(&one, &deployment);
    fill(&two, &deployment);
    let short = Unary::new(&deployment, IntrospectView::Decision);
    let long = Unary::new(&deployment, IntrospectView::Full);
    let mut cases = [
        ("", short.case("introspect, decision", Spread::Zipfian)),
        ("_full", long.case("introspect, full", Spread::Zipfian)),
        ("_health", health("health")),
        ("_stream", stream("introspect, stream", &deployment, Spread::Zipfian, true)),
        ("_batch", batch("introspect, batch of 64", &deployment, Spread::Zipfian)),
    ];
    for _ in 0..bench.size.rounds {
        for (name, case) in &mut cases {
            stay_on(&[LOAD_CORE]);
            let alone = bench.run(&one, case);
            stay_on(&[0, LOAD_CORE]);
            let shared = bench.run(&two, case);
            bench.figures.note(&format!("cores_1{name}_rps"), alone.rate);
            bench.figures.note(&format!("cores_2{name}_rps"), shared.rate);
            bench.figures.note(&format!("cores_2{name}_vs_1"), shared.rate / alone.rate);
        }
    }
}
