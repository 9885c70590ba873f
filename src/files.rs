//! Files that are looked at again and again: what they hold counts without a restart.

pub mod private;

use std::{
    fs::{self, File},
    io::Read as _,
    mem,
    path::{Path, PathBuf},
    time::Duration,
};

use ring::digest::{Context, SHA256};
use tokio::time::{Interval, MissedTickBehavior, interval};
use zeroize::Zeroizing;

/// Time between two looks.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of a file that are looked at: none that is meant has more.
const LOOK_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Bytes that are read at once.
const PIECE_BYTES: usize = 16 * 1024;

/// Some files, and what they held at the last look. They are compared by what they hold, of which only a digest is
/// kept, not by when they were written: Kubernetes swaps a link to their directory, and others write what was there.
#[derive(Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    held: Vec<Held>,
    is_refused: bool,
    looks: Interval,
}

/// A digest of what a file holds. None: it cannot be read.
type Held = Option<Vec<u8>>;

/// What a look has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// All of them hold what they held.
    Same,
    /// At least one holds something else.
    Changed,
    /// They hold what they held, and that was refused: it is to be tried again.
    Again,
}

impl Files {
    /// Takes a first look at these files. Whoever reads them afterwards hears of every later change.
    pub async fn look_at(paths: Vec<PathBuf>) -> Self {
        let held = look(&paths).await;
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { paths, held, is_refused: false, looks }
    }

    /// Looks now.
    pub async fn look(&mut self) -> Look {
        if self.paths.is_empty() {
            return Look::Same;
        }
        let held = look(&self.paths).await;
        let was_refused = mem::take(&mut self.is_refused);
        match (held == self.held, was_refused) {
            (true, false) => Look::Same,
            (true, true) => Look::Again,
            (false, _) => {
                self.held = held;
                Look::Changed
            }
        }
    }

    /// Says that what the last look found was of no use. It may be of use at the next without holding anything else:
    /// when its mode was mended, or there are descriptors again.
    pub fn refuse(&mut self) {
        self.is_refused = true;
    }

    /// Waits until a look, one each [`LOOK_INTERVAL`], finds anything to read. Never where there are no files.
    pub async fn changed(&mut self) {
        if self.paths.is_empty() {
            return std::future::pending().await;
        }
        loop {
            self.looks.tick().await;
            if self.look().await != Look::Same {
                return;
            }
        }
    }
}

async fn look(paths: &[PathBuf]) -> Vec<Held> {
    let owned = paths.to_vec();
    let looked = tokio::task::spawn_blocking(move || owned.iter().map(|path| held(path)).collect());
    looked.await.unwrap_or_else(|_| vec![None; paths.len()])
}

/// Blocks, but for no pipe and no device: opening one could wait for ever, and reading it never end.
fn held(path: &Path) -> Held {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut file = File::open(path).ok()?.take(LOOK_BYTES_MAX);
    let mut context = Context::new(&SHA256);
    let mut piece = Zeroizing::new(vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece).ok()? {
            0 => return Some(context.finish().as_ref().to_vec()),
            count => context.update(piece.get(..count)?),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{fs, process::Command};

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
    async fn what_was_refused_is_read_again_a_look_later_until_it_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let one = directory.path().join("one");
        fs::write(&one, "a").unwrap();
        let mut files = Files::look_at(vec![one.clone()]).await;
        files.changed_within(LOOK_INTERVAL).await.unwrap_err();
        for _ in 0..3 {
            files.refuse();
            let begun = tokio::time::Instant::now();
            files.changed_within(2 * LOOK_INTERVAL).await.unwrap();
            assert!(begun.elapsed() >= LOOK_INTERVAL / 2, "it is not tried without a pause");
        }
        files.changed_within(10 * LOOK_INTERVAL).await.unwrap_err();
        files.refuse();
        assert_eq!(files.look().await, Look::Again);
        files.refuse();
        fs::write(&one, "b").unwrap();
        assert_eq!([files.look().await, files.look().await], [Look::Changed, Look::Same]);
    }

    impl Files {
        async fn changed_within(
            &mut self,
            time: Duration,
        ) -> Result<(), tokio::time::error::Elapsed> {
            tokio::time::timeout(time, self.changed()).await
        }
    }

    #[tokio::test]
    async fn what_is_no_file_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let looked = Files::look_at(vec![pipe, "/dev/zero".into(), "/".into()]);
        let files = tokio::time::timeout(Duration::from_secs(60), looked).await.unwrap();
        assert_eq!(files.held, [None, None, None]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_files_never_change() {
        let mut files = Files::look_at(vec![]).await;
        files.refuse();
        assert!(tokio::time::timeout(10 * LOOK_INTERVAL, files.changed()).await.is_err());
    }
}
