//! What secrets cost that are nobody's: some that are none, and some that somebody made up.

use keyward::proto::IntrospectView;

use crate::{
    bench::{Bench, SERVER_CORE, fill},
    cases::Unary,
    keys::Deployment,
    questions::Spread,
};

/// The last characters of a secret, which are of all before them: a checksum that anybody can reckon.
const CHECKSUM: usize = 6;
const BASE: u32 = 62;

pub(crate) fn measure(bench: &mut Bench) {
    let deployment = Deployment::with(bench.size.few);
    let own = deployment.serve(SERVER_CORE, &[]);
    fill(&own, &deployment);
    let secrets = &deployment.secrets;
    let forged: Vec<_> = secrets.iter().map(|secret| forge(secret)).collect();
    let malformed: Vec<_> = secrets.iter().map(|secret| damage(secret)).collect();
    let good = Unary::new(&deployment, IntrospectView::Decision);
    let mut good = good.case("good", Spread::Uniform);
    let forged = Unary::in_vain(&deployment, &forged);
    let mut forged = forged.case("forged", Spread::Uniform);
    let malformed = Unary::in_vain(&deployment, &malformed);
    let mut malformed = malformed.case("malformed", Spread::Uniform);
    for _ in 0..bench.size.rounds {
        let hit = bench.run(&own, &mut good);
        let reads = own.metric("keyward_cache_loads_total");
        let forged = bench.run(&own, &mut forged);
        let malformed = bench.run(&own, &mut malformed);
        let reads = own.metric("keyward_cache_loads_total") - reads;
        let figures = &mut bench.figures;
        figures.note("flood_forged_vs_good_cpu", forged.cpu_us() / hit.cpu_us());
        figures.note("flood_malformed_vs_good_cpu", malformed.cpu_us() / hit.cpu_us());
        figures.note("flood_database_reads", reads);
    }
}

/// The same with another proof of where it is from, and with the checksum of that.
fn forge(secret: &str) -> String {
    let mut covered = swapped(secret, secret.len() - CHECKSUM - 1);
    covered.truncate(secret.len() - CHECKSUM);
    let mut sum = crc32fast::hash(covered.as_bytes());
    let mut digits = [0; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = sum % BASE;
        sum /= BASE;
    }
    let digit = |digit: u32| {
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[digit as usize]
    };
    covered.extend(digits.map(|value| char::from(digit(value))));
    covered
}

/// The same with a mistake in it, as it is when it was not copied well.
fn damage(secret: &str) -> String {
    swapped(secret, secret.len() - 1)
}

/// The same with another character at this place.
fn swapped(secret: &str, place: usize) -> String {
    let other = if secret.as_bytes()[place] == b'a' { "b" } else { "a" };
    let mut swapped = secret.to_owned();
    swapped.replace_range(place..=place, other);
    swapped
}
