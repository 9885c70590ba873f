//! Files that hold a secret: only who is meant to read them may have access.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

/// The permission bits of group and others.
const OTHERS: u32 = 0o077;
/// Those that a file of root's must not have: its group may read it, and nothing more. Kubernetes mounts a secret
/// so, owned by root and readable for the pod's group.
const OTHERS_OF_ROOT: u32 = 0o037;
/// The user who may do everything anyway.
const ROOT: u32 = 0;

/// A file with a secret cannot be used. Nothing of what it holds is told.
#[derive(Debug, Error)]
pub enum PrivateFileError {
    /// A directory, a device or the like.
    #[error("{} is not a regular file; name the file itself", .path.display())]
    NotRegular {
        /// What was named.
        path: PathBuf,
    },
    /// Others than the owner have access, or than the group of a file of root's.
    #[error(
        "{path} is open to others (mode {mode:04o}); run `chmod 600 {path}`, or `chmod 640` where root owns it and \
         the group is the server's",
        path = .path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// More bytes than a file of its kind has.
    #[error("{} has more than {len_max} bytes", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes that it may have.
        len_max: u64,
    },
    /// The operating system refused.
    #[error("cannot read {}: {cause}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
}

/// The content of a file of at most `len_max` bytes, after its type and its mode have been found in order. The rule
/// is that of PostgreSQL for its private key: a file of root's may be read by its group, any other by its owner
/// alone. The buffer is wiped when dropped. Blocks.
///
/// # Errors
/// [`PrivateFileError`]; each names the file.
pub fn read(path: &Path, len_max: u64) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let failed = |cause| PrivateFileError::Io { path: path.to_owned(), cause };
    // Looked at before it is opened, for opening a pipe would wait for a writer …
    check(path, &fs::metadata(path).map_err(failed)?, len_max)?;
    let file = File::open(path).map_err(failed)?;
    // … and again after, for it may have been replaced in between.
    let found = file.metadata().map_err(failed)?;
    check(path, &found, len_max)?;
    // All at once: a buffer that grew would leave copies behind.
    let mut held = Zeroizing::new(Vec::with_capacity(usize::try_from(len_max).unwrap_or(0) + 1));
    file.take(len_max + 1).read_to_end(&mut held).map_err(failed)?;
    if held.len() as u64 > len_max {
        return Err(PrivateFileError::TooLong { path: path.to_owned(), len_max });
    }
    Ok(held)
}

/// A file that is to hold a secret text cannot be used. Nothing of what it holds is told.
#[derive(Debug, Error)]
pub enum ValueFileError {
    /// It cannot be read, or not by the server alone.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// It is empty, or holds bytes that are no UTF-8.
    #[error("{} holds no text, or bytes that are no UTF-8", .path.display())]
    NoText {
        /// The file.
        path: PathBuf,
    },
}

/// Bytes of a file that holds one value: a password, an address, the headers for a collector.
pub const VALUE_LEN_MAX: u64 = 16 * 1024;

/// The text in a file of at most [`VALUE_LEN_MAX`] bytes, without the ends of lines at its end; else as [`read`].
///
/// # Errors
/// [`ValueFileError`]; each names the file.
pub fn read_value(path: &Path) -> Result<Zeroizing<String>, ValueFileError> {
    let held = read(path, VALUE_LEN_MAX)?;
    let text = str::from_utf8(&held).unwrap_or_default().trim_end_matches(['\r', '\n']);
    match text.is_empty() {
        true => Err(ValueFileError::NoText { path: path.to_owned() }),
        false => Ok(Zeroizing::new(text.to_owned())),
    }
}

fn check(path: &Path, found: &Metadata, len_max: u64) -> Result<(), PrivateFileError> {
    let path = path.to_owned();
    if !found.is_file() {
        return Err(PrivateFileError::NotRegular { path });
    }
    if is_exposed(found.uid(), found.mode()) {
        return Err(PrivateFileError::Exposed { path, mode: found.mode() & 0o7777 });
    }
    if found.len() > len_max {
        return Err(PrivateFileError::TooLong { path, len_max });
    }
    Ok(())
}

