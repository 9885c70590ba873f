//! Policies, made up.

use keyward::domain::{
    policy::{Implication, KeyType, Policy, Preset, Role, Scope, UnmatchedResource},
    resource::Grammar,
};

use super::{compile, strings};
use crate::{dice::Dice, rules::scopes::is_refused};

/// Names that begin, end and contain one another, also with an overlap, and what is a name and a glob at once.
const NAMES: [&str; 15] = [
    "a:read", "a:write", "a:admin", "aa:read", "ab:read", "ab:write", "b:read", "b:write",
    "b:admin", "root", "*", "a:*", "*:read", "a*", "a*b*",
];
const GLOBS: [&str; 9] = ["*", "a:*", "*:read", "*:write", "a*", "b*d", "*:*", "r*", "a*a:read"];
const RULES: [(&str, &[&str]); 7] = [
    ("{x}:write", &["{x}:read"]),
    ("{x}:admin", &["{x}:write", "{x}:read"]),
    ("{x}:admin", &["a{x}:write"]),
    ("a{x}", &["{x}"]),
    ("a:{x}", &["b:{x}", "ab:{x}"]),
    ("b:{x}", &["{x}"]),
    ("{x}:read", &["{x}"]),
];

/// A policy with nothing in it but scopes, of which none implies another.
pub(crate) fn plain_policy(scopes: &[&str]) -> Policy {
    let scope = |name: &&str| Scope { name: (*name).to_owned(), ..Scope::default() };
    let key_type = KeyType {
        name: "live".into(),
        prefix: "small".into(),
        is_default: true,
        ..KeyType::default()
    };
    let scopes = scopes.iter().map(scope).collect();
    Policy { scopes, key_types: vec![key_type], ..Policy::default() }
}

/// A policy that is not refused. The engine must refuse the same ones on the way to it
/// as the definition.
pub(crate) fn any_policy(dice: &mut Dice) -> Policy {
    loop {
        let policy = any_document(dice);
        let compiled = compile(&policy);
        let refused = is_refused(&policy);
        let again = dice.again();
        assert_eq!(compiled.is_none(), refused, "refused? {again}\n{}", super::dump::of(&policy));
        if !refused {
            return policy;
        }
    }
}

fn any_document(dice: &mut Dice) -> Policy {
    let mut names: Vec<&str> = vec![];
    for _ in 0..3 + dice.below(6) {
        let name = dice.pick(&NAMES);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut policy = plain_policy(&names);
    for place in 0..names.len() {
        // Most names imply those after them: or most policies would go in circles.
        let later = if dice.chance(90) { &names[place + 1..] } else { &names };
        let implies = dice.some(3, |dice| text(dice, later));
        let scope = &mut policy.scopes[place];
        scope.implies = implies.into_iter().flatten().collect();
        // What is named as a glob mostly is one.
        if scope.name.matches('*').count() == 1 && dice.chance(70) {
            scope.implies.push(scope.name.clone());
        }
        scope.isolated = dice.chance(20);
    }
    policy.implications = dice.some(2, |dice| {
        let (scope, implies) = dice.pick(&RULES);
        Implication { scope: scope.into(), implies: strings(implies) }
    });
    if dice.chance(75) {
        for name in ["owner", "member", "guest"] {
            let scopes = dice.some(3, |dice| text(dice, &names)).into_iter().flatten().collect();
            policy.roles.push(Role { name: name.into(), scopes, ..Role::default() });
        }
        policy.roles.truncate(1 + dice.below(3));
    }
    if dice.chance(25) {
        let scopes = (0..1 + dice.below(2)).filter_map(|_| text(dice, &names)).collect();
        policy.presets = vec![Preset { name: "bot".into(), scopes, ..Preset::default() }];
        policy.presets.retain(|preset| !preset.scopes.is_empty());
    }
    let (separator, wildcard) = dice.pick(&[('/', '*'), ('/', '#'), (':', '#')]);
    policy.resources = Grammar::new(separator, wildcard).unwrap();
    policy.hide_existence = dice.chance(50);
    policy.unmatched_resource =
        dice.pick(&[UnmatchedResource::NotFound, UnmatchedResource::InsufficientScope]);
    policy
}

/// A text for a list of scopes: a name, a glob, or rarely something unknown. Nothing
/// where there are no names.
fn text(dice: &mut Dice, names: &[&str]) -> Option<String> {
    if dice.chance(40) {
        return Some(dice.pick(&GLOBS).to_owned());
    }
    if dice.chance(1) {
        return Some("nothing".to_owned());
    }
    (!names.is_empty()).then(|| dice.pick(names).to_owned())
}
