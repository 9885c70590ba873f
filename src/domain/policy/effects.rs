//! What a change of a policy does to live keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{CompiledPolicy, KeyType, Plan, Policy, Role, Scope};
use crate::domain::{
    live::{Facts, LiveKey},
    name::KeyName,
    scope::{ScopeId, ScopeSet},
};

/// The most keys that are named.
pub const SAMPLE_MAX: usize = 100;

/// What a change of a policy does to live keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// How many may do less on some resource.
    pub keys_losing_scopes: u64,
    /// Some of them, of those that may be named.
    pub sample_keys: Vec<KeyName>,
    /// Scopes that are granted and no longer exist.
    pub orphaned_scopes: BTreeSet<String>,
    /// Prefixes of key types that are in use and no longer exist, or are another type's now.
    pub orphaned_prefixes: BTreeSet<String>,
    /// Plans that keys or their workspaces have and that no longer exist.
    pub orphaned_plans: BTreeSet<String>,
}

impl Effects {
    /// Whether no key loses anything.
    pub fn is_empty(&self) -> bool {
        let Self {
            keys_losing_scopes,
            sample_keys: _,
            orphaned_scopes,
            orphaned_prefixes,
            orphaned_plans,
        } = self;
        *keys_losing_scopes == 0
            && orphaned_scopes.is_empty()
            && orphaned_prefixes.is_empty()
            && orphaned_plans.is_empty()
    }
}

/// Looks at live keys under a policy as it is and as it is to be.
pub struct Comparison {
    before: Arc<CompiledPolicy>,
    after: Arc<CompiledPolicy>,
    /// For each scope before, its number afterwards.
    numbers: Vec<Option<ScopeId>>,
    /// The keys that lose something, and whether they may be named.
    losing: BTreeMap<KeyName, bool>,
    effects: Effects,
}

impl Comparison {
    /// Between two states of a policy.
    pub fn new(before: Arc<CompiledPolicy>, after: Arc<CompiledPolicy>) -> Self {
        let numbers = before.document().scopes.iter().map(|scope| after.scope(&scope.name));
        let (losing, effects) = (BTreeMap::new(), Effects::default());
        Self { numbers: numbers.collect(), before, after, losing, effects }
    }

    /// Whether no key can lose anything, whichever there are: all that there was is there
    /// still, and every scope and role reaches what it reached.
    pub fn is_harmless(&self) -> bool {
        let (before, after) = (&self.before, &self.after);
        let Policy { scopes, roles, resources, key_types, plans, .. } = before.document();
        let reaches = |old: Option<&ScopeSet>, new: Option<&ScopeSet>| {
            let old = old.and_then(|old| self.renumbered(old));
            old.zip(new).is_some_and(|(old, new)| old.is_subset(new))
        };
        *resources == after.document().resources
            && before.has_roles() == after.has_roles()
            && scopes
                .iter()
                .all(|Scope { name, .. }| reaches(before.closure(name), after.closure(name)))
            && roles.iter().all(|Role { name, .. }| reaches(before.role(name), after.role(name)))
            && key_types.iter().all(|KeyType { name, prefix, .. }| {
                after.named_key_type(name).is_some_and(|kind| kind.prefix == *prefix)
            })
            && plans.iter().all(|Plan { name, .. }| after.plan(name).is_some())
    }

    /// Looks at a live key with all that it rests on, which may be named or not. One that
    /// was looked at before has changed.
    pub fn look_at(&mut self, facts: Facts, is_told: bool) {
        self.note_orphans(&facts);
        let name = facts.key.value.name.clone();
        let before = LiveKey::new(facts.clone(), Arc::clone(&self.before));
        let after = LiveKey::new(facts, Arc::clone(&self.after));
        if after.keeps(&before, |scopes| self.renumbered(scopes)) {
            self.losing.remove(&name);
        } else {
            self.losing.insert(name, is_told);
        }
    }

    /// Looks at the plan of a workspace, whether or not it has keys, or of a key.
    pub fn look_at_plan(&mut self, plan: &str) {
        if self.before.plan(plan).is_some() && self.after.plan(plan).is_none() {
            self.effects.orphaned_plans.insert(plan.to_owned());
        }
    }

    /// What was found.
    pub fn finish(self) -> Effects {
        let Self { losing, effects, .. } = self;
        let keys_losing_scopes = u64::try_from(losing.len()).unwrap_or(u64::MAX);
        let told = losing.into_iter().filter(|(_, is_told)| *is_told).map(|(name, _)| name);
        Effects { keys_losing_scopes, sample_keys: told.take(SAMPLE_MAX).collect(), ..effects }
    }

