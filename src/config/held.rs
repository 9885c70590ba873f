//! Values that files hold, so that they are in no variable.

use std::path::Path;

use zeroize::Zeroizing;

use super::Problem;
use crate::files::private;

/// What the file holds that the setting `name` points to, without the end of its line. Nothing where it points to
/// none; and where it cannot be read, or by others as well, which is noted.
pub(super) fn held(
    name: &'static str,
    path: &Path,
    problems: &mut Vec<Problem>,
) -> Zeroizing<String> {
    if path.as_os_str().is_empty() {
        return Zeroizing::default();
    }
    private::read_value(path).unwrap_or_else(|refusal| {
        problems.push(Problem::UnreadableValue { name, cause: refusal.to_string() });
        Zeroizing::default()
    })
}
