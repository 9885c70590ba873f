#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod limits;
mod properties;

use std::time::Duration;

use super::*;
use crate::domain::policy::{ExpiryRule, Implication, Role, Scope};

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
fn a_policy_that_was_saved_is_answered_by_also_where_it_would_be_refused_today() {
    let circle = || policy(vec![scope("a", &["b", "gone"]), scope("b", &["a"])]);
    assert!(compile(circle()).is_err());
    let restored = CompiledPolicy::restore(circle()).unwrap();
    for name in ["a", "b"] {
        assert_eq!(restored.closure(name).unwrap().len(), 2);
    }
}

/// The version before refuses fields that it does not know, and one may go back to it.
#[test]
fn a_policy_without_what_is_new_is_written_as_it_was() {
    let mut old = policy(vec![scope("a", &[])]);
    old.roles = vec![Role { name: "r".into(), ..Role::default() }];
    let json = serde_json::to_value(&old).unwrap();
    let fields = |value: &serde_json::Value| {
        let fields = value.as_object().unwrap().keys().cloned();
        fields.collect::<std::collections::BTreeSet<String>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(
        fields(&json),
        [
            "expiry",
            "hide_existence",
            "key_types",
            "resources",
            "roles",
            "scopes",
            "title",
            "unmatched_resource"
        ]
    );
    assert_eq!(fields(&json["scopes"][0]), ["description", "implies", "isolated", "name"]);
    assert_eq!(fields(&json["roles"][0]), ["description", "name", "scopes"]);
    assert_eq!(
        fields(&json["key_types"][0]),
        ["description", "is_default", "name", "prefix", "requires_principal"]
    );
}

#[test]
fn names_that_imply_each_other_in_a_circle_are_a_fault_at_the_first_of_them() {
    let faults = |scopes: Vec<Scope>, rules: &[(&str, &str)]| {
        let rule = |(scope, form): &(&str, &str)| Implication {
            scope: (*scope).to_owned(),
            implies: vec![(*form).to_owned()],
        };
        let implications = rules.iter().map(rule).collect();
        let mut faults = Faults::new();
        CompiledPolicy::compile(Policy { implications, ..policy(scopes) }, "policy", &mut faults);
        let faults = faults.finish().err().unwrap_or_default();
        faults.into_iter().map(|fault| (fault.field, fault.description)).collect::<Vec<_>>()
    };
    let circle = |place: usize, way: &str| {
        vec![(format!("policy.scopes[{place}].implies"), format!("goes in a circle: {way}"))]
    };
    let three =
        vec![scope("x", &["a"]), scope("a", &["b"]), scope("b", &["c"]), scope("c", &["a"])];
    assert_eq!(faults(three, &[]), circle(1, "a → b → c → a"));
    assert_eq!(faults(vec![scope("a", &["a"])], &[]), circle(0, "a → a"));
    // A name with two asterisks is a name and no glob.
    assert_eq!(faults(vec![scope("a*b*", &["a*b*"])], &[]), circle(0, "a*b* → a*b*"));
    let ruled = || vec![scope("s:read", &["s:write"]), scope("s:write", &[])];
    assert_eq!(
        faults(ruled(), &[("{x}:write", "{x}:read")]),
        circle(0, "s:read → s:write → s:read")
    );
    assert_eq!(faults(ruled(), &[("{x}:read", "{x}:write")]), []);
    let wildcards =
        vec![scope("*", &["*"]), scope("s:*", &["s:*", "*:read"]), scope("s:read", &["s:*"])];
    assert_eq!(faults(wildcards, &[]), []);
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
fn what_is_reached_only_over_an_isolated_scope_is_not_reached_by_a_glob() {
    let scopes = || {
        let named = [scope("ops:all", &["ops:*"]), scope("ops:root", &["exec"])];
        let exec = Scope { isolated: true, ..scope("exec", &["shell"]) };
        named.into_iter().chain([exec, scope("shell", &[])]).collect::<Vec<_>>()
    };
    reaches(scopes(), "ops:all", &["ops:all", "ops:root"]);
    reaches(scopes(), "ops:root", &["ops:root", "exec", "shell"]);
    let role = |name: &str, text: &str| Role {
        name: name.into(),
        scopes: vec![text.into()],
        ..Role::default()
    };
    let roles = vec![role("glob", "ops:r*"), role("literal", "ops:root")];
    let compiled = compile(Policy { roles, ..policy(scopes()) }).unwrap();
    let held = |name| compiled.role(name).unwrap().iter().count();
    assert_eq!((held("glob"), held("literal")), (1, 3));
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
fn a_name_with_several_asterisks_is_a_name_and_no_glob() {
    let scopes = || vec![scope("a*b*", &[]), scope("axbx", &[]), scope("all", &["a*b*"])];
    reaches(scopes(), "all", &["a*b*", "all"]);
    let bad = |text: &str| {
        let mut faults = Faults::new();
        let scopes = vec![scope("axbx", &[]), scope("all", &[text])];
        CompiledPolicy::compile(policy(scopes), "policy", &mut faults);
        let [fault] = faults.finish().unwrap_err().try_into().unwrap();
        assert_eq!(fault.field, "policy.scopes[1].implies[0]");
        fault.description
    };
    for text in ["a*b*", "**", "", "a b*", &format!("{}*", "a".repeat(100))] {
        assert!(bad(text).contains("a glob has one `*`"), "{text}");
    }
    for text in ["b*", &"a".repeat(100)] {
        assert!(bad(text).starts_with("the policy has no scope"), "{text}");
    }
}

#[test]
fn a_description_that_misleads_is_refused_with_the_character_and_its_place() {
    let describe = |text: &str| {
        let mut document = policy(vec![Scope { description: text.into(), ..scope("a", &[]) }]);
        document.roles =
            vec![Role { name: "r".into(), description: text.into(), ..Role::default() }];
        document.key_types[0].description = text.into();
        let mut faults = Faults::new();
        CompiledPolicy::compile(document, "policy", &mut faults);
        faults.finish()
    };
    assert_eq!(describe("é \u{1f511}, on one line"), Ok(()));
    for (text, shown) in
        [("é\tb", "U+0009"), ("é\n", "U+000A"), ("é\u{202e}b", "U+202E"), ("é\u{2066}b", "U+2066")]
    {
        let faults = describe(text).unwrap_err();
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        let places = ["scopes[0]", "roles[0]", "key_types[0]"];
        assert_eq!(fields, places.map(|place| format!("policy.{place}.description")));
        let expected =
            format!("has the character {shown} at position 1, a control or change of direction");
        assert!(faults.iter().all(|fault| fault.description == expected), "{faults:?}");
    }
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
