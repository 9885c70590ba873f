//! Nothing is fetched but by its checksum.

use crate::manifests::{read, scripts};

/// What fetches programs, and what must be beside it.
const FETCHING: [(&str, &[&str]); 8] = [
    ("pip install", &["--require-hashes", "--only-binary :all:", "--no-deps"]),
    (" npm ci", &["--ignore-scripts"]),
    (" npm install", &["never"]),
    (" npx ", &["never"]),
    (" go install", &["never"]),
    (" go mod download", &["-json"]),
    (" cargo install", &["--locked", "--version"]),
    ("curl http", &["never"]),
];
/// The one script that fetches, but for what apt does, whose lists are signed.
const FETCHES: &str = ".ci/tools";

/// The commands of a script, each in one line and after a space, without comments.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.map(|line| format!(" {}", line.replace('(', " "))).collect()
}

/// What is wrong with a script.
fn faults(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for command in commands(text) {
        for (fetching, with) in FETCHING.iter().filter(|(fetching, _)| command.contains(fetching)) {
            if name != FETCHES {
                faults.push(format!("{name} fetches: {command}"));
            }
            let missing = with.iter().filter(|with| !command.contains(**with));
            faults.extend(
                missing.map(|with| format!("{name}: {fetching} without {with}: {command}")),
            );
        }
    }
    faults
}

#[test]
fn what_is_fetched_without_a_checksum_is_found() {
    let fault = |name, text| assert_eq!(faults(name, text).len(), 1, "{text}");
    fault(FETCHES, "python3 -m pip install --no-deps --only-binary :all: x==1");
    fault(FETCHES, "go install example.com/x@v1");
    fault(FETCHES, "cargo install --version 1 \\\n  x");
    fault(FETCHES, "npm ci --silent");
    fault(".ci/other", "go mod download -json x@v1");
    assert_eq!(faults(".ci/other", "# go install x").len(), 0);
}

#[test]
fn every_script_fetches_by_checksum_alone() {
    let scripts = scripts();
    assert!(
        scripts.iter().any(|name| name == FETCHES)
            && scripts.iter().any(|name| name == "tests/postgres/ctl")
    );
    let faults: Vec<_> = scripts.iter().flat_map(|name| faults(name, &read(name))).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let fetches = commands(&read(FETCHES)).join("\n");
    for (fetching, with) in FETCHING {
        assert_eq!(fetches.contains(fetching), *with != ["never"], "{fetching}");
    }
}

#[test]
fn every_module_of_go_has_a_checksum_and_a_version() {
    let mut modules = 0;
    for name in [FETCHES, ".ci/chart"] {
        for command in commands(&read(name)) {
            let words: Vec<&str> = command.split([' ', '(', ')']).collect();
            let Some(place) = words.iter().position(|word| word.contains("@v")) else { continue };
            let sum = words.get(place + 1).unwrap_or(&"").trim_matches([';', '"']);
            assert!(sum.starts_with("h1:") && sum.len() == 47, "{name}: {command}");
            modules += 1;
        }
    }
    assert_eq!(modules, 8, "programs and definitions");
}

#[test]
fn every_package_of_python_and_npm_has_a_checksum_and_a_version() {
    for name in ["chart", "clients", "envoy", "sbom"] {
        let text = read(&format!(".ci/python/{name}.txt"));
        for package in text.replace("\\\n", "").lines() {
            let (version, hashes) = package.split_once(" ").unwrap();
            assert!(version.contains("=="), "{name}: {package}");
            let hashes: Vec<&str> = hashes.split_whitespace().collect();
            let is_hash = |hash: &&str| {
                hash.strip_prefix("--hash=sha256:").is_some_and(|hex| hex.len() == 64)
            };
            assert!(!hashes.is_empty() && hashes.iter().all(is_hash), "{name}: {package}");
        }
    }
    let lock: serde_json::Value = serde_json::from_str(&read(".ci/npm/package-lock.json")).unwrap();
    let packages = lock["packages"].as_object().unwrap();
    let foreign: Vec<_> = packages.iter().filter(|(name, _)| !name.is_empty()).collect();
    assert_eq!(foreign.len(), 2);
    for (name, package) in foreign {
        assert!(package["integrity"].as_str().unwrap().starts_with("sha512-"), "{name}");
    }
}
