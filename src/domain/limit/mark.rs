//! By what tables find whose counts they keep.

use std::{
    hash::{BuildHasher as _, Hash, Hasher, RandomState},
    sync::LazyLock,
};

use crate::domain::name::{Id, KeyName};

/// Drawn when the process starts, so that nobody can choose names of which the marks are alike.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Stands for the name of a key or of a workspace in this process: 128 bits of a keyed hash of it
/// (SipHash, whose key nobody knows). Of a billion names two have the same mark once in 10^20
/// processes; so tables keep no names, and a look-up reads none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark([u64; 2]);

impl Mark {
    fn of(name: impl Hash) -> Self {
        // As of two hashes of one key, for the texts differ.
        Self([0_u8, 1].map(|half| HASHER.hash_one((half, &name))))
    }

    /// Of a key. No workspace has the same.
    pub fn of_key(name: &KeyName) -> Self {
        Self::of((&name.workspace, Some(&name.key)))
    }

    /// Of a workspace.
    pub fn of_workspace(workspace: &Id) -> Self {
        Self::of((workspace, None::<&Id>))
    }

    /// In which of so many parts of a table it belongs; 0 where there is none.
    pub fn part(self, parts: usize) -> usize {
        // The other half says where in the part.
        let [_, bits] = self.0;
        let place = bits.checked_rem(parts as u64).unwrap_or_default();
        usize::try_from(place).unwrap_or_default()
    }
}

impl Hash for Mark {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [bits, _] = self.0;
        state.write_u64(bits);
    }
}

/// The marks of a key and of its workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Of the key.
    pub key: Mark,
    /// Of its workspace.
    pub workspace: Mark,
}

impl Marks {
    /// Of this key. It takes some 100 ns, and is for once in the life of what is kept of a key.
    pub fn of(name: &KeyName) -> Self {
        Self { key: Mark::of_key(name), workspace: Mark::of_workspace(&name.workspace) }
    }
}
