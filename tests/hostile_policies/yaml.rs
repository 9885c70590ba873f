//! What YAML can do and policy files do not.

use crate::attack::{Attack, attack, check, scopes, with};

/// Each alias stands for ten of the one before.
pub(crate) fn billion_laughs() -> String {
    let first = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    (1..10).fold(first, |file, level| {
        let before = format!("*a{}", level - 1);
        file + &format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", "))
    })
}

/// One long list, and ten thousand times the alias of it.
pub(crate) fn quadratic() -> String {
    let list = vec!["\"a:read\""; 10_000].join(", ");
    let times = vec!["*all"; 10_000].join(", ");
    with(&format!("presets:\n  - name: all\n    scopes: &all [{list}]\nroles: [{times}]\n"))
}

const ALIAS: &str = "an unquoted * begins an alias in YAML: write globs in quotes, \"*:read\"";
const ANCHOR: &str =
    "an unquoted & begins an anchor in YAML, which a policy file has not; write texts in quotes";

/// Each key, each anchor and each alias, where it stands: nothing is put in its place.
fn laughs() -> Vec<String> {
    let keys = "display_name, scopes, implications, presets, roles, resources, key_types, expiry, rotation, hide_existence, unmatched_resource, plans";
    let mut faults = Vec::new();
    for level in 0..10 {
        let line = level + 1;
        faults.push(format!("{line}:1: a{level}: there is no such key here; there are {keys}"));
        if level == 0 {
            faults.extend(["key_types", "scopes"].map(|key| format!("1:1: {key}: is missing")));
        }
        faults.push(format!("{line}:5: a{level}: {ANCHOR}"));
        for at in (0..10).filter(|_| level > 0) {
            faults.push(format!("{line}:{}: a{level}[{at}]: {ALIAS}", 10 + 5 * at));
        }
    }
    faults
}

/// The anchor and the first aliases; the others are counted, and that there are too many roles.
fn thousands() -> Vec<String> {
    let aliases = (0..999).map(|at| format!("8:{}: roles[{at}]: {ALIAS}", 9 + 6 * at));
    let first = format!("7:13: presets[0].scopes: {ANCHOR}");
    [first].into_iter().chain(aliases).chain(["and 9002 more".to_owned()]).collect()
}

fn deep_block() -> String {
    (0..1_000).fold("scopes:\n".to_owned(), |file, depth| file + &" ".repeat(depth) + "-\n")
}

