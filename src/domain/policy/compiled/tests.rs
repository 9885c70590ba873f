#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use std::time::Duration;

use super::*;
use crate::domain::policy::{ExpiryRule, Role, Scope};

fn scope(name: &str, implies: &[&str]) -> Scope {
    let implies = implies.iter().map(|name| (*name).to_owned()).collect();
    Scope { name: name.to_owned(), implies, ..Scope::default() }
}

fn isolated(name: &str) -> Scope {
    Scope { isolated: true, ..scope(name, &[]) }
}

fn policy(scopes: Vec<Scope>) -> Policy {
    let key_type = KeyType {
        name: "live".into(),
        prefix: "acme".into(),
        is_default: true,
        ..KeyType::default()
    };
    Policy { scopes, key_types: vec![key_type], ..Policy::default() }
}

fn compile(policy: Policy) -> Result<CompiledPolicy, Vec<String>> {
    let mut faults = Faults::new();
    let compiled = CompiledPolicy::compile(policy, "policy", &mut faults);
    faults
        .finish()
        .map_err(|faults| faults.into_iter().map(|fault| fault.field).collect::<Vec<_>>())?;
    Ok(compiled.unwrap())
}

#[track_caller]
fn reaches(scopes: Vec<Scope>, from: &str, expected: &[&str]) {
    let compiled = compile(policy(scopes)).unwrap();
    let reach = compiled.closure(from).unwrap();
    assert_eq!(reach.iter().map(|id| compiled.scope_name(id)).collect::<Vec<_>>(), expected);
}

#[test]
fn a_scope_reaches_itself_and_what_it_implies_also_over_others() {
    let chain = || {
        vec![
            scope("admin", &["write"]),
            scope("write", &["read"]),
            scope("read", &[]),
            scope("other", &[]),
        ]
    };
    reaches(chain(), "admin", &["admin", "write", "read"]);
    reaches(chain(), "write", &["write", "read"]);
    reaches(chain(), "read", &["read"]);
}

#[test]
fn implications_may_go_in_circles() {
    reaches(
        vec![scope("a", &["b"]), scope("b", &["c"]), scope("c", &["a"])],
        "b",
        &["a", "b", "c"],
    );
}

#[test]
fn globs_never_reach_isolated_scopes_not_even_over_others() {
    let scopes = vec![
        scope("*", &["*"]),
        scope("sites:read", &[]),
        isolated("exec:raw"),
        scope("ops", &["exec:raw"]),
    ];
    reaches(scopes.clone(), "*", &["*", "sites:read", "ops"]);
    reaches(scopes, "ops", &["exec:raw", "ops"]);
}

#[test]
fn a_scope_named_with_an_asterisk_is_a_scope_and_a_glob() {
    let scopes = || {
        let named = [
            scope("wp:*", &["wp.*"]),
            scope("wp.cli", &[]),
            scope("wp:x", &[]),
            scope("all", &["wp:*"]),
        ];
        Vec::from(named)
    };
    reaches(scopes(), "wp:*", &["wp:*", "wp.cli"]);
    reaches(scopes(), "all", &["wp:*", "wp.cli", "wp:x", "all"]);
}

#[test]
fn roles_hold_isolated_scopes_only_literally() {
    let mut document = policy(vec![scope("a", &[]), isolated("b")]);
    let role = |name: &str, scopes: &[&str]| Role {
        name: name.into(),
        scopes: scopes.iter().map(|name| (*name).to_owned()).collect(),
        ..Role::default()
    };
    document.roles = vec![role("most", &["*"]), role("all", &["*", "b"]), role("none", &[])];
    let compiled = compile(document).unwrap();
    let held = |name| compiled.role(name).unwrap().iter().count();
    assert_eq!((held("most"), held("all"), held("none")), (1, 2, 0));
}

#[test]
fn every_fault_is_named_with_its_place() {
    let mut document = policy(vec![scope("a b", &[]), scope("x", &["y", "z*"]), scope("x", &[])]);
    document.roles =
        vec![Role { name: String::new(), scopes: vec!["nobody".into()], ..Role::default() }];
    document.key_types[0].prefix = "Bad Prefix".into();
    document.key_types[0].is_default = false;
    document.expiry = ExpiryRule {
        default_ttl: Some(Duration::from_secs(2)),
        max_ttl: Some(Duration::from_secs(1)),
        required: true,
    };
    let expected = [
        "policy.scopes[0].name",
        "policy.scopes[2].name",
        "policy.scopes[1].implies[0]",
        "policy.scopes[1].implies[1]",
        "policy.roles[0].name",
        "policy.roles[0].scopes[0]",
        "policy.key_types[0].prefix",
        "policy.key_types",
        "policy.expiry.default_ttl",
    ];
    assert_eq!(compile(document).unwrap_err(), expected);
}

#[test]
fn an_empty_policy_says_what_it_lacks() {
    assert_eq!(compile(Policy::default()).unwrap_err(), ["policy.scopes", "policy.key_types"]);
}

#[test]
fn too_many_scopes_are_one_fault() {
    let scopes = (0..10_000).map(|n| scope(&format!("s{n}"), &["*"])).collect();
    assert_eq!(compile(policy(scopes)).unwrap_err(), ["policy.scopes"]);
}

#[test]
fn admin_like_is_what_reaches_every_scope_that_is_not_isolated() {
    let compiled =
        compile(policy(vec![scope("admin", &["*"]), scope("read", &[]), isolated("exec")]))
            .unwrap();
    let admin_like = |name| compiled.is_admin_like(compiled.scope(name).unwrap());
    assert!(admin_like("admin"));
    assert!(!admin_like("read"));
    let only = compile(policy(vec![scope("read", &[])])).unwrap();
    assert!(!only.is_admin_like(only.scope("read").unwrap()));
}
