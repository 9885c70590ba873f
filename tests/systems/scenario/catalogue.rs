//! The table of scopes of a system's page, as rows.

use std::slice::from_ref;

use super::{Row, Step, Verdict, ask, key, row};

/// A line of the table of scopes.
pub(crate) struct Line {
    pub(crate) scope: &'static str,
    /// The line as it stands there.
    pub(crate) says: &'static str,
    /// What else a holder may do.
    pub(crate) implies: &'static [&'static str],
}

/// For each scope a row: a key with it alone may do that and what it implies, and nothing
/// else of the table.
pub(crate) fn catalogue(lines: &'static [Line]) -> Vec<Row> {
    lines.iter().map(|line| row(line.says, steps(line, lines))).collect()
}

fn steps(line: &'static Line, lines: &'static [Line]) -> Vec<Step> {
    let reaches = |scope: &str| line.scope == scope || line.implies.contains(&scope);
    let mut reached: Vec<String> =
        lines.iter().map(|other| other.scope.to_owned()).filter(|scope| reaches(scope)).collect();
    reached.sort_unstable();
    let mut steps = vec![key().may(&[line.scope]).made(), Step::May { key: "", scopes: reached }];
    steps.extend(lines.iter().map(|Line { scope, .. }| {
        let required = from_ref(scope);
        let verdict = if reaches(scope) { Verdict::Allowed } else { Verdict::Lacks(required) };
        ask(required).gives(verdict)
    }));
    steps
}
