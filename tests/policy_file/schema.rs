//! The JSON Schema: shipped as it is printed, and never stricter than the reader. It is
//! laxer where a rule is about more than one field, and where a number is written as a text.

use std::sync::LazyLock;

use jsonschema::Validator;

use crate::{
    support::{BASE, LANGUAGE, try_read},
    yaml::json,
};

const SHIPPED: &str = include_str!("../../policies/policy.schema.json");

pub(crate) static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    jsonschema::draft202012::new(&serde_json::from_str(SHIPPED).unwrap()).unwrap()
});

#[test]
fn the_shipped_schema_is_the_programs() {
    let schema = LANGUAGE.schema().unwrap();
    assert!(
        SHIPPED == format!("{schema}\n"),
        "keyward policy schema > policies/policy.schema.json"
    );
}

#[test]
fn it_is_a_schema_and_explains_every_field() {
    let schema: serde_json::Value = serde_json::from_str(SHIPPED).unwrap();
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    let definitions = schema["$defs"].as_object().unwrap().values();
    for message in definitions.chain([&schema]) {
        assert!(message["description"].is_string(), "{message}");
        assert_eq!(message["additionalProperties"], false);
        for (name, field) in message["properties"].as_object().unwrap() {
            assert!(field["description"].as_str().is_some_and(|text| text.len() > 10), "{name}");
        }
    }
    assert_eq!(schema["properties"]["scopes"]["minItems"], 1);
    assert_eq!(schema["properties"]["roles"]["minItems"], serde_json::Value::Null);
    let span = &schema["$defs"]["ExpiryRule"]["properties"]["max_ttl"];
    assert_eq!(span["examples"], serde_json::json!(["90d", "1d12h"]));
    assert!(span["description"].as_str().unwrap().contains("Written as 90d, 1d12h"));
    assert_eq!(schema["required"], serde_json::json!(["scopes", "key_types"]));
    assert!(schema["properties"]["etag"].is_null() && schema["properties"]["name"].is_null());
}

/// What is added to a policy and refused by the schema.
const REFUSED: &[&str] = &[
    "colour: red",
    "name: policies/x",
    "etag: x",
    "display_name: 5",
    "display_name: true",
    "display_name:",
    "display_name: [a]",
    "display_name: {a: b}",
    "roles: r",
    "roles: {}",
    "roles:",
    "roles: [r]",
    "roles: [{}]",
    "roles: [{name: r, scopes: a}]",
    "roles: [{name: r, scopes: [1]}]",
    "roles: [{name: r, scopes: [null]}]",
    "presets: [{name: p}]",
    "implications: [{scope: \"{x}:a\"}]",
    "hide_existence: \"true\"",
    "hide_existence: 1",
    "hide_existence: yes",
    "expiry: 90d",
    "expiry: {max_ttl: 90}",
    "expiry: {max_ttl: 7 days}",
    "expiry: {max_ttl: -1d}",
    "expiry: {max_ttl: \"\"}",
    "expiry: {max_ttl: 12h1d}",
    "expiry: {max_ttl: 1.5d}",
    "unmatched_resource: NOTFOUND",
    "unmatched_resource: UNMATCHED_RESOURCE_UNSPECIFIED",
    "unmatched_resource: 2",
    "plans: [{name: p, key_limits: [{name: l, quota: 1}]}]",
    "plans: [{name: p, key_limits: [{name: l, quota: 1.5, window: 1s}]}]",
    "plans: [{name: p, key_limits: [{name: l, quota: \"1.0\", window: 1s}]}]",
    "plans: [{name: p, key_limits: [{name: l, quota: \"01\", window: 1s}]}]",
    "resources: {types: [{segments: []}]}",
    "resources: {types: [{name: a, segments: [{name: b c}]}]}",
    "implications: [{scope: \"{x}:a\", implies: []}]",
    "presets: [{name: p, scopes: []}]",
    "presets: [{name: \"\", scopes: [a]}]",
    "roles: [{name: a b}]",
    "roles: [{name: é}]",
    "roles: [{name: \"a\\n\"}]",
    "plans: [{name: p q}]",
    "plans: [{name: p, key_limits: [{name: l, quota: 0, window: 1s}]}]",
    "plans: [{name: p, key_limits: [{name: l, quota: 1000000001, window: 1s}]}]",
    "plans: [{name: p, key_limits: [{name: l, quota: 1, burst: -1, window: 1s}]}]",
    "plans: [{name: p, key_limits: [{name: l, quota: 1, burst: 1000000001, window: 1s}]}]",
    "plans: [{name: p, key_limits: [{name: \"\", quota: 1, window: 1s}]}]",
];

