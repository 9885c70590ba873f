//! Names that are none, or another's.

use crate::attack::{Attack, attack, check, key_types, scopes, with};

fn twice() -> Vec<Attack> {
    vec![
        attack(
            "a scope twice",
            scopes("  - { name: a }\n  - { name: a }\n"),
            &["4:13: scopes[1].name: \"a\" is there already"],
        ),
        attack(
            "a role twice",
            with("roles: [{ name: r }, { name: r }]\n"),
            &["5:30: roles[1].name: \"r\" is there already"],
        ),
        attack(
            "a preset twice",
            with(
                "presets: [{ name: p, scopes: [\"a:read\"] }, { name: p, scopes: [\"a:read\"] }]\n",
            ),
            &["5:52: presets[1].name: \"p\" is there already"],
        ),
        attack(
            "a type of key twice",
            key_types(
                "  - { name: t, prefix: aa, is_default: true }\n  - { name: t, prefix: bb }\n",
            ),
            &["4:13: key_types[1].name: \"t\" is there already"],
        ),
        attack(
            "a plan twice",
            with("plans: [{ name: p }, { name: p }]\n"),
            &["5:30: plans[1].name: \"p\" is there already"],
        ),
        attack(
            "a limit twice",
            with(
                "plans:\n  - name: p\n    key_limits: [{ name: l, quota: 1, window: 1s }, { name: l, quota: 2, window: 1s }]\n    workspace_limits: [{ name: l, quota: 1, window: 1s }, { name: l, quota: 2, window: 1s }]\n",
            ),
            &[
                "7:61: plans[0].key_limits[1].name: \"l\" is there already",
                "8:67: plans[0].workspace_limits[1].name: \"l\" is there already",
            ],
        ),
        attack(
            "a type of resource twice",
            with("resources: { types: [{ name: t }, { name: t }] }\n"),
            &["5:43: resources.types[1].name: \"t\" is there already"],
        ),
        attack(
            "a value twice",
            with("resources: { types: [{ name: t, segments: [{ name: s, values: [v, v] }] }] }\n"),
            &["5:67: resources.types[0].segments[0].values[1]: \"v\" is there already"],
        ),
        attack(
            "everything three times",
            scopes("  - { name: a }\n  - { name: a }\n  - { name: a }\n"),
            &[
                "4:13: scopes[1].name: \"a\" is there already",
                "5:13: scopes[2].name: \"a\" is there already",
            ],
        ),
    ]
}

fn prefixes() -> Vec<Attack> {
    let two = |one: &str, other: &str| {
        key_types(&format!(
            "  - {{ name: one, prefix: {one}, is_default: true }}\n  - {{ name: other, prefix: {other} }}\n"
        ))
    };
    vec![
        attack(
            "one prefix for two types",
            two("acme", "acme"),
            &["4:28: key_types[1].prefix: \"acme\" is another type's"],
        ),
        attack(
            "a prefix that continues another",
            two("acme", "acme_live"),
            &[
                "4:28: key_types[1].prefix: \"acme_live\" and \"acme\": one of two prefixes must not begin with the other",
            ],
        ),
        attack(
            "a prefix that begins another",
            two("acme_live", "acme"),
            &[
                "4:28: key_types[1].prefix: \"acme\" and \"acme_live\": one of two prefixes must not begin with the other",
            ],
        ),
        attack(
            "a prefix in capitals",
            two("ACME", "Acme"),
            &[
                "3:26: key_types[0].prefix: a prefix has 2 to 20 characters, starts with a letter, and consists of words of a-z and 0-9 joined by single underscores",
                "4:28: key_types[1].prefix: a prefix has 2 to 20 characters, starts with a letter, and consists of words of a-z and 0-9 joined by single underscores",
            ],
        ),
        attack(
            "a prefix of one character",
            two("a", "bb"),
            &[
                "3:26: key_types[0].prefix: a prefix has 2 to 20 characters, starts with a letter, and consists of words of a-z and 0-9 joined by single underscores",
            ],
        ),
        attack(
            "a prefix of 21 characters",
            two("a23456789012345678901", "bb"),
            &[
                "3:26: key_types[0].prefix: a prefix has 2 to 20 characters, starts with a letter, and consists of words of a-z and 0-9 joined by single underscores",
            ],
        ),
        attack(
            "a prefix that ends with an underscore",
            two("acme_", "_acme"),
            &[
                "3:26: key_types[0].prefix: a prefix has 2 to 20 characters, starts with a letter, and consists of words of a-z and 0-9 joined by single underscores",
                "4:28: key_types[1].prefix: a prefix has 2 to 20 characters, starts with a letter, and consists of words of a-z and 0-9 joined by single underscores",
            ],
        ),
        attack(
            "a prefix with a hyphen",
            two("acme-live", "bb"),
            &[
                "3:26: key_types[0].prefix: a prefix has 2 to 20 characters, starts with a letter, and consists of words of a-z and 0-9 joined by single underscores",
            ],
        ),
        attack(
            "a prefix that begins with a digit",
            two("1acme", "bb"),
            &[
                "3:26: key_types[0].prefix: a prefix has 2 to 20 characters, starts with a letter, and consists of words of a-z and 0-9 joined by single underscores",
            ],
        ),
        attack(
            "an empty prefix",
            two("\"\"", "bb"),
            &[
                "3:26: key_types[0].prefix: a prefix has 2 to 20 characters, starts with a letter, and consists of words of a-z and 0-9 joined by single underscores",
            ],
        ),
        attack(
            "no default type of key",
            key_types(
                "  - { name: t, prefix: aa }\n  - { name: u, prefix: bb, is_default: false }\n",
            ),
            &["3:3: key_types: exactly one must have is_default: true"],
        ),
        attack(
            "two default types of key",
            key_types(
                "  - { name: t, prefix: aa, is_default: true }\n  - { name: u, prefix: bb, is_default: true }\n",
            ),
            &["3:3: key_types: 2 are the default; exactly one must be"],
        ),
    ]
}

