//! What scopes reach over others.

use super::{form, graph, names::Names};
use crate::domain::{
    policy::Policy,
    scope::{ScopeId, ScopeSet, split_glob},
};

/// What a holder of each scope may do. Literal names reach isolated scopes; whatever
/// takes a glob, or a rule with a hole, on its way does not, and goes no further over one.
pub(super) struct Closures {
    /// For each scope, itself and all that it implies.
    pub(super) reach: Vec<ScopeSet>,
    /// For each scope, what of it is reached over scopes alone that are not isolated.
    open: Vec<ScopeSet>,
    /// The scopes to which more than themselves is open.
    branching: ScopeSet,
    /// For each scope, what it implies by name or rule and without a detour: the steps
    /// that must not go in circles.
    pub(super) steps: Vec<ScopeSet>,
    /// The scopes that are isolated or lead to one that is.
    pub(super) guarded: ScopeSet,
}

impl Closures {
    pub(super) fn of<'a>(policy: &'a Policy, names: &mut Names<'a>) -> Self {
        let (mut literal, mut open, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        let scopes = policy.scopes.iter();
        let isolated: ScopeSet = (scopes.clone().enumerate())
            .filter_map(|(place, scope)| ScopeId::at(place).filter(|_| scope.isolated))
            .collect();
        for scope in scopes {
            let named: ScopeSet =
                scope.implies.iter().filter_map(|name| names.scope(name)).collect();
            let ruled: ScopeSet = form::implied(&policy.implications, &scope.name)
                .filter_map(|name| names.scope(&name))
                .collect();
            let mut any = named.clone();
            any.extend(&ruled);
            // A wildcard that implies itself is one that names itself as a glob.
            let by_name = scope
                .implies
                .iter()
                .filter(|text| **text != scope.name || split_glob(text).is_none());
            let mut step: ScopeSet = by_name.filter_map(|name| names.scope(name)).collect();
            step.extend(&ruled);
            any.extend(&matching(&scope.implies, names));
            literal.push(named);
            open.push(any.without(&isolated));
            steps.push(step);
        }
        let open = graph::closed(&open);
        let branching = scopes_where(&open, |open| open.len() > 1);
        let reach = graph::closed_over(&literal, &open);
        let guarded = scopes_where(&reach, |reach| reach.intersects(&isolated));
        Self { reach, open, branching, steps, guarded }
    }

    /// Everything that a list of names and globs allows. Unknown names allow nothing.
    pub(super) fn expand<'a>(&self, texts: &'a [String], names: &mut Names<'a>) -> ScopeSet {
        let mut all = union(&matching(texts, names), &self.open, &self.branching);
        let named = texts.iter().filter_map(|text| names.scope(text));
        for reach in named.filter_map(|named| self.reach.get(named.place())) {
            all.extend(reach);
        }
        all
    }
}

/// The scopes that a list of names and globs lists, without what they imply.
pub(super) fn listed<'a>(texts: &'a [String], names: &mut Names<'a>) -> ScopeSet {
    let mut all = matching(texts, names);
    all.extend(&texts.iter().filter_map(|text| names.scope(text)).collect());
    all
}

fn matching<'a>(texts: &'a [String], names: &mut Names<'a>) -> ScopeSet {
    let mut all = ScopeSet::new();
    for text in texts {
        if let Some(set) = names.matching(text) {
            all.extend(set);
        }
    }
    all
}

/// The scopes of which something is so.
fn scopes_where(sets: &[ScopeSet], is_so: impl Fn(&ScopeSet) -> bool) -> ScopeSet {
    let found = sets.iter().enumerate().filter(|(_, set)| is_so(set));
    found.filter_map(|(place, _)| ScopeId::at(place)).collect()
}

/// The members and all that is open to them; only to those that branch is more than
/// themselves.
fn union(members: &ScopeSet, open: &[ScopeSet], branching: &ScopeSet) -> ScopeSet {
    let mut reached = ScopeSet::new();
    for member in members.intersection(branching).iter() {
        // What is open to one came with all that is open to it.
        if !reached.contains(member)
            && let Some(more) = open.get(member.place())
        {
            reached.extend(more);
        }
    }
    reached.extend(members);
    reached
}
