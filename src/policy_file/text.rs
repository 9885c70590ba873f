//! What is said about faults of files, and how what stands in a file is repeated.

use crate::domain::fault::without_secrets;

/// About `*` without quotes, the commonest mistake where globs are written in YAML.
pub(super) const ALIAS: &str =
    "an unquoted * begins an alias in YAML: write globs in quotes, \"*:read\"";
/// About `{x}:write` without quotes.
pub(super) const FORM: &str =
    "an unquoted { begins a mapping in YAML: write forms in quotes, \"{x}:write\"";
/// About `&`.
pub(super) const ANCHOR: &str =
    "an unquoted & begins an anchor in YAML, which a policy file has not; write texts in quotes";
/// About `!`.
pub(super) const TAG: &str =
    "an unquoted ! begins a tag in YAML, which a policy file has not; write texts in quotes";
/// About a text with a colon, and a key without a space behind its own.
pub(super) const COLON: &str = "is no YAML: mapping values are not allowed in this context; \
    write texts that have a colon and a space in quotes";
/// About blocks of several lines.
pub(super) const LINES: &str = "must be one line; fold it with >-";
/// About tabs.
pub(super) const TAB: &str = "is no YAML: a tab does not indent; write spaces";
/// About `%` at the beginning.
pub(super) const DIRECTIVE: &str =
    "begins a directive of YAML, such as %YAML or %TAG, which a policy file has not; leave it out";
/// About `<<`.
pub(super) const MERGE: &str = "is a merge key, which a policy file has not; write out what it has";
/// About keys that are collections.
pub(super) const KEY: &str =
    "a key is a text; what begins with {, [ or ? is none: write texts in quotes";

/// The longest text of a file that is repeated, in characters.
const SHOWN_MAX: usize = 60;

/// A text of the file as it is repeated: in quotes, on one line and not long.
/// Secrets are cut first: half of one would no longer be seen to be one.
pub(super) fn quoted(text: &str) -> String {
    let text = without_secrets(text);
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// A key under a path.
pub(super) fn under(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !key.is_empty() && key.len() <= SHOWN_MAX && key.chars().all(plain) {
        if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
    } else {
        format!("{path}[{}]", quoted(key))
    }
}