pub(crate) fn attacks() -> Vec<Attack> {
    let mut attacks = bombs();
    attacks.extend([
        attack("an unquoted glob", scopes("  - { name: a, implies: [*:read] }\n"), &["3:26: scopes[0].implies[0]: an unquoted * begins an alias in YAML: write globs in quotes, \"*:read\""]),
        attack("an unquoted glob as a whole value", with("display_name: *all\n"), &["5:15: display_name: an unquoted * begins an alias in YAML: write globs in quotes, \"*:read\""]),
        attack("an anchor that is never used", with("display_name: &title Acme\n"), &["5:15: display_name: an unquoted & begins an anchor in YAML, which a policy file has not; write texts in quotes"]),
        attack("an alias of an anchor", with("display_name: &t Acme\nroles: *t\n"), &["5:15: display_name: an unquoted & begins an anchor in YAML, which a policy file has not; write texts in quotes", "6:8: roles: an unquoted * begins an alias in YAML: write globs in quotes, \"*:read\""]),
        attack("a merge key", scopes("  - &one { name: a }\n  - { <<: *one, class: b }\n"), &["3:5: scopes[0]: an unquoted & begins an anchor in YAML, which a policy file has not; write texts in quotes", "4:5: scopes[1].name: is missing", "4:7: scopes[1][\"<<\"]: is a merge key, which a policy file has not; write out what it has", "4:11: scopes[1][\"<<\"]: an unquoted * begins an alias in YAML: write globs in quotes, \"*:read\""]),
        attack(
            "a merge key without an alias",
            scopes("  - { name: a, <<: { class: b } }\n"),
            &["3:16: scopes[0][\"<<\"]: is a merge key, which a policy file has not; write out what it has"],
        ),
        attack("a binary tag", with("display_name: !!binary QWNtZQ==\n"), &["5:15: display_name: an unquoted ! begins a tag in YAML, which a policy file has not; write texts in quotes"]),
        attack(
            "a tag of a language",
            with("display_name: !!python/object:os.system [\"true\"]\n"),
            &["5:15: display_name: an unquoted ! begins a tag in YAML, which a policy file has not; write texts in quotes"],
        ),
        attack("a tag of the document", "!policy\nscopes: []\n", &["1:1: an unquoted ! begins a tag in YAML, which a policy file has not; write texts in quotes", "1:1: key_types: is missing", "2:9: scopes: is empty; a policy has at least one scope"]),
        attack("a tag that YAML itself has", with("display_name: !!str Acme\n"), &["5:15: display_name: an unquoted ! begins a tag in YAML, which a policy file has not; write texts in quotes"]),
        attack("a second document", with("---\nscopes: []\n"), &["5:1: a second document begins; a file has one policy"]),
        attack("a document after an end", with("...\nscopes: []\n"), &["6:1: a second document begins; a file has one policy"]),
        attack("an empty document before the policy", "---\n---\nscopes: []\n", &["2:1: a second document begins; a file has one policy"]),
        attack("YAML 1.1, where yes is true", format!("%YAML 1.1\n---\n{}", with("")), &["1:1: begins a directive of YAML, such as %YAML or %TAG, which a policy file has not; leave it out"]),
        attack(
            "YAML 1.2 by a directive",
            format!("# The policy.\n%YAML 1.2\n---\n{}", with("")),
            &["2:1: begins a directive of YAML, such as %YAML or %TAG, which a policy file has not; leave it out"],
        ),
        attack(
            "a version of YAML that there is not",
            format!("%YAML 9.9\n---\n{}", with("")),
            &["1:1: begins a directive of YAML, such as %YAML or %TAG, which a policy file has not; leave it out"],
        ),
        attack("a handle for tags", format!("%TAG ! tag:evil,2026:\n---\n{}", with("")), &["1:1: begins a directive of YAML, such as %YAML or %TAG, which a policy file has not; leave it out"]),
        attack("an unknown directive", format!("%EVIL yes\n---\n{}", with("")), &["1:1: begins a directive of YAML, such as %YAML or %TAG, which a policy file has not; leave it out"]),
        attack(
            "an unknown directive behind a byte order mark",
            format!("\u{FEFF}%EVIL yes\n---\n{}", with("")),
            &["1:1: begins a directive of YAML, such as %YAML or %TAG, which a policy file has not; leave it out"],
        ),
        attack("a directive without its document", "%YAML 1.1\n", &["1:1: begins a directive of YAML, such as %YAML or %TAG, which a policy file has not; leave it out"]),
        attack("tabs for indentation", "scopes:\n\t- name: a\n", &["2:2: is no YAML: a tab does not indent; write spaces"]),
        attack("a tab among spaces", scopes("  - name: a\n  \tclass: b\n"), &["3:11: is no YAML: while scanning a plain scalar, found a tab"]),
        attack("a quote that is not closed", with("display_name: \"Acme\nroles: []\n"), &["5:15: is no YAML: invalid indentation in quoted scalar"]),
        attack(
            "a single quote that is not closed",
            with("display_name: 'Acme\nroles: []\n"),
            &["5:15: is no YAML: invalid indentation in quoted scalar"],
        ),
        attack(
            "a list that is not closed",
            with("roles: [{ name: a }\nhide_existence: true\n"),
            &["6:1: is no YAML: invalid indentation in flow construct"],
        ),
        attack("a mapping that is not closed", "scopes: [{ name: a", &["2:1: is no YAML: while parsing a flow mapping, did not find expected ',' or '}'"]),
        attack("a bracket too many", with("roles: []]\n"), &["5:10: is no YAML: misplaced bracket"]),
        attack("a bracket that closes nothing", "]", &["1:1: is no YAML: misplaced bracket"]),
        attack("a brace that closes a bracket", with("roles: [}\n"), &["5:9: is no YAML: while parsing a node, did not find expected node content"]),
        attack("a less indented line", "  scopes: []\n key_types: []\n", &["2:2: is no YAML: did not find expected <document start>"]),
        attack("a more indented line", "scopes: []\n  key_types: []\n", &["2:3: is no YAML: while parsing a block mapping, did not find expected key"]),
        attack("a key without a colon", with("display_name\n"), &["6:1: is no YAML: simple key expect ':'"]),
        attack("an escape that there is not", with("display_name: \"\\q\"\n"), &["5:15: is no YAML: while parsing a quoted scalar, found unknown escape character"]),
        attack("an escape of half a pair", with("display_name: \"\\uD800\"\n"), &["5:15: is no YAML: while parsing a quoted scalar, found invalid Unicode character escape code"]),
        attack("an at sign", with("display_name: @acme\n"), &["5:15: no text begins with @ in YAML: write it in quotes"]),
        attack("a backtick", with("display_name: `acme`\n"), &["5:15: no text begins with ` in YAML: write it in quotes"]),
        attack("a percent sign", with("display_name: %acme\n"), &["5:15: no text begins with % in YAML: write it in quotes"]),
        attack("a colon in a text", with("display_name: Acme: keys\n"), &["5:19: is no YAML: mapping values are not allowed in this context; write texts that have a colon and a space in quotes"]),
        attack("a number sign without quotes", scopes("  - name: #1\n    class: b\n"), &["3:5: scopes[0].name: has no value; give it one or leave it out"]),
        attack("a list for a key", with("? [roles]\n: []\n"), &["5:3: [\"\"]: a key is a text; what begins with {, [ or ? is none: write texts in quotes"]),
        attack("a mapping for a key", with("{ roles: a }: []\n"), &["5:1: [\"\"]: a key is a text; what begins with {, [ or ? is none: write texts in quotes"]),
        attack("an alias for a key", with("*roles : []\n"), &["5:1: [\"\"]: an unquoted * begins an alias in YAML: write globs in quotes, \"*:read\""]),
        attack("an anchor on a key", with("&r roles: []\n"), &["5:1: roles: an unquoted & begins an anchor in YAML, which a policy file has not; write texts in quotes"]),
        attack("a tag on a key", with("!!str roles: []\n"), &["5:1: roles: an unquoted ! begins a tag in YAML, which a policy file has not; write texts in quotes"]),
        attack("nothing for a key", with(": []\n"), &["5:1: [\"\"]: there is no such key here; there are display_name, scopes, implications, presets, roles, resources, key_types, expiry, rotation, hide_existence, unmatched_resource, plans"]),
        attack("a question mark alone", with("?\n"), &["6:1: [\"\"]: there is no such key here; there are display_name, scopes, implications, presets, roles, resources, key_types, expiry, rotation, hide_existence, unmatched_resource, plans"]),
    ]);
    attacks
}

