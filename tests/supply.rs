//! What the program is made of: what its dependencies must at least be, who does its cryptography, that none of our
//! own code is unsafe, and that nothing is fetched that is not known by its checksum.
//!
//! cargo-deny holds the rest (`deny.toml`): licences, sources, what is there twice, and what is known to be at fault.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "supply/fetched.rs"]
mod fetched;
#[path = "supply/manifests.rs"]
mod manifests;

use std::collections::BTreeMap;

use manifests::{read, table};

/// Crates of which versions below are known to be at fault, and the first that are not.
const FLOORS: [(&str, [u64; 3]); 4] = [
    ("h2", [0, 4, 16]),
    ("ring", [0, 17, 12]),
    ("rustls", [0, 23, 18]),
    ("rustls-webpki", [0, 103, 13]),
];

/// Other implementations of TLS and of what rustls needs, of which none may be there.
const PROVIDERS: [&str; 10] = [
    "aws-lc-fips-sys",
    "aws-lc-rs",
    "aws-lc-sys",
    "boring",
    "boring-sys",
    "graviola",
    "native-tls",
    "openssl",
    "openssl-sys",
    "rustls-openssl",
];

/// The versions that Cargo.lock has of each crate.
fn locked() -> BTreeMap<String, Vec<String>> {
    let lock = table("Cargo.lock");
    let mut locked = BTreeMap::<_, Vec<_>>::new();
    for package in lock["package"].as_array().unwrap() {
        let text = |field| package[field].as_str().unwrap().to_owned();
        locked.entry(text("name")).or_default().push(text("version"));
    }
    assert!(locked.len() > 300, "that is no lock file");
    locked
}

/// The numbers of a version; one that is not released yet is below all.
fn numbers(version: &str) -> [u64; 3] {
    let released = version.split('+').next().unwrap();
    let numbers: Option<Vec<u64>> = released.split('.').map(|number| number.parse().ok()).collect();
    numbers.and_then(|numbers| numbers.try_into().ok()).unwrap_or_default()
}

#[test]
fn no_dependency_is_below_its_floor() {
    assert!(numbers("0.4.9") < numbers("0.4.16") && numbers("0.4.16-rc.1") < numbers("0.4.15"));
    let locked = locked();
    for (name, floor) in FLOORS {
        for version in &locked[name] {
            assert!(numbers(version) >= floor, "{name} {version} is below {floor:?}");
        }
    }
}

#[test]
fn cargo_deny_is_told_of_the_same_floors_in_words_that_it_understands() {
    let deny = table("deny.toml");
    let told: Vec<&str> = deny["bans"]["deny"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ban| ban["crate"].as_str().unwrap())
        .collect();
    for (name, [major, minor, patch]) in FLOORS {
        // With `@`, cargo-deny takes `<` for a part of a name that no version has, and says nothing.
        let ban = format!("{name}:<{major}.{minor}.{patch}");
        assert!(told.contains(&ban.as_str()), "{ban} is not in deny.toml");
    }
    assert!(told.iter().all(|ban| !ban.contains("@<")), "{told:?}");
    for provider in ["aws-lc-rs", "openssl-sys"] {
        assert!(told.contains(&provider), "{provider} is not banned");
    }
}

#[test]
fn every_exception_from_cargo_denys_rules_has_its_reason() {
    let deny = table("deny.toml");
    assert!(deny["advisories"].get("ignore").is_none(), "an advisory is passed over");
    assert!(deny["licenses"].get("clarify").is_none());
    // Which only the fuzzers are built of (`tests/fuzz/run`), and no program that is shipped.
    let exceptions = deny["licenses"]["exceptions"].as_array().unwrap();
    let [fuzzer] = &exceptions[..] else { panic!("{exceptions:?}") };
    assert_eq!(fuzzer["crate"].as_str(), Some("libfuzzer-sys"));
    assert_eq!(fuzzer["allow"].as_array().unwrap().len(), 1);
    assert!(deny["sources"].get("allow-git").is_none(), "a source that is no registry");
    for list in ["skip", "deny"] {
        for entry in deny["bans"][list].as_array().unwrap() {
            let reason = entry.get("reason").and_then(|reason| reason.as_str());
            assert!(reason.is_some_and(|reason| reason.len() > 5), "{entry} has no reason");
        }
    }
    assert!(deny["bans"].get("skip-tree").is_none());
    // What is not needed any more is a warning, and a warning fails.
    for script in [".ci/run", ".ci/advisories"] {
        for line in read(script).lines().filter(|line| line.contains("--offline check")) {
            assert!(line.contains("--deny warnings"), "{script}: {line}");
        }
    }
}

#[test]
fn rustls_has_one_provider_of_cryptography_and_it_is_ring() {
    let locked = locked();
    for provider in PROVIDERS {
        assert!(!locked.contains_key(provider), "{provider} is there");
    }
    assert_eq!(locked["ring"].len(), 1);
    assert_eq!(locked["rustls"].len(), 1);
    let features = manifests::features("rustls");
    assert!(features.contains("ring") && features.contains("std"), "{features:?}");
    for provider in ["aws_lc_rs", "aws-lc-rs", "fips", "custom-provider"] {
        assert!(!features.contains(provider), "{features:?}");
    }
}

/// rustls itself says so: with none or with two it panics here, as it would at the first handshake.
#[test]
fn rustls_finds_its_provider_by_itself() {
    let _ = rustls::ServerConfig::builder();
    let found = rustls::crypto::CryptoProvider::get_default().expect("one was taken");
    let ring = rustls::crypto::ring::default_provider();
    assert_eq!(found.cipher_suites, ring.cipher_suites);
    assert!(format!("{:?}", found.secure_random).to_lowercase().contains("ring"));
}

#[test]
fn unsafe_code_is_forbidden_in_every_crate_and_in_all_that_is_built_of_it() {
    let root = table("Cargo.toml");
    assert_eq!(root["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    let members: Vec<&str> = root["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap())
        .collect();
    let found = manifests::found();
    assert_eq!(found.len(), members.len(), "{found:?} are the crates, and {members:?} the members");
    for member in members {
        let manifest = table(&format!("{member}/Cargo.toml"));
        let lints = manifest["lints"].as_object().unwrap();
        // With `workspace` there may be nothing else: cargo refuses that, so nothing is weaker here.
        assert_eq!(lints["workspace"].as_bool(), Some(true), "{member}");
        assert_eq!(lints.len(), 1, "{member}");
    }
    // Nothing from outside may weaken a lint.
    for script in manifests::scripts() {
        assert!(!read(&script).contains("cap-lints"), "{script}");
    }
}
