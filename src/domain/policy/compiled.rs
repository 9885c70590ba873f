//! A checked policy as numbered scopes and bit sets.

mod check;
mod closure;
mod names;

pub(crate) use check::unknown;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::{KeyType, Policy};
use crate::domain::{
    fault::{Faults, nearest},
    scope::{ScopeId, ScopeSet},
};
use closure::Closures;

/// A policy whose every name is known and whose every closure is computed.
#[derive(Debug)]
pub struct CompiledPolicy {
    policy: Policy,
    index: HashMap<String, ScopeId>,
    isolated: ScopeSet,
    /// For each scope, what its holder may do: itself and all that it implies.
    closures: Vec<ScopeSet>,
    roles: HashMap<String, ScopeSet>,
}

impl CompiledPolicy {
    /// Checks a policy and compiles it. Faults are named by their place under `at`,
    /// such as `policy`, in the order of the document.
    pub fn compile(policy: Policy, at: &str, faults: &mut Faults) -> Option<Self> {
        let before = faults.count();
        let mut names = check::document(&policy, at, faults)?;
        if faults.count() > before {
            return None;
        }
        let closures = Closures::of(&policy.scopes, &mut names);
        let roles = policy.roles.iter();
        let roles =
            roles.map(|role| (role.name.clone(), closures.expand(&role.scopes, &mut names)));
        let roles = roles.collect();
        let index = names.into_index();
        let isolated = all(&policy).filter(|(_, scope)| scope.isolated).map(|(id, _)| id).collect();
        Some(Self { index, isolated, closures: closures.reach, roles, policy })
    }

    /// The policy as it is written down.
    pub fn document(&self) -> &Policy {
        &self.policy
    }

    /// The number of a scope.
    pub fn scope(&self, name: &str) -> Option<ScopeId> {
        self.index.get(name).copied()
    }

    /// The name of a scope.
    pub fn scope_name(&self, scope: ScopeId) -> &str {
        self.policy.scopes.get(scope.place()).map_or("", |scope| &scope.name)
    }

    /// The scope whose name is nearest to one that is unknown.
    pub fn nearest_scope(&self, unknown: &str) -> Option<&str> {
        nearest(unknown, self.policy.scopes.iter().map(|scope| scope.name.as_str()))
    }

    /// What a holder of the scope may do: itself and all that it implies. Nothing
    /// for a scope that the policy does not know.
    pub fn closure(&self, name: &str) -> Option<&ScopeSet> {
        self.closures.get(self.scope(name)?.place())
    }

    /// What a role allows. Nothing for a role that the policy does not know.
    pub fn role(&self, name: &str) -> Option<&ScopeSet> {
        self.roles.get(name)
    }

    /// Whether principals have roles under this policy.
    pub fn has_roles(&self) -> bool {
        !self.roles.is_empty()
    }

    /// Whether the scope must be listed literally.
    pub fn is_isolated(&self, scope: ScopeId) -> bool {
        self.isolated.contains(scope)
    }

    /// Whether the scope implies every one that is not isolated, of several.
    pub fn is_admin_like(&self, scope: ScopeId) -> bool {
        let open =
            all(&self.policy).map(|(id, _)| id).collect::<ScopeSet>().without(&self.isolated);
        let reach = self.closures.get(scope.place());
        open.iter().count() > 1 && reach.is_some_and(|reach| open.is_subset(reach))
    }

    /// The key type of a name, or the default for no name.
    pub fn key_type(&self, name: &str) -> Option<&KeyType> {
        let wanted =
            |kind: &&KeyType| if name.is_empty() { kind.is_default } else { kind.name == name };
        self.policy.key_types.iter().find(wanted)
    }
}

/// The scopes of a policy with their numbers.
fn all(policy: &Policy) -> impl Iterator<Item = (ScopeId, &super::Scope)> {
    let numbered = policy.scopes.iter().enumerate();
    numbered.filter_map(|(place, scope)| Some((ScopeId::at(place)?, scope)))
}
