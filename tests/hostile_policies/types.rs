//! Each field of the language, once with each type of value that it has not.

use crate::attack::{attack, check, with};

/// What YAML can write, with the one line of each.
const VALUES: [(&str, &str); 9] = [
    ("nothing", "~"),
    ("a truth value", "true"),
    ("yes", "yes"),
    ("on", "on"),
    ("a number", "17"),
    ("a fraction", "1.5"),
    ("a text", "\"t t\""),
    ("a list", "[[]]"),
    ("a mapping", "{ a: b }"),
];

const NOTHING: &str = "has no value; give it one or leave it out";

/// What is said of each value where a text is wanted. Empty: the value is a text.
const TEXT: [&str; 9] = [
    NOTHING,
    "must be a text, not a truth value; write texts that look like something else in quotes: \"true\"",
    "",
    "",
    "must be a text, not a number; write texts that look like something else in quotes: \"17\"",
    "must be a text, not a number; write texts that look like something else in quotes: \"1.5\"",
    "",
    "must be a text, not a list; write texts that begin with [ or - in quotes",
    "must be a text, not a mapping; write texts with { or a colon and a space in quotes",
];

const BOOL: [&str; 9] = {
    const BOOL: &str = "must be true or false";
    const LIST: &str = "must be true or false, not a list";
    const MAP: &str = "must be true or false, not a mapping";
    [NOTHING, "", BOOL, BOOL, BOOL, BOOL, BOOL, LIST, MAP]
};

const COUNT: [&str; 9] = {
    const WHOLE: &str = "must be a whole number";
    const LIST: &str = "must be a whole number, not a list";
    const MAP: &str = "must be a whole number, not a mapping";
    [NOTHING, WHOLE, WHOLE, WHOLE, "", WHOLE, WHOLE, LIST, MAP]
};

const SPAN: [&str; 9] = {
    const RULE: &str =
        "must be a span of time such as 90d, 1d12h or 30m: units d, h, m and s, the largest first";
    const UNIT: &str = "has no unit: write \"17d\", \"17h\", \"17m\", \"17s\"";
    const LIST: &str = "must be a span of time, not a list";
    const MAP: &str = "must be a span of time, not a mapping";
    [NOTHING, RULE, RULE, RULE, UNIT, RULE, RULE, LIST, MAP]
};

const LIST: [&str; 9] = [
    NOTHING,
    "must be a list, also of one: [\"true\"]",
    "must be a list, also of one: [\"yes\"]",
    "must be a list, also of one: [\"on\"]",
    "must be a list, also of one: [\"17\"]",
    "must be a list, also of one: [\"1.5\"]",
    "must be a list, also of one: [\"t t\"]",
    "",
    "must be a list, not a mapping",
];

const MAPPING: [&str; 9] = [
    NOTHING,
    "must be a mapping, not a truth value",
    "must be a mapping, not a text",
    "must be a mapping, not a text",
    "must be a mapping, not a number",
    "must be a mapping, not a number",
    "must be a mapping, not a text",
    "must be a mapping, not a list",
    "",
];

/// Where what is wanted has a name.
const NAMED: [&str; 9] = [
    NOTHING,
    "must be a mapping, not a truth value",
    "must be a mapping, such as {name: \"yes\"}, not a text",
    "must be a mapping, such as {name: \"on\"}, not a text",
    "must be a mapping, not a number",
    "must be a mapping, not a number",
    "must be a mapping, such as {name: \"t t\"}, not a text",
    "must be a mapping, not a list",
    "",
];

const ENUM: [&str; 9] = [
    NOTHING,
    "\"true\" is none of INSUFFICIENT_SCOPE, NOT_FOUND",
    "\"yes\" is none of INSUFFICIENT_SCOPE, NOT_FOUND",
    "\"on\" is none of INSUFFICIENT_SCOPE, NOT_FOUND",
    "\"17\" is none of INSUFFICIENT_SCOPE, NOT_FOUND",
    "\"1.5\" is none of INSUFFICIENT_SCOPE, NOT_FOUND",
    "\"t t\" is none of INSUFFICIENT_SCOPE, NOT_FOUND",
    "must be one of the names, not a list",
    "must be one of the names, not a mapping",
];