/// Whether a file of this owner and mode may be touched by others than are meant to.
const fn is_exposed(owner: u32, mode: u32) -> bool {
    let closed = if owner == ROOT { OTHERS_OF_ROOT } else { OTHERS };
    mode & closed != 0
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::{PermissionsExt as _, chown};

    use tempfile::TempDir;

    use super::*;

    const LEN_MAX: u64 = 8;

    fn place(text: &str, mode: u32) -> (TempDir, PathBuf) {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn the_group_may_read_what_root_owns_and_nothing_else() {
        for mode in [0o600, 0o400, 0o700, 0o640, 0o440] {
            assert!(!is_exposed(ROOT, 0o100_000 | mode), "{mode:o}");
        }
        for mode in [0o660, 0o650, 0o644, 0o604, 0o602, 0o601, 0o444, 0o777] {
            assert!(is_exposed(ROOT, 0o100_000 | mode), "{mode:o}");
        }
    }

    #[test]
    fn nobody_else_may_touch_what_another_user_owns() {
        for mode in [0o600, 0o400, 0o700] {
            assert!(!is_exposed(65_532, 0o100_000 | mode), "{mode:o}");
        }
        for bit in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
            assert!(is_exposed(65_532, 0o100_400 | bit), "{bit:o}");
        }
    }

    #[test]
    fn the_owner_of_the_file_itself_decides() {
        let (_directory, path) = place("secret", 0o640);
        let is_root = fs::metadata(&path).unwrap().uid() == ROOT;
        assert_eq!(read(&path, LEN_MAX).is_ok(), is_root);
        if is_root {
            chown(&path, Some(65_532), None).unwrap();
        }
        let refusal = read(&path, LEN_MAX).unwrap_err();
        assert!(matches!(refusal, PrivateFileError::Exposed { mode: 0o640, .. }), "{refusal}");
        let shown = refusal.to_string();
        assert!(shown.contains(path.to_str().unwrap()) && shown.contains("chmod 600"), "{shown}");
    }

    #[test]
    fn a_link_is_judged_by_what_it_leads_to() {
        // Kubernetes mounts each file of a secret as a link.
        let (directory, path) = place("secret", 0o600);
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(*read(&link, LEN_MAX).unwrap(), b"secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read(&link, LEN_MAX), Err(PrivateFileError::Exposed { .. })));
    }

    #[test]
    fn a_file_may_have_so_many_bytes_and_no_more() {
        let (_directory, path) = place("12345678", 0o600);
        assert_eq!(*read(&path, LEN_MAX).unwrap(), b"12345678");
        fs::write(&path, "123456789").unwrap();
        let refusal = read(&path, LEN_MAX).unwrap_err();
        assert!(matches!(refusal, PrivateFileError::TooLong { len_max: LEN_MAX, .. }), "{refusal}");
    }

    #[test]
    fn a_value_is_read_without_the_end_of_its_line() {
        for text in ["p w ", "p w \n", "p w \r\n", "p w \n\n"] {
            let (_directory, path) = place(text, 0o600);
            assert_eq!(read_value(&path).unwrap().as_str(), "p w ");
        }
    }

    #[test]
    fn a_file_without_a_value_is_refused() {
        for text in [&b""[..], b"\n", b"\r\n", b"canary\xff"] {
            let (_directory, path) = place("", 0o600);
            fs::write(&path, text).unwrap();
            let refusal = read_value(&path).unwrap_err();
            assert!(matches!(refusal, ValueFileError::NoText { .. }), "{refusal}");
        }
        let (_directory, path) = place("", 0o600);
        let long = usize::try_from(VALUE_LEN_MAX).unwrap();
        fs::write(&path, "x".repeat(long)).unwrap();
        assert_eq!(read_value(&path).unwrap().len(), long);
        fs::write(&path, "x".repeat(long + 1)).unwrap();
        let refusal = read_value(&path).unwrap_err();
        assert!(
            matches!(refusal, ValueFileError::File(PrivateFileError::TooLong { .. })),
            "{refusal}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_holds_more_than_it_says_is_too_long() {
        // Its length is said to be 0.
        let refusal = read(Path::new("/proc/self/auxv"), LEN_MAX).unwrap_err();
        assert!(matches!(refusal, PrivateFileError::TooLong { .. }), "{refusal}");
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        for path in [Path::new("/dev/null"), Path::new("/")] {
            assert!(matches!(read(path, LEN_MAX), Err(PrivateFileError::NotRegular { .. })));
        }
        let (_directory, path) = place("", 0o600);
        fs::remove_file(&path).unwrap();
        let refusal = read(&path, LEN_MAX).unwrap_err();
        assert!(
            matches!(&refusal, PrivateFileError::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound),
            "{refusal}"
        );
    }
}
