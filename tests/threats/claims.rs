//! Each claim of the README's section names its tests, and they are there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

const README: &str = include_str!("../../README.md");
/// What every store must pass: its tests are named there alone.
const SUITE: &str = include_str!("../store.rs");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The section, without its heading.
fn section() -> &'static str {
    let (_, rest) = README.split_once("\n## Threat model\n").expect("the README has the section");
    rest.split("\n## ").next().unwrap()
}

/// The rows of the section's tables, each as its cells with the headings of their columns.
fn rows(section: &str) -> Vec<Vec<(&str, &str)>> {
    let cells = |line| -> Vec<&str> {
        let line: &str = line;
        line.trim_matches('|').split(" | ").map(str::trim).collect()
    };
    let (mut headings, mut rows) = (Vec::new(), Vec::new());
    let mut lines = section.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with("| ") {
            continue;
        }
        let cells = cells(line);
        if lines.peek().is_some_and(|next| next.starts_with("|---")) {
            headings = cells;
        } else {
            assert_eq!(cells.len(), headings.len(), "{line}");
            rows.push(headings.iter().copied().zip(cells).collect());
        }
    }
    rows
}

/// What is wrong with a row: the last of its cells names the tests of each of the others that claims something, after
/// the heading of that. The first says of whom, and what to do then is advice, which may have tests.
fn faults(row: &[(&str, &str)]) -> Vec<String> {
    let [(_, who), claims @ .., (heading, tests)] = row else { panic!("{row:?}") };
    assert_eq!(*heading, "Tests", "{row:?}");
    let mut marked = tests.split("**");
    let mut faults = Vec::new();
    if marked.next() != Some("") {
        faults.push(format!("{who}: tests of no claim: {tests}"));
    }
    let marked: Vec<&str> = marked.collect();
    let tests: BTreeMap<&str, usize> = marked
        .chunks(2)
        .map(|pair| (pair[0], pair.get(1).map_or(0, |text| named(text).len())))
        .collect();
    for (heading, cell) in claims {
        let is_claim = !["–", "nothing here"].contains(cell) && *heading != "Then";
        let count = tests.get(heading).copied().unwrap_or(0);
        if is_claim && count == 0 {
            faults.push(format!("{who}: no test of {heading:?}: {cell}"));
        }
        if count > 0 && ["–", "nothing here"].contains(cell) {
            faults.push(format!("{who}: {heading:?} claims nothing, and has tests"));
        }
    }
    let of_none = tests.keys().filter(|test| !claims.iter().any(|(heading, _)| heading == *test));
    faults.extend(of_none.map(|heading| format!("{who}: there is no column {heading:?}")));
    faults
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
    let faults: Vec<String> = rows.iter().flat_map(|row| faults(row)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let named = named(section);
    assert!(named.len() > 40, "{named:?}");
    for name in &named {
        assert!(tests.contains(*name), "{name} is no test");
    }
    assert!(!tests.contains("a_test_that_is_not_there"), "a name that nobody has is missed");
}

#[test]
fn a_claim_without_a_test_of_its_own_is_found() {
    let row = |tests| {
        faults(&[
            ("Who", "a thief"),
            ("May", "this"),
            ("May not", "that"),
            ("Then", "run"),
            ("Tests", tests),
        ])
    };
    let whole = "**May** `one_of_them` **May not** `one_of_them` `another_of_them`";
    assert_eq!(row(whole), [""; 0]);
    for tests in [
        "`one_of_them` `another_of_them`",
        "**May** `one_of_them` `another_of_them`",
        "**May** `one_of_them` **May not** `short`",
        "**May** `one_of_them` **May not**",
    ] {
        assert!(!row(tests).is_empty(), "{tests}");
    }
    assert_eq!(row(&format!("{whole} **Ever** `one_of_them`")).len(), 1);
    let nothing = [
        ("Who", "a thief"),
        ("Noticed by", "nothing here"),
        ("Tests", "**Noticed by** `one_of_them`"),
    ];
    assert_eq!(faults(&nothing).len(), 1);
}
