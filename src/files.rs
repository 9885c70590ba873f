//! Files that are looked at again and again: what they hold counts without a restart.

pub mod private;

use std::{path::PathBuf, time::Duration};

use ring::digest::{SHA256, digest};
use tokio::time::{MissedTickBehavior, interval};

/// Time between two looks.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Some files, and what they held at the last look. They are compared by what they hold, of which only a digest is
/// kept, not by when they were written: Kubernetes swaps a link to their directory, and others write what was there.
#[derive(Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    held: Vec<Held>,
}

/// A digest of what a file holds. None: it cannot be read.
type Held = Option<Vec<u8>>;

impl Files {
    /// Takes a first look at these files. Whoever reads them afterwards hears of every later change.
    pub async fn look_at(paths: Vec<PathBuf>) -> Self {
        let held = look(&paths).await;
        Self { paths, held }
    }

    /// Waits until at least one of them holds something else than at the last look, looking each [`LOOK_INTERVAL`].
    /// Never where there are no files.
    pub async fn changed(&mut self) {
        if self.paths.is_empty() {
            return std::future::pending().await;
        }
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let held = look(&self.paths).await;
            if held != self.held {
                self.held = held;
                return;
            }
        }
    }
}

async fn look(paths: &[PathBuf]) -> Vec<Held> {
    let mut held = Vec::with_capacity(paths.len());
    for path in paths {
        let holds = tokio::fs::read(path).await.map(zeroize::Zeroizing::new);
        held.push(holds.ok().map(|bytes| digest(&SHA256, &bytes).as_ref().to_vec()));
    }
    held
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_that_holds_something_else_is_noticed_once() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("one"), directory.path().join("other"));
        fs::write(&one, "a").unwrap();
        let mut files = Files::look_at(vec![one.clone(), other.clone()]).await;
        for change in
            [&|| fs::write(&one, "b").unwrap(), &|| fs::write(&other, "").unwrap(), &|| {
                fs::remove_file(&one).unwrap();
            }] as [&dyn Fn(); 3]
        {
            change();
            files.changed().await;
            let again = tokio::time::timeout(10 * LOOK_INTERVAL, files.changed());
            assert!(again.await.is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_written_as_it_was_has_not_changed() {
        let directory = tempfile::tempdir().unwrap();
        let one = directory.path().join("one");
        fs::write(&one, "a").unwrap();
        let mut files = Files::look_at(vec![one.clone()]).await;
        fs::remove_file(&one).unwrap();
        fs::write(&one, "a").unwrap();
        assert!(tokio::time::timeout(10 * LOOK_INTERVAL, files.changed()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn no_files_never_change() {
        let mut files = Files::look_at(vec![]).await;
        assert!(tokio::time::timeout(10 * LOOK_INTERVAL, files.changed()).await.is_err());
    }
}
