//! What holds whatever the policy: sentences that a reader may rely on without knowing
//! the language.

use keyward::domain::{
    policy::{Policy, Preset},
    scope::ScopeSet,
};

use crate::{
    dice::Dice,
    rules::{
        decisions::{Answer, nearest},
        scopes,
    },
    world::{
        Case, Request, answer, any_key, any_pattern, any_policy, any_request, compile, dump,
        effective, plain_key, plain_policy, principal, strings,
    },
};

/// How many policies each property is tried on.
const POLICIES: usize = if cfg!(debug_assertions) { 1_000 } else { 10_000 };

/// What names alone reach from these texts, in no order.
fn by_names<'a>(policy: &'a Policy, texts: &[String]) -> Vec<&'a str> {
    let mut reached: Vec<&str> = vec![];
    let mut open: Vec<&String> = texts.iter().collect();
    while let Some(text) = open.pop() {
        for scope in policy.scopes.iter().filter(|scope| scope.name == *text) {
            if !reached.contains(&scope.name.as_str()) {
                reached.push(&scope.name);
                open.extend(&scope.implies);
            }
        }
    }
    reached
}

#[test]
fn no_wildcard_no_rule_and_no_preset_reaches_an_isolated_scope() {
    let mut dice = Dice::of("isolated");
    let mut reached = 0;
    for _ in 0..POLICIES {
        let policy = any_policy(&mut dice);
        let compiled = compile(&policy).unwrap();
        let again = dice.again();
        let isolated = |set: Option<&ScopeSet>| -> Vec<&str> {
            let isolated = set.unwrap().iter().filter(|scope| compiled.is_isolated(*scope));
            isolated.map(|scope| compiled.scope_name(scope)).collect()
        };
        let named = policy
            .scopes
            .iter()
            .map(|scope| (isolated(compiled.closure(&scope.name)), vec![scope.name.clone()]));
        let roles = policy.roles.iter();
        let roles = roles.map(|role| (isolated(compiled.role(&role.name)), role.scopes.clone()));
        for (found, texts) in named.chain(roles) {
            reached += found.len();
            let named = by_names(&policy, &texts);
            assert!(
                found.iter().all(|scope| named.contains(scope)),
                "{texts:?} reaches {found:?}, {again}\n{}",
                dump(&policy)
            );
        }
        for preset in &policy.presets {
            for member in compiled.preset(&preset.name).unwrap().iter() {
                let found = isolated(compiled.closure(compiled.scope_name(member)));
                assert!(found.is_empty(), "a preset: {found:?}, {again}\n{}", dump(&policy));
            }
        }
    }
    assert!(reached > POLICIES / 2, "isolated scopes are reached by name: {reached}");
}

#[test]
fn a_ceiling_a_constraint_and_a_confinement_never_allow_more() {
    let mut dice = Dice::of("narrowing");
    let mut counts = [0; 3];
    for _ in 0..POLICIES {
        let policy = any_policy(&mut dice);
        let compiled = compile(&policy).unwrap();
        let mut wide = any_key(&mut dice, &policy);
        let bound = vec![any_pattern(&mut dice, &policy.resources)];
        let way = dice.below(3);
        let narrow = match way {
            0 => {
                wide.principal = None;
                let role = policy.roles.first().map_or("", |role| &role.name);
                Case { principal: Some(principal(role, &[])), ..wide.clone() }
            }
            1 => {
                wide.key.constraint.clear();
                let mut narrow = wide.clone();
                narrow.key.constraint = bound;
                narrow
            }
            _ => {
                let mut owner = wide.principal.take().unwrap_or_else(|| principal("owner", &[]));
                owner.confined_to.clear();
                wide.principal = Some(owner.clone());
                owner.confined_to = bound;
                Case { principal: Some(owner), ..wide.clone() }
            }
        };
        let (wider, narrower) = (wide.live(&compiled), narrow.live(&compiled));
        for _ in 0..10 {
            let request = any_request(&mut dice, &policy);
            let (more, less) = (answer(&wider, &request), answer(&narrower, &request));
            let resource = request.resource.as_deref();
            let (all, some) = (effective(&wider, resource), effective(&narrower, resource));
            let within = |some: Vec<&str>| {
                some.iter().all(|scope| all.as_ref().is_some_and(|all| all.contains(scope)))
            };
            assert!(
                (less != Answer::Allow || more == Answer::Allow) && some.is_none_or(within),
                "{}\n{request}\nis {more:?} to\n{wide}but {less:?} to\n{narrow}",
                dice.again()
            );
            counts[way] += usize::from(more == Answer::Allow && less != Answer::Allow);
        }
    }
    assert!(counts.iter().all(|count| count * 20 > POLICIES), "each narrows: {counts:?}");
}

