//! Every answer of the engine is the one of the definition.

use std::collections::BTreeMap;

use keyward::domain::{
    decision::Denial,
    policy::{CompiledPolicy, Policy, UnmatchedResource},
    scope::ScopeSet,
};

use crate::{
    dice::Dice,
    rules::{
        decisions::{self, Answer, Holding, holdings},
        resources, scopes,
    },
    shrink::smallest,
    world::{Case, Request, answer, any_key, any_policy, any_request, compile, effective},
};

/// How many requests are decided.
const CASES: usize = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
/// How many keys there are for each policy, and requests for each key.
const KEYS: usize = 5;
const REQUESTS: usize = 10;

/// How often each answer must come, in a run of any length.
const LEAST: usize = CASES / 500;

#[test]
fn every_decision_is_that_of_the_definition() {
    let mut dice = Dice::of("decisions");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..CASES / KEYS / REQUESTS {
        let policy = any_policy(&mut dice);
        let compiled = compile(&policy).unwrap();
        for _ in 0..KEYS {
            let case = any_key(&mut dice, &policy);
            let live = case.live(&compiled);
            let held = holdings(&case);
            for _ in 0..REQUESTS {
                let request = any_request(&mut dice, &policy);
                let expected = decisions::decide(&case, &held, &request);
                let resource = request.resource.as_deref();
                let same = answer(&live, &request) == expected
                    && is_effective(&case, &held, effective(&live, resource), &request);
                if !same {
                    disagree(&dice, &case, &request);
                }
                *counts.entry(kind(&case, &expected)).or_default() += 1;
            }
        }
    }
    println!("{counts:#?}");
    assert_eq!(counts.len(), 13, "every answer comes: {counts:?}");
    for (kind, count) in counts {
        assert!(count >= LEAST, "{kind} came only {count} times");
    }
}

/// Whether these are the scopes that the definition has on the resource of the request.
fn is_effective(
    case: &Case,
    held: &[Holding<'_>],
    found: Option<Vec<&str>>,
    request: &Request,
) -> bool {
    let resource = request.resource.as_deref();
    let is_path = resource.is_none_or(|text| resources::is_path(&case.policy.resources, text));
    let expected = is_path.then(|| decisions::effective(case, held, resource));
    found == expected
}

fn disagree(dice: &Dice, case: &Case, request: &Request) -> ! {
    let differs = |case: &Case, request: &Request| {
        let Some(policy) = compile(&case.policy) else { return false };
        let live = case.live(&policy);
        let (held, resource) = (holdings(case), request.resource.as_deref());
        decisions::decide(case, &held, request) != answer(&live, request)
            || !is_effective(case, &held, effective(&live, resource), request)
    };
    let (case, request) = smallest(case, request, differs);
    let (live, held) = (case.alone(), holdings(&case));
    let resource = request.resource.as_deref();
    let (ours, theirs) = (decisions::decide(&case, &held, &request), answer(&live, &request));
    let (again, found) = (dice.again(), effective(&live, resource));
    let expected = decisions::effective(&case, &held, resource);
    panic!(
        "{again}\n{case}{request}\ndefinition: {ours:?}, effective {expected:?}\nengine: \
         {theirs:?}, effective {found:?}"
    );
}

/// What is counted as one answer. Where the policy tells the two ways to be not found
/// apart, they are two.
fn kind(case: &Case, answer: &Answer) -> String {
    let Policy { hide_existence, unmatched_resource, .. } = case.policy;
    match answer {
        Answer::Deny(Denial::NotFound, _) if !hide_existence => "NotFound, unmatched".to_owned(),
        Answer::Deny(Denial::NotFound, _) if unmatched_resource != UnmatchedResource::NotFound => {
            "NotFound, outside".to_owned()
        }
        Answer::Allow => "Allow".to_owned(),
        Answer::Deny(reason, _) => format!("{reason:?}"),
        Answer::UnknownScope(..) => "UnknownScope".to_owned(),
        Answer::InvalidResource => "InvalidResource".to_owned(),
    }
}

#[test]
fn every_closure_role_and_preset_is_that_of_the_definition() {
    let mut dice = Dice::of("closures");
    for _ in 0..CASES / 10 {
        let policy = any_policy(&mut dice);
        let compiled = compile(&policy).unwrap();
        let check = |what: &str, found: Option<&ScopeSet>, expected: Vec<&str>| {
            let found = found.map(|set| names(&compiled, set));
            let (again, dump) = (dice.again(), crate::world::dump(&policy));
            assert_eq!(found, Some(expected), "{what}, {again}\n{dump}");
        };
        for scope in &policy.scopes {
            check(
                &scope.name,
                compiled.closure(&scope.name),
                scopes::closure(&policy, &scope.name),
            );
        }
        for role in &policy.roles {
            let expected = scopes::allowed(&policy, &role.scopes);
            check(&role.name, compiled.role(&role.name), expected);
        }
        for preset in &policy.presets {
            let expected = scopes::listed(&policy, &preset.scopes);
            check(&preset.name, compiled.preset(&preset.name), expected);
        }
    }
}

fn names<'a>(policy: &'a CompiledPolicy, set: &ScopeSet) -> Vec<&'a str> {
    set.iter().map(|scope| policy.scope_name(scope)).collect()
}
