//! Rates that let nothing or everything through.

use crate::attack::{Attack, attack, check, with};

pub(crate) fn attacks() -> Vec<Attack> {
    let quota = |quota: &str| {
        with(&format!(
            "plans:\n  - name: p\n    key_limits:\n      - {{ name: l, quota: {quota}, window: 1m }}\n"
        ))
    };
    let window = |window: &str| {
        with(&format!(
            "plans:\n  - name: p\n    workspace_limits:\n      - {{ name: l, quota: 1, window: {window} }}\n"
        ))
    };
    let burst = |burst: &str| {
        with(&format!(
            "plans:\n  - name: p\n    key_limits:\n      - {{ name: l, quota: 1, window: 1m, burst: {burst} }}\n"
        ))
    };
    let limits = vec!["{ name: l, quota: 1, window: 1s }"; 101].join(", ");
    let plans: String = (0..101).map(|at| format!("  - {{ name: p{at} }}\n")).collect();
    vec![
        attack(
            "a quota of nothing",
            quota("0"),
            &["8:27: plans[0].key_limits[0].quota: must be 1 to 1000000000"],
        ),
        attack(
            "a negative quota",
            quota("-1"),
            &[
                "8:27: plans[0].key_limits[0].quota: must be 1 to 1000000000",
                "8:27: plans[0].key_limits[0].quota: must not be negative",
            ],
        ),
        attack(
            "a quota of ten billion",
            quota("10000000000"),
            &["8:27: plans[0].key_limits[0].quota: must be 1 to 1000000000"],
        ),
        attack(
            "a quota of half a call",
            quota("1.5"),
            &["8:27: plans[0].key_limits[0].quota: must be a whole number"],
        ),
        attack(
            "a quota with an exponent",
            quota("1e3"),
            &["8:27: plans[0].key_limits[0].quota: must be a whole number"],
        ),
        attack(
            "a quota with underscores",
            quota("1_000"),
            &["8:27: plans[0].key_limits[0].quota: must be a whole number"],
        ),
        attack(
            "a quota in hexadecimal",
            quota("0x10"),
            &["8:27: plans[0].key_limits[0].quota: must be a whole number"],
        ),
        attack(
            "a quota that YAML 1.1 reads as octal",
            quota("010"),
            &["8:27: plans[0].key_limits[0].quota: must be a whole number"],
        ),
        attack(
            "a quota that overflows",
            quota("9223372036854775808"),
            &[
                "8:27: plans[0].key_limits[0].quota: must be -9223372036854775808 to 9223372036854775807",
            ],
        ),
        attack(
            "a quota of a hundred digits",
            quota(&"9".repeat(100)),
            &[
                "8:27: plans[0].key_limits[0].quota: must be -9223372036854775808 to 9223372036854775807",
            ],
        ),
        attack(
            "a quota without end",
            quota(".inf"),
            &["8:27: plans[0].key_limits[0].quota: must be a whole number"],
        ),
        attack(
            "a quota that is not a number",
            quota(".nan"),
            &["8:27: plans[0].key_limits[0].quota: must be a whole number"],
        ),
        attack(
            "a window of nothing",
            window("0s"),
            &["8:38: plans[0].workspace_limits[0].window: must be one second to 366 days"],
        ),
        attack(
            "a window below a second",
            window("0.999999999s"),
            &["8:38: plans[0].workspace_limits[0].window: must be one second to 366 days"],
        ),
        attack(
            "a window above 366 days",
            window("367d"),
            &["8:38: plans[0].workspace_limits[0].window: must be one second to 366 days"],
        ),
        attack(
            "a negative window",
            window("-1s"),
            &["8:38: plans[0].workspace_limits[0].window: must not be negative"],
        ),
        attack(
            "a negative burst",
            burst("-1"),
            &["8:49: plans[0].key_limits[0].burst: must not be negative"],
        ),
        attack(
            "a burst of ten billion",
            burst("10000000000"),
            &["8:49: plans[0].key_limits[0].burst: must be at most 1000000000"],
        ),
        attack(
            "101 limits",
            with(&format!("plans: [{{ name: p, key_limits: [{limits}] }}]\n")),
            &["5:32: plans[0].key_limits: has 101 entries; at most 100 are allowed"],
        ),
        attack(
            "101 plans",
            with(&format!("plans:\n{plans}")),
            &["6:3: plans: has 101 entries; at most 100 are allowed"],
        ),
    ]
}

#[test]
fn rates_that_are_none_are_refused() {
    check(&attacks());
}
