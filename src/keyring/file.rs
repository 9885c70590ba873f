//! Reading and replacing the keyring file: private from the first moment, whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KeyringError, fill_randomly};

/// A full keyring has less than 10 KiB.
const FILE_LEN_MAX: u64 = 64 * 1024;
/// Read and write for the owner, nothing for others.
const MODE: u32 = 0o600;
/// The permission bits of group and others.
const OTHERS: u32 = 0o077;

/// The content of the file, after its type and its mode have been found in order.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    // Looked at before it is opened, for opening a pipe would wait for a writer …
    check(path, &fs::metadata(path).map_err(absent_or_failed("read", path))?)?;
    let file = File::open(path).map_err(failed("read", path))?;
    // … and again after, for it may have been replaced in between.
    check(path, &file.metadata().map_err(failed("read", path))?)?;
    let mut text = Zeroizing::new(Vec::with_capacity(FILE_LEN_MAX as usize + 1));
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut text).map_err(failed("read", path))?;
    Ok(text)
}

/// Makes the file unless there is one, which then stays as it is.
pub(super) fn create(path: &Path, text: &[u8]) -> Result<(), KeyringError> {
    let draft = Draft::write(path, text, None)?;
    match fs::hard_link(&draft.path, path) {
        Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("create", path)(fault))
        }
        _ => {
            drop(draft);
            sync_directory(path)
        }
    }
}

/// Replaces the file, which keeps its owner. A symbolic link stays, and what it points to is replaced.
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

fn check(path: &Path, found: &Metadata) -> Result<(), KeyringError> {
    let path = path.to_owned();
    if !found.is_file() {
        return Err(KeyringError::NotRegular { path });
    }
    if found.mode() & OTHERS != 0 {
        let mode = found.mode() & 0o7777;
        return Err(KeyringError::Exposed { path, mode });
    }
    if found.len() > FILE_LEN_MAX {
        let (line, column) = (0, 0);
        return Err(KeyringError::Malformed { path, line, column });
    }
    Ok(())
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
