//! What can be wrong with a policy.

mod resources;
mod rules;
mod times;

use std::collections::HashSet;

use super::{closure::Closures, names::Names};
use crate::domain::{
    fault::{Faults, nearest, without_secrets},
    name::Misleading,
    policy::{
        DESCRIPTION_LENGTH_MAX, IMPLIES_MAX, IMPLIES_TOTAL_MAX, KEY_TYPES_MAX, KeyType,
        PRESETS_MAX, Policy, Preset, ROLE_SCOPES_TOTAL_MAX, ROLES_MAX, Role, SCOPES_MAX, Scope,
    },
    principal::PrincipalKind,
    scope::{ScopeSet, is_name, split_glob},
    secret::Prefix,
};

/// What a name of a scope, role or key type must be.
const NAME_RULE: &str = "must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -";

/// What stands in a list of scopes must be.
const TEXT_RULE: &str = "must be the name of a scope or a glob: 1 to 100 of the characters \
    A-Z a-z 0-9 . _ : / * -, and a glob has one `*`";

/// How many pairs of names are compared for hints at what may be meant: comparing costs.
const COMPARED_MAX: usize = 20_000;

/// How many unknown names get a hint in any case.
const HINTS_MIN: usize = 5;

/// What is said of a glob that reaches nothing.
const GLOB_RULE: &str = "and as a glob it matches none that is not isolated";

/// Notes every fault of the policy. Nothing where there are more scopes or implications
/// than are looked at.
pub(super) fn document<'a>(
    policy: &'a Policy,
    at: &str,
    faults: &mut Faults,
) -> Option<(Names<'a>, Closures)> {
    let mut known = bounded(policy, at, faults).then(|| {
        names(&policy.scopes, at, faults);
        Known {
            scopes: &policy.scopes,
            presets: &policy.presets,
            roles: &policy.roles,
            names: Names::of(&policy.scopes),
            isolated: super::isolated(policy),
            hints: (COMPARED_MAX / policy.scopes.len().max(1)).max(HINTS_MIN),
        }
    });
    if let Some(known) = &mut known {
        implied(known, at, faults);
    }
    rules::implications(policy, at, faults);
    let closures = known.as_mut().map(|known| Closures::of(policy, &mut known.names));
    if let Some(closures) = &closures {
        rules::circles(policy, closures, at, faults);
    }
    rules::presets(&policy.presets, known.as_mut().zip(closures.as_ref()), at, faults);
    roles(&policy.roles, known.as_mut(), at, faults);
    resources::types(policy, at, faults);
    key_types(&policy.key_types, at, faults);
    times::expiry(&policy.expiry, at, faults);
    times::rotation(&policy.rotation, at, faults);
    times::plans(&policy.plans, at, faults);
    known.map(|known| known.names).zip(closures)
}

/// Whether the scopes and rules are few enough to be looked at.
fn bounded(policy: &Policy, at: &str, faults: &mut Faults) -> bool {
    let (scopes, field) = (&policy.scopes, format!("{at}.scopes"));
    if scopes.is_empty() {
        faults.note(&*field, "is empty; a policy has at least one scope");
    }
    let total: usize = scopes.iter().map(|scope| scope.implies.len()).sum();
    let few = faults.bound(&*field, scopes.len(), SCOPES_MAX)
        && faults.bound(format!("{field}[*].implies"), total, IMPLIES_TOTAL_MAX);
    rules::bounded(&policy.implications, at, faults) && few
}

