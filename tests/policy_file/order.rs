//! All that is wrong with a file is told at once, in the order of the file.

use keyward::domain::fault::FAULTS_MAX;

use crate::support::{try_read, wrong};

#[test]
fn faults_of_every_kind_are_told_in_the_order_of_the_file() {
    wrong(
        "\
display_name: 5
scopes:
- name: orders:read
  implies: [*:read, orders:wirte]
- name: orders:write
  isolated: yes
  colour: red
- just text
- name: a b
roles:
- name: clerk
  scopes: [refunds]
- name: clerk
key_types:
- name: live
  is_default: true
  is_default: false
expiry:
  default_ttl: 90d
  max_ttl: 30d
",
        &[
            "1:15: display_name: must be a text, not a number; write texts that look like something else in quotes: \"5\"",
            "4:13: scopes[0].implies[0]: an unquoted * begins an alias in YAML: write globs in quotes, \"*:read\"",
            "4:21: scopes[0].implies[1]: the policy has no scope \"orders:wirte\"; did you mean \"orders:write\"?",
            "6:13: scopes[1].isolated: must be true or false",
            "7:3: scopes[1].colour: there is no such key here; there are name, description, implies, isolated, class",
            "8:3: scopes[2]: must be a mapping, such as {name: \"just text\"}, not a text",
            "9:9: scopes[3].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
            "12:12: roles[0].scopes[0]: the policy has no scope \"refunds\"",
            "13:9: roles[1].name: \"clerk\" is there already",
            "15:3: key_types[0].prefix: is missing",
            "17:3: key_types[0].is_default: is there already, in line 16",
            "19:16: expiry.default_ttl: is longer than max_ttl",
        ],
    );
}

#[test]
fn a_syntax_error_ends_reading_but_what_was_seen_before_is_told() {
    wrong(
        "scopes: [*a, &b c]\nscopes: 1\nroles: ]\n",
        &[
            "1:10: scopes[0]: an unquoted * begins an alias in YAML: write globs in quotes, \"*:read\"",
            "1:14: scopes[1]: an unquoted & begins an anchor in YAML, which a policy file has not; write texts in quotes",
            "2:1: scopes: is there already, in line 1",
            "3:8: is no YAML: misplaced bracket",
        ],
    );
}

#[test]
fn what_has_no_place_of_its_own_is_told_where_it_would_be() {
    wrong(
        "scopes:\n- name: a\nkey_types:\n- {name: a, prefix: aa}\n- {name: b, prefix: bb}\n",
        &["4:3: key_types: exactly one must have is_default: true"],
    );
    wrong(
        "scopes:\n- name: a\n  implies: [b]\n- name: b\n  implies: [a]\nkey_types:\n- {name: a, prefix: aa, is_default: true}\n",
        &["3:12: scopes[0].implies: goes in a circle: a → b → a"],
    );
}

#[test]
fn a_thousand_are_kept_and_the_rest_are_counted() {
    let file = format!("scopes: [{}]\n", "1,".repeat(FAULTS_MAX + 5));
    let faults = try_read(file).unwrap_err();
    assert_eq!((faults.kept.len(), faults.count()), (FAULTS_MAX, FAULTS_MAX + 6));
}
