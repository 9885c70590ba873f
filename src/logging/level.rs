//! The level of the log, which may change while the process runs.

use std::{fmt, io::ErrorKind, path::PathBuf};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Registry, reload};

use super::lines::Chosen;
use crate::config::{LEVELS, parse_level};
use crate::files::Files;

/// Bytes of a file that holds a level, at most: what is longer is something else.
const BYTES_MAX: u64 = 4_096;

/// The level of the log.
pub struct Level {
    handle: reload::Handle<Chosen, Registry>,
    /// What is in force without a file.
    usual: Targets,
    /// What wins over it.
    file: Option<PathBuf>,
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Level").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Level {
    pub(super) fn new(
        handle: reload::Handle<Chosen, Registry>,
        usual: Targets,
        file: Option<PathBuf>,
    ) -> Self {
        Self { handle, usual, file }
    }

    /// Puts in force what `log.level_file` holds, and again whenever it holds something else; for
    /// ever, and never where there is no such file.
    pub async fn follow(self) {
        let Some(path) = self.file.clone() else { return };
        let mut files = Files::look_at(vec![path.clone()]).await;
        let mut is_usual = true;
        loop {
            match read(&path).await {
                Ok(text) => match parse_level(text.trim()) {
                    Some(targets) => {
                        is_usual = false;
                        self.put_in_force(targets);
                        // By now it is known to be a level.
                        let level = text.trim();
                        tracing::info!(level, "the level is that of log.level_file");
                    }
                    // What stands there may be anything, and is not repeated.
                    None => refuse(format_args!("must be {LEVELS}")),
                },
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if !is_usual {
                        is_usual = true;
                        self.put_in_force(self.usual.clone());
                        tracing::info!("log.level_file is gone: the level is that of log.level");
                    }
                }
                Err(error) => refuse(format_args!("cannot be read: {error}")),
            }
            files.changed().await;
        }
    }

    fn put_in_force(&self, targets: Targets) {
        // An error says that nobody logs any more.
        _ = self.handle.reload(Chosen::new(targets));
    }
}

fn refuse(why: fmt::Arguments<'_>) {
    tracing::warn!("log.level_file {why}; the level stays as it is");
}

async fn read(path: &std::path::Path) -> std::io::Result<String> {
    use tokio::io::AsyncReadExt as _;

    let mut text = String::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(BYTES_MAX).read_to_string(&mut text).await?;
    Ok(text)
}
