//! What the project says of itself: manifests, scripts, and what cargo makes of them.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Where nothing of the project is.
const FOREIGN: [&str; 2] = ["target", ".git"];

/// A file of the project.
pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// One that is TOML.
pub(crate) fn table(name: &str) -> Value {
    let text = read(name);
    let table = DeTable::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    of_table(table.get_ref())
}

fn of_table(table: &DeTable<'_>) -> Value {
    let entries =
        table.iter().map(|(name, value)| (name.get_ref().to_string(), of(value.get_ref())));
    Value::Object(entries.collect::<Map<_, _>>())
}

/// Numbers and moments, which nobody asks for here, are nothing.
fn of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Array(array) => array.iter().map(|value| of(value.get_ref())).collect(),
        DeValue::Table(table) => of_table(table),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) => Value::Null,
    }
}

/// Every file of the project, by its name from the root on.
pub(crate) fn files() -> Vec<String> {
    let (mut open, mut files) = (vec![Path::new(ROOT).to_owned()], Vec::new());
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned();
            if path.is_file() {
                files.push(name);
            } else if !FOREIGN.contains(&name.as_str()) {
                open.push(path);
            }
        }
    }
    files
}

/// Every manifest of a crate, whether the workspace knows it or not.
pub(crate) fn found() -> Vec<String> {
    files().into_iter().filter(|name| Path::new(name).ends_with("Cargo.toml")).collect()
}

/// Every script, and what an image is built by.
pub(crate) fn scripts() -> Vec<String> {
    let is_script = |name: &String| {
        let text = fs::read(Path::new(ROOT).join(name)).unwrap();
        name.as_str() == "Dockerfile" || name == ".ci/tools" || text.starts_with(b"#!")
    };
    let scripts: Vec<_> = files().into_iter().filter(is_script).collect();
    assert!(scripts.len() > 12, "{scripts:?}");
    scripts
}

/// The features with which a crate is built, of all that is in the workspace.
pub(crate) fn features(name: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    // Such as `registry+…#rustls@0.23.18`.
    let is_it = |node: &&Value| {
        node["id"]
            .as_str()
            .unwrap()
            .rsplit(['#', '/'])
            .next()
            .unwrap()
            .starts_with(&format!("{name}@"))
    };
    let node = nodes.iter().find(is_it).unwrap();
    let features = node["features"].as_array().unwrap();
    features.iter().map(|feature| feature.as_str().unwrap().to_owned()).collect()
}
