//! Scopes that imply too much, too little, or themselves.

use crate::attack::{Attack, attack, check, scopes};

/// So many scopes, each of which implies the next, and the last the first.
fn circle(count: usize) -> String {
    let scope = |at: usize| format!("  - {{ name: s{at}, implies: [s{}] }}\n", (at + 1) % count);
    scopes(&(0..count).map(scope).collect::<String>())
}

/// Pairs of scopes that imply one another.
fn pairs(count: usize) -> String {
    let pair = |at: usize| {
        format!(
            "  - {{ name: l{at}, implies: [r{at}] }}\n  - {{ name: r{at}, implies: [l{at}] }}\n"
        )
    };
    scopes(&(0..count).map(pair).collect::<String>())
}

/// A long way to a scope that implies itself.
fn chain() -> String {
    let scope = |at: usize| format!("  - {{ name: s{at}, implies: [s{}] }}\n", (at + 1).min(4_999));
    scopes(&(0..5_000).map(scope).collect::<String>())
}

fn circles() -> Vec<Attack> {
    vec![
        attack(
            "a scope that implies itself",
            scopes("  - { name: a, implies: [a] }\n"),
            &["3:25: scopes[0].implies: goes in a circle: a → a"],
        ),
        attack(
            "a chain of five thousand that leads into a circle",
            chain(),
            &["5002:29: scopes[4999].implies: goes in a circle: s4999 → s4999"],
        ),
        attack(
            "two scopes that imply one another",
            circle(2),
            &["3:26: scopes[0].implies: goes in a circle: s0 → s1 → s0"],
        ),
        attack(
            "a circle of five",
            circle(5),
            &["3:26: scopes[0].implies: goes in a circle: s0 → s1 → s2 → s3 → s4 → s0"],
        ),
        attack(
            "a circle of five thousand",
            circle(5_000),
            &[
                "3:26: scopes[0].implies: goes in a circle: s0 → s1 → s2 → s3 → s4 → s5 → s6 → s7 → … → s0, 5000 scopes",
            ],
        ),
        attack(
            "three circles",
            pairs(3),
            &[
                "3:26: scopes[0].implies: goes in a circle: l0 → r0 → l0",
                "5:26: scopes[2].implies: goes in a circle: l1 → r1 → l1",
                "7:26: scopes[4].implies: goes in a circle: l2 → r2 → l2",
            ],
        ),
        attack(
            "a circle that others lead into",
            scopes(
                "  - { name: a, implies: [b] }\n  - { name: b, implies: [c] }\n  - { name: c, implies: [b] }\n",
            ),
            &["4:25: scopes[1].implies: goes in a circle: b → c → b"],
        ),
        attack(
            "a circle over an isolated scope",
            scopes(
                "  - { name: a, implies: [b] }\n  - { name: b, isolated: true, implies: [a] }\n",
            ),
            &["3:25: scopes[0].implies: goes in a circle: a → b → a"],
        ),
        attack(
            "a circle by rules",
            scopes(
                "  - { name: \"a:r\" }\n  - { name: \"a:w\" }\nimplications:\n  - { scope: \"{x}:w\", implies: [\"{x}:r\"] }\n  - { scope: \"{x}:r\", implies: [\"{x}:w\"] }\n",
            ),
            &["3:5: scopes[0].implies: goes in a circle: a:r → a:w → a:r"],
        ),
        attack(
            "a rule that implies itself",
            scopes(
                "  - { name: \"a:r\" }\nimplications: [{ scope: \"{x}:r\", implies: [\"{x}:r\"] }]\n",
            ),
            &["3:5: scopes[0].implies: goes in a circle: a:r → a:r"],
        ),
        attack(
            "a circle by a name and a rule",
            scopes(
                "  - { name: \"a:r\", implies: [\"a:w\"] }\n  - { name: \"a:w\" }\nimplications: [{ scope: \"{x}:w\", implies: [\"{x}:r\"] }]\n",
            ),
            &["3:29: scopes[0].implies: goes in a circle: a:r → a:w → a:r"],
        ),
        attack(
            "a wildcard in a circle by its name",
            scopes("  - { name: \"*\", implies: [\"*\", a] }\n  - { name: a, implies: [\"*\"] }\n"),
            &["3:27: scopes[0].implies: goes in a circle: * → a → *"],
        ),
    ]
}

