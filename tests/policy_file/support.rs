//! Files for tests.

use keyward::policy_file::PolicyFile;

pub(crate) use crate::reader::{LANGUAGE, try_read};

/// A policy without faults, to which tests add. What is added begins in line 7.
pub(crate) const BASE: &str = "\
scopes:
- name: a
key_types:
- name: live
  prefix: live
  is_default: true
";

#[track_caller]
pub(crate) fn read(file: &str) -> PolicyFile {
    try_read(file).unwrap_or_else(|faults| panic!("{file}\n{faults:#?}"))
}

/// What is added to a policy without faults, read with it.
#[track_caller]
pub(crate) fn read_more(more: &str) -> PolicyFile {
    read(&format!("{BASE}{more}"))
}

/// All that is wrong, a line each: `LINE:COLUMN: FIELD: DESCRIPTION`.
#[track_caller]
pub(crate) fn faults(file: impl AsRef<[u8]>) -> Vec<String> {
    let faults = try_read(file).expect_err("there are faults");
    assert_eq!(faults.more, 0);
    faults.kept.iter().map(ToString::to_string).collect()
}

/// Asserts all that is wrong with a file.
#[track_caller]
pub(crate) fn wrong(file: &str, expected: &[&str]) {
    assert_eq!(faults(file), expected, "{file}");
}

/// Asserts all that is wrong with what is added to a policy without faults.
#[track_caller]
pub(crate) fn wrong_more(more: &str, expected: &[&str]) {
    wrong(&format!("{BASE}{more}"), expected);
}
