//! More of everything than a policy may have.

use std::fmt::Write as _;

use crate::attack::{Attack, attack, check, scopes};

/// Scopes with so many implied texts in all, a hundred each.
fn many_implied(total: usize) -> String {
    let mut list = String::from("  - { name: a }\n");
    for at in 0..total.div_ceil(100) {
        let names = vec!["a"; 100.min(total - at * 100)].join(", ");
        writeln!(list, "  - {{ name: s{at}, implies: [{names}] }}").unwrap();
    }
    scopes(&list)
}

pub(crate) fn attacks() -> Vec<Attack> {
    let named =
        |count: usize| (0..count).map(|at| format!("  - {{ name: n{at} }}\n")).collect::<String>();
    let listed = |count: usize, entry: &str| vec![entry; count].join(", ");
    vec![
        attack(
            "5,001 scopes",
            scopes(&named(5_001)),
            &["3:3: scopes: has 5001 entries; at most 5000 are allowed"],
        ),
        attack(
            "501 roles",
            scopes(&format!("  - {{ name: a }}\nroles:\n{}", named(501))),
            &["5:3: roles: has 501 entries; at most 500 are allowed"],
        ),
        attack(
            "21 types of key",
            format!(
                "scopes: [{{ name: a }}]\nkey_types:\n{}",
                (0..21)
                    .map(|at| format!("  - {{ name: t{at}, prefix: p{} }}\n", (b'a' + at) as char))
                    .collect::<String>()
            ),
            &["3:3: key_types: has 21 entries; at most 20 are allowed"],
        ),
        attack(
            "101 implied by one scope",
            scopes(&format!(
                "  - {{ name: a }}\n  - {{ name: b, implies: [{}] }}\n",
                listed(101, "a")
            )),
            &["4:25: scopes[1].implies: has 101 entries; at most 100 are allowed"],
        ),
        attack(
            "10,001 implied in all",
            many_implied(10_001),
            &["3:3: scopes[*].implies: has 10001 entries; at most 10000 are allowed"],
        ),
        attack(
            "10,001 scopes in all roles",
            scopes(&format!(
                "  - {{ name: a }}\nroles:\n{}",
                (0..11)
                    .map(|at| format!(
                        "  - {{ name: r{at}, scopes: [{}] }}\n",
                        listed(if at == 10 { 1 } else { 1_000 }, "a")
                    ))
                    .collect::<String>()
            )),
            &["5:3: roles[*].scopes: has 10001 entries; at most 10000 are allowed"],
        ),
        attack(
            "101 rules",
            scopes(&format!(
                "  - {{ name: a }}\n  - {{ name: ab }}\nimplications: [{}]\n",
                listed(101, "{ scope: \"{x}\", implies: [\"{x}b\"] }")
            )),
            &["5:15: implications: has 101 entries; at most 100 are allowed"],
        ),
        attack(
            "201 forms",
            scopes(&format!(
                "  - {{ name: a }}\n  - {{ name: ab }}\nimplications: [{{ scope: \"{{x}}\", implies: [{}] }}]\n",
                listed(201, "\"{x}b\"")
            )),
            &["5:15: implications[*].implies: has 201 entries; at most 200 are allowed"],
        ),
        attack(
            "a preset that no key can hold",
            scopes(&format!("{}presets: [{{ name: p, scopes: [\"n*\"] }}]\n", named(1_001))),
            &["1004:30: presets[0].scopes: holds 1001 scopes; a key has at most 1000 grants"],
        ),
        attack(
            "101 presets",
            scopes(&format!(
                "  - {{ name: a }}\npresets:\n{}",
                (0..101)
                    .map(|at| format!("  - {{ name: p{at}, scopes: [a] }}\n"))
                    .collect::<String>()
            )),
            &["5:3: presets: has 101 entries; at most 100 are allowed"],
        ),
        attack(
            "10,001 scopes in all presets",
            scopes(&format!(
                "  - {{ name: a }}\npresets: [{{ name: p, scopes: [{}] }}]\n",
                listed(10_001, "a")
            )),
            &["4:10: presets[*].scopes: has 10001 entries; at most 10000 are allowed"],
        ),
    ]
}

#[test]
fn more_than_is_looked_at_is_refused() {
    check(&attacks());
}
