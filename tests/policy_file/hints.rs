//! Faults whose text shows what was read, or what would be right.

use crate::support::{wrong, wrong_more};

#[test]
fn a_block_of_several_lines() {
    let role = |block: &str| format!("roles:\n- name: r\n  description: {block}");
    let lines = "10:5: roles[0].description: must be one line; fold it with >-";
    for block in ["|\n    Reads.\n    Writes.\n", "|-\n    a\n    b\n", ">\n    a\n\n    b\n"] {
        wrong_more(&role(block), &[lines]);
    }
    wrong_more(&role("|+\n    Reads.\n\n"), &[lines]);
    wrong_more(
        &role("\"a\\nb\"\n"),
        &[
            "9:16: roles[0].description: has the character U+000A at position 1, a control or change of direction",
        ],
    );
}

#[test]
fn a_text_where_what_has_a_name_is_wanted() {
    let types = "key_types:\n- {name: k, prefix: live, is_default: true}\n";
    wrong(
        &format!("scopes: [a:read]\n{types}"),
        &["1:10: scopes[0]: must be a mapping, such as {name: \"a:read\"}, not a text"],
    );
    let long = "a".repeat(10) + &" b".repeat(20);
    wrong(
        &format!("scopes: [{long}]\n{types}"),
        &["1:10: scopes[0]: must be a mapping, not a text"],
    );
    wrong_more("implications: [a]\n", &["7:16: implications[0]: must be a mapping, not a text"]);
}

#[test]
fn a_list_that_became_a_text_is_shown() {
    let rule = "must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`";
    wrong_more(
        "roles:\n- name: r\n  scopes:\n  - a\n    - b\n",
        &[&format!("10:5: roles[0].scopes[0]: {rule}; it is \"a - b\"")],
    );
}

#[test]
fn a_preset_or_a_role_where_a_scope_is_wanted() {
    let is_a = |at: &str, name: &str, what: &str| {
        format!(
            "{at}: the policy has no scope \"{name}\"; there is a {what} of this name, but scopes are listed here"
        )
    };
    wrong_more(
        "presets:\n- {name: read-only, scopes: [a, r]}\nroles:\n- {name: r, scopes: [read-only]}\n",
        &[
            &is_a("8:33: presets[0].scopes[1]", "r", "role"),
            &is_a("10:22: roles[0].scopes[0]", "read-only", "preset"),
        ],
    );
}

#[test]
fn no_key_type_is_the_default_or_several_are() {
    let types = |default| {
        format!(
            "scopes: [{{name: a}}]\nkey_types:\n- {{name: k, prefix: aa, is_default: {default}}}\n- {{name: l, prefix: bb, is_default: {default}}}\n"
        )
    };
    wrong(&types(false), &["3:3: key_types: exactly one must have is_default: true"]);
    wrong(&types(true), &["3:3: key_types: 2 are the default; exactly one must be"]);
}
