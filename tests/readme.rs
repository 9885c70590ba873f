//! What the README says and a program can check. Its commands are run by `.ci/readme`.
//!
//! With `KEYWARD_TEST_README=write` the tables that are the program's are written into it instead of compared:
//! `.ci/chart --write` does so before it derives the chart's schema from them.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

#[path = "authorization/rows.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod rows;

use std::{env, fs};

use keyward::{domain::secret, proto::ErrorReason};

const README: &str = include_str!("../README.md");

#[test]
fn the_claim_is_stated_in_the_words_that_are_tested() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let readme = words(README);
    for claim in [
        "*an Introspect that starts after a change returned OK is never answered from an older \
         state, on any replica* (while the change is still in flight, one replica may already deny \
         while another still allows)",
        "On SQLite one process owns the file, and the same holds without leases",
    ] {
        assert!(readme.contains(&words(claim)), "{claim}");
    }
}

/// `text` with what is between the marks of `name` replaced.
fn with_table(text: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&begin).expect("the README has the table's beginning");
    let (_, after) = rest.split_once(&end).expect("and its end");
    format!("{before}{begin}{table}{end}{after}")
}

#[test]
fn the_tables_are_the_programs() {
    let settings = with_table(README, "settings", &keyward::config::markdown());
    let both = with_table(&settings, "metrics", &keyward::telemetry::markdown());
    // What `tests/run --test authorization` tries, each cell.
    let all = with_table(&both, "callers", &rows::markdown());
    if env::var("KEYWARD_TEST_README").is_ok_and(|value| value == "write") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        fs::write(path, &all).expect("the README can be written");
        return;
    }
    let old = README.lines().zip(all.lines()).find(|(old, new)| old != new);
    assert_eq!(old, None, "run `.ci/chart --write`");
    assert_eq!(README, all, "run `.ci/chart --write`");
}

#[test]
fn the_regular_expression_is_the_programs() {
    assert!(README.contains(&format!("    {}\n", secret::PATTERN)));
}

#[test]
fn every_scope_of_callers_is_explained() {
    for scope in keyward::domain::system::SystemScope::ALL {
        assert!(README.contains(&format!("`{scope}`")), "{scope}");
    }
}

#[test]
fn every_error_reason_has_an_example() {
    let proto = include_str!("../proto/keyward/v1/error_reason.proto");
    for number in 1.. {
        let Ok(reason) = ErrorReason::try_from(number) else { break };
        let name = reason.as_str_name().trim_start_matches("ERROR_REASON_");
        assert!(
            proto.contains(&format!(
                "// Example: `{{\"reason\": \"{name}\", \"domain\": \"keyward.v1\""
            )),
            "{name}"
        );
    }
}