/// A file, with `$` for the value, and the field there. What must be beside it is.
type Field = (String, &'static str, &'static [&'static str; 9]);

fn fields() -> Vec<Field> {
    let types = "key_types: [{ name: live, prefix: acme_live, is_default: true }]\n";
    let scope = |rest: &str| format!("{types}scopes: [{{ {rest} }}]\n");
    let kind = |rest: &str| format!("scopes: [{{ name: a }}]\nkey_types: [{{ {rest} }}]\n");
    let limit =
        |list: &str, rest: &str| with(&format!("plans: [{{ name: p, {list}: [{{ {rest} }}] }}]\n"));
    vec![
        (with("display_name: $\n"), "display_name", &TEXT),
        (format!("{types}scopes: $\n"), "scopes", &LIST),
        (format!("{types}scopes: [$]\n"), "scopes[0]", &NAMED),
        (scope("name: $"), "scopes[0].name", &TEXT),
        (scope("name: a, description: $"), "scopes[0].description", &TEXT),
        (scope("name: a, implies: $"), "scopes[0].implies", &LIST),
        (scope("name: a, implies: [$]"), "scopes[0].implies[0]", &TEXT),
        (scope("name: a, isolated: $"), "scopes[0].isolated", &BOOL),
        (scope("name: a, class: $"), "scopes[0].class", &TEXT),
        (with("implications: $\n"), "implications", &LIST),
        (with("implications: [$]\n"), "implications[0]", &MAPPING),
        (
            with("implications: [{ scope: $, implies: [\"{x}\"] }]\n"),
            "implications[0].scope",
            &TEXT,
        ),
        (
            with("implications: [{ scope: \"{x}:read\", implies: $ }]\n"),
            "implications[0].implies",
            &LIST,
        ),
        (
            with("implications: [{ scope: \"{x}:read\", implies: [$] }]\n"),
            "implications[0].implies[0]",
            &TEXT,
        ),
        (with("presets: $\n"), "presets", &LIST),
        (with("presets: [$]\n"), "presets[0]", &NAMED),
        (with("presets: [{ name: $, scopes: [\"a:read\"] }]\n"), "presets[0].name", &TEXT),
        (
            with("presets: [{ name: p, description: $, scopes: [\"a:read\"] }]\n"),
            "presets[0].description",
            &TEXT,
        ),
        (with("presets: [{ name: p, scopes: $ }]\n"), "presets[0].scopes", &LIST),
        (with("presets: [{ name: p, scopes: [$] }]\n"), "presets[0].scopes[0]", &TEXT),
        (with("roles: $\n"), "roles", &LIST),
        (with("roles: [$]\n"), "roles[0]", &NAMED),
        (with("roles: [{ name: $ }]\n"), "roles[0].name", &TEXT),
        (with("roles: [{ name: r, description: $ }]\n"), "roles[0].description", &TEXT),
        (with("roles: [{ name: r, scopes: $ }]\n"), "roles[0].scopes", &LIST),
        (with("roles: [{ name: r, scopes: [$] }]\n"), "roles[0].scopes[0]", &TEXT),
        (with("resources: $\n"), "resources", &MAPPING),
        (with("resources: { separator: $ }\n"), "resources.separator", &TEXT),
        (with("resources: { wildcard: $ }\n"), "resources.wildcard", &TEXT),
        (with("resources: { types: $ }\n"), "resources.types", &LIST),
        (with("resources: { types: [$] }\n"), "resources.types[0]", &NAMED),
        (with("resources: { types: [{ name: $ }] }\n"), "resources.types[0].name", &TEXT),
        (
            with("resources: { types: [{ name: t, segments: $ }] }\n"),
            "resources.types[0].segments",
            &LIST,
        ),
        (
            with("resources: { types: [{ name: t, segments: [$] }] }\n"),
            "resources.types[0].segments[0]",
            &NAMED,
        ),
        (
            with("resources: { types: [{ name: t, segments: [{ name: $ }] }] }\n"),
            "resources.types[0].segments[0].name",
            &TEXT,
        ),
        (
            with("resources: { types: [{ name: t, segments: [{ name: s, values: $ }] }] }\n"),
            "resources.types[0].segments[0].values",
            &LIST,
        ),
        (
            with("resources: { types: [{ name: t, segments: [{ name: s, values: [$] }] }] }\n"),
            "resources.types[0].segments[0].values[0]",
            &TEXT,
        ),
        ("scopes: [{ name: a }]\nkey_types: $\n".to_owned(), "key_types", &LIST),
        (kind("name: $, prefix: acme, is_default: true"), "key_types[0].name", &TEXT),
        (
            kind("name: t, description: $, prefix: acme, is_default: true"),
            "key_types[0].description",
            &TEXT,
        ),
        (kind("name: t, prefix: $, is_default: true"), "key_types[0].prefix", &TEXT),
        (
            kind("name: t, prefix: acme, requires_principal: $, is_default: true"),
            "key_types[0].requires_principal",
            &BOOL,
        ),
        (with("expiry: $\n"), "expiry", &MAPPING),
        (with("expiry: { default_ttl: $ }\n"), "expiry.default_ttl", &SPAN),
        (with("expiry: { max_ttl: $ }\n"), "expiry.max_ttl", &SPAN),
        (with("expiry: { required: $ }\n"), "expiry.required", &BOOL),
        (with("rotation: $\n"), "rotation", &MAPPING),
        (with("rotation: { due_after: $ }\n"), "rotation.due_after", &SPAN),
        (with("rotation: { default_grace: $ }\n"), "rotation.default_grace", &SPAN),
        (with("rotation: { max_grace: $ }\n"), "rotation.max_grace", &SPAN),
        (with("hide_existence: $\n"), "hide_existence", &BOOL),
        (with("unmatched_resource: $\n"), "unmatched_resource", &ENUM),
        (with("plans: $\n"), "plans", &LIST),
        (with("plans: [$]\n"), "plans[0]", &NAMED),
        (with("plans: [{ name: $ }]\n"), "plans[0].name", &TEXT),
        (with("plans: [{ name: p, description: $ }]\n"), "plans[0].description", &TEXT),
        (with("plans: [{ name: p, key_limits: $ }]\n"), "plans[0].key_limits", &LIST),
        (with("plans: [{ name: p, key_limits: [$] }]\n"), "plans[0].key_limits[0]", &NAMED),
        (with("plans: [{ name: p, workspace_limits: $ }]\n"), "plans[0].workspace_limits", &LIST),
        (
            with("plans: [{ name: p, workspace_limits: [$] }]\n"),
            "plans[0].workspace_limits[0]",
            &NAMED,
        ),
        (
            limit("key_limits", "name: $, quota: 1, window: 1s"),
            "plans[0].key_limits[0].name",
            &TEXT,
        ),
        (
            limit("key_limits", "name: l, class: $, quota: 1, window: 1s"),
            "plans[0].key_limits[0].class",
            &TEXT,
        ),
        (
            limit("key_limits", "name: l, quota: $, window: 1s"),
            "plans[0].key_limits[0].quota",
            &COUNT,
        ),
        (
            limit("key_limits", "name: l, quota: 1, window: $"),
            "plans[0].key_limits[0].window",
            &SPAN,
        ),
        (
            limit("key_limits", "name: l, quota: 1, window: 1s, burst: $"),
            "plans[0].key_limits[0].burst",
            &COUNT,
        ),
    ]
}

#[test]
fn a_value_of_another_type_is_refused_in_every_field() {
    let mut attacks = Vec::new();
    for (template, field, said) in fields() {
        let (before, _) = template.split_once('$').unwrap();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().len() + 1;
        for ((what, value), said) in VALUES.iter().zip(said) {
            if !said.is_empty() {
                let fault = format!("{line}:{column}: {field}: {said}");
                let name = format!("{what} for {field}");
                attacks.push(attack(name, template.replace('$', value), &[fault]));
            }
        }
    }
    assert!(attacks.len() > 400, "{}", attacks.len());
    check(&attacks);
}
