//! Resources that could not be told apart.

use crate::attack::{Attack, attack, check, with};

pub(crate) fn attacks() -> Vec<Attack> {
    let resources = |rest: &str| with(&format!("resources: {{ {rest} }}\n"));
    let named = |name: &str| {
        resources(&format!(
            "types: [{{ name: {name}, segments: [{{ name: s, values: [{name}] }}] }}]"
        ))
    };
    let many = |count: usize| vec!["{ name: s }"; count].join(", ");
    let types: String = (0..101).map(|at| format!("    - {{ name: t{at} }}\n")).collect();
    let values: Vec<String> = (0..101).map(|at| format!("v{at}")).collect();
    vec![
        attack(
            "a separator of two characters",
            resources("separator: \"::\""),
            &["5:25: resources.separator: must be one character"],
        ),
        attack(
            "a wildcard of two characters",
            resources("wildcard: \"**\""),
            &["5:24: resources.wildcard: must be one character"],
        ),
        attack(
            "a letter that separates",
            resources("separator: a"),
            &["5:12: resources: the separator must be an ASCII punctuation character"],
        ),
        attack(
            "a letter for a wildcard",
            resources("wildcard: x"),
            &["5:12: resources: the wildcard must be an ASCII punctuation character"],
        ),
        attack(
            "a space that separates",
            resources("separator: \" \""),
            &["5:12: resources: the separator must be an ASCII punctuation character"],
        ),
        attack(
            "a line break that separates",
            resources("separator: \"\\n\""),
            &["5:12: resources: the separator must be an ASCII punctuation character"],
        ),
        attack(
            "a separator beyond ASCII",
            resources("separator: \"\u{2044}\""),
            &["5:12: resources: the separator must be an ASCII punctuation character"],
        ),
        attack(
            "an asterisk that separates",
            resources("separator: \"*\", wildcard: \"?\""),
            &["5:12: resources: the separator must be neither the wildcard nor `*`"],
        ),
        attack(
            "a separator that is the wildcard",
            resources("separator: \"?\", wildcard: \"?\""),
            &["5:12: resources: the separator must be neither the wildcard nor `*`"],
        ),
        attack(
            "a digit that separates",
            resources("separator: 1"),
            &[
                "5:12: resources: the separator must be an ASCII punctuation character",
                "5:25: resources.separator: must be a text, not a number; write texts that look like something else in quotes: \"1\"",
            ],
        ),
        attack(
            "a type with a separator",
            named("\"a/b\""),
            &[
                "5:30: resources.types[0].name: must be one segment of a path: without the separator, and no wildcard",
                "5:68: resources.types[0].segments[0].values[0]: must be one segment of a path: without the separator, and no wildcard",
            ],
        ),
        attack(
            "a type with a separator of its own",
            resources("separator: \":\", types: [{ name: \"a:b\" }]"),
            &[
                "5:46: resources.types[0].name: must be one segment of a path: without the separator, and no wildcard",
            ],
        ),
        attack(
            "a type that is the wildcard",
            named("\"*\""),
            &[
                "5:30: resources.types[0].name: must be one segment of a path: without the separator, and no wildcard",
                "5:66: resources.types[0].segments[0].values[0]: must be one segment of a path: without the separator, and no wildcard",
            ],
        ),
        attack(
            "a type that is a subtree",
            named("\"**\""),
            &[
                "5:30: resources.types[0].name: must be one segment of a path: without the separator, and no wildcard",
                "5:67: resources.types[0].segments[0].values[0]: must be one segment of a path: without the separator, and no wildcard",
            ],
        ),
        attack(
            "a type that is a wildcard of its own",
            resources("wildcard: \"?\", types: [{ name: \"?\" }]"),
            &[
                "5:45: resources.types[0].name: must be one segment of a path: without the separator, and no wildcard",
            ],
        ),
        attack(
            "an empty type",
            named("\"\""),
            &[
                "5:30: resources.types[0].name: must be one segment of a path: without the separator, and no wildcard",
                "5:65: resources.types[0].segments[0].values[0]: must be one segment of a path: without the separator, and no wildcard",
            ],
        ),
        attack(
            "a type with a control",
            named("\"a\\0b\""),
            &[
                "5:30: resources.types[0].name: must be one segment of a path: without the separator, and no wildcard",
                "5:69: resources.types[0].segments[0].values[0]: must be one segment of a path: without the separator, and no wildcard",
            ],
        ),
        attack(
            "a type of 1,025 characters",
            named(&"t".repeat(1_025)),
            &[
                "5:30: resources.types[0].name: must be one segment of a path: without the separator, and no wildcard",
                "5:1088: resources.types[0].segments[0].values[0]: must be one segment of a path: without the separator, and no wildcard",
            ],
        ),
        attack(
            "a type that is turned round",
            named("\"\u{202E}etis\""),
            &[
                "5:30: resources.types[0].name: has the character U+202E at position 0, a control or change of direction",
                "5:70: resources.types[0].segments[0].values[0]: has the character U+202E at position 0, a control or change of direction",
            ],
        ),
        attack(
            "a segment without a name",
            resources("types: [{ name: t, segments: [{ name: \"\" }, { name: \"s s\" }] }]"),
            &[
                "5:52: resources.types[0].segments[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
                "5:66: resources.types[0].segments[1].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
            ],
        ),
        attack(
            "32 segments behind a type",
            resources(&format!("types: [{{ name: t, segments: [{}] }}]", many(32))),
            &["5:43: resources.types[0].segments: has 32 entries; at most 31 are allowed"],
        ),
        attack(
            "101 values",
            resources(&format!(
                "types: [{{ name: t, segments: [{{ name: s, values: [{}] }}] }}]",
                values.join(", ")
            )),
            &[
                "5:63: resources.types[0].segments[0].values: has 101 entries; at most 100 are allowed",
            ],
        ),
        attack(
            "101 types",
            with(&format!("resources:\n  types:\n{types}")),
            &["7:5: resources.types: has 101 entries; at most 100 are allowed"],
        ),
        attack(
            "an answer that there is not",
            with("unmatched_resource: FORBIDDEN\n"),
            &["5:21: unmatched_resource: \"FORBIDDEN\" is none of INSUFFICIENT_SCOPE, NOT_FOUND"],
        ),
        attack(
            "an answer with a typo",
            with("unmatched_resource: NOT_FUOND\n"),
            &[
                "5:21: unmatched_resource: \"NOT_FUOND\" is none of INSUFFICIENT_SCOPE, NOT_FOUND; did you mean NOT_FOUND?",
            ],
        ),
        attack(
            "an answer by its number",
            with("unmatched_resource: 2\n"),
            &["5:21: unmatched_resource: \"2\" is none of INSUFFICIENT_SCOPE, NOT_FOUND"],
        ),
        attack(
            "an answer that is a megabyte",
            with(&format!("unmatched_resource: {}\n", "N".repeat(1_000_000))),
            &["5:21: unmatched_resource: \"NNNNNNNN…\" is none of INSUFFICIENT_SCOPE, NOT_FOUND"],
        ),
    ]
}

#[test]
fn resources_that_could_not_be_told_apart_are_refused() {
    check(&attacks());
}
