//! Each claim of the README's section names its tests, and they are there.

use std::{collections::BTreeSet, fs, path::Path};

const README: &str = include_str!("../../README.md");
/// What every store must pass: its tests are named there alone.
const SUITE: &str = include_str!("../store.rs");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The section, without its heading.
fn section() -> &'static str {
    let (_, rest) = README.split_once("\n## Threat model\n").expect("the README has the section");
    rest.split("\n## ").next().unwrap()
}

/// The rows of the section's tables but for their headings, each as its cells.
fn rows(section: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = section.lines().collect();
    let is_row = |place: &usize| {
        let next = lines.get(place + 1).unwrap_or(&"");
        lines[*place].starts_with("| ") && !next.starts_with("|---")
    };
    let cells = |place: usize| lines[place].trim_matches('|').split(" | ").map(str::trim).collect();
    (0..lines.len()).filter(is_row).map(cells).collect()
}

/// Whether a text is the name of a test: a sentence of three words or more.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.bytes().all(fits) && text.matches('_').count() >= 2
}

/// What is marked as such a name. Metrics, which look alike, begin as all of them do.
fn named(text: &str) -> Vec<&str> {
    let marked = text.split('`').skip(1).step_by(2);
    marked.filter(|name| is_name(name) && !name.starts_with("keyward_")).collect()
}

/// The names of all tests of the project.
fn tests() -> BTreeSet<String> {
    let mut open = vec![Path::new(ROOT).join("tests"), Path::new(ROOT).join("src")];
    let mut tests = BTreeSet::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                tests.extend(tests_of(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let suite = SUITE.lines().map(|line| line.trim().trim_end_matches(';'));
    tests.extend(suite.filter(|line| is_name(line)).map(ToOwned::to_owned));
    tests
}

/// Those of a file: what stands behind the mark of a test.
fn tests_of(text: &str) -> Vec<String> {
    let after = ["#[test]", "#[tokio::test"].into_iter().flat_map(|mark| text.split(mark).skip(1));
    let name = |after: &str| after.split("fn ").nth(1)?.split('(').next().map(ToOwned::to_owned);
    after.filter_map(name).collect()
}

#[test]
fn every_claim_of_the_threat_model_names_a_test_that_exists() {
    let (section, tests) = (section(), tests());
    assert!(tests.len() > 1_000, "{}", tests.len());
    let rows = rows(section);
    assert!(rows.len() > 15, "{rows:?}");
    for row in &rows {
        assert!(!named(row.last().unwrap()).is_empty(), "no test: {row:?}");
    }
    let named = named(section);
    assert!(named.len() > 20, "{named:?}");
    for name in &named {
        assert!(tests.contains(*name), "{name} is no test");
    }
    assert!(!tests.contains("a_test_that_is_not_there"), "a name that nobody has is missed");
}
