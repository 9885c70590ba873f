//! Makes a case on which two disagree as small as it gets.

use keyward::domain::network::AllowedNetworks;

use crate::world::{Case, Request};

/// A case and a request with nothing in them that can be left out while `differs` holds.
/// `differs` says no to what is no case.
pub(crate) fn smallest(
    case: &Case,
    request: &Request,
    differs: impl Fn(&Case, &Request) -> bool,
) -> (Case, Request) {
    let mut smallest = (case.clone(), request.clone());
    while let Some(smaller) =
        smaller(&smallest.0, &smallest.1).into_iter().find(|(case, request)| differs(case, request))
    {
        smallest = smaller;
    }
    smallest
}

/// All that is one step smaller.
fn smaller(case: &Case, request: &Request) -> Vec<(Case, Request)> {
    let mut all = vec![];
    let mut of_case = |change: &dyn Fn(&mut Case)| {
        let mut changed = case.clone();
        change(&mut changed);
        all.push((changed, request.clone()));
    };
    for place in 0..case.policy.scopes.len() {
        of_case(&|case| _ = case.policy.scopes.remove(place));
        for text in 0..case.policy.scopes[place].implies.len() {
            of_case(&|case| _ = case.policy.scopes[place].implies.remove(text));
        }
        if case.policy.scopes[place].isolated {
            of_case(&|case| case.policy.scopes[place].isolated = false);
        }
    }
    for place in 0..case.policy.implications.len() {
        of_case(&|case| _ = case.policy.implications.remove(place));
    }
    for place in 0..case.policy.presets.len() {
        of_case(&|case| _ = case.policy.presets.remove(place));
    }
    for place in 0..case.policy.roles.len() {
        of_case(&|case| _ = case.policy.roles.remove(place));
        for text in 0..case.policy.roles[place].scopes.len() {
            of_case(&|case| _ = case.policy.roles[place].scopes.remove(text));
        }
    }
    for place in 0..case.key.grants.len() {
        of_case(&|case| _ = case.key.grants.remove(place));
        if case.key.grants[place].resource.is_some() {
            of_case(&|case| case.key.grants[place].resource = None);
        }
    }
    for place in 0..case.key.constraint.len() {
        of_case(&|case| _ = case.key.constraint.remove(place));
    }
    for place in 0..case.key.allowed_cidrs.iter().count() {
        of_case(&|case| {
            let mut left: Vec<String> =
                case.key.allowed_cidrs.iter().map(|cidr| cidr.to_string()).collect();
            left.remove(place);
            case.key.allowed_cidrs =
                AllowedNetworks::parse(left.iter().map(String::as_str)).unwrap();
        });
    }
    if case.key.expire_time.is_some() {
        of_case(&|case| case.key.expire_time = None);
    }
    if case.key.revoke_time.is_some() {
        of_case(&|case| case.key.revoke_time = None);
    }
    if case.replaced.is_some() {
        of_case(&|case| case.replaced = None);
    }
    if case.suspended {
        of_case(&|case| case.suspended = false);
    }
    if let Some(owner) = &case.principal {
        of_case(&|case| case.principal = None);
        for place in 0..owner.confined_to.len() {
            of_case(&|case| {
                if let Some(owner) = &mut case.principal {
                    owner.confined_to.remove(place);
                }
            });
        }
        if owner.disabled {
            of_case(&|case| {
                if let Some(owner) = &mut case.principal {
                    owner.disabled = false;
                }
            });
        }
    }
    for place in 0..request.required.len() {
        let mut request = request.clone();
        request.required.remove(place);
        all.push((case.clone(), request));
    }
    if request.client.is_some() {
        all.push((case.clone(), Request { client: None, ..request.clone() }));
    }
    if request.resource.is_some() {
        all.push((case.clone(), Request { resource: None, ..request.clone() }));
    }
    all
}
