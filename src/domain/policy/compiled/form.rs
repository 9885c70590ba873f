//! Forms of names with one hole, `{x}:write`.

use crate::domain::{policy::Implication, scope::is_name};

/// The hole.
const HOLE: &str = "{x}";

/// What a form must be.
pub(super) const FORM_RULE: &str =
    "must be the name of a scope with exactly one hole {x}, such as {x}:write";

/// Whether a text has exactly one hole, among what names of scopes are made of.
pub(super) fn is_form(text: &str) -> bool {
    text.matches(HOLE).count() == 1 && is_name(&fill(text, "x"))
}

/// The text in the hole where a name is of a form. It is never empty.
pub(in crate::domain::policy) fn hole_of<'a>(form: &str, name: &'a str) -> Option<&'a str> {
    let (before, after) = form.split_once(HOLE)?;
    name.strip_prefix(before)?.strip_suffix(after).filter(|text| !text.is_empty())
}

/// The name that a form with a hole is with this text in it.
pub(in crate::domain::policy) fn fill(form: &str, text: &str) -> String {
    form.replacen(HOLE, text, 1)
}

/// The names that the rules make a scope of this name imply, whether or not there are
/// scopes of these names.
pub(super) fn implied<'a>(
    rules: &'a [Implication],
    name: &'a str,
) -> impl Iterator<Item = String> + 'a {
    let filled = rules.iter().filter_map(move |rule| Some((rule, hole_of(&rule.scope, name)?)));
    filled.flat_map(|(rule, text)| rule.implies.iter().map(move |form| fill(form, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_one_hole() {
        for form in ["{x}:write", "{x}", "wp.{x}", "a{x}b"] {
            assert!(is_form(form), "{form}");
        }
        for text in ["", "write", "{x}:{x}", "{y}:write", "{x} write", "{x", "{{x}}"] {
            assert!(!is_form(text), "{text}");
        }
    }

    #[test]
    fn the_hole_takes_whatever_is_there() {
        assert_eq!(hole_of("{x}:write", "sites:write"), Some("sites"));
        assert_eq!(hole_of("wp.{x}:write", "wp.a.b:write"), Some("a.b"));
        assert_eq!(hole_of("{x}:write", ":write"), None);
        assert_eq!(hole_of("{x}:write", "sites:read"), None);
        assert_eq!(hole_of("ab{x}bc", "abc"), None);
        assert_eq!(fill("{x}:read", "sites"), "sites:read");
    }
}
