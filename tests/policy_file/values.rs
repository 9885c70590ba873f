//! Each kind of value is read.

use keyward::proto::{Policy, UnmatchedResource};

use crate::support::{BASE, read, read_more};

#[track_caller]
fn title(written: &str, expected: &str) {
    let read = read_more(&format!("display_name: {written}\n"));
    assert_eq!(read.message.display_name, expected, "{written}");
}

#[test]
fn texts_are_plain_quoted_or_blocks() {
    title("Shop", "Shop");
    title("'It''s'", "It's");
    title("\"a shop\"", "a shop");
    title(">-\n  a\n  b", "a b");
    title("|-\n  a b", "a b");
}

#[test]
fn the_line_end_of_a_block_is_none_of_its_text() {
    for block in ["|\n", ">\n", "|-\n", ">-\n", ">+\n"] {
        let file = format!("{BASE}roles:\n- name: r\n  description: {block}    Reads.\n");
        assert_eq!(read(&file).message.roles[0].description, "Reads.", "{block:?}");
    }
    title("|\n  a b\n", "a b");
}

#[test]
fn texts_that_look_like_something_else_are_quoted() {
    for text in ["1", "true", "null", "~", "1e3", "*:read", "{x}", "[a]", "a: b", "# a", "!t", "&a"]
    {
        title(&format!("\"{text}\""), text);
        title(&format!("'{text}'"), text);
    }
    title("yes", "yes");
    title("2026-01-01", "2026-01-01");
    title("\"\\u00e9\"", "é");
    title("|-\n  1", "1");
}

#[test]
fn lists_are_of_either_style() {
    for list in ["[a, \"b\"]", "\n  - a\n  - b", "\n  - a\n  - 'b'\n"] {
        let file = format!(
            "key_types: [{{name: live, prefix: live, is_default: true}}]\nscopes:\n- name: a\n- name: b\n- name: c\n  implies: {list}\n"
        );
        assert_eq!(read(&file).message.scopes[2].implies, ["a", "b"], "{list}");
    }
    let policy = read_more("roles: []\npresets: []\n").message;
    assert!(policy.roles.is_empty() && policy.presets.is_empty());
}

#[test]
fn truth_values_are_those_of_yaml() {
    for (written, expected) in [
        ("true", true),
        ("True", true),
        ("TRUE", true),
        ("false", false),
        ("False", false),
        ("FALSE", false),
    ] {
        let read = read_more(&format!("hide_existence: {written}\n"));
        assert_eq!(read.message.hide_existence, expected, "{written}");
        assert_eq!(read.policy.document().hide_existence, expected);
    }
}

#[test]
fn spans_have_units() {
    for (written, seconds, nanos) in [
        ("90d", 7_776_000, 0),
        ("1d12h", 129_600, 0),
        ("\"30m\"", 1_800, 0),
        ("7776000s", 7_776_000, 0),
        ("1.5s", 1, 500_000_000),
        ("315576000000s", 315_576_000_000, 0),
    ] {
        let read = read_more(&format!("expiry:\n  max_ttl: {written}\n"));
        let span = read.message.expiry.unwrap().max_ttl.unwrap();
        assert_eq!((span.seconds, span.nanos), (seconds, nanos), "{written}");
    }
}

#[test]
fn whole_numbers_are_written_so_or_as_json_has_them() {
    for (written, expected) in [("1", 1), ("\"17\"", 17), ("1000000000", 1_000_000_000)] {
        let plan = format!(
            "plans:\n- name: p\n  key_limits:\n  - {{name: l, quota: {written}, window: 1s}}\n"
        );
        let read = read_more(&plan);
        assert_eq!(read.message.plans[0].key_limits[0].quota, expected, "{written}");
    }
}

#[test]
fn names_of_enums_are_short_or_whole() {
    for (written, expected) in [
        ("NOT_FOUND", UnmatchedResource::NotFound),
        ("\"UNMATCHED_RESOURCE_NOT_FOUND\"", UnmatchedResource::NotFound),
        ("INSUFFICIENT_SCOPE", UnmatchedResource::InsufficientScope),
    ] {
        let read = read_more(&format!("unmatched_resource: {written}\n"));
        assert_eq!(read.message.unmatched_resource(), expected, "{written}");
    }
}

#[test]
fn messages_are_nested_and_what_is_not_written_is_not_there() {
    let written = read_more(
        "resources:\n  separator: \".\"\n  types:\n  - name: SHOP\n    segments: [{name: id, values: [x]}]\n",
    );
    let resources = written.message.resources.unwrap();
    assert_eq!((&*resources.separator, &*resources.wildcard), (".", ""));
    assert_eq!(resources.types[0].segments[0].values, ["x"]);
    let Policy { resources, expiry, rotation, plans, .. } = read_more("").message;
    assert!(resources.is_none() && expiry.is_none() && rotation.is_none() && plans.is_empty());
}

#[test]
fn a_file_may_begin_as_yaml_files_do_and_be_json() {
    let json = r#"{"scopes": [{"name": "a"}], "key_types": [{"name": "live", "prefix": "live", "is_default": true}]}"#;
    let plain = read_more("").message;
    for file in [
        format!("---\n{}", crate::support::BASE),
        format!("# a comment\n---\n{}...\n", crate::support::BASE),
        format!("\u{feff}# a comment\n{}", crate::support::BASE),
        crate::support::BASE.replace('\n', "\r\n"),
        json.to_owned(),
        json.replace(", ", ",\n\t"),
    ] {
        assert_eq!(read(&file).message, plain, "{file}");
    }
}
