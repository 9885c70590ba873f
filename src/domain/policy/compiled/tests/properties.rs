//! What is compiled against the words of the documentation, with strings and loops.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::*;

/// Whether a glob with one `*` is of the form of a name, tried at every place.
fn matches(glob: &str, name: &str) -> bool {
    let (start, end) = glob.split_once('*').unwrap();
    (0..=name.len())
        .any(|from| (from..=name.len()).any(|to| name[..from] == *start && name[to..] == *end))
}

fn is_glob(text: &str) -> bool {
    text.matches('*').count() == 1
}

/// The scopes that a text stands for, and whether a glob was taken to each.
fn named<'a>(scopes: &'a [Scope], text: &'a str) -> impl Iterator<Item = (&'a Scope, bool)> {
    let literal = scopes.iter().filter(move |scope| scope.name == text);
    let globbed = scopes
        .iter()
        .filter(move |scope| is_glob(text) && !scope.isolated && matches(text, &scope.name));
    literal.map(|scope| (scope, false)).chain(globbed.map(|scope| (scope, true)))
}

/// What is reached from these texts, step by step: whoever took a glob on the way goes
/// to no isolated scope.
fn walk(scopes: &[Scope], texts: &[String]) -> BTreeSet<String> {
    let mut open: Vec<(&Scope, bool)> = texts.iter().flat_map(|text| named(scopes, text)).collect();
    let mut seen = BTreeSet::new();
    while let Some((scope, globbed)) = open.pop() {
        if !seen.insert((scope.name.clone(), globbed)) {
            continue;
        }
        for (next, glob) in scope.implies.iter().flat_map(|text| named(scopes, text)) {
            if !(globbed && next.isolated) {
                open.push((next, globbed || glob));
            }
        }
    }
    seen.into_iter().map(|(name, _)| name).collect()
}

/// Names, and globs, of one or two letters around and between asterisks.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[ab]{1,2}", 2 => "[ab]{0,2}\\*[ab]{0,2}", 1 => "[ab*]{1,4}"]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..4)
}

fn scopes() -> impl Strategy<Value = Vec<Scope>> {
    let one = (text(), texts(), proptest::bool::weighted(0.3));
    vec(one, 1..9).prop_map(|mut scopes| {
        let mut seen = BTreeSet::new();
        scopes.retain(|(name, ..)| seen.insert(name.clone()));
        let mut before = BTreeSet::new();
        for (name, implies, _) in &mut scopes {
            before.insert(name.clone());
            // Names imply only those after them, so that nothing goes in circles; but
            // what is a glob too may imply itself.
            implies.retain(|text| !before.contains(text) || text == name && is_glob(text));
        }
        let scope =
            |(name, implies, isolated)| Scope { name, implies, isolated, ..Scope::default() };
        scopes.into_iter().map(scope).collect()
    })
}

fn with_role(scopes: Vec<Scope>, texts: Vec<String>) -> Policy {
    let role = Role { name: "role".into(), scopes: texts, ..Role::default() };
    Policy { roles: vec![role], ..policy(scopes) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn closures_and_roles_agree_with_the_oracle(mut scopes in scopes(), mut role in texts()) {
        let all = scopes.clone();
        let known = |text: &String| named(&all, text).next().is_some();
        scopes.iter_mut().for_each(|scope| scope.implies.retain(known));
        role.retain(known);
        let compiled = compile(with_role(scopes.clone(), role.clone())).unwrap();
        let names = |set: &ScopeSet| -> BTreeSet<String> {
            set.iter().map(|id| compiled.scope_name(id).to_owned()).collect()
        };
        for scope in &scopes {
            let mut expected = walk(&scopes, &scope.implies);
            expected.insert(scope.name.clone());
            let reach = compiled.closure(&scope.name).unwrap();
            prop_assert_eq!(names(reach), expected, "{} of {:?}", scope.name, scopes);
        }
        let held = compiled.role("role").unwrap();
        prop_assert_eq!(names(held), walk(&scopes, &role), "{:?} of {:?}", role, scopes);
    }

    #[test]
    fn what_stands_for_nothing_is_a_fault_and_nothing_else_is(scopes in scopes(), role in texts()) {
        let implied = scopes.iter().enumerate().map(|(n, scope)| (format!("scopes[{n}].implies"), &scope.implies));
        let expected: Vec<String> = implied
            .chain([("roles[0].scopes".to_owned(), &role)])
            .flat_map(|(field, texts)| texts.iter().enumerate().map(move |(n, text)| (format!("policy.{field}[{n}]"), text)))
            .filter(|(_, text)| named(&scopes, text).next().is_none())
            .map(|(field, _)| field)
            .collect();
        let faults = compile(with_role(scopes.clone(), role.clone())).err().unwrap_or_default();
        prop_assert_eq!(faults, expected);
    }
}
