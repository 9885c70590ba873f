//! What scopes reach.
//!
//! A scope reaches itself and what it implies, and what that implies, and so on. There
//! are three ways to imply:
//!
//! - by **name**: a text in `implies` that is a scope's name is that scope;
//! - by **glob**: a text with exactly one `*` stands for every scope whose name has that
//!   form, any run of characters in place of the `*`, also none;
//! - by **rule**: `{x}:write` → `{x}:read` makes every scope of the first form imply the
//!   scope of the second with the same text in the hole. The text is never empty.
//!
//! A scope that is isolated is reached by names alone: a way on which a glob or a rule
//! was taken neither ends at it nor leads over it. A way of names alone does both.
//!
//! A text may be a name and a glob at once: the scope `*` that implies `*` is the
//! wildcard of its policy.

use keyward::domain::policy::{Implication, Policy, Scope};

/// A step to a scope, and whether names alone led there.
#[derive(Clone, Copy)]
struct Step<'a> {
    to: &'a Scope,
    by_name: bool,
}

/// What a holder of the scope may do.
pub(crate) fn closure<'a>(policy: &'a Policy, name: &str) -> Vec<&'a str> {
    let start = policy.scopes.iter().filter(|scope| scope.name == name);
    walk(policy, start.map(|to| Step { to, by_name: true }).collect())
}

/// What a role allows that lists these texts: what they stand for, and what that reaches.
pub(crate) fn allowed<'a>(policy: &'a Policy, texts: &[String]) -> Vec<&'a str> {
    walk(policy, stood_for(policy, texts))
}

/// What a preset is expanded to: what its texts stand for, and nothing over it.
pub(crate) fn listed<'a>(policy: &'a Policy, texts: &[String]) -> Vec<&'a str> {
    in_order(policy, |scope| stood_for(policy, texts).iter().any(|step| step.to == scope))
}

/// Whether a policy is refused, as far as scopes are concerned.
pub(crate) fn is_refused(policy: &Policy) -> bool {
    let lists = policy.scopes.iter().map(|scope| &scope.implies);
    let lists = lists.chain(policy.roles.iter().map(|role| &role.scopes));
    let mut texts = lists.chain(policy.presets.iter().map(|preset| &preset.scopes)).flatten();
    let empty_text = texts.any(|text| stood_for(policy, std::slice::from_ref(text)).is_empty());
    let mut forms = (policy.implications.iter())
        .flat_map(|rule| std::iter::once(&rule.scope).chain(&rule.implies));
    let empty_rule =
        forms.any(|form| !policy.scopes.iter().any(|scope| hole(form, &scope.name).is_some()));
    // Whoever expands a preset that leads to an isolated scope hands that out unseen.
    let is_isolated = |name: &&str| named(policy, name).is_some_and(|scope| scope.isolated);
    let guarded_preset = policy.presets.iter().any(|preset| {
        let mut members = listed(policy, &preset.scopes).into_iter();
        members.any(|member| closure(policy, member).iter().any(is_isolated))
    });
    let circle = policy.scopes.iter().any(|scope| comes_back(policy, scope));
    empty_text || empty_rule || guarded_preset || circle
}

/// Whether names and rules lead from a scope back to it: all on the way would mean the
/// same. What only a glob brings back is no circle, or the scope `*` could not imply `*`.
fn comes_back(policy: &Policy, start: &Scope) -> bool {
    let by_name = |scope: &Scope| {
        let texts = scope.implies.iter();
        let texts = texts.filter(|text| **text != scope.name || !is_glob(text));
        texts.filter_map(|text| named(policy, text)).collect::<Vec<_>>()
    };
    let mut open = vec![start];
    let mut seen: Vec<&str> = vec![];
    while let Some(scope) = open.pop() {
        let mut next = by_name(scope);
        next.extend(filled(policy, scope).filter_map(|name| named(policy, &name)));
        for scope in next {
            if scope.name == start.name {
                return true;
            }
            if !seen.contains(&scope.name.as_str()) {
                seen.push(&scope.name);
                open.push(scope);
            }
        }
    }
    false
}

/// Takes every step from where the steps lead, until nothing is new.
fn walk<'a>(policy: &'a Policy, mut open: Vec<Step<'a>>) -> Vec<&'a str> {
    // A scope may be reached by names and also otherwise; names lead further.
    let mut seen: Vec<(&str, bool)> = vec![];
    while let Some(step) = open.pop() {
        if seen.contains(&(&step.to.name, step.by_name)) {
            continue;
        }
        seen.push((&step.to.name, step.by_name));
        for next in implied(policy, step.to) {
            let by_name = step.by_name && next.by_name;
            if by_name || !next.to.isolated {
                open.push(Step { to: next.to, by_name });
            }
        }
    }
    in_order(policy, |scope| seen.iter().any(|(name, _)| *name == scope.name))
}

/// One step from a scope.
fn implied<'a>(policy: &'a Policy, scope: &Scope) -> Vec<Step<'a>> {
    let mut steps = stood_for(policy, &scope.implies);
    for name in filled(policy, scope) {
        let to = named(policy, &name).filter(|to| !to.isolated);
        steps.extend(to.map(|to| Step { to, by_name: false }));
    }
    steps
}

/// What texts stand for, as names and as globs.
fn stood_for<'a>(policy: &'a Policy, texts: &[String]) -> Vec<Step<'a>> {
    let mut steps = vec![];
    for text in texts {
        steps.extend(named(policy, text).map(|to| Step { to, by_name: true }));
        for to in policy.scopes.iter().filter(|to| !to.isolated && matches(text, &to.name)) {
            steps.push(Step { to, by_name: false });
        }
    }
    steps
}

/// The scope of this name.
fn named<'a>(policy: &'a Policy, name: &str) -> Option<&'a Scope> {
    policy.scopes.iter().find(|scope| scope.name == name)
}

fn is_glob(text: &str) -> bool {
    text.matches('*').count() == 1
}

/// Whether a text is a glob and a name has its form.
fn matches(text: &str, name: &str) -> bool {
    let Some((start, end)) = text.split_once('*').filter(|_| is_glob(text)) else { return false };
    name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
}

/// The text in the hole of a form, where a name has that form.
fn hole<'a>(form: &str, name: &'a str) -> Option<&'a str> {
    let (before, after) = form.split_once("{x}")?;
    let text = name.strip_prefix(before)?.strip_suffix(after)?;
    (!text.is_empty()).then_some(text)
}

/// The names that the rules have a scope imply. There need not be such scopes.
fn filled<'a>(policy: &'a Policy, scope: &'a Scope) -> impl Iterator<Item = String> + 'a {
    let forms = |rule: &'a Implication| {
        let text = hole(&rule.scope, &scope.name);
        text.into_iter()
            .flat_map(|text| rule.implies.iter().map(move |form| form.replace("{x}", text)))
    };
    policy.implications.iter().flat_map(forms)
}

/// The names of some scopes, in the order of the policy.
fn in_order(policy: &Policy, is_in: impl Fn(&Scope) -> bool) -> Vec<&str> {
    policy.scopes.iter().filter(|scope| is_in(scope)).map(|scope| scope.name.as_str()).collect()
}
