//! Who is let through, and what the others are told. The first reason is the answer.

use keyward::domain::{
    decision::Denial,
    policy::{Policy, UnmatchedResource},
};

use super::{networks, resources, scopes};
use crate::world::{Case, Request};

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Allow,
    /// The reason, and the required scopes that are missing, in their order.
    Deny(Denial, Vec<String>),
    /// The caller asks for a scope that is none; the nearest one.
    UnknownScope(String, Option<String>),
    /// The caller names a resource that is no path.
    InvalidResource,
}

/// What one grant of a key comes to: scopes, and the resources on which they count.
pub(crate) struct Holding<'a> {
    /// None: on all, and without one.
    pattern: Option<&'a str>,
    scopes: Vec<&'a str>,
}

/// What the grants of a key come to: what each scope reaches, as far as the owner's role
/// allows it.
pub(crate) fn holdings(case: &Case) -> Vec<Holding<'_>> {
    let mut holdings = vec![];
    for grant in &case.key.grants {
        // A text that the grammar does not read, or no longer, is no resource anywhere.
        let grammar = &case.policy.resources;
        if grant.resource.as_ref().is_some_and(|text| !resources::is_pattern(grammar, text)) {
            continue;
        }
        let mut scopes = scopes::closure(&case.policy, &grant.scope);
        if let Some(ceiling) = ceiling(case) {
            scopes.retain(|scope| ceiling.contains(scope));
        }
        holdings.push(Holding { pattern: grant.resource.as_deref(), scopes });
    }
    holdings
}

/// What the owner's role allows. None: no owner, or no roles and none given, so that
/// nothing is held down. A role that the policy does not have, or has lost, allows nothing.
fn ceiling(case: &Case) -> Option<Vec<&str>> {
    let role = &case.principal.as_ref()?.role;
    if case.policy.roles.is_empty() && role.is_empty() {
        return None;
    }
    let role = case.policy.roles.iter().find(|known| known.name == *role);
    Some(role.map(|role| scopes::allowed(&case.policy, &role.scopes)).unwrap_or_default())
}

/// What a key may do on a resource, in the order of the policy.
pub(crate) fn effective<'a>(
    case: &'a Case,
    holdings: &[Holding<'_>],
    resource: Option<&str>,
) -> Vec<&'a str> {
    let counts = |holding: &&Holding<'_>| {
        let matches = |pattern| resources::matches(&case.policy.resources, pattern, resource);
        holding.pattern.is_none_or(matches)
    };
    let held: Vec<&str> =
        holdings.iter().filter(counts).flat_map(|holding| holding.scopes.clone()).collect();
    let names = case.policy.scopes.iter().map(|scope| scope.name.as_str());
    names.filter(|name| held.contains(name)).collect()
}

/// The answer, in the order of the design.
pub(crate) fn decide(case: &Case, holdings: &[Holding<'_>], request: &Request) -> Answer {
    let Case { policy, key, principal, .. } = case;
    let resource = request.resource.as_deref();

    // A secret that a newer one replaced is not ours any more, from that very moment on.
    if case.replaced.is_some_and(|end| end <= request.now) {
        return deny(Denial::InvalidKey);
    }
    // A mistake of the caller shows with every key of ours, whatever its state.
    for name in &request.required {
        if !policy.scopes.iter().any(|scope| scope.name == *name) {
            return Answer::UnknownScope(name.clone(), nearest(policy, name));
        }
    }
    if resource.is_some_and(|text| !resources::is_path(&policy.resources, text)) {
        return Answer::InvalidResource;
    }
    if key.revoke_time.is_some() {
        return deny(Denial::Revoked);
    }
    // A key is expired at its moment, and not only after it.
    if key.expire_time.is_some_and(|end| end <= request.now) {
        return deny(Denial::Expired);
    }
    if case.suspended || principal.as_ref().is_some_and(|principal| principal.disabled) {
        return deny(Denial::Disabled);
    }
    let networks: Vec<String> = key.allowed_cidrs.iter().map(|cidr| cidr.to_string()).collect();
    let is_let_in = |client| networks.iter().any(|network| networks::has(network, client));
    if !networks.is_empty() && !request.client.is_some_and(is_let_in) {
        return deny(Denial::IpNotAllowed);
    }
    let confined_to = principal.as_ref().map(|principal| &*principal.confined_to);
    for bound in [&*key.constraint, confined_to.unwrap_or_default()] {
        let is_inside =
            |pattern: &String| resources::is_inside(&policy.resources, pattern, resource);
        if !bound.is_empty() && !bound.iter().any(is_inside) {
            let hides = policy.hide_existence;
            return deny(if hides { Denial::NotFound } else { Denial::OutsideConstraint });
        }
    }
    let effective = effective(case, holdings, resource);
    let lacks = |name: &&String| !effective.contains(&name.as_str());
    let missing: Vec<String> = request.required.iter().filter(lacks).cloned().collect();
    if missing.is_empty() {
        return Answer::Allow;
    }
    // Where all that is missing is held on other resources, the policy may say that this
    // resource is not there.
    let anywhere = holdings.iter().flat_map(|holding| &holding.scopes);
    let elsewhere = missing.iter().all(|name| anywhere.clone().any(|held| *held == name));
    if elsewhere && policy.unmatched_resource == UnmatchedResource::NotFound {
        return deny(Denial::NotFound);
    }
    Answer::Deny(Denial::InsufficientScope, missing)
}

fn deny(reason: Denial) -> Answer {
    Answer::Deny(reason, vec![])
}

/// The first of the names with the fewest letters to put in, take out or change, where
/// that is at most one, and one more for every three letters.
pub(crate) fn nearest(policy: &Policy, unknown: &str) -> Option<String> {
    let names = policy.scopes.iter().map(|scope| &scope.name);
    let nearest = names.min_by_key(|name| changes(unknown.as_bytes(), name.as_bytes()))?;
    let near = changes(unknown.as_bytes(), nearest.as_bytes()) <= 1 + unknown.len() / 3;
    near.then(|| nearest.clone())
}

/// How many letters differ (Levenshtein), from the end of a table of all beginnings.
fn changes(left: &[u8], right: &[u8]) -> usize {
    let mut table = vec![vec![0; right.len() + 1]; left.len() + 1];
    for row in 0..=left.len() {
        for column in 0..=right.len() {
            table[row][column] = match (row, column) {
                (0, count) | (count, 0) => count,
                _ => {
                    let changed = usize::from(left[row - 1] != right[column - 1]);
                    let changed = table[row - 1][column - 1] + changed;
                    changed.min(table[row - 1][column] + 1).min(table[row][column - 1] + 1)
                }
            };
        }
    }
    table[left.len()][right.len()]
}
