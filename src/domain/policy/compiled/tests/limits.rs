//! Policies at their limits, or far beyond them. Where every glob met every name, or
//! closures grew step by step, these tests would take minutes; they take a second.

use super::*;
use crate::domain::policy::{
    IMPLIES_MAX, IMPLIES_TOTAL_MAX, ROLE_SCOPES_TOTAL_MAX, ROLES_MAX, SCOPES_MAX,
};

/// A name of the greatest length that differs from others in the middle.
fn long(number: usize) -> String {
    format!("{}{number:04}{}", "x".repeat(48), "y".repeat(48))
}

/// A scope that implies what it is given.
fn owning(name: String, implies: Vec<String>) -> Scope {
    Scope { name, implies, ..Scope::default() }
}

#[test]
fn as_many_scopes_as_there_may_be_that_imply_each_other_are_compiled() {
    let scopes = (0..SCOPES_MAX).map(|n| scope(&format!("s{n}"), &["*"])).collect();
    let compiled = compile(policy(scopes)).unwrap();
    assert_eq!(compiled.closure("s999").unwrap().len(), SCOPES_MAX);
}

#[test]
fn a_chain_of_as_many_scopes_as_there_may_be_is_compiled_in_either_direction() {
    let next = |n: usize| if n + 1 < SCOPES_MAX { vec![format!("s{}", n + 1)] } else { vec![] };
    let chain = (0..SCOPES_MAX).map(|n| owning(format!("s{n}"), next(n)));
    let scopes: Vec<Scope> = chain.collect();
    for scopes in [scopes.clone(), scopes.into_iter().rev().collect()] {
        let compiled = compile(policy(scopes)).unwrap();
        let reach = |name| compiled.closure(name).unwrap().iter().count();
        let last = format!("s{}", SCOPES_MAX - 1);
        let expected = (SCOPES_MAX, SCOPES_MAX - 500, 1);
        assert_eq!((reach("s0"), reach("s500"), reach(&last)), expected);
    }
}

#[test]
fn the_largest_policy_is_compiled() {
    let each = IMPLIES_TOTAL_MAX / SCOPES_MAX;
    // Globs of which each reaches every scope, and a chain of literal names.
    let glob = |n: usize| format!("{}*{}", "x".repeat(n / 48 % 48), "y".repeat(n % 48));
    let implies = |n: usize| {
        let globs = (1..each).map(move |place| glob(n * each + place));
        globs.chain((n + 1 < SCOPES_MAX).then(|| long(n + 1))).collect()
    };
    let scopes = (0..SCOPES_MAX).map(|n| owning(long(n), implies(n))).collect();
    // Distinct globs, of which each reaches one scope.
    let narrow = |n: usize| {
        let name = long(n % SCOPES_MAX);
        let cut = 1 + n / SCOPES_MAX;
        format!("{}*{}", &name[..52 + cut], &name[53 + cut..])
    };
    let each = ROLE_SCOPES_TOTAL_MAX / ROLES_MAX;
    let role = |n: usize| Role {
        name: format!("r{n}"),
        scopes: (0..each).map(|place| narrow(n * each + place)).collect(),
        ..Role::default()
    };
    let roles = (0..ROLES_MAX).map(role).collect();
    let compiled = compile(Policy { roles, ..policy(scopes) }).unwrap();
    let name = long(7);
    assert_eq!(compiled.closure(&name).unwrap().iter().count(), SCOPES_MAX);
    assert_eq!(compiled.role("r99").unwrap().iter().count(), SCOPES_MAX);
}

#[test]
fn huge_names_and_globs_are_refused_and_not_compared() {
    let (name, glob) = ("a".repeat(20_000), format!("{}*b", "*a".repeat(10_000)));
    let scopes: Vec<Scope> = (0..100)
        .map(|n| owning(format!("{name}{n}"), vec![glob.clone(), "*a".into(), "b".into()]))
        .collect();
    let fields = compile(policy(scopes)).unwrap_err();
    assert_eq!(fields.len(), 400);
    assert_eq!(fields[99], "policy.scopes[99].name");
    assert_eq!(fields[100..102], ["policy.scopes[0].implies[0]", "policy.scopes[0].implies[1]"]);
}

#[test]
fn what_a_policy_of_faults_keeps_is_bounded() {
    let bad = vec!["no such".to_owned(); IMPLIES_MAX];
    let scopes = (0..100).map(|n| owning(format!("s{n}"), bad.clone())).collect();
    let fields = compile(policy(scopes)).unwrap_err();
    assert_eq!(fields.len(), 1_001);
    assert_eq!(fields[1_000], "");
}

#[test]
fn what_scopes_imply_beyond_the_limit_is_one_fault_also_where_roles_name_them() {
    let scopes = (0..101).map(|n| scope(&format!("s{n}"), &["*"; IMPLIES_MAX])).collect();
    let roles = vec![Role { name: "r".into(), scopes: vec!["s0".into()], ..Role::default() }];
    let document = Policy { roles, ..policy(scopes) };
    assert_eq!(compile(document).unwrap_err(), ["policy.scopes[*].implies"]);
}
