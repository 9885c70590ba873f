//! A secret that was put in the wrong place: no fault repeats it.

use keyward::domain::secret::{KeyVersion, Keyring, Prefix, SigningKey};
use ring::rand::SystemRandom;

use crate::attack::{inside, lines, read, with};

/// How much of a secret's random part may be shown.
const SHOWN: usize = 8;

fn secret(prefix: &str) -> String {
    let key = SigningKey::new(KeyVersion::FIRST, &[7; SigningKey::LEN]);
    let keyring = Keyring::new(vec![key], KeyVersion::FIRST).unwrap();
    let minted = keyring.mint(&Prefix::parse(prefix).unwrap(), &SystemRandom::new());
    let secret = minted.ok().unwrap().secret.reveal();
    assert!(keyring.recognise(&secret).is_some());
    secret
}

/// Files with `$` where the secret is put.
const PLACES: [&str; 34] = [
    "$: []\n",
    "\"$\": []\n",
    "? [$]\n: 1\n",
    "roles: { $: 1 }\n",
    "roles: $\n",
    "roles: [$]\n",
    "roles: [{ $: 1 }]\n",
    "roles: [{ name: \"$ $\" }]\n",
    "roles: [{ name: $$ }]\n",
    "roles: [{ name: r, scopes: [$] }]\n",
    "roles: [{ name: r, scopes: $ }]\n",
    "roles: [{ name: r, scopes: [\"$*\", \"*$\"] }]\n",
    "roles: [{ name: r, scopes: [abcdefghijklmnopqrs.$] }]\n",
    "presets: [{ name: p, scopes: [$] }]\n",
    "presets: [{ name: $, scopes: [\"a:read\"] }, { name: $, scopes: [\"a:read\"] }]\n",
    "implications: [{ scope: \"{x}$\", implies: [$] }]\n",
    "resources: { separator: $ }\n",
    "resources: { types: [{ name: $/$ }] }\n",
    "resources: { types: [{ name: $ }, { name: $ }] }\n",
    "resources: { types: [{ name: t, segments: [{ name: s, values: [$, $] }] }] }\n",
    "unmatched_resource: $\n",
    "unmatched_resource: x x x x x x x x x x x x x x x x x x x x x x x x $\n",
    "hide_existence: $\n",
    "expiry: { max_ttl: $ }\n",
    "expiry: $\n",
    "plans: [{ name: p, key_limits: [{ name: l, quota: $, window: 1s }] }]\n",
    "plans: [{ name: $, key_limits: $ }]\n",
    "x x x x x x x x x x x x x x x x x x x x x $: 1\n",
    "\"x x x x x x x x x x x x x x x x x x x x $\": 1\n",
    "roles: [*$]\n",
    "roles: &$ 1\n",
    "roles: !$ 1\n",
    "roles: !<$> [1]\n",
    "%$\n",
];

/// Fails the test where a fault has so much of the secret that the rest could be tried.
#[track_caller]
fn check(file: &str, secret: &str) {
    let faults = read(file.as_bytes()).expect_err(file);
    inside(file.as_bytes(), &faults);
    let said = lines(&faults).join("\n");
    let random = secret.rsplit('_').next().unwrap();
    for part in random.as_bytes().windows(SHOWN + 1) {
        let part = str::from_utf8(part).unwrap();
        assert!(!said.contains(part), "a secret is repeated: {said}");
    }
}

#[test]
fn no_fault_repeats_a_secret() {
    for prefix in ["acme_live", "ab", "a2345678_0123456789a"] {
        let secret = secret(prefix);
        for place in PLACES {
            check(&with(&place.replace('$', &secret)), &secret);
        }
        let prefixed = with("").replace("acme_live", &secret);
        check(&prefixed, &secret);
        check(&secret, &secret);
        check(&format!("%{secret}\n---\n"), &secret);
    }
}

#[test]
fn no_fault_repeats_a_secret_wherever_in_a_long_text_it_begins() {
    let secret = secret("acme_live");
    for before in 0..110 {
        let before = "b.".repeat(before / 2) + &"b".repeat(before % 2);
        let text = format!("{before}:{secret}");
        check(&with(&format!("unmatched_resource: \"{text}\"\n")), &secret);
        check(&with(&format!("\"{text}\": 1\n")), &secret);
        check(&with(&format!("roles: [{{ name: r, scopes: [\"{text}\"] }}]\n")), &secret);
    }
}
