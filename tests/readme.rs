//! What the README says and a program can check. Its commands are run by `.ci/readme`.

#![expect(clippy::expect_used, reason = "tests")]

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

#[test]
fn the_settings_are_the_programs() {
    let table = README.split("<!-- settings -->").nth(1).expect("the README has settings");
    let table = table.split("<!-- end of settings -->").next().expect("and an end of them");
    assert_eq!(
        table.trim(),
        keyward::config::markdown().trim(),
        "paste the right-hand side into the README"
    );
}

#[test]
fn the_metrics_are_the_programs() {
    let table = README.split("<!-- metrics -->").nth(1).expect("the README has metrics");
    let table = table.split("<!-- end of metrics -->").next().expect("and an end of them");
    assert_eq!(
        table.trim(),
        keyward::telemetry::markdown().trim(),
        "paste the right-hand side into the README"
    );
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