#[test]
fn a_bound_never_leaks_to_a_sibling_whose_name_only_begins_so() {
    let firsts = ["s", "site", "sites", "site-1", "Site", "."];
    let seconds = ["1", "10", "1.", "11", "..", "%31", "\u{661}"];
    let mut paths = vec![];
    for first in firsts {
        paths.push(vec![first]);
        for second in seconds {
            paths.push(vec![first, second]);
            paths.push(vec![first, second, "x"]);
            paths.push(vec!["", first, second]);
        }
    }
    let policy = plain_policy(&["a:read"]);
    let compiled = compile(&policy).unwrap();
    for bound in &paths {
        let text = bound.join("/");
        let mut constrained = plain_key(policy.clone(), &["a:read"]);
        constrained.key.constraint = vec![text.clone()];
        let mut confined = plain_key(policy.clone(), &["a:read"]);
        confined.principal = Some(principal("", &[&text]));
        let mut granted = plain_key(policy.clone(), &["a:read"]);
        granted.key.grants[0].resource = Some(format!("{text}/**"));
        for case in [constrained, confined, granted] {
            let live = case.live(&compiled);
            for path in &paths {
                let request = Request::new(&["a:read"], Some(&path.join("/")));
                let allowed = answer(&live, &request) == Answer::Allow;
                assert_eq!(allowed, path.starts_with(bound), "{request}\n{case}");
            }
            let nowhere = Request::new(&["a:read"], None);
            assert_ne!(answer(&live, &nowhere), Answer::Allow, "{case}");
        }
    }
}

#[test]
fn an_unknown_required_scope_is_an_error_with_the_nearest_name() {
    let names = ["sites:read", "sites:write", "jobs:read", "*"];
    let mut case = plain_key(plain_policy(&names), &["*"]);
    let live = case.alone();
    let unknown = |name: &str, nearest: Option<&str>| {
        Answer::UnknownScope(name.to_owned(), nearest.map(str::to_owned))
    };
    for (name, nearest) in [
        ("site:read", Some("sites:read")),
        ("sites:wirte", Some("sites:write")),
        ("jobs:reads", Some("jobs:read")),
        ("Jobs:Read", Some("jobs:read")),
        ("", Some("*")),
        ("sites:**ad", Some("sites:read")),
        ("sites:**", None),
        ("billing:refund", None),
    ] {
        let request = Request::new(&["jobs:read", name, "other"], Some("s"));
        assert_eq!(answer(&live, &request), unknown(name, nearest), "{name}");
    }
    // It is a mistake of the caller, whatever the key's state.
    case.suspended = true;
    let request = Request::new(&["site:read"], None);
    assert_eq!(answer(&case.alone(), &request), unknown("site:read", Some("sites:read")));

    let mut dice = Dice::of("nearest");
    for _ in 0..POLICIES {
        let policy = any_policy(&mut dice);
        let live = plain_key(policy.clone(), &[]).alone();
        for _ in 0..10 {
            let name = misspelled(&mut dice, &policy);
            let known = policy.scopes.iter().any(|scope| scope.name == name);
            let found = match answer(&live, &Request::new(&[&name], None)) {
                Answer::UnknownScope(_, nearest) => Some(nearest),
                _ => None,
            };
            let expected = (!known).then(|| nearest(&policy, &name));
            assert_eq!(found, expected, "{name:?}, {}\n{}", dice.again(), dump(&policy));
        }
    }
}

/// A name of the policy with a few letters changed.
fn misspelled(dice: &mut Dice, policy: &Policy) -> String {
    let mut letters: Vec<char> = dice.pick(&policy.scopes).name.chars().collect();
    for _ in 0..dice.below(5) {
        let place = dice.below(letters.len() + 1);
        if place < letters.len() && dice.chance(50) {
            letters.remove(place);
        } else {
            letters.insert(place, dice.pick(&['a', 'b', ':', 'r', '*']));
        }
    }
    letters.into_iter().collect()
}

#[test]
fn a_later_change_of_a_preset_does_not_change_what_a_key_may_do() {
    let mut dice = Dice::of("presets");
    for _ in 0..POLICIES {
        let mut before = any_policy(&mut dice);
        if before.presets.is_empty() {
            let Some(name) = open_scope(&before) else { continue };
            let scopes = strings(&[name]);
            before.presets = vec![Preset { name: "bot".into(), scopes, ..Preset::default() }];
        }
        // A key made of the preset, and whatever else.
        let compiled = compile(&before).unwrap();
        let mut case = any_key(&mut dice, &before);
        let members = compiled.preset("bot").unwrap().iter();
        let members: Vec<&str> = members.map(|scope| compiled.scope_name(scope)).collect();
        case.key.grants.extend(plain_key(before.clone(), &members).key.grants);
        let mut after =
            Case { policy: Policy { presets: vec![], ..before.clone() }, ..case.clone() };
        if dice.chance(50)
            && let Some(name) = open_scope(&before)
        {
            let scopes = strings(&[name]);
            after.policy.presets = vec![Preset { name: "bot".into(), scopes, ..Preset::default() }];
        }
        let (was, is) = (case.live(&compiled), after.alone());
        for _ in 0..10 {
            let request = any_request(&mut dice, &before);
            let resource = request.resource.as_deref();
            assert_eq!(answer(&was, &request), answer(&is, &request), "{request}\n{case}");
            assert_eq!(effective(&was, resource), effective(&is, resource), "{request}\n{case}");
        }
    }
}

/// The last scope that a preset may list by its name.
fn open_scope(policy: &Policy) -> Option<&str> {
    let is_isolated =
        |name: &&str| policy.scopes.iter().any(|scope| scope.isolated && scope.name == *name);
    let mut names = policy.scopes.iter().rev().map(|scope| scope.name.as_str());
    names.find(|name| !name.contains('*') && !scopes::closure(policy, name).iter().any(is_isolated))
}
