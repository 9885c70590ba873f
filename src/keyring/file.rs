//! Reading and replacing the keyring file: private from the first moment, whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KeyringError, fill_randomly};
use crate::files::private::{self, PrivateFileError};

/// A full keyring has less than 10 KiB.
const FILE_LEN_MAX: u64 = 64 * 1024;
/// Read and write for the owner, nothing for others.
const MODE: u32 = 0o600;
/// What the group of a file of root's may have.
const GROUP_READS: u32 = 0o040;

/// The content of the file, after its type and its mode have been found in order.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    private::read(path, FILE_LEN_MAX).map_err(|fault| match fault {
        PrivateFileError::NotRegular { path } => KeyringError::NotRegular { path },
        PrivateFileError::Exposed { path, mode } => KeyringError::Exposed { path, mode },
        PrivateFileError::TooLong { path, .. } => {
            let (line, column) = (0, 0);
            KeyringError::Malformed { path, line, column }
        }
        PrivateFileError::Io { path, cause } => absent_or_failed("read", &path)(cause),
    })
}

/// Makes the file. One that is there stays as it is.
pub(super) fn create(path: &Path, text: &[u8]) -> Result<(), KeyringError> {
    let draft = Draft::write(path, text, None)?;
    fs::hard_link(&draft.path, path).map_err(|fault| match fault.kind() {
        io::ErrorKind::AlreadyExists => KeyringError::Present { path: path.to_owned() },
        _ => failed("create", path)(fault),
    })?;
    drop(draft);
    sync_directory(path)
}

/// Replaces the file, which keeps its owner and stays readable for the group where it was. A symbolic link stays, and what it points to is replaced.
pub(super) fn replace(path: &Path, text: &[u8]) -> Result<(), KeyringError> {
    let path = &fs::canonicalize(path).map_err(failed("replace", path))?;
    let before = fs::metadata(path).map_err(failed("replace", path))?;
    let draft = Draft::write(path, text, Some(&before))?;
    fs::rename(&draft.path, path).map_err(failed("replace", path))?;
    sync_directory(path)
}

/// Waits for the turn to replace the file, which lasts as long as the answer is held.
///
/// The lock is on the directory, because the file itself becomes another one.
pub(super) fn lock_directory(path: &Path) -> Result<File, KeyringError> {
    let path = fs::canonicalize(path).map_err(absent_or_failed("lock", path))?;
    let directory = directory(&path);
    let turn = File::open(directory).map_err(failed("lock", directory))?;
    turn.lock().map_err(failed("lock", directory))?;
    Ok(turn)
}

/// A complete file beside its destination, removed when dropped.
struct Draft {
    path: PathBuf,
}

impl Draft {
    fn write(
        destination: &Path,
        text: &[u8],
        owner: Option<&Metadata>,
    ) -> Result<Self, KeyringError> {
        let mut name = OsString::from(".");
        name.push(destination.file_name().unwrap_or_default());
        // Random, because two containers that share a volume may share a process id.
        let mut unique = [0; 8];
        fill_randomly(&mut unique)?;
        name.push(format!(".{:016x}", u64::from_ne_bytes(unique)));
        let path = destination.with_file_name(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&path)
            .map_err(failed("create", &path))?;
        let draft = Self { path };
        let made = file.metadata().map_err(failed("write", &draft.path))?;
        if let Some(owner) = owner
            && (owner.uid(), owner.gid()) != (made.uid(), made.gid())
        {
            fchown(&file, Some(owner.uid()), Some(owner.gid()))
                .map_err(failed("keep the owner in", &draft.path))?;
        }
        if let Some(owner) = owner {
            let mode = MODE | owner.mode() & GROUP_READS;
            file.set_permissions(Permissions::from_mode(mode))
                .map_err(failed("keep the mode in", &draft.path))?;
        }
        file.write_all(text)
            .and_then(|()| file.sync_all())
            .map_err(failed("write", &draft.path))?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename it is gone already; otherwise there is nobody to tell.
        let _ = fs::remove_file(&self.path);
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes a new name in the directory of `path` outlast a power failure.
fn sync_directory(path: &Path) -> Result<(), KeyringError> {
    let directory = directory(path);
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed("sync", directory))
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyringError {
    let path = path.to_owned();
    move |cause| KeyringError::Io { action, path, cause }
}

/// As [`failed`], for the first use of a file that may not be there.
fn absent_or_failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyringError {
    let path = path.to_owned();
    move |cause| match cause.kind() {
        io::ErrorKind::NotFound => KeyringError::Absent { path },
        _ => failed(action, &path)(cause),
    }
}
