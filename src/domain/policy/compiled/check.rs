//! What can be wrong with a policy.

use std::collections::HashSet;

use super::names::Names;
use crate::domain::{
    fault::{Faults, nearest},
    name::Misleading,
    policy::{
        DESCRIPTION_LENGTH_MAX, ExpiryRule, IMPLIES_MAX, IMPLIES_TOTAL_MAX, KEY_TYPES_MAX, KeyType,
        Policy, ROLE_SCOPES_TOTAL_MAX, ROLES_MAX, Role, SCOPES_MAX, Scope,
    },
    scope::{is_name, split_glob},
    secret::Prefix,
};

/// What a name of a scope, role or key type must be.
const NAME_RULE: &str = "must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -";

/// What stands in a list of scopes must be.
const TEXT_RULE: &str = "must be the name of a scope or a glob: 1 to 100 of the characters \
    A-Z a-z 0-9 . _ : / * -, and a glob has one `*`";

/// Notes every fault of the policy. Nothing where there are more scopes or implications
/// than are looked at.
pub(super) fn document<'a>(policy: &'a Policy, at: &str, faults: &mut Faults) -> Option<Names<'a>> {
    let mut known = bounded(&policy.scopes, at, faults).then(|| {
        names(&policy.scopes, at, faults);
        Known { scopes: &policy.scopes, names: Names::of(&policy.scopes) }
    });
    if let Some(known) = &mut known {
        implied(known, at, faults);
    }
    roles(&policy.roles, known.as_mut(), at, faults);
    key_types(&policy.key_types, at, faults);
    expiry(&policy.expiry, at, faults);
    known.map(|known| known.names)
}

/// Whether the scopes are few enough to be looked at.
fn bounded(scopes: &[Scope], at: &str, faults: &mut Faults) -> bool {
    let field = format!("{at}.scopes");
    if scopes.is_empty() {
        faults.note(&*field, "is empty; a policy has at least one scope");
    }
    let total: usize = scopes.iter().map(|scope| scope.implies.len()).sum();
    faults.bound(&*field, scopes.len(), SCOPES_MAX)
        && faults.bound(format!("{field}[*].implies"), total, IMPLIES_TOTAL_MAX)
}

fn names(scopes: &[Scope], at: &str, faults: &mut Faults) {
    let mut seen = HashSet::new();
    for (place, scope) in scopes.iter().enumerate() {
        let field = format!("{at}.scopes[{place}]");
        name(&scope.name, &mut seen, &field, faults);
        description(&scope.description, &field, faults);
    }
}

fn implied<'a>(known: &mut Known<'a>, at: &str, faults: &mut Faults) {
    for (place, scope) in known.scopes.iter().enumerate() {
        let field = format!("{at}.scopes[{place}].implies");
        if faults.bound(&*field, scope.implies.len(), IMPLIES_MAX) {
            known.check(&scope.implies, &field, faults);
        }
    }
}

/// What names and globs may stand for.
struct Known<'a> {
    scopes: &'a [Scope],
    names: Names<'a>,
}

impl<'a> Known<'a> {
    /// Notes names that are no scope and globs that match none.
    fn check(&mut self, texts: &'a [String], field: &str, faults: &mut Faults) {
        for (place, text) in texts.iter().enumerate() {
            let found = self.names.scope(text).is_some()
                || self.names.matching(text).is_some_and(|set| !set.is_empty());
            if found {
                continue;
            }
            let field = format!("{field}[{place}]");
            if !is_name(text) || text.contains('*') && split_glob(text).is_none() {
                faults.note(field, TEXT_RULE);
            } else {
                let names = self.scopes.iter().map(|scope| scope.name.as_str());
                let hint = faults.wants_hint().then(|| nearest(text, names)).flatten();
                faults.note(field, unknown("scope", text, hint));
            }
        }
    }
}

fn roles<'a>(roles: &'a [Role], mut known: Option<&mut Known<'a>>, at: &str, faults: &mut Faults) {
    if !faults.bound(format!("{at}.roles"), roles.len(), ROLES_MAX) {
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
        let field = format!("{field}.scopes");
        if faults.bound(&*field, role.scopes.len(), SCOPES_MAX)
            && let Some(known) = &mut known
        {
            known.check(&role.scopes, &field, faults);
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
    } else if let Some(misleading) = Misleading::find(text) {
        faults.note(format!("{field}.description"), misleading);
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
