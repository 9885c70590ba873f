//! Whether one key can do no more than another.

use super::{Bound, LiveKey};
use crate::domain::{resource::Pattern, scope::ScopeSet};

impl Bound {
    fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => {
                theirs.iter().all(|their| ours.iter().any(|our| our.covers(their)))
            }
        }
    }
}

impl LiveKey {
    /// In which fields of its record `other`, of the same policy, reaches further than
    /// this key. An absent bound is never inside one.
    pub fn shortfall(&self, other: &Self) -> Vec<&'static str> {
        let [ours, theirs] = [self, other].map(|key| key.told().allowed_cidrs());
        let in_time = match (self.expire_time, other.expire_time) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => theirs <= ours,
        };
        let held = [
            ("grants", self.covers_scopes(other, ScopeSet::clone)),
            ("constraint", self.constraint.covers(&other.constraint)),
            ("allowed_cidrs", ours.covers(&theirs)),
            ("expire_time", in_time),
        ];
        held.into_iter().filter(|(_, held)| !held).map(|(field, _)| field).collect()
    }

    /// In which fields of its record `other`, of the same policy, can do what this key
    /// cannot: in scopes, resources, networks and time, within the confinement of its owner.
    pub fn exceeded_by(&self, other: &Self) -> Vec<&'static str> {
        let mut fields = self.shortfall(other);
        if !self.confinement.covers(&other.constraint) && !fields.contains(&"constraint") {
            fields.push("constraint");
        }
        fields
    }

    /// Whether `other`, of the same policy, can do nothing that this key cannot:
    /// in scopes, resources, networks and time.
    pub fn covers(&self, other: &Self) -> bool {
        self.exceeded_by(other).is_empty()
    }

    /// Whether this key can do all that it could as `before`, under another policy, whose
    /// sets `translate` brings to the numbers of this one; nothing for a set with a scope
    /// that this policy does not have.
    pub fn keeps(&self, before: &Self, translate: impl Fn(&ScopeSet) -> Option<ScopeSet>) -> bool {
        self.separates_as(before)
            && self.constraint.covers(&before.constraint)
            && self.confinement.covers(&before.confinement)
            && self.covers_scopes(before, translate)
    }

    /// Whether resources fall into the segments that they fell into before, as far as the
    /// patterns of the key and its owner can tell.
    fn separates_as(&self, before: &Self) -> bool {
        let separator = |key: &Self| key.policy.document().resources.separator();
        let bounds = [&before.constraint, &before.confinement];
        let mut patterns =
            (bounds.into_iter().flat_map(|bound| bound.0.as_deref().unwrap_or_default()))
                .chain(before.somewhere.iter().map(|(pattern, _)| pattern));
        separator(self) == separator(before) || patterns.all(Pattern::is_whole)
    }

    fn covers_scopes<T>(&self, other: &Self, translate: impl Fn(&ScopeSet) -> T) -> bool
    where
        T: Into<Option<ScopeSet>>,
    {
        let within = |scopes: &ScopeSet, ours: &ScopeSet| {
            translate(scopes).into().is_some_and(|scopes| scopes.is_subset(ours))
        };
        let on = |pattern: &Pattern| {
            let mut ours = self.everywhere.clone();
            for (_, more) in self.somewhere.iter().filter(|(our, _)| our.covers(pattern)) {
                ours.extend(more);
            }
            ours
        };
        within(&other.everywhere, &self.everywhere)
            && other.somewhere.iter().all(|(pattern, scopes)| within(scopes, &on(pattern)))
    }
}
