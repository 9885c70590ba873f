//! A checked policy as numbered scopes and bit sets.

mod check;
mod closure;
pub(super) mod form;
mod graph;
mod names;

pub(crate) use check::unknown;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use super::{KeyType, Plan, Policy, Role};
use crate::domain::{
    fault::{Faults, nearest},
    resource::{InvalidPattern, InvalidShape, Pattern, check_shape},
    scope::{ScopeId, ScopeSet},
    system::SystemScope,
};
use closure::listed;

/// A policy whose every name is known and whose every closure is computed.
#[derive(Debug)]
pub struct CompiledPolicy {
    policy: Policy,
    index: HashMap<String, ScopeId>,
    /// Those of the built-in scopes that it has, in their order: each call asks for one.
    built_in: [Option<ScopeId>; SystemScope::COUNT],
    isolated: ScopeSet,
    /// All others.
    open: ScopeSet,
    /// For each scope, what its holder may do: itself and all that it implies.
    closures: Vec<ScopeSet>,
    presets: HashMap<String, ScopeSet>,
    roles: HashMap<String, ScopeSet>,
    /// The classes of calls that it names.
    classes: HashSet<String>,
}

/// Why a text is no pattern under a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The grammar does not read it.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// It does not fit the policy's types of resource.
    #[error(transparent)]
    Shape(#[from] InvalidShape),
}

impl CompiledPolicy {
    /// Checks a policy and compiles it. Faults are named by their place under `at`,
    /// such as `policy`, in the order of the document.
    pub fn compile(policy: Policy, at: &str, faults: &mut Faults) -> Option<Self> {
        let before = faults.count();
        Self::numbered(policy, at, faults).filter(|_| faults.count() == before)
    }

    /// Compiles a policy that was checked when it was saved. What a later version would
    /// refuse in it is no reason not to answer by it. Nothing where it is too large.
    pub fn restore(policy: Policy) -> Option<Self> {
        Self::numbered(policy, "policy", &mut Faults::new())
    }

    fn numbered(policy: Policy, at: &str, faults: &mut Faults) -> Option<Self> {
        let (mut names, closures) = check::document(&policy, at, faults)?;
        let isolated = isolated(&policy);
        let open = all(&policy).map(|(id, _)| id).collect::<ScopeSet>().without(&isolated);
        let presets = policy.presets.iter();
        let presets =
            presets.map(|preset| (preset.name.clone(), listed(&preset.scopes, &mut names)));
        let presets = presets.collect();
        let roles = policy.roles.iter();
        let roles =
            roles.map(|role| (role.name.clone(), closures.expand(&role.scopes, &mut names)));
        let roles = roles.collect();
        let index = names.into_index();
        let built_in = SystemScope::ALL.each_ref().map(|scope| index.get(scope.as_str()).copied());
        let classes = classes(&policy);
        let closures = closures.reach;
        Some(Self { policy, index, built_in, isolated, open, closures, presets, roles, classes })
    }

    /// Gives the policy back as it is written down.
    pub fn into_document(self) -> Policy {
        self.policy
    }

    /// The policy as it is written down.
    pub fn document(&self) -> &Policy {
        &self.policy
    }

    /// The number of a scope.
    pub fn scope(&self, name: &str) -> Option<ScopeId> {
        self.index.get(name).copied()
    }

    /// The number of a scope that is built in, where this policy has one of its name.
    pub fn built_in(&self, scope: SystemScope) -> Option<ScopeId> {
        self.built_in.get(scope as usize).copied().flatten()
    }

    /// The name of a scope.
    pub fn scope_name(&self, scope: ScopeId) -> &str {
        self.policy.scopes.get(scope.place()).map_or("", |scope| &scope.name)
    }

    /// The scope whose name is nearest to one that is unknown.
    pub fn nearest_scope(&self, unknown: &str) -> Option<&str> {
        nearest(unknown, self.policy.scopes.iter().map(|scope| scope.name.as_str()))
    }

    /// Whether calls may be of a class: one that its scopes or limits name, or any where they
    /// name none.
    pub fn has_class(&self, class: &str) -> bool {
        self.classes.is_empty() || self.classes.contains(class)
    }

    /// The class whose name is nearest to one that it does not have.
    pub fn nearest_class(&self, class: &str) -> Option<&str> {
        // In the order of their names, so that the answer is always the same.
        let mut classes: Vec<_> = self.classes.iter().map(String::as_str).collect();
        classes.sort_unstable();
        nearest(class, classes.into_iter())
    }

