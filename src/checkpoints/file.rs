//! The file of the newest checkpoint: replaced whole or not at all.

use std::{
    fs::{File, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::domain::checkpoint::NOTE_LEN_MAX;

/// For all to read: it is there to be copied away, and nothing in it is secret.
const MODE: u32 = 0o644;

/// A file of a checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {cause}", .path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    cause: io::Error,
}

/// The text of a checkpoint's file, as far as a checkpoint may be long. What is not UTF-8 in it
/// is replaced, so that it is no checkpoint.
///
/// # Errors
///
/// [`FileError`] where it cannot be read.
pub fn read(path: &Path) -> Result<String, FileError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(NOTE_LEN_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|cause| FileError { action: "read", path: path.to_owned(), cause })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// As [`read`], off the threads that others wait for; nothing where there is no file.
pub(super) async fn read_if_there(path: PathBuf) -> Result<Option<String>, FileError> {
    off_the_threads("read", path, found).await
}

fn found(path: &Path) -> io::Result<Option<String>> {
    match read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.cause),
    }
}

/// Makes the file, or replaces it where what is there yields; what was there outlasts a power
/// failure, or what is new does. Nobody else who asks here replaces it between the look and the end.
pub(super) async fn replace<E: Send + 'static>(
    path: PathBuf,
    text: String,
    yields: impl FnOnce(&str) -> Result<bool, E> + Send + 'static,
) -> Result<Result<(), E>, FileError> {
    off_the_threads("write", path, move |path| {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Of the directory, because the file itself becomes another one. Dropped, it is unlocked.
        let turn = File::open(directory)?;
        turn.lock()?;
        match found(path)?.as_deref().map(yields) {
            None | Some(Ok(true)) => {}
            Some(Ok(false)) => return Ok(Ok(())),
            Some(Err(error)) => return Ok(Err(error)),
        }
        let mut draft = tempfile::Builder::new()
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(directory)?;
        draft.write_all(text.as_bytes())?;
        draft.as_file().sync_all()?;
        draft.persist(path)?;
        turn.sync_all().map(Ok)
    })
    .await
}

async fn off_the_threads<T: Send + 'static>(
    action: &'static str,
    path: PathBuf,
    act: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, FileError> {
    let at = path.clone();
    let done = tokio::task::spawn_blocking(move || act(&at)).await;
    done.unwrap_or_else(|ended| Err(io::Error::other(ended))).map_err(|cause| FileError {
        action,
        path,
        cause,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{convert::Infallible, fs, fs::TryLockError};

    use super::*;

    #[tokio::test]
    async fn only_what_yields_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoint");
        let put = async |text: &str, yields| {
            replace(path.clone(), text.to_owned(), move |_| yields).await.unwrap()
        };
        let kept = || fs::read_to_string(&path).unwrap();
        assert_eq!(
            (put("a", Err("nothing is there to be looked at")).await, kept()),
            (Ok(()), "a".into())
        );
        assert_eq!((put("b", Ok(false)).await, kept()), (Ok(()), "a".into()));
        assert_eq!((put("b", Err("wrong")).await, kept()), (Err("wrong"), "a".into()));
        assert_eq!((put("b", Ok(true)).await, kept()), (Ok(()), "b".into()));
    }

    #[tokio::test]
    async fn nobody_else_replaces_it_between_the_look_and_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoint");
        fs::write(&path, "a").unwrap();
        let place = directory.path().to_owned();
        let looked = replace(path, "b".to_owned(), move |there| {
            let other = File::open(place).unwrap().try_lock();
            assert!(matches!(other, Err(TryLockError::WouldBlock)), "{other:?}");
            Ok::<_, Infallible>(there == "a")
        });
        looked.await.unwrap().unwrap();
        File::open(directory.path()).unwrap().try_lock().unwrap();
    }
}