fn globs() -> Vec<Attack> {
    vec![
        attack(
            "a glob that matches nothing",
            scopes("  - { name: \"a:read\", implies: [\"b:*\"] }\n"),
            &[
                "3:33: scopes[0].implies[0]: the policy has no scope \"b:*\", and as a glob it matches none that is not isolated",
            ],
        ),
        attack(
            "a glob that matches only what is isolated",
            scopes(
                "  - { name: a, implies: [\"k:*\"] }\n  - { name: \"k:write\", isolated: true }\n",
            ),
            &[
                "3:26: scopes[0].implies[0]: the policy has no scope \"k:*\", and as a glob it matches none that is not isolated",
            ],
        ),
        attack(
            "a glob with two asterisks",
            scopes("  - { name: a, implies: [\"**\", \"*:*\"] }\n"),
            &[
                "3:26: scopes[0].implies[0]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"**\"",
                "3:32: scopes[0].implies[1]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"*:*\"",
            ],
        ),
        attack(
            "a glob with a question mark",
            scopes("  - { name: a, implies: [\"?\"] }\n"),
            &[
                "3:26: scopes[0].implies[0]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"?\"",
            ],
        ),
        attack(
            "a regular expression",
            scopes("  - { name: a, implies: [\"(a|b)+$\"] }\n"),
            &[
                "3:26: scopes[0].implies[0]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"(a|b)+$\"",
            ],
        ),
        attack(
            "a name that there is not",
            scopes("  - { name: \"sites:read\", implies: [\"site:read\"] }\n"),
            &[
                "3:37: scopes[0].implies[0]: the policy has no scope \"site:read\"; did you mean \"sites:read\"?",
            ],
        ),
        attack(
            "a name in other letters",
            scopes("  - { name: \"sites:read\" }\n  - { name: b, implies: [\"Sites:Read\"] }\n"),
            &[
                "4:26: scopes[1].implies[0]: the policy has no scope \"Sites:Read\"; did you mean \"sites:read\"?",
            ],
        ),
        attack(
            "an empty name among implied",
            scopes("  - { name: a, implies: [\"\"] }\n"),
            &[
                "3:26: scopes[0].implies[0]: must be the name of a scope or a glob: 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -, and a glob has one `*`; it is \"\"",
            ],
        ),
        attack(
            "a role with a glob for nothing",
            scopes("  - { name: a }\nroles: [{ name: r, scopes: [\"b*\", c] }]\n"),
            &[
                "4:29: roles[0].scopes[0]: the policy has no scope \"b*\", and as a glob it matches none that is not isolated",
                "4:35: roles[0].scopes[1]: the policy has no scope \"c\"; did you mean \"a\"?",
            ],
        ),
    ]
}

fn isolated() -> Vec<Attack> {
    let with_presets = |list: &str| {
        scopes(&format!(
            "  - {{ name: \"k:write\", isolated: true }}\n  - {{ name: owner, implies: [\"k:write\"] }}\n  - {{ name: \"o:lead\", implies: [owner] }}\n  - {{ name: plain }}\npresets: [{{ name: p, scopes: [{list}] }}]\n"
        ))
    };
    vec![
        attack(
            "an isolated scope in a preset",
            with_presets("\"k:write\""),
            &[
                "7:31: presets[0].scopes[0]: \"k:write\" is isolated: no preset has it; give it to keys one by one",
            ],
        ),
        attack(
            "an isolated scope in a preset, over another",
            with_presets("owner"),
            &[
                "7:31: presets[0].scopes[0]: \"owner\" implies \"k:write\", which is isolated: no preset leads there",
            ],
        ),
        attack(
            "an isolated scope in a preset, over two others",
            with_presets("plain, \"o:lead\""),
            &[
                "7:38: presets[0].scopes[1]: \"o:lead\" implies \"k:write\", which is isolated: no preset leads there",
            ],
        ),
        attack(
            "an isolated scope in a preset, over a member of a glob",
            with_presets("\"o:*\""),
            &[
                "7:31: presets[0].scopes[0]: \"o:lead\" implies \"k:write\", which is isolated: no preset leads there",
            ],
        ),
        attack(
            "an isolated scope in a preset, by a glob for all",
            with_presets("\"*\""),
            &[
                "7:31: presets[0].scopes[0]: \"owner\" implies \"k:write\", which is isolated: no preset leads there",
            ],
        ),
        attack(
            "an isolated scope in a preset, by a glob for it alone",
            with_presets("\"k:*\""),
            &[
                "7:31: presets[0].scopes[0]: the policy has no scope \"k:*\", and as a glob it matches none that is not isolated",
            ],
        ),
        attack(
            "a preset for nothing",
            with_presets(""),
            &["7:30: presets[0].scopes: is empty; a preset has at least one scope"],
        ),
        attack(
            "a preset that there is no scope for",
            with_presets("k:wirte, plan"),
            &[
                "7:31: presets[0].scopes[0]: the policy has no scope \"k:wirte\"; did you mean \"k:write\"?",
                "7:40: presets[0].scopes[1]: the policy has no scope \"plan\"; did you mean \"plain\"?",
            ],
        ),
    ]
}

