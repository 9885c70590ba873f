//! The keyring file: where the signing keys live, so that they never meet the database.
//!
//! A JSON document such as
//! `{"current":"0","keys":[{"version":"0","created":1767225600,"key":"<64 hex digits>"}]}`,
//! which only its owner may read, or the group of a file of root's, as Kubernetes mounts a secret.
//! The key that signs checkpoints of the log is beside them, as
//! `"checkpoints":{"created":1767225600,"seed":"<64 hex digits>","older":[]}`. It is replaced whole
//! or not at all, and lost with every key that it ever signed: back it up.
//!
//! No error and no panic here carries key material; buffers that held some are wiped.

mod checkpoints;
mod document;
mod file;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::domain::secret::{InvalidKeyring, KeyVersion, Keyring, NoEntropy, SigningKey};
pub use checkpoints::{CheckpointKeys, checkpoint_keys, rotate_checkpoint_key};
use document::{CheckpointEntry, Document, Entry, KeyBytes};

/// The keyring file cannot be used. The text is complete, so there is no further source, and says
/// what to do about it.
#[derive(Debug, Error)]
pub enum KeyringError {
    /// There is no file, and none may be made.
    #[error(
        "{} does not exist. Restore it from backup: a new keyring would refuse every secret minted so far",
        .path.display()
    )]
    Absent {
        /// Where it should be.
        path: PathBuf,
    },
    /// A directory, a device or the like.
    #[error("{} is not a regular file; name the keyring file itself", .path.display())]
    NotRegular {
        /// What was named.
        path: PathBuf,
    },
    /// Others than the owner have access, or than the group of a file of root's.
    #[error(
        "{path} is open to others (mode {mode:04o}); run `chmod 600 {path}`, or `chmod 640` where root owns it and the \
         group is the server's, and `keyward keyring rotate` if others may have read it",
        path = .path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a keyring, or a damaged one.
    #[error(
        "{} is no keyring (line {line}, column {column}); restore it from backup",
        .path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where reading stopped, counted from 1; 0 where the file as a whole is at fault.
        line: usize,
        /// Where reading stopped, counted from 1; 0 where the file as a whole is at fault.
        column: usize,
    },
    /// The keys contradict each other.
    #[error("{} is no keyring: {cause}; restore it from backup", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with the keys.
        cause: InvalidKeyring,
    },
    /// There is a file already, and none may be lost.
    #[error(
        "{} is there already; `keyward keyring rotate` adds a signing key to it",
        .path.display()
    )]
    Present {
        /// The file.
        path: PathBuf,
    },
    /// No version is left for a new key.
    #[error(
        "{} holds all 62 versions; remove the oldest key, after every secret that it signed has been rotated",
        .path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// No room is left for another key of checkpoints.
    #[error(
        "{} holds {most} keys of checkpoints; remove the last of `older`, and keep its public key \
         with the checkpoints that it signed",
        .path.display(),
        most = checkpoints::KEYS_MAX
    )]
    FullOfCheckpointKeys {
        /// The file.
        path: PathBuf,
    },
    /// The random generator failed.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The operating system refused.
    #[error("cannot {action} {}: {cause}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
}

/// Reads the keyring at `path`; makes one with a single new key where there is none and
/// `may_create`. `now_unix`, in seconds, is noted as the time of its making.
///
/// Of several processes that start at once on the same path, one makes the file and all read it.
///
/// # Errors
/// [`KeyringError`] when the file is absent, open to others, damaged, or cannot be made.
pub fn load_or_create(
    path: &Path,
    may_create: bool,
    now_unix: i64,
) -> Result<Keyring, KeyringError> {
    match load(path) {
        Err(KeyringError::Absent { .. }) if may_create => match create(path, now_unix) {
            // Another process was first: its file is everybody's.
            Ok(()) | Err(KeyringError::Present { .. }) => load(path),
            Err(error) => Err(error),
        },
        outcome => outcome,
    }
}

/// Makes a keyring with a single new key at `path`, where there is no file. `now_unix`, in seconds, is noted as the
/// time of its making.
///
/// # Errors
/// [`KeyringError::Present`] where there is a file, which stays as it is; others where none can be made.
pub fn create(path: &Path, now_unix: i64) -> Result<(), KeyringError> {
    let current = KeyVersion::FIRST;
    let keys = vec![generate(current, now_unix)?];
    let checkpoints = Some(CheckpointEntry::generate(now_unix)?);
    file::create(path, &to_json(path, &Document { current, keys, checkpoints })?)
}

/// Adds a new key to the keyring at `path` under the next free version and makes it the current
/// one, which it returns. The older keys stay, and so does the one that signs checkpoints, which
/// others know by its public half. `now_unix`, in seconds, is noted with the key.
///
/// Rotations on one machine take turns. A process that has read the file before does not see the
/// new key until it reads it again, and refuses what others mint with it.
///
/// # Errors
/// [`KeyringError`] when the file cannot be read or replaced; it is then as before. `Full` after 62.
pub fn rotate(path: &Path, now_unix: i64) -> Result<KeyVersion, KeyringError> {
    let _turn = file::lock_directory(path)?;
    let mut document = read(path)?;
    keyring(path, &document)?;
    let is_free = |version: &KeyVersion| document.keys.iter().all(|key| key.version != *version);
    let version = KeyVersion::all()
        .find(is_free)
        .ok_or_else(|| KeyringError::Full { path: path.to_owned() })?;
    document.keys.push(generate(version, now_unix)?);
    document.current = version;
    file::replace(path, &to_json(path, &document)?)?;
    Ok(version)
}

fn load(path: &Path) -> Result<Keyring, KeyringError> {
    keyring(path, &read(path)?)
}

fn read(path: &Path) -> Result<Document, KeyringError> {
    let text = file::read(path)?;
    // serde's own message would quote what it met instead: possibly a key.
    Document::from_json(&text).map_err(|fault| KeyringError::Malformed {
        path: path.to_owned(),
        line: fault.line(),
        column: fault.column(),
    })
}

fn keyring(path: &Path, document: &Document) -> Result<Keyring, KeyringError> {
    let keys = document
        .keys
        .iter()
        .map(|entry| SigningKey::new(entry.version, entry.key.as_bytes()))
        .collect();
    Keyring::new(keys, document.current)
        .map_err(|cause| KeyringError::Invalid { path: path.to_owned(), cause })
}

fn to_json(path: &Path, document: &Document) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    document.to_json().map_err(file::failed("write", path))
}

fn generate(version: KeyVersion, created: i64) -> Result<Entry, NoEntropy> {
    Ok(Entry { version, created, key: random_key()? })
}

fn random_key() -> Result<KeyBytes, NoEntropy> {
    let mut bytes = Zeroizing::new([0; SigningKey::LEN]);
    fill_randomly(bytes.as_mut_slice())?;
    Ok(KeyBytes::new(bytes))
}

fn fill_randomly(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    SystemRandom::new().fill(bytes).map_err(|_| NoEntropy)
}
