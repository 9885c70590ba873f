//! Which layer names what: read from the sources, and asserted as absences.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "layering/paths.rs"]
mod paths;
#[path = "layering/rules.rs"]
mod rules;
#[path = "layering/samples.rs"]
mod samples;

use std::{fs, path::Path};

use rules::{Source, faults};

/// Every Rust file beneath a directory of the project.
fn sources(directory: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut open, mut sources) = (vec![root.join(directory)], Vec::new());
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                sources.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources
}

#[test]
fn no_layer_names_what_it_must_not_know() {
    let sources = sources("src");
    assert!(sources.len() > 100, "there are sources");
    let layers = [
        "domain",
        "admin",
        "introspect",
        "cache",
        "replica",
        "limits",
        "store",
        "usage",
        "checkpoints",
        "callers",
        "tls",
        "telemetry",
        "measure",
        "grpc",
    ];
    for layer in layers {
        let of_layer = sources.iter().filter(|source| source.layer() == layer).count();
        assert!(of_layer > 1 || layer == "introspect" && of_layer == 1, "{layer} is there");
    }
    let faults: Vec<String> = sources.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_file_is_longer_than_can_be_read_at_once() {
    let all = ["src", "tests", "benches", "migrations"].into_iter().flat_map(sources);
    let faults: Vec<String> = all.filter_map(|source| rules::too_long(&source)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn nothing_is_unsafe() {
    let all = ["src", "tests", "benches", "migrations"].into_iter().flat_map(sources);
    let faults: Vec<String> = all.filter_map(|source| rules::is_unsafe(&source)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_only_one_file_may_name_is_named_there() {
    let sources = sources("src");
    for (file, what) in rules::ALONE {
        let file = sources.iter().find(|source| source.name == *file).unwrap();
        assert!(file.paths.iter().any(|path| rules::names(path, what)), "{} and {what}", file.name);
    }
}
