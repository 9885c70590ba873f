//! Spans of time that are none, or too long.

use crate::attack::{Attack, attack, check, with};

pub(crate) fn attacks() -> Vec<Attack> {
    let ttl = |span: &str| with(&format!("expiry: {{ default_ttl: {span} }}\n"));
    vec![
        attack("a negative span", ttl("-1d"), &["5:24: expiry.default_ttl: must not be negative"]),
        attack(
            "a span in words",
            ttl("7 days"),
            &[
                "5:24: expiry.default_ttl: must be a span of time such as 90d, 1d12h or 30m: units d, h, m and s, the largest first",
            ],
        ),
        attack(
            "a span without a unit",
            ttl("90"),
            &["5:24: expiry.default_ttl: has no unit: write \"90d\", \"90h\", \"90m\", \"90s\""],
        ),
        attack(
            "a span without a unit, in quotes",
            ttl("\"90\""),
            &["5:24: expiry.default_ttl: has no unit: write \"90d\", \"90h\", \"90m\", \"90s\""],
        ),
        attack(
            "a span of no unit that there is",
            ttl("1w"),
            &[
                "5:24: expiry.default_ttl: must be a span of time such as 90d, 1d12h or 30m: units d, h, m and s, the largest first",
            ],
        ),
        attack(
            "a span of half a day",
            ttl("1.5d"),
            &[
                "5:24: expiry.default_ttl: must be a span of time such as 90d, 1d12h or 30m: units d, h, m and s, the largest first",
            ],
        ),
        attack(
            "a span of nothing",
            ttl("0s"),
            &["5:24: expiry.default_ttl: must be longer than nothing"],
        ),
        attack(
            "a span of less than a nanosecond",
            ttl("0.0000000001s"),
            &[
                "5:24: expiry.default_ttl: must be a span of time such as 90d, 1d12h or 30m: units d, h, m and s, the largest first",
            ],
        ),
        attack(
            "a span longer than can be sent",
            ttl("3652501d"),
            &["5:24: expiry.default_ttl: is longer than a span can be, 315576000000s"],
        ),
        attack(
            "a span that overflows",
            ttl("99999999999999999999999d"),
            &["5:24: expiry.default_ttl: is longer than a span can be, 315576000000s"],
        ),
        attack(
            "a span that overflows by its unit",
            ttl("18446744073709551615d"),
            &["5:24: expiry.default_ttl: is longer than a span can be, 315576000000s"],
        ),
        attack(
            "a span by ISO 8601",
            ttl("P90D"),
            &[
                "5:24: expiry.default_ttl: must be a span of time such as 90d, 1d12h or 30m: units d, h, m and s, the largest first",
            ],
        ),
        attack(
            "a span of a megabyte",
            ttl(&format!("{}d", "9".repeat(1_000_000))),
            &["5:24: expiry.default_ttl: is longer than a span can be, 315576000000s"],
        ),
        attack(
            "a number of a megabyte",
            ttl(&"9".repeat(1_000_000)),
            &[
                "5:24: expiry.default_ttl: has no unit: write \"99999999…\", \"99999999…\", \"99999999…\", \"99999999…\"",
            ],
        ),
        attack(
            "a span in two fields",
            ttl("{ seconds: 1, nanos: 2 }"),
            &["5:24: expiry.default_ttl: must be a span of time, not a mapping"],
        ),
        attack(
            "an endless span",
            ttl(".inf"),
            &[
                "5:24: expiry.default_ttl: must be a span of time such as 90d, 1d12h or 30m: units d, h, m and s, the largest first",
            ],
        ),
        attack(
            "a default that is longer than the maximum",
            with("expiry: { default_ttl: 91d, max_ttl: 90d }\n"),
            &["5:24: expiry.default_ttl: is longer than max_ttl"],
        ),
        attack(
            "a default that is longer by a nanosecond",
            with("expiry:\n  default_ttl: 1.000000001s\n  max_ttl: 1s\n"),
            &["6:16: expiry.default_ttl: is longer than max_ttl"],
        ),
        attack(
            "a maximum of nothing",
            with("expiry: { max_ttl: 0d }\nrotation: { due_after: 0m, max_grace: 0h }\n"),
            &[
                "5:20: expiry.max_ttl: must be longer than nothing",
                "6:24: rotation.due_after: must be longer than nothing",
                "6:39: rotation.max_grace: must be longer than nothing",
            ],
        ),
        attack(
            "a grace that is longer than the maximum",
            with("rotation: { default_grace: 2d, max_grace: 1d }\n"),
            &["5:28: rotation.default_grace: is longer than max_grace"],
        ),
        attack(
            "a grace without a maximum",
            with("rotation: { default_grace: 1s }\n"),
            &["5:28: rotation.default_grace: is longer than max_grace"],
        ),
        attack(
            "negative spans everywhere",
            with(
                "expiry: { default_ttl: -1d, max_ttl: -1d }\nrotation: { due_after: -1s, default_grace: -1s, max_grace: -1s }\n",
            ),
            &[
                "5:24: expiry.default_ttl: must not be negative",
                "5:38: expiry.max_ttl: must not be negative",
                "6:24: rotation.due_after: must not be negative",
                "6:44: rotation.default_grace: must not be negative",
                "6:60: rotation.max_grace: must not be negative",
            ],
        ),
    ]
}

#[test]
fn spans_that_are_none_are_refused() {
    check(&attacks());
}
