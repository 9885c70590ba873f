//! What the names and globs of a policy stand for. A glob is a beginning and an end of
//! names; each of the three is looked for once.

use std::collections::HashMap;

use crate::domain::{
    policy::Scope,
    scope::{NAME_LENGTH_MAX, ScopeId, ScopeSet, is_name, split_glob},
};

/// The names of a policy's scopes, and what globs reach among them. Scopes whose names
/// are wrong are not in it: all of its names are short.
pub(super) struct Names<'a> {
    index: HashMap<&'a str, ScopeId>,
    starts: Sorted,
    /// The names backwards.
    ends: Sorted,
    /// For each length, the scopes with names of at least this length.
    long: Vec<ScopeSet>,
    globs: HashMap<&'a str, ScopeSet>,
}

impl<'a> Names<'a> {
    /// The names of at most as many scopes as there are numbers for.
    pub(super) fn of(scopes: &'a [Scope]) -> Self {
        let numbered = scopes.iter().enumerate();
        let named: Vec<(&Scope, ScopeId)> = numbered
            .filter(|(_, scope)| is_name(&scope.name))
            .filter_map(|(place, scope)| Some((scope, ScopeId::at(place)?)))
            .collect();
        let open = || named.iter().filter(|(scope, _)| !scope.isolated);
        let long = (0..=NAME_LENGTH_MAX).map(|length| {
            open().filter(|(scope, _)| scope.name.len() >= length).map(|(_, id)| *id).collect()
        });
        Self {
            index: named.iter().map(|(scope, id)| (scope.name.as_str(), *id)).collect(),
            starts: Sorted::new(open().map(|(scope, id)| (scope.name.bytes().collect(), *id))),
            ends: Sorted::new(open().map(|(scope, id)| (scope.name.bytes().rev().collect(), *id))),
            long: long.collect(),
            globs: HashMap::new(),
        }
    }

    /// The number of the scope of this name.
    pub(super) fn scope(&self, name: &str) -> Option<ScopeId> {
        self.index.get(name).copied()
    }

    /// The scopes, none isolated, that a text reaches as a glob; nothing for a text that
    /// is none. A text with one `*` is a glob also where a scope is named so: the scope
    /// `*` that implies `*` implies everything.
    pub(super) fn matching(&mut self, text: &'a str) -> Option<&ScopeSet> {
        let (start, end) = split_glob(text).filter(|_| is_name(text))?;
        let Self { starts, ends, long, globs, .. } = self;
        let set = globs.entry(text).or_insert_with(|| {
            // Of `ab*bc` the name `abc` has the beginning and the end, but not both.
            let long = long.get(start.len() + end.len()).cloned().unwrap_or_default();
            long.intersection(starts.with(start.bytes().collect()))
                .intersection(ends.with(end.bytes().rev().collect()))
        });
        Some(set)
    }

    /// The numbers by name.
    pub(super) fn into_index(self) -> HashMap<String, ScopeId> {
        self.index.into_iter().map(|(name, id)| (name.to_owned(), id)).collect()
    }
}

/// Names in order, so that those with the same beginning stand together.
struct Sorted {
    names: Vec<(Vec<u8>, ScopeId)>,
    found: HashMap<Vec<u8>, ScopeSet>,
}

impl Sorted {
    fn new(names: impl Iterator<Item = (Vec<u8>, ScopeId)>) -> Self {
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        Self { names, found: HashMap::new() }
    }

    /// The scopes with names that begin so.
    fn with(&mut self, start: Vec<u8>) -> &ScopeSet {
        let names = &self.names;
        self.found.entry(start).or_insert_with_key(|start| {
            let first = names.partition_point(|(name, _)| name < start);
            let begin = names.iter().skip(first).take_while(|(name, _)| name.starts_with(start));
            begin.map(|(_, id)| *id).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(glob: &str, name: &str, expected: bool) {
        let scopes = [Scope { name: name.to_owned(), ..Scope::default() }];
        let mut names = Names::of(&scopes);
        let matches = names.matching(glob).is_some_and(|set| !set.is_empty());
        assert_eq!(matches, expected, "{glob} on {name}");
    }

    #[test]
    fn globs_match_whole_names() {
        check("read:*", "read:projects", true);
        check("read:*", "read:", true);
        check("read:*", "xread:projects", false);
        check("*:read", "sites:read", true);
        check("*:read", "sites:reads", false);
        check("wp.*", "wp.plugins:read", true);
        check("wp.*", "wpx.plugins:read", false);
        check("*", "a", true);
        check("sites", "sites", false);
    }

    #[test]
    fn a_beginning_and_an_end_do_not_overlap() {
        check("ab*bc", "abc", false);
        check("ab*bc", "abbc", true);
        check("ab*bc", "ab:bc", true);
        check("a*a", "a", false);
    }

    #[test]
    fn an_asterisk_of_a_name_is_a_character_like_others() {
        check("wp:*", "wp:*", true);
        check("a*c", "a*b*c", true);
        check("*c", "a*b", false);
        check("a*", "*a", false);
    }

    #[test]
    fn a_text_with_two_asterisks_is_no_glob() {
        check("**", "anything", false);
        check("a*b*c", "a*b*c", false);
    }
}
