//! What can be wrong with rules, circles and presets.

use std::collections::HashSet;

use super::{Known, description, name};
use crate::domain::{
    fault::Faults,
    key::GRANTS_MAX,
    policy::{
        FORMS_TOTAL_MAX, IMPLICATIONS_MAX, Implication, PRESET_SCOPES_TOTAL_MAX, PRESETS_MAX,
        Policy, Preset, SCOPES_MAX,
        compiled::{
            closure::{Closures, listed},
            form::{FORM_RULE, hole_of, is_form},
            graph,
        },
    },
    scope::ScopeId,
};

/// How many scopes of a long circle are named before its end.
const CIRCLE_SHOWN: usize = 8;

/// Whether the rules are few enough to be looked at.
pub(super) fn bounded(rules: &[Implication], at: &str, faults: &mut Faults) -> bool {
    let field = format!("{at}.implications");
    let total: usize = rules.iter().map(|rule| rule.implies.len()).sum();
    faults.bound(&*field, rules.len(), IMPLICATIONS_MAX)
        && faults.bound(format!("{field}[*].implies"), total, FORMS_TOTAL_MAX)
}

pub(super) fn implications(policy: &Policy, at: &str, faults: &mut Faults) {
    for (place, rule) in policy.implications.iter().take(IMPLICATIONS_MAX).enumerate() {
        let field = format!("{at}.implications[{place}]");
        let fits = |name: &str| hole_of(&rule.scope, name).is_some();
        if !is_form(&rule.scope) {
            faults.note(format!("{field}.scope"), FORM_RULE);
        } else if !policy.scopes.iter().take(SCOPES_MAX).any(|scope| fits(&scope.name)) {
            let fault = format!("no scope is of the form {:?}", rule.scope);
            faults.note(format!("{field}.scope"), fault);
        }
        if rule.implies.is_empty() {
            faults.note(format!("{field}.implies"), "is empty; the rule says nothing");
        }
        for (place, form) in rule.implies.iter().take(FORMS_TOTAL_MAX).enumerate() {
            let field = format!("{field}.implies[{place}]");
            let fits = |name: &str| hole_of(form, name).is_some();
            if !is_form(form) {
                faults.note(field, FORM_RULE);
            } else if !policy.scopes.iter().take(SCOPES_MAX).any(|scope| fits(&scope.name)) {
                faults.note(field, format!("no scope is of the form {form:?}"));
            }
        }
    }
}

/// Notes each set of scopes that imply one another in a circle, by name or rule, at the
/// first of them: they would all mean the same.
pub(super) fn circles(policy: &Policy, closures: &Closures, at: &str, faults: &mut Faults) {
    let mut components = graph::components(&closures.steps);
    components.iter_mut().for_each(|component| component.sort_unstable());
    components.sort_unstable();
    for component in components {
        let Some(first) = component.first() else { continue };
        let Some(circle) = graph::circle(&closures.steps, &component, *first) else { continue };
        let name = |id: &ScopeId| policy.scopes.get(id.place()).map(|scope| scope.name.as_str());
        let circle: Vec<&str> = circle.iter().filter_map(name).collect();
        let field = format!("{at}.scopes[{}].implies", first.place());
        let way = match (circle.get(..CIRCLE_SHOWN), circle.last()) {
            (Some(beginning), Some(last)) if circle.len() > CIRCLE_SHOWN + 2 => {
                let steps = circle.len() - 1;
                format!("{} → … → {last}, {steps} scopes", beginning.join(" → "))
            }
            _ => circle.join(" → "),
        };
        faults.note(field, format_args!("goes in a circle: {way}"));
    }
}

pub(super) fn presets<'a>(
    presets: &'a [Preset],
    mut known: Option<(&mut Known<'a>, &Closures)>,
    at: &str,
    faults: &mut Faults,
) {
    let field = format!("{at}.presets");
    let total: usize = presets.iter().map(|preset| preset.scopes.len()).sum();
    if !faults.bound(&*field, presets.len(), PRESETS_MAX)
        || !faults.bound(format!("{field}[*].scopes"), total, PRESET_SCOPES_TOTAL_MAX)
    {
        return;
    }
    let mut names = HashSet::new();
    for (place, preset) in presets.iter().enumerate() {
        let field = format!("{field}[{place}]");
        name(&preset.name, &mut names, &field, faults);
        description(&preset.description, &field, faults);
        let field = format!("{field}.scopes");
        if preset.scopes.is_empty() {
            faults.note(&*field, "is empty; a preset has at least one scope");
        }
        if let Some((known, closures)) = &mut known {
            known.check(&preset.scopes, &field, faults);
            isolated(&preset.scopes, known, closures, &field, faults);
            let count = listed(&preset.scopes, &mut known.names).len();
            if count > GRANTS_MAX {
                let fault = format!("holds {count} scopes; a key has at most {GRANTS_MAX} grants");
                faults.note(&*field, fault);
            }
        }
    }
}

/// Notes entries of a preset that are isolated, or lead to what is.
fn isolated<'a>(
    texts: &'a [String],
    known: &mut Known<'a>,
    closures: &Closures,
    field: &str,
    faults: &mut Faults,
) {
    for (place, text) in texts.iter().enumerate() {
        let members = listed(std::slice::from_ref(text), &mut known.names);
        let Some(member) = members.intersection(&closures.guarded).iter().next() else { continue };
        let name = |id: ScopeId| known.scopes.get(id.place()).map_or("", |scope| &scope.name);
        let reach = closures.reach.get(member.place());
        let found = reach.and_then(|reach| reach.intersection(&known.isolated).iter().next());
        let fault = match found.filter(|_| !known.isolated.contains(member)) {
            Some(found) => {
                let (member, found) = (name(member), name(found));
                format!("{member:?} implies {found:?}, which is isolated: no preset leads there")
            }
            None => {
                let member = name(member);
                format!("{member:?} is isolated: no preset has it; give it to keys one by one")
            }
        };
        faults.note(format!("{field}[{place}]"), fault);
    }
}