fn bombs() -> Vec<Attack> {
    vec![
        attack("the billion laughs", billion_laughs(), &laughs()),
        attack("one anchor ten thousand times", quadratic(), &thousands()),
        attack(
            "brackets, ten thousand deep",
            "[".repeat(10_000),
            &["1:256: is nested deeper than 16 levels"],
        ),
        attack(
            "brackets over lines, ten thousand deep",
            "[\n".repeat(10_000),
            &["256:1: is nested deeper than 16 levels"],
        ),
        attack(
            "braces, ten thousand deep",
            "{a: ".repeat(10_000),
            &["1:1021: is nested deeper than 16 levels"],
        ),
        attack(
            "braces as keys, ten thousand deep",
            "{".repeat(10_000),
            &["1:256: is nested deeper than 16 levels"],
        ),
        attack(
            "dashes, ten thousand deep",
            "- ".repeat(10_000),
            &["1:33: is nested deeper than 16 levels"],
        ),
        attack(
            "question marks, ten thousand deep",
            "? ".repeat(10_000),
            &[
                "1:3: [\"\"]: a key is a text; what begins with {, [ or ? is none: write texts in quotes",
                "1:33: is nested deeper than 16 levels",
            ],
        ),
        attack(
            "lists in lists by indentation, a thousand deep",
            deep_block(),
            &["17:16: is nested deeper than 16 levels"],
        ),
        attack(
            "nested one deeper than is read",
            with(&format!("roles: {}{}\n", "[".repeat(16), "]".repeat(16))),
            &["5:23: is nested deeper than 16 levels"],
        ),
    ]
}

#[test]
fn what_policy_files_do_not_have_of_yaml_is_refused() {
    check(&attacks());
}
