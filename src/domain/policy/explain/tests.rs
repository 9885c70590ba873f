//! Explanations, by examples and against the closures.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::domain::{
    fault::Faults,
    policy::{Implication, KeyType, Policy, Preset, Role},
};

fn scope(name: &str, implies: &[&str], isolated: bool) -> Scope {
    let implies = implies.iter().map(|&text| text.to_owned()).collect();
    Scope { name: name.to_owned(), implies, isolated, ..Scope::default() }
}

fn policy(scopes: Vec<Scope>, rules: &[(&str, &str)]) -> Policy {
    let rule = |(scope, form): &(&str, &str)| Implication {
        scope: (*scope).to_owned(),
        implies: vec![(*form).to_owned()],
    };
    let kind = KeyType {
        name: "live".into(),
        prefix: "live".into(),
        is_default: true,
        ..KeyType::default()
    };
    let implications = rules.iter().map(rule).collect();
    Policy { scopes, implications, key_types: vec![kind], ..Policy::default() }
}

fn compile(policy: Policy) -> Option<CompiledPolicy> {
    let mut faults = Faults::new();
    CompiledPolicy::compile(policy, "policy", &mut faults).filter(|_| faults.is_empty())
}

fn lines(steps: &[Step<'_>]) -> Vec<String> {
    let line = |step: &Step<'_>| format!("{} {:?} {}", step.scope.name, step.by, step.of.name);
    steps.iter().map(line).collect()
}

#[test]
fn each_scope_comes_with_what_led_to_it() {
    let scopes = vec![
        scope("sites:admin", &["sites:write", "wp.*"], false),
        scope("sites:write", &["secret"], false),
        scope("sites:read", &[], false),
        scope("secret", &["deep"], true),
        scope("deep", &[], true),
        scope("wp.core", &["wp.hidden", "logs"], false),
        scope("wp.hidden", &[], true),
        scope("logs", &[], false),
    ];
    let compiled = compile(policy(scopes, &[("{x}:write", "{x}:read")])).unwrap();
    let explained = explain(&compiled, "sites:admin").unwrap();
    assert_eq!(
        lines(&explained.reached),
        [
            "sites:write Name sites:admin",
            "wp.core Glob(\"wp.*\") sites:admin",
            "secret Name sites:write",
            "sites:read Rule(\"{x}:write\", \"{x}:read\") sites:write",
            "logs Name wp.core",
            "deep Name secret",
        ]
    );
    assert_eq!(lines(&explained.withheld), ["wp.hidden Glob(\"wp.*\") sites:admin"]);
    assert!(explain(&compiled, "sites").is_none());
}

#[test]
fn what_is_isolated_and_reached_by_another_way_is_not_withheld() {
    let scopes = vec![scope("a", &["*", "b"], false), scope("b", &[], true)];
    let compiled = compile(policy(scopes, &[])).unwrap();
    let explained = explain(&compiled, "a").unwrap();
    assert_eq!(lines(&explained.reached), ["b Name a"]);
    assert_eq!(lines(&explained.withheld), [""; 0]);
}

#[test]
fn presets_and_roles_that_have_it_are_named() {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let scopes = vec![scope("w", &["r"], false), scope("r", &[], false), scope("x", &[], false)];
    let preset = |name: &str, scopes| Preset { name: name.into(), scopes, ..Preset::default() };
    let role = |name: &str, scopes| Role { name: name.into(), scopes, ..Role::default() };
    let policy = Policy {
        presets: vec![
            preset("all", texts(&["*"])),
            preset("writer", texts(&["w"])),
            preset("none", texts(&["x"])),
        ],
        roles: vec![role("writer", texts(&["w"])), role("none", texts(&["x"]))],
        ..policy(scopes, &[])
    };
    let compiled = compile(policy).unwrap();
    let explained = explain(&compiled, "r").unwrap();
    assert_eq!(explained.presets, [("all", None), ("writer", Some("w"))]);
    assert_eq!(explained.roles, ["writer"]);
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab]{1,2}", 2 => "[ab]{0,1}\\*[ab]{0,1}", 1 => "[ab*]{1,3}"]
}

fn policies() -> impl Strategy<Value = Policy> {
    let one = (text(), vec(text(), 0..4), proptest::bool::weighted(0.3));
    let rules = vec(("[ab]?\\{x\\}[ab]?", "[ab]?\\{x\\}[ab]?"), 0..3);
    (vec(one, 1..9), rules).prop_map(|(mut scopes, rules)| {
        let mut seen = BTreeSet::new();
        scopes.retain(|(name, ..)| seen.insert(name.clone()));
        let scopes = scopes.iter().map(|(name, implies, isolated)| {
            let implies: Vec<&str> = implies.iter().map(String::as_str).collect();
            scope(name, &implies, *isolated)
        });
        let rules: Vec<(&str, &str)> = rules.iter().map(|(a, b)| (&**a, &**b)).collect();
        policy(scopes.collect(), &rules)
    })
}

/// The policy without what is a fault of it, taken out one after the other.
fn mended(mut policy: Policy) -> Option<CompiledPolicy> {
    for _ in 0..60 {
        let mut faults = Faults::new();
        let compiled = CompiledPolicy::compile(policy.clone(), "policy", &mut faults);
        let Err(found) = faults.finish() else { return compiled };
        let numbers: Vec<usize> = found[0]
            .field
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|digits| digits.parse().ok())
            .collect();
        match (found[0].field.starts_with("policy.implications"), &numbers[..]) {
            (true, [rule, ..]) => drop(policy.implications.remove(*rule)),
            (false, [scope, text]) => drop(policy.scopes[*scope].implies.remove(*text)),
            (false, [scope]) if !policy.scopes[*scope].implies.is_empty() => {
                policy.scopes[*scope].implies.clear();
            }
            // A circle by rules alone.
            (false, [_]) => policy.implications.clear(),
            _ => return None,
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_explained_is_the_closure(policy in policies()) {
        let Some(compiled) = mended(policy) else { return Err(TestCaseError::reject("no policy")) };
        let document = compiled.document();
        for scope in &document.scopes {
            let explained = explain(&compiled, &scope.name).unwrap();
            let closure = compiled.closure(&scope.name).unwrap();
            let id = |scope: &Scope| compiled.scope(&scope.name).unwrap();
            let mut reached: ScopeSet = explained.reached.iter().map(|step| id(step.scope)).collect();
            prop_assert_eq!(reached.len(), explained.reached.len(), "each once, and not itself");
            prop_assert!(!reached.contains(id(scope)));
            for step in &explained.withheld {
                prop_assert!(step.scope.isolated && !closure.contains(id(step.scope)));
                prop_assert!(closure.contains(id(step.of)));
            }
            reached.insert(id(scope));
            for step in &explained.reached {
                prop_assert!(reached.contains(id(step.of)), "over what is reached");
            }
            let names = |set: &ScopeSet| set.iter().map(|id| compiled.scope_name(id).to_owned()).collect::<Vec<_>>();
            prop_assert_eq!(names(&reached), names(closure), "{} of {:?}", scope.name, document);
        }
    }
}
