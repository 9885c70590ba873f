//! The memory of a key: of one that is looked up, and of one that is used.

use keyward::proto::IntrospectView;

use crate::{
    bench::{Bench, SERVER_CORE, ask},
    cases::{Case, Unary},
    keys::Deployment,
    questions::Spread,
};

/// The part of the keys that is asked about before memory is looked at: what one lookup brings into it that is not of a
/// key is there then.
const BEFORE: usize = 5;

pub(crate) fn measure(bench: &mut Bench) {
    let deployment = Deployment::with(bench.size.keys);
    // Refused before limits are looked at: nothing is remembered of them.
    let looked_up = Unary::from_elsewhere(&deployment);
    let used = Unary::new(&deployment, IntrospectView::Decision);
    for _ in 0..bench.size.rounds {
        let mut cases = [
            ("bytes_per_cached_key", looked_up.case("looked up", Spread::Once)),
            ("bytes_per_used_key", used.case("used", Spread::Once)),
        ];
        for (name, case) in &mut cases {
            let bytes = growth(&deployment, case);
            println!("{:<28} {bytes:>9.0} bytes a key", case.name);
            bench.figures.note(name, bytes);
        }
    }
}

/// By how much memory grows for each key that is asked about.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
fn growth(deployment: &Deployment, case: &mut Case) -> f64 {
    let server = deployment.serve(SERVER_CORE, &[]);
    let count = deployment.secrets.len();
    let first = count / BEFORE;
    ask(&server, case, first);
    let before = server.memory();
    ask(&server, case, count - first);
    let grown = server.memory().saturating_sub(before);
    let entries = server.metric("keyward_cache_entries");
    assert!(entries >= count as f64, "of {count} keys {entries} are in memory");
    grown as f64 / (count - first) as f64
}
