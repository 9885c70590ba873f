//! What can be wrong with a policy.

use std::collections::{HashMap, HashSet};

use crate::domain::{
    fault::{Faults, nearest},
    policy::{
        DESCRIPTION_LENGTH_MAX, ExpiryRule, IMPLIES_MAX, IMPLIES_TOTAL_MAX, KEY_TYPES_MAX, KeyType,
        Policy, ROLE_SCOPES_TOTAL_MAX, ROLES_MAX, Role, SCOPES_MAX, Scope,
    },
    scope::{NAME_LENGTH_MAX, ScopeId, glob_matches, is_name},
    secret::Prefix,
};

/// What a name of a scope, role or key type must be.
const NAME_RULE: &str = "must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -";

/// Notes every fault of the policy and numbers its scopes.
pub(super) fn document(policy: &Policy, at: &str, faults: &mut Faults) -> HashMap<String, ScopeId> {
    let index = scopes(&policy.scopes, at, faults);
    roles(&policy.roles, &policy.scopes, &index, at, faults);
    key_types(&policy.key_types, at, faults);
    expiry(&policy.expiry, at, faults);
    index
}

fn scopes(scopes: &[Scope], at: &str, faults: &mut Faults) -> HashMap<String, ScopeId> {
    let mut index = HashMap::new();
    let field = format!("{at}.scopes");
    if scopes.is_empty() {
        faults.note(&*field, "is empty; a policy has at least one scope");
    }
    let total: usize = scopes.iter().map(|scope| scope.implies.len()).sum();
    let small = faults.bound(&*field, scopes.len(), SCOPES_MAX);
    if !small || !faults.bound(format!("{field}[*].implies"), total, IMPLIES_TOTAL_MAX) {
        return index;
    }
    for (place, scope) in scopes.iter().enumerate() {
        let field = format!("{field}[{place}]");
        if !is_name(&scope.name) {
            faults.note(format!("{field}.name"), NAME_RULE);
        } else if let Some(id) = ScopeId::at(place)
            && index.insert(scope.name.clone(), id).is_some()
        {
            faults.note(format!("{field}.name"), format_args!("{:?} is there already", scope.name));
        }
        description(&scope.description, &field, faults);
    }
    for (place, scope) in scopes.iter().enumerate() {
        let field = format!("{field}[{place}].implies");
        if faults.bound(&*field, scope.implies.len(), IMPLIES_MAX) {
            known(&scope.implies, scopes, &index, &field, faults);
        }
    }
    index
}

/// Notes names that are no scope and globs that match none.
fn known(
    names: &[String],
    scopes: &[Scope],
    index: &HashMap<String, ScopeId>,
    field: &str,
    faults: &mut Faults,
) {
    for (place, name) in names.iter().enumerate() {
        let reaches = |scope: &Scope| !scope.isolated && glob_matches(name, &scope.name);
        let is_glob = name.len() <= NAME_LENGTH_MAX && name.contains('*');
        let found = index.contains_key(name) || is_glob && scopes.iter().any(reaches);
        if !found {
            let names = scopes.iter().map(|scope| scope.name.as_str());
            let hint = faults.wants_hint().then(|| nearest(name, names)).flatten();
            faults.note(format!("{field}[{place}]"), unknown("scope", name, hint));
        }
    }
}

fn roles(
    roles: &[Role],
    scopes: &[Scope],
    index: &HashMap<String, ScopeId>,
    at: &str,
    faults: &mut Faults,
) {
    if !faults.bound(format!("{at}.roles"), roles.len(), ROLES_MAX) || scopes.len() > SCOPES_MAX {
        return;
    }
    let total: usize = roles.iter().map(|role| role.scopes.len()).sum();
    if !faults.bound(format!("{at}.roles[*].scopes"), total, ROLE_SCOPES_TOTAL_MAX) {
        return;
    }
    let mut names = HashSet::new();
    for (place, role) in roles.iter().enumerate() {
        let field = format!("{at}.roles[{place}]");
        name(&role.name, &mut names, &field, faults);
        description(&role.description, &field, faults);
        if faults.bound(format!("{field}.scopes"), role.scopes.len(), SCOPES_MAX) {
            known(&role.scopes, scopes, index, &format!("{field}.scopes"), faults);
        }
    }
}

fn key_types(types: &[KeyType], at: &str, faults: &mut Faults) {
    let field = format!("{at}.key_types");
    if types.is_empty() {
        faults.note(&*field, "is empty; a policy has at least one key type");
        return;
    }
    if !faults.bound(&*field, types.len(), KEY_TYPES_MAX) {
        return;
    }
    let (mut names, mut prefixes) = (HashSet::new(), HashSet::new());
    for (place, kind) in types.iter().enumerate() {
        let field = format!("{field}[{place}]");
        name(&kind.name, &mut names, &field, faults);
        description(&kind.description, &field, faults);
        let prefix = faults.take(format!("{field}.prefix"), Prefix::parse(&kind.prefix));
        if prefix.is_some() && !prefixes.insert(&kind.prefix) {
            let description = format_args!("{:?} is another type's", kind.prefix).to_string();
            faults.note(format!("{field}.prefix"), description);
        }
    }
    let defaults = types.iter().filter(|kind| kind.is_default).count();
    if defaults != 1 {
        faults.note(field, format_args!("{defaults} are the default; exactly one must be"));
    }
}

fn expiry(rule: &ExpiryRule, at: &str, faults: &mut Faults) {
    let field = format!("{at}.expiry");
    for (name, ttl) in [("default_ttl", rule.default_ttl), ("max_ttl", rule.max_ttl)] {
        if ttl.is_some_and(|ttl| ttl.is_zero()) {
            faults.note(format!("{field}.{name}"), "must be longer than nothing");
        }
    }
    if let (Some(default), Some(max)) = (rule.default_ttl, rule.max_ttl)
        && default > max
    {
        faults.note(format!("{field}.default_ttl"), "is longer than max_ttl");
    }
}

fn name<'a>(name: &'a str, seen: &mut HashSet<&'a str>, field: &str, faults: &mut Faults) {
    if !is_name(name) {
        faults.note(format!("{field}.name"), NAME_RULE);
    } else if !seen.insert(name) {
        faults.note(format!("{field}.name"), format_args!("{name:?} is there already"));
    }
}

fn description(text: &str, field: &str, faults: &mut Faults) {
    if text.chars().count() > DESCRIPTION_LENGTH_MAX {
        let limit = format!("is longer than {DESCRIPTION_LENGTH_MAX} characters");
        faults.note(format!("{field}.description"), limit);
    }
}

/// The sentence about a name that is not there, with the one that may be meant.
/// A long name is cut.
pub(crate) fn unknown(what: &str, name: &str, nearest: Option<&str>) -> String {
    let name: String = name.chars().take(crate::domain::scope::NAME_LENGTH_MAX).collect();
    match nearest {
        Some(nearest) => format!("the policy has no {what} {name:?}; did you mean {nearest:?}?"),
        None => format!("the policy has no {what} {name:?}"),
    }
}
