//! A key as decisions need it: joined with its workspace, principal and policy,
//! patterns parsed, scopes numbered.

mod size;
mod within;

use std::sync::Arc;

pub(super) use size::block;

use super::{
    event::Revision,
    key::Key,
    name::PolicyName,
    policy::CompiledPolicy,
    principal::Principal,
    resource::{Grammar, Path, Pattern},
    scope::{ScopeId, ScopeSet},
    time::Timestamp,
    workspace::Workspace,
};

/// A value with what the log says of its last change.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<T> {
    /// The value.
    pub value: T,
    /// The event that changed it last.
    pub revision: Revision,
    /// When it was made.
    pub create_time: Timestamp,
    /// When it was changed last.
    pub update_time: Timestamp,
}

impl<T> Stored<T> {
    /// What the log says, without the value.
    pub fn stamp(&self) -> Stored<()> {
        self.with(())
    }

    /// What the log says, of another value.
    pub fn with<U>(&self, value: U) -> Stored<U> {
        Stored {
            value,
            revision: self.revision,
            create_time: self.create_time,
            update_time: self.update_time,
        }
    }
}

/// All that a decision about one secret rests on, of one moment.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The key that the secret is of.
    pub key: Stored<Key>,
    /// From when on the secret no longer works, because a newer one replaced it.
    pub replaced: Option<Timestamp>,
    /// Where the key is.
    pub workspace: Stored<Workspace>,
    /// Who owns it.
    pub principal: Option<Stored<Principal>>,
    /// The name of the policy, and the event that changed it last.
    pub policy: (PolicyName, Revision),
}

/// Facts, compiled.
#[derive(Debug)]
pub struct LiveKey {
    facts: Facts,
    policy: Arc<CompiledPolicy>,
    /// perms(role) ∩ the scopes granted on all resources.
    everywhere: ScopeSet,
    /// perms(role) ∩ the scopes granted on some.
    somewhere: Vec<(Pattern, ScopeSet)>,
    constraint: Bound,
    confinement: Bound,
}

/// Patterns outside which nothing is reached; or no such bound.
#[derive(Debug)]
struct Bound(Option<Vec<Pattern>>);

impl Bound {
    /// The bound that a list means. A pattern that the grammar no longer reads
    /// reaches nothing: it must not turn a bounded key into an unbounded one.
    fn new(grammar: &Grammar, patterns: &[String]) -> Self {
        let parse = |text: &String| Pattern::parse_constraint(grammar, text).ok();
        Self((!patterns.is_empty()).then(|| patterns.iter().filter_map(parse).collect()))
    }

    fn admits(&self, resource: Option<&Path<'_>>) -> bool {
        let inside =
            |patterns: &Vec<Pattern>| patterns.iter().any(|pattern| pattern.matches(resource));
        self.0.as_ref().is_none_or(inside)
    }
}

impl LiveKey {
    /// Compiles facts under the policy that they name.
    pub fn new(facts: Facts, policy: Arc<CompiledPolicy>) -> Self {
        let grammar = &policy.document().resources;
        let ceiling = facts.principal.as_ref().map(|principal| &principal.value.role);
        let ceiling = ceiling.and_then(|role| policy.ceiling(role));
        let under = |set: &ScopeSet| match &ceiling {
            Some(ceiling) => set.intersection(ceiling),
            None => set.clone(),
        };
        let mut everywhere = ScopeSet::new();
        let mut somewhere = Vec::new();
        for grant in &facts.key.value.grants {
            let Some(closure) = policy.closure(&grant.scope) else { continue };
            match &grant.resource {
                None => _ = everywhere.extend(&under(closure)),
                Some(text) => {
                    let pattern = Pattern::parse(grammar, text).ok();
                    somewhere.extend(pattern.map(|pattern| (pattern, under(closure))));
                }
            }
        }
        let constraint = Bound::new(grammar, &facts.key.value.constraint);
        let confined = facts.principal.as_ref().map(|principal| &*principal.value.confined_to);
        let confinement = Bound::new(grammar, confined.unwrap_or_default());
        Self { everywhere, somewhere, constraint, confinement, policy, facts }
    }

    /// What it was made of.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The key's record.
    pub fn key(&self) -> &Key {
        &self.facts.key.value
    }

    /// The policy that it follows.
    pub fn policy(&self) -> &CompiledPolicy {
        &self.policy
    }

    /// Whether its secret, the one that it was found by, was replaced.
    pub fn is_replaced(&self, now: Timestamp) -> bool {
        self.facts.replaced.is_some_and(|end| now >= end)
    }

    /// Whether its workspace and its principal let its keys work. A version that knows of no
    /// deletion may enable a principal that was deleted: its keys stay without one.
    pub fn is_enabled(&self) -> bool {
        let disabled = |Stored { value, .. }: &Stored<Principal>| value.disabled || value.deleted;
        !self.facts.workspace.value.suspended
            && !self.facts.principal.as_ref().is_some_and(disabled)
    }

    /// The newest change that it rests on.
    pub fn revision(&self) -> Revision {
        let principal = self.facts.principal.as_ref().map(|principal| principal.revision);
        let joined = self.facts.workspace.revision.max(self.facts.policy.1);
        self.facts.key.revision.max(joined).max(principal.unwrap_or_default())
    }

    /// Whether the resource is inside what the key and its principal are bound to.
    pub fn admits(&self, resource: Option<&Path<'_>>) -> bool {
        self.constraint.admits(resource) && self.confinement.admits(resource)
    }

    /// Whether it may do this on the resource: the test of a bit, and of one more for each
    /// pattern that matches.
    pub fn holds(&self, scope: ScopeId, resource: Option<&Path<'_>>) -> bool {
        let here = |(pattern, scopes): &(Pattern, ScopeSet)| {
            scopes.contains(scope) && pattern.matches(resource)
        };
        self.everywhere.contains(scope) || self.somewhere.iter().any(here)
    }

    /// What it may do on the resource: perms(role) ∩ scopes(key), where a pattern matches.
    pub fn scopes_on(&self, resource: Option<&Path<'_>>) -> ScopeSet {
        let mut scopes = self.everywhere.clone();
        for (pattern, more) in &self.somewhere {
            if pattern.matches(resource) {
                scopes.extend(more);
            }
        }
        scopes
    }

    /// What it may do on any resource at all.
    pub fn scopes_anywhere(&self) -> ScopeSet {
        let mut scopes = self.everywhere.clone();
        for (_, more) in &self.somewhere {
            scopes.extend(more);
        }
        scopes
    }
}
