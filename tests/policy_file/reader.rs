//! Reads policy files, for every test that has some.

use std::sync::LazyLock;

use keyward::policy_file::{FileFaults, Language, PolicyFile};

/// Made once: the descriptors are long.
pub(crate) static LANGUAGE: LazyLock<Language> = LazyLock::new(|| Language::new().unwrap());

pub(crate) fn try_read(file: impl AsRef<[u8]>) -> Result<PolicyFile, FileFaults> {
    LANGUAGE.read(file.as_ref())
}
