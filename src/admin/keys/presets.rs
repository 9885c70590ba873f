//! Presets, which become grants when a key is made.

use crate::{
    admin::{AdminError, error::invalid},
    domain::{
        fault::{Faults, nearest},
        key::{GRANTS_MAX, Grant, Key},
        policy::{CompiledPolicy, PRESETS_MAX, compiled::unknown},
        scope::ScopeSet,
    },
};

/// Notes presets that the policy does not have.
pub(super) fn check(presets: &[String], policy: &CompiledPolicy, faults: &mut Faults) {
    if !faults.bound("presets", presets.len(), PRESETS_MAX) {
        return;
    }
    for (place, name) in presets.iter().enumerate() {
        if policy.preset(name).is_none() {
            let names = policy.document().presets.iter().map(|preset| preset.name.as_str());
            let hint = faults.wants_hint().then(|| nearest(name, names)).flatten();
            faults.note(format!("presets[{place}]"), unknown("preset", name, hint));
        }
    }
}

/// Adds to a key the scopes that presets list, each literally, as far as the role of its
/// owner allows them.
pub(super) fn expand(
    presets: &[String],
    policy: &CompiledPolicy,
    role: Option<&str>,
    key: &mut Key,
) -> Result<(), AdminError> {
    let ceiling = role.and_then(|role| policy.ceiling(role));
    let mut faults = Faults::new();
    // As a set: comparing each with all grants costs the square of them, for each preset.
    let mut held: ScopeSet = (key.grants.iter())
        .filter(|grant| grant.resource.is_none())
        .filter_map(|grant| policy.scope(&grant.scope))
        .collect();
    for (place, name) in presets.iter().enumerate() {
        let listed = policy.preset(name).cloned().unwrap_or_default();
        let allowed =
            ceiling.as_ref().map_or_else(|| listed.clone(), |role| listed.intersection(role));
        if allowed.is_empty() {
            let role = role.unwrap_or_default();
            let fault = format!("the role {role:?} allows nothing of the preset {name:?}");
            faults.note(format!("presets[{place}]"), fault);
        }
        add(&allowed.without(&held), policy, key);
        held.extend(&allowed);
    }
    faults.bound("key.grants", key.grants.len(), GRANTS_MAX);
    if faults.is_empty() { Ok(()) } else { Err(invalid(faults)) }
}

fn add(scopes: &ScopeSet, policy: &CompiledPolicy, key: &mut Key) {
    for scope in scopes.iter() {
        key.grants.push(Grant { scope: policy.scope_name(scope).to_owned(), resource: None });
    }
}
