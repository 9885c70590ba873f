//! A checked policy as numbered scopes and bit sets.

mod check;

pub(crate) use check::unknown;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::{KeyType, Policy};
use crate::domain::{
    fault::{Faults, nearest},
    scope::{ScopeId, ScopeSet, glob_matches},
};

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
        let index = check::document(&policy, at, faults);
        if faults.count() > before {
            return None;
        }
        let isolated = all(&policy).filter(|(_, scope)| scope.isolated).map(|(id, _)| id).collect();
        let mut compiled =
            Self { index, isolated, closures: Vec::new(), roles: HashMap::new(), policy };
        compiled.closures = compiled.close();
        compiled.roles = (compiled.policy.roles.iter())
            .map(|role| (role.name.clone(), compiled.expand(&role.scopes)))
            .collect();
        Some(compiled)
    }

    /// What each scope reaches. Literal names reach isolated scopes; whatever takes
    /// a glob on its way does not.
    fn close(&self) -> Vec<ScopeSet> {
        let direct = |globs: bool| -> Vec<ScopeSet> {
            all(&self.policy)
                .map(|(id, scope)| {
                    let implied = scope.implies.iter().flat_map(|name| {
                        self.named(name).filter(move |(_, literal)| globs || *literal)
                    });
                    std::iter::once(id).chain(implied.map(|(id, _)| id)).collect()
                })
                .collect()
        };
        let literal = fixpoint(direct(false));
        let any = fixpoint(direct(true));
        let reach = any.iter().zip(&literal).map(|(any, literal)| {
            let mut reach = any.without(&self.isolated);
            reach.extend(literal);
            reach
        });
        reach.collect()
    }

    /// The scopes that a name or glob stands for, and whether it names them
    /// literally. A text with `*` is a glob also where a scope is named so: the scope
    /// `*` that implies `*` implies everything.
    fn named<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (ScopeId, bool)> + 'a {
        let literal = self.index.get(text).map(|id| (*id, true));
        let matching = all(&self.policy)
            .filter(move |(_, scope)| !scope.isolated && glob_matches(text, &scope.name))
            .map(|(id, _)| (id, false));
        literal.into_iter().chain(matching.take(if text.contains('*') { usize::MAX } else { 0 }))
    }

    /// Everything that a list of names and globs allows. Unknown names allow nothing.
    pub fn expand(&self, names: &[String]) -> ScopeSet {
        let mut set = ScopeSet::new();
        for (id, literal) in names.iter().flat_map(|name| self.named(name)) {
            let Some(closure) = self.closures.get(id.place()) else { continue };
            if literal {
                set.extend(closure);
            } else {
                set.extend(&closure.without(&self.isolated));
            }
        }
        set
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

/// Adds to each set the sets of its members, until nothing is added.
fn fixpoint(mut sets: Vec<ScopeSet>) -> Vec<ScopeSet> {
    loop {
        let mut grew = false;
        for place in 0..sets.len() {
            let Some(mut set) = sets.get(place).cloned() else { continue };
            let members: Vec<ScopeId> = set.iter().collect();
            let mut changed = false;
            for other in members.iter().filter_map(|member| sets.get(member.place())) {
                changed |= set.extend(other);
            }
            if changed && let Some(slot) = sets.get_mut(place) {
                *slot = set;
                grew = true;
            }
        }
        if !grew {
            return sets;
        }
    }
}