fn wrong() -> Vec<Attack> {
    let long = "a".repeat(101);
    let everywhere = |name: &str| {
        format!(
            "scopes: [{{ name: {name}, class: {name} }}]\nkey_types: [{{ name: {name}, prefix: aa, is_default: true }}]\nroles: [{{ name: {name} }}]\npresets: [{{ name: {name}, scopes: [{name}] }}]\nplans: [{{ name: {name}, key_limits: [{{ name: {name}, class: {name}, quota: 1, window: 1s }}] }}]\n"
        )
    };
    let described = "d".repeat(501);
    vec![
        attack(
            "names of 101 characters",
            everywhere(&long),
            &[
                "1:18: scopes[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "1:128: scopes[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "2:21: key_types[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "3:17: roles[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:19: presets[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:131: presets[0].scopes[0]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"aaaaaaaa…\"",
                "5:17: plans[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:141: plans[0].key_limits[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:251: plans[0].key_limits[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
            ],
        ),
        attack(
            "empty names",
            everywhere("\"\""),
            &[
                "1:18: scopes[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "2:21: key_types[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "3:17: roles[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:19: presets[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:32: presets[0].scopes[0]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"\"",
                "5:17: plans[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:42: plans[0].key_limits[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
            ],
        ),
        attack(
            "names with a space",
            everywhere("\"a b\""),
            &[
                "1:18: scopes[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "1:32: scopes[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "2:21: key_types[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "3:17: roles[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:19: presets[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:35: presets[0].scopes[0]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"a b\"",
                "5:17: plans[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:45: plans[0].key_limits[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:59: plans[0].key_limits[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
            ],
        ),
        attack(
            "names with homoglyphs",
            everywhere("\"\u{430}:read\""),
            &[
                "1:18: scopes[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "1:35: scopes[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "2:21: key_types[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "3:17: roles[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:19: presets[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:38: presets[0].scopes[0]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"а:read\"",
                "5:17: plans[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:48: plans[0].key_limits[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:65: plans[0].key_limits[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
            ],
        ),
        attack(
            "names in full width",
            everywhere("\"\u{FF41}\""),
            &[
                "1:18: scopes[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "1:30: scopes[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "2:21: key_types[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "3:17: roles[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:19: presets[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:33: presets[0].scopes[0]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"ａ\"",
                "5:17: plans[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:43: plans[0].key_limits[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:55: plans[0].key_limits[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
            ],
        ),
        attack(
            "names that are turned round",
            everywhere("\"\u{202E}daer\""),
            &[
                "1:18: scopes[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "1:34: scopes[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "2:21: key_types[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "3:17: roles[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:19: presets[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:37: presets[0].scopes[0]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"\\u{202e}daer\"",
                "5:17: plans[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:47: plans[0].key_limits[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:63: plans[0].key_limits[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
            ],
        ),
        attack(
            "names with a line break",
            everywhere("\"a\\nb\""),
            &[
                "1:18: scopes[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "1:33: scopes[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "2:21: key_types[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "3:17: roles[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:19: presets[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:36: presets[0].scopes[0]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"a\\nb\"",
                "5:17: plans[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:46: plans[0].key_limits[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:61: plans[0].key_limits[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
            ],
        ),
        attack(
            "names with braces",
            everywhere("\"{x}\""),
            &[
                "1:18: scopes[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "1:32: scopes[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "2:21: key_types[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "3:17: roles[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:19: presets[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "4:35: presets[0].scopes[0]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"{x}\"",
                "5:17: plans[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:45: plans[0].key_limits[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:59: plans[0].key_limits[0].class: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
            ],
        ),
        attack(
            "descriptions of 501 characters",
            format!(
                "scopes: [{{ name: a, description: {described} }}]\nkey_types: [{{ name: a, prefix: aa, is_default: true, description: {described} }}]\nroles: [{{ name: a, description: {described} }}]\npresets: [{{ name: a, scopes: [a], description: {described} }}]\nplans: [{{ name: a, description: {described} }}]\n"
            ),
            &[
                "1:34: scopes[0].description: is longer than 500 characters",
                "2:67: key_types[0].description: is longer than 500 characters",
                "3:33: roles[0].description: is longer than 500 characters",
                "4:48: presets[0].description: is longer than 500 characters",
                "5:33: plans[0].description: is longer than 500 characters",
            ],
        ),
        attack(
            "a title of 101 characters",
            with(&format!("display_name: {long}\n")),
            &["5:15: display_name: is longer than 100 characters"],
        ),
    ]
}

pub(crate) fn attacks() -> Vec<Attack> {
    [twice(), prefixes(), wrong()].into_iter().flatten().collect()
}

#[test]
fn names_that_are_there_already_are_refused() {
    check(&twice());
}

#[test]
fn prefixes_that_cannot_be_told_apart_are_refused() {
    check(&prefixes());
}

#[test]
fn names_that_are_none_are_refused() {
    check(&wrong());
}
