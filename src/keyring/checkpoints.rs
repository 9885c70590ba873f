//! The key that signs checkpoints of the log. It lives beside the signing keys of secrets, and has
//! a life of its own: others know its public half, so it is replaced only on purpose.

use std::path::Path;

use zeroize::Zeroizing;

use super::{
    KeyringError,
    document::{CheckpointEntry, Document, KeyBytes, OlderEntry},
    file, keyring, random_key, read, to_json,
};
use crate::domain::{
    checkpoint::{CheckpointKey, PublicKey},
    secret::NoEntropy,
};

/// The most keys of checkpoints in a file, the one that signs and those before it.
pub(super) const KEYS_MAX: usize = 62;

/// The key that signs checkpoints, and those that did.
pub struct CheckpointKeys {
    /// The one that signs. None: the file was made by a version that had none.
    pub current: Option<CheckpointKey>,
    /// The public keys of those before it, newest first.
    pub older: Vec<PublicKey>,
}

impl CheckpointKeys {
    /// All public keys, that of the key which signs first.
    pub fn public(&self) -> impl Iterator<Item = PublicKey> {
        self.current.iter().map(CheckpointKey::public).chain(self.older.iter().copied())
    }
}

impl CheckpointEntry {
    pub(super) fn generate(created: i64) -> Result<Self, NoEntropy> {
        Ok(Self { created, seed: random_key()?, older: Vec::new() })
    }

    fn key(&self) -> Option<CheckpointKey> {
        CheckpointKey::new(self.seed.as_bytes())
    }
}

/// The keys of checkpoints in the keyring at `path`.
///
/// # Errors
/// [`KeyringError`] when the file is absent, open to others or damaged.
pub fn checkpoint_keys(path: &Path) -> Result<CheckpointKeys, KeyringError> {
    let Document { checkpoints, .. } = read(path)?;
    let older = checkpoints.iter().flat_map(|entry| &entry.older);
    Ok(CheckpointKeys {
        older: older.map(|older| PublicKey(*older.public.as_bytes())).collect(),
        current: checkpoints.as_ref().and_then(CheckpointEntry::key),
    })
}

/// Replaces the key that signs checkpoints in the keyring at `path`, or adds one where there is
/// none, and returns its public half. Of the key before, only its public half is kept. `now_unix`,
/// in seconds, is noted with the key.
///
/// A process that has read the file before signs with the old key until it reads it again.
///
/// # Errors
/// [`KeyringError`] when the file cannot be read or replaced; it is then as before.
pub fn rotate_checkpoint_key(path: &Path, now_unix: i64) -> Result<PublicKey, KeyringError> {
    let _turn = file::lock_directory(path)?;
    let mut document = read(path)?;
    keyring(path, &document)?;
    let mut entry = CheckpointEntry::generate(now_unix)?;
    if let Some(mut before) = document.checkpoints.take() {
        if before.older.len() + 1 >= KEYS_MAX {
            return Err(KeyringError::FullOfCheckpointKeys { path: path.to_owned() });
        }
        entry.older.append(&mut before.older);
        if let Some(key) = before.key() {
            let public = KeyBytes::new(Zeroizing::new(key.public().0));
            entry.older.insert(0, OlderEntry { created: before.created, public });
        }
    }
    let public = entry.key().map(|key| key.public()).ok_or(NoEntropy)?;
    document.checkpoints = Some(entry);
    file::replace(path, &to_json(path, &document)?)?;
    Ok(public)
}
