//! What scopes reach over others.

use super::names::Names;
use crate::domain::{
    policy::Scope,
    scope::{ScopeId, ScopeSet},
};

/// What a holder of each scope may do. Literal names reach isolated scopes; whatever
/// takes a glob on its way does not, and goes no further over one.
pub(super) struct Closures {
    /// For each scope, itself and all that it implies.
    pub(super) reach: Vec<ScopeSet>,
    /// For each scope, what of it is reached over scopes alone that are not isolated.
    open: Vec<ScopeSet>,
}

impl Closures {
    pub(super) fn of<'a>(scopes: &'a [Scope], names: &mut Names<'a>) -> Self {
        let (mut literal, mut open) = (Vec::new(), Vec::new());
        let isolated: ScopeSet = (scopes.iter().enumerate())
            .filter_map(|(place, scope)| ScopeId::at(place).filter(|_| scope.isolated))
            .collect();
        for (place, scope) in scopes.iter().enumerate() {
            let implied = scope.implies.iter().filter_map(|name| names.scope(name));
            let named: ScopeSet = ScopeId::at(place).into_iter().chain(implied).collect();
            let mut any = named.clone();
            for set in scope.implies.iter().filter_map(|text| names.matching(text).cloned()) {
                any.extend(&set);
            }
            literal.push(named);
            open.push(any.without(&isolated));
        }
        let (literal, open) = (closed(literal), closed(open));
        let reach = literal.iter().map(|named| union(named, &open)).collect();
        Self { reach, open }
    }

    /// Everything that a list of names and globs allows. Unknown names allow nothing.
    pub(super) fn expand<'a>(&self, texts: &'a [String], names: &mut Names<'a>) -> ScopeSet {
        let named: ScopeSet = texts.iter().filter_map(|text| names.scope(text)).collect();
        let mut matching = ScopeSet::new();
        for text in texts {
            if let Some(set) = names.matching(text) {
                matching.extend(set);
            }
        }
        let mut all = union(&named, &self.reach);
        all.extend(&union(&matching, &self.open));
        all
    }
}

/// The members and all that they reach.
fn union(members: &ScopeSet, reach: &[ScopeSet]) -> ScopeSet {
    let mut all = members.clone();
    for reached in members.iter().filter_map(|member| reach.get(member.place())) {
        all.extend(reached);
    }
    all
}

/// Adds to each set the sets of its members, and theirs: the transitive closure by
/// Warshall's algorithm (1962), for which one pass is enough, whatever goes in circles.
fn closed(mut sets: Vec<ScopeSet>) -> Vec<ScopeSet> {
    for place in 0..sets.len() {
        let (Some(via), Some(id)) = (sets.get(place).cloned(), ScopeId::at(place)) else { break };
        for set in sets.iter_mut().filter(|set| set.contains(id)) {
            set.extend(&via);
        }
    }
    sets
}