fn names(scopes: &[Scope], at: &str, faults: &mut Faults) {
    let mut seen = HashSet::new();
    for (place, scope) in scopes.iter().enumerate() {
        let field = format!("{at}.scopes[{place}]");
        name(&scope.name, &mut seen, &field, faults);
        description(&scope.description, &field, faults);
        class(&scope.class, &field, faults);
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
    presets: &'a [Preset],
    roles: &'a [Role],
    names: Names<'a>,
    isolated: ScopeSet,
    /// How many unknown names are still worth looking for what was meant.
    hints: usize,
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
                faults.note(field, format_args!("{TEXT_RULE}; it is {:?}", shown(text)));
            } else if let Some(what) = (self.hints > 0).then(|| self.other(text)).flatten() {
                self.hints -= 1;
                let fault = unknown("scope", text, None);
                let hint = "of this name, but scopes are listed here";
                faults.note(field, format_args!("{fault}; there is a {what} {hint}"));
            } else {
                let names = self.scopes.iter().map(|scope| scope.name.as_str());
                let hint = (self.hints > 0).then(|| nearest(text, names)).flatten();
                self.hints = self.hints.saturating_sub(1);
                let fault = unknown("scope", text, hint);
                match split_glob(text).filter(|_| hint.is_none()) {
                    Some(_) => faults.note(field, format_args!("{fault}, {GLOB_RULE}")),
                    None => faults.note(field, fault),
                }
            }
        }
    }
}

impl Known<'_> {
    /// What else has this name.
    fn other(&self, name: &str) -> Option<&'static str> {
        let preset = self.presets.iter().take(PRESETS_MAX).any(|preset| preset.name == name);
        let role = || self.roles.iter().take(ROLES_MAX).any(|role| role.name == name);
        if preset { Some("preset") } else { role().then_some("role") }
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
        kinds(&role.principal_kinds, &field, faults);
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
    let mut names = HashSet::new();
    for (place, kind) in types.iter().enumerate() {
        let field = format!("{field}[{place}]");
        name(&kind.name, &mut names, &field, faults);
        description(&kind.description, &field, faults);
        kinds(&kind.principal_kinds, &field, faults);
        let field = format!("{field}.prefix");
        if faults.take(&*field, Prefix::parse(&kind.prefix)).is_some() {
            let before = types.iter().take(place).map(|other| other.prefix.as_str());
            prefix(&kind.prefix, before, field, faults);
        }
    }
    let defaults = types.iter().filter(|kind| kind.is_default).count();
    match defaults {
        0 => faults.note(field, "exactly one must have is_default: true"),
        1 => {}
        _ => faults.note(field, format_args!("{defaults} are the default; exactly one must be")),
    }
}

/// Notes a prefix that is another's or begins or continues it: scanners and people read
/// secrets by how they begin.
fn prefix<'a>(
    prefix: &str,
    mut before: impl Iterator<Item = &'a str>,
    field: String,
    faults: &mut Faults,
) {
    let near = |other: &&str| prefix.starts_with(other) || other.starts_with(prefix);
    match before.find(|other| !other.is_empty() && near(other)) {
        Some(other) if other == prefix => {
            faults.note(field, format_args!("{prefix:?} is another type's"));
        }
        Some(other) => {
            let fault = "one of two prefixes must not begin with the other";
            faults.note(field, format_args!("{prefix:?} and {other:?}: {fault}"));
        }
        None => {}
    }
}

/// How often kinds of principal can be listed: there are three.
const KINDS_MAX: usize = 3;

fn kinds(kinds: &[PrincipalKind], field: &str, faults: &mut Faults) {
    faults.bound(format!("{field}.principal_kinds"), kinds.len(), KINDS_MAX);
}

fn class(class: &str, field: &str, faults: &mut Faults) {
    if !class.is_empty() && !is_name(class) {
        faults.note(format!("{field}.class"), NAME_RULE);
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
    let name = shown(name);
    match nearest {
        Some(nearest) => format!("the policy has no {what} {name:?}; did you mean {nearest:?}?"),
        None => format!("the policy has no {what} {name:?}"),
    }
}

/// A text as it is repeated: not longer than a name.
fn shown(text: &str) -> String {
    // Secrets first: half of one would no longer be seen to be one.
    without_secrets(text).chars().take(crate::domain::scope::NAME_LENGTH_MAX).collect()
}