    fn note_orphans(&mut self, facts: &Facts) {
        let (before, after, effects) = (&self.before, &self.after, &mut self.effects);
        let key = &facts.key.value;
        for grant in &key.grants {
            if before.scope(&grant.scope).is_some() && after.scope(&grant.scope).is_none() {
                effects.orphaned_scopes.insert(grant.scope.clone());
            }
        }
        let prefix = |policy: &CompiledPolicy| {
            policy.named_key_type(&key.key_type).map(|kind| kind.prefix.clone())
        };
        if let Some(prefix) = prefix(before).filter(|old| prefix(after).as_ref() != Some(old)) {
            effects.orphaned_prefixes.insert(prefix);
        }
        self.look_at_plan(&key.plan);
    }

    /// The same scopes by their numbers afterwards, where all are still there.
    fn renumbered(&self, scopes: &ScopeSet) -> Option<ScopeSet> {
        scopes.iter().map(|scope| self.numbers.get(scope.place()).copied().flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::domain::{
        fault::Faults,
        policy::{Implication, Preset},
        resource::Grammar,
    };

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn policy() -> Policy {
        let scope = |name: &str, implies: &[&str]| Scope {
            name: name.into(),
            implies: texts(implies),
            ..Scope::default()
        };
        Policy {
            scopes: vec![
                scope("*", &["*"]),
                scope("a:admin", &["b"]),
                scope("a:write", &[]),
                scope("b", &[]),
            ],
            implications: vec![Implication {
                scope: "{x}:admin".into(),
                implies: texts(&["{x}:write"]),
            }],
            roles: vec![Role { name: "r".into(), scopes: texts(&["a:*"]), ..Role::default() }],
            key_types: vec![KeyType {
                name: "live".into(),
                prefix: "acme".into(),
                is_default: true,
                ..KeyType::default()
            }],
            plans: vec![Plan { name: "p".into(), ..Plan::default() }],
            ..Policy::default()
        }
    }

    fn compiled(policy: Policy) -> Arc<CompiledPolicy> {
        let mut faults = Faults::new();
        let compiled = CompiledPolicy::compile(policy, "policy", &mut faults);
        faults.finish().unwrap();
        Arc::new(compiled.unwrap())
    }

    #[track_caller]
    fn check(before: Policy, change: impl FnOnce(&mut Policy), harmless: bool) {
        let mut after = before.clone();
        change(&mut after);
        let comparison = Comparison::new(compiled(before), compiled(after));
        assert_eq!(comparison.is_harmless(), harmless);
    }

    #[test]
    fn what_gives_more_or_is_about_something_else_is_harmless() {
        check(policy(), |_| {}, true);
        check(policy(), |new| new.hide_existence = true, true);
        check(
            policy(),
            |new| new.scopes.insert(0, Scope { name: "c".into(), ..Scope::default() }),
            true,
        );
        check(policy(), |new| new.scopes[3].implies = texts(&["a:write"]), true);
        check(policy(), |new| new.roles[0].scopes.push("b".into()), true);
        check(policy(), |new| new.scopes.reverse(), true);
        let preset = Preset { name: "s".into(), scopes: texts(&["b"]), ..Preset::default() };
        check(policy(), |new| new.presets.push(preset), true);
        check(policy(), |new| new.plans.push(Plan { name: "q".into(), ..Plan::default() }), true);
    }

    #[test]
    fn what_takes_something_from_any_key_there_may_be_is_not() {
        check(policy(), |new| new.scopes[1].implies.clear(), false);
        check(policy(), |new| new.scopes[2].name = "c:write".into(), false);
        check(policy(), |new| new.implications.clear(), false);
        check(policy(), |new| new.scopes[3].isolated = true, false);
        check(policy(), |new| new.roles[0].scopes = texts(&["b"]), false);
        check(policy(), |new| new.roles[0].name = "s".into(), false);
        check(policy(), |new| new.roles.clear(), false);
        // Who has no role has no ceiling as long as there are none.
        check(Policy { roles: vec![], ..policy() }, |new| new.roles = policy().roles, false);
        check(policy(), |new| new.resources = Grammar::new(':', '*').unwrap(), false);
        check(policy(), |new| new.resources = Grammar::new('/', '#').unwrap(), false);
        check(policy(), |new| new.key_types[0].prefix = "other".into(), false);
        check(policy(), |new| new.key_types[0].name = "other".into(), false);
        check(policy(), |new| new.plans.clear(), false);
    }
}
