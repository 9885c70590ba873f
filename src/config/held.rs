//! Values that files hold, so that they are in no variable.

use std::fs;
use std::path::Path;

use zeroize::Zeroizing;

use super::Problem;

/// What the file holds that the setting `name` points to, without the end of its line. Nothing where it points to
/// none; and where it cannot be read, which is noted.
pub(super) fn held(
    name: &'static str,
    path: &Path,
    problems: &mut Vec<Problem>,
) -> Zeroizing<String> {
    if path.as_os_str().is_empty() {
        return Zeroizing::default();
    }
    let mut refuse = |cause: String| {
        problems.push(Problem::UnreadableValue { name, path: path.to_owned(), cause });
    };
    match fs::read_to_string(path).map(Zeroizing::new) {
        Err(error) => refuse(error.to_string()),
        Ok(text) => match text.trim_end_matches(['\r', '\n']) {
            "" => refuse("it is empty".to_owned()),
            text => return Zeroizing::new(text.to_owned()),
        },
    }
    Zeroizing::default()
}