/// What is added to a policy where a text may have so many characters at the most.
const LONGEST: &[(&str, usize)] = &[
    ("roles: [{name: r, description: $}]", 500),
    ("presets: [{name: p, scopes: [a], description: $}]", 500),
    ("plans: [{name: p, description: $}]", 500),
    ("roles: [{name: $}]", 100),
    ("presets: [{name: $, scopes: [a]}]", 100),
    ("plans: [{name: $}]", 100),
    ("resources: {types: [{name: a, segments: [{name: $}]}]}", 100),
];

#[test]
fn texts_are_as_long_in_the_schema_as_in_the_reader() {
    for (more, most) in LONGEST {
        for (length, fits) in [(1, true), (*most, true), (most + 1, false)] {
            let file = format!("{BASE}{}\n", more.replace('$', &"a".repeat(length)));
            assert_eq!(VALIDATOR.is_valid(&json(&file).unwrap()), fits, "{length} in {more}");
            assert_eq!(try_read(&file).is_ok(), fits, "{length} in {more}");
        }
    }
}

#[test]
fn names_and_prefixes_have_the_same_characters_in_the_schema_as_in_the_reader() {
    let agree = |file: String| {
        let valid = VALIDATOR.is_valid(&json(&file).unwrap());
        assert_eq!(valid, try_read(&file).is_ok(), "{file}");
        valid
    };
    let named = |name| agree(format!("{BASE}roles: [{{name: \"{name}\"}}]\n"));
    let taken: String =
        (' '..='~').filter(|c| !"\"\\".contains(*c) && named(c.to_string())).collect();
    assert_eq!(taken.len(), 26 + 26 + 10 + 6, "{taken}");
    for (prefix, fits) in [
        ("ab", true),
        ("a1_b_2", true),
        ("a", false),
        ("1a", false),
        ("_a", false),
        ("a_", false),
        ("a__b", false),
        ("aB", false),
        ("a-b", false),
        ("abcdefghij0123456789", true),
        ("abcdefghij0123456789k", false),
    ] {
        let types = format!("key_types: [{{name: k, prefix: \"{prefix}\", is_default: true}}]");
        assert_eq!(agree(format!("scopes: [{{name: a}}]\n{types}\n")), fits, "{prefix}");
    }
}

#[test]
fn what_the_schema_refuses_the_reader_refuses() {
    for more in REFUSED {
        let file = format!("{BASE}{more}\n");
        assert!(!VALIDATOR.is_valid(&json(&file).unwrap()), "{more}");
        assert!(try_read(&file).is_err(), "{more}");
    }
    for file in ["{}", "[]", "a", "scopes: [{name: a}]"] {
        assert!(!VALIDATOR.is_valid(&json(file).unwrap()) && try_read(file).is_err(), "{file}");
    }
}

#[test]
fn what_the_reader_takes_the_schema_takes() {
    for more in [
        "",
        "display_name: a",
        "display_name: \"5\"",
        "roles: []",
        "roles: [{name: r, scopes: [\"*\"]}]",
        "hide_existence: true",
        "expiry: {max_ttl: 1d12h, default_ttl: 1.5s, required: false}",
        "unmatched_resource: NOT_FOUND",
        "unmatched_resource: UNMATCHED_RESOURCE_NOT_FOUND",
        "plans: [{name: p, key_limits: [{name: l, quota: 5, window: 1m}, {name: m, quota: \"5\", window: 60s}]}]",
        "plans: [{name: p, key_limits: [{name: l, quota: 1000000000, burst: 1000000000, window: 1s}]}]",
        "plans: [{name: p, key_limits: [{name: l, quota: 1, burst: 0, window: 1s}]}]",
        "resources: {separator: \".\", types: [{name: A, segments: [{name: b, values: [c]}]}]}",
    ] {
        let file = format!("{BASE}{more}\n");
        let refused =
            VALIDATOR.validate(&json(&file).unwrap()).err().map(|error| error.to_string());
        assert_eq!(refused, None, "{more}");
        assert!(try_read(&file).is_ok(), "{more}");
    }
}
