//! Few connections and many, with few calls in flight and many.

use keyward::proto::IntrospectView;

use crate::{
    bench::{Bench, SERVER_CORE, fill, stock, told},
    cases::{Unary, health},
    drive::drive,
    keys::Deployment,
    questions::Spread,
};

pub(crate) fn measure(bench: &mut Bench) {
    let deployment = Deployment::with(bench.size.few);
    let stock = stock();
    let own = deployment.serve(SERVER_CORE, &[]);
    fill(&own, &deployment);
    let cases = Unary::new(&deployment, IntrospectView::Decision);
    let mut decision = cases.case("introspect, decision", Spread::Zipfian);
    let (mut of_stock, mut of_own) = (health("stock health"), health("own health"));
    for _ in 0..bench.size.rounds {
        for (connections, in_flight) in bench.size.shapes {
            let load = bench.load(*connections, *in_flight);
            let subjects = [
                ("stock_health", &stock, &mut of_stock),
                ("own_health", &own, &mut of_own),
                ("decision", &own, &mut decision),
            ];
            for (kind, server, case) in subjects {
                let name = format!("{kind}, {connections} × {in_flight}");
                let outcome = told(&name, drive(server, case, load));
                let name = format!("shape_{connections}x{in_flight}_{kind}");
                bench.figures.note_run(&name, &outcome);
            }
        }
    }
}
