//! Why a scope grants what it grants: the closure of a compiled policy, with the step
//! that led to each of its scopes.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use super::{
    CompiledPolicy, Scope,
    compiled::form::{fill, hole_of},
};
use crate::domain::scope::{ScopeId, ScopeSet, is_name, is_of_glob};

/// What a scope grants, and who has it.
#[derive(Debug)]
pub struct Explanation<'a> {
    /// The scope itself.
    pub scope: &'a Scope,
    /// What its holder may do too, each by a shortest way, the nearest first.
    pub reached: Vec<Step<'a>>,
    /// What is isolated and for this alone not reached, in the order in which it was met.
    pub withheld: Vec<Step<'a>>,
    /// The presets that list it, or list what implies it: then with that.
    pub presets: Vec<(&'a str, Option<&'a str>)>,
    /// The roles that allow it.
    pub roles: Vec<&'a str>,
}

/// A step from one scope to another.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Where it leads.
    pub scope: &'a Scope,
    /// Whose it is: the scope that is explained, or one that was reached before.
    pub of: &'a Scope,
    /// What says so.
    pub by: By<'a>,
}

/// What says that a scope implies another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// It names it.
    Name,
    /// It has a glob.
    Glob(&'a str),
    /// It is of the first form of a rule, and the other of the second.
    Rule(&'a str, &'a str),
}

/// Explains a scope; nothing for one that the policy does not know.
pub fn explain<'a>(policy: &'a CompiledPolicy, name: &str) -> Option<Explanation<'a>> {
    let start = policy.scope(name)?;
    let scopes = &policy.document().scopes;
    let scope = scopes.get(start.place())?;
    let mut walk = Walk { policy, globs: HashMap::new(), seen: [start].into_iter().collect() };
    let (reached, mut withheld) = walk.from(start);
    withheld
        .retain(|step| !policy.scope(&step.scope.name).is_some_and(|id| walk.seen.contains(id)));
    let presets = policy.document().presets.iter().filter_map(|preset| {
        let listed = policy.preset(&preset.name)?;
        if listed.contains(start) {
            return Some((preset.name.as_str(), None));
        }
        let mut members = listed.iter().map(|id| policy.scope_name(id));
        let over = members
            .find(|member| policy.closure(member).is_some_and(|closure| closure.contains(start)))?;
        Some((preset.name.as_str(), Some(over)))
    });
    let roles = policy.document().roles.iter().map(|role| role.name.as_str());
    let allows = |role: &&str| policy.role(role).is_some_and(|allowed| allowed.contains(start));
    Some(Explanation {
        scope,
        reached,
        withheld,
        presets: presets.collect(),
        roles: roles.filter(allows).collect(),
    })
}

struct Walk<'a> {
    policy: &'a CompiledPolicy,
    globs: HashMap<&'a str, Vec<ScopeId>>,
    /// The scopes that were reached, in whatever way.
    seen: ScopeSet,
}

impl<'a> Walk<'a> {
    /// What is reached from a scope, and what is met and isolated, once each. A way that
    /// has taken a glob or a rule leads to nothing isolated any more, not even by name.
    fn from(&mut self, start: ScopeId) -> (Vec<Step<'a>>, Vec<Step<'a>>) {
        let (mut reached, mut withheld) = (Vec::new(), Vec::new());
        let mut refused = ScopeSet::new();
        // Those to which only names led, and those to which anything did.
        let mut named: ScopeSet = [start].into_iter().collect();
        let mut other = ScopeSet::new();
        let mut open = VecDeque::from([(start, true)]);
        while let Some((here, by_names)) = open.pop_front() {
            for (next, step) in self.steps(here) {
                let names = by_names && step.by == By::Name;
                if !names && self.policy.is_isolated(next) {
                    if !refused.contains(next) {
                        refused.insert(next);
                        withheld.push(step);
                    }
                    continue;
                }
                // Whoever was reached by names alone reaches all that others do.
                if named.contains(next) || !names && other.contains(next) {
                    continue;
                }
                if names { &mut named } else { &mut other }.insert(next);
                if !self.seen.contains(next) {
                    self.seen.insert(next);
                    reached.push(step);
                }
                open.push_back((next, names));
            }
        }
        (reached, withheld)
    }

    /// Every step from a scope, names first.
    fn steps(&mut self, here: ScopeId) -> Vec<(ScopeId, Step<'a>)> {
        let document = self.policy.document();
        let Some(of) = document.scopes.get(here.place()) else { return Vec::new() };
        let step = |id: ScopeId, by: By<'a>| {
            document.scopes.get(id.place()).map(|scope| (id, Step { scope, of, by }))
        };
        let names = of.implies.iter().filter_map(|name| self.policy.scope(name));
        let mut steps: Vec<_> = names.filter_map(|id| step(id, By::Name)).collect();
        for rule in &document.implications {
            let Some(text) = hole_of(&rule.scope, &of.name) else { continue };
            let forms = rule.implies.iter();
            steps.extend(forms.filter_map(|form| {
                step(self.policy.scope(&fill(form, text))?, By::Rule(&rule.scope, form))
            }));
        }
        for text in &of.implies {
            steps.extend(self.matching(text).iter().filter_map(|id| step(*id, By::Glob(text))));
        }
        steps
    }

    /// The scopes that are of a glob, isolated or not.
    fn matching(&mut self, glob: &'a str) -> &[ScopeId] {
        let policy = self.policy;
        self.globs.entry(glob).or_insert_with(|| {
            let names = policy.document().scopes.iter().map(|scope| scope.name.as_str());
            let fitting = names.filter(|name| is_name(glob) && is_of_glob(glob, name));
            fitting.filter_map(|name| policy.scope(name)).collect()
        })
    }
}