fn rules() -> Vec<Attack> {
    let rule = |rule: &str| {
        scopes(&format!(
            "  - {{ name: \"a:w\" }}\n  - {{ name: \"a:r\" }}\nimplications: [{{ {rule} }}]\n"
        ))
    };
    vec![
        attack(
            "a rule without a hole",
            rule("scope: \"a:w\", implies: [\"a:r\"]"),
            &[
                "5:25: implications[0].scope: must be the name of a scope with exactly one hole {x}, such as {x}:write",
                "5:42: implications[0].implies[0]: must be the name of a scope with exactly one hole {x}, such as {x}:write",
            ],
        ),
        attack(
            "a rule with two holes",
            rule("scope: \"{x}:{x}\", implies: [\"{x}{x}\"]"),
            &[
                "5:25: implications[0].scope: must be the name of a scope with exactly one hole {x}, such as {x}:write",
                "5:46: implications[0].implies[0]: must be the name of a scope with exactly one hole {x}, such as {x}:write",
            ],
        ),
        attack(
            "a rule with another hole",
            rule("scope: \"{y}:w\", implies: [\"{y}:r\"]"),
            &[
                "5:25: implications[0].scope: must be the name of a scope with exactly one hole {x}, such as {x}:write",
                "5:44: implications[0].implies[0]: must be the name of a scope with exactly one hole {x}, such as {x}:write",
            ],
        ),
        attack(
            "a rule with a hole in a hole",
            rule("scope: \"{{x}}:w\", implies: [\"{x\"]"),
            &[
                "5:25: implications[0].scope: must be the name of a scope with exactly one hole {x}, such as {x}:write",
                "5:46: implications[0].implies[0]: must be the name of a scope with exactly one hole {x}, such as {x}:write",
            ],
        ),
        attack(
            "a rule of a form that no scope has",
            rule("scope: \"{x}:admin\", implies: [\"{x}:w\"]"),
            &["5:25: implications[0].scope: no scope is of the form \"{x}:admin\""],
        ),
        attack(
            "a rule for an empty hole",
            rule("scope: \"{x}a:w\", implies: [\"{x}:r\"]"),
            &["5:25: implications[0].scope: no scope is of the form \"{x}a:w\""],
        ),
        attack(
            "a rule that implies nothing",
            rule("scope: \"{x}:w\", implies: []"),
            &["5:43: implications[0].implies: is empty; the rule says nothing"],
        ),
        attack(
            "a rule without quotes",
            rule("scope: {x}:w, implies: [{x}:r]"),
            &["5:28: an unquoted { begins a mapping in YAML: write forms in quotes, \"{x}:write\""],
        ),
        attack(
            "a rule of 101 characters",
            rule(&format!("scope: \"{{x}}{}\", implies: [\"{{x}}:r\"]", "w".repeat(100))),
            &[
                "5:25: implications[0].scope: must be the name of a scope with exactly one hole {x}, such as {x}:write",
            ],
        ),
    ]
}

pub(crate) fn attacks() -> Vec<Attack> {
    [circles(), globs(), isolated(), rules()].into_iter().flatten().collect()
}

#[test]
fn scopes_that_go_in_circles_are_refused() {
    check(&circles());
}

#[test]
fn texts_that_stand_for_nothing_are_refused() {
    check(&globs());
}

#[test]
fn presets_that_lead_to_what_is_isolated_are_refused() {
    check(&isolated());
}

#[test]
fn rules_that_are_of_no_form_are_refused() {
    check(&rules());
}