    /// What a holder of the scope may do: itself and all that it implies. Nothing
    /// for a scope that the policy does not know.
    pub fn closure(&self, name: &str) -> Option<&ScopeSet> {
        self.closures.get(self.scope(name)?.place())
    }

    /// The scopes that a preset lists, its globs expanded; not what they imply. Nothing
    /// for a preset that the policy does not know.
    pub fn preset(&self, name: &str) -> Option<&ScopeSet> {
        self.presets.get(name)
    }

    /// What a role allows. Nothing for a role that the policy does not know.
    pub fn role(&self, name: &str) -> Option<&ScopeSet> {
        self.roles.get(name)
    }

    /// The most that principals of a role may do; nothing where there is no ceiling. A role
    /// that the policy does not have, or no longer, allows nothing.
    pub fn ceiling(&self, role: &str) -> Option<ScopeSet> {
        let is_bound = self.has_roles() || !role.is_empty();
        is_bound.then(|| self.role(role).cloned().unwrap_or_default())
    }

    /// Whether principals have roles under this policy.
    pub fn has_roles(&self) -> bool {
        !self.roles.is_empty()
    }

    /// Whether the scope must be listed literally.
    pub fn is_isolated(&self, scope: ScopeId) -> bool {
        self.isolated.contains(scope)
    }

    /// Whether the scope implies one that must be listed literally, other than itself.
    pub fn leads_to_isolated(&self, scope: ScopeId) -> bool {
        let reach = self.closures.get(scope.place());
        !self.is_isolated(scope) && reach.is_some_and(|reach| reach.intersects(&self.isolated))
    }

    /// Whether the scope implies every one that is not isolated, of several.
    pub fn is_admin_like(&self, scope: ScopeId) -> bool {
        let reach = self.closures.get(scope.place());
        self.open.len() > 1 && reach.is_some_and(|reach| self.open.is_subset(reach))
    }

    /// Reads a pattern as a grant has it: by the grammar and the types of resource.
    ///
    /// # Errors
    ///
    /// Where it does not fit them.
    pub fn pattern(&self, text: &str) -> Result<Pattern, PatternError> {
        let Policy { resources, resource_types, .. } = &self.policy;
        let pattern = Pattern::parse(resources, text)?;
        check_shape(resources, resource_types, text)?;
        Ok(pattern)
    }

    /// Reads a pattern as a constraint has it: a plain path means its subtree.
    ///
    /// # Errors
    ///
    /// As [`CompiledPolicy::pattern`].
    pub fn constraint(&self, text: &str) -> Result<Pattern, PatternError> {
        let Policy { resources, resource_types, .. } = &self.policy;
        let pattern = Pattern::parse_constraint(resources, text)?;
        check_shape(resources, resource_types, text)?;
        Ok(pattern)
    }

    /// The plan of a name. Nothing for no name, and for one that the policy does not know.
    pub fn plan(&self, name: &str) -> Option<&Plan> {
        self.policy.plan(name)
    }

    /// The role of a name, as it is written down.
    pub fn named_role(&self, name: &str) -> Option<&Role> {
        self.policy.roles.iter().find(|role| role.name == name)
    }

    /// The key type of a name. Nothing for one that the policy does not know.
    pub fn named_key_type(&self, name: &str) -> Option<&KeyType> {
        self.policy.key_types.iter().find(|kind| kind.name == name)
    }

    /// The key type of a name, or the default for no name.
    pub fn key_type(&self, name: &str) -> Option<&KeyType> {
        let mut types = self.policy.key_types.iter();
        if name.is_empty() { types.find(|kind| kind.is_default) } else { self.named_key_type(name) }
    }
}

/// The scopes of a policy with their numbers.
fn all(policy: &Policy) -> impl Iterator<Item = (ScopeId, &super::Scope)> {
    let numbered = policy.scopes.iter().enumerate();
    numbered.filter_map(|(place, scope)| Some((ScopeId::at(place)?, scope)))
}

fn classes(policy: &Policy) -> HashSet<String> {
    let limits = |plan: &Plan| -> Vec<String> {
        let limits = plan.key_limits.iter().chain(&plan.workspace_limits);
        limits.map(|limit| limit.class.clone()).collect()
    };
    let of_scopes = policy.scopes.iter().map(|scope| scope.class.clone());
    let all = of_scopes.chain(policy.plans.iter().flat_map(limits));
    all.filter(|class| !class.is_empty()).collect()
}

fn isolated(policy: &Policy) -> ScopeSet {
    all(policy).filter(|(_, scope)| scope.isolated).map(|(id, _)| id).collect()
}
