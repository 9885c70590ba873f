//! Signs checkpoints of the log on a schedule, and never one of a log that does not go on from the
//! checkpoint before.
//!
//! Every replica signs its own: there is no leader to elect or to lose, each is a witness of what it
//! has read itself, and one costs a read of what came since the last. Replicas may share a file:
//! whoever writes goes on from the checkpoint that it finds there, and leaves it there where it has
//! become a newer one meanwhile.

mod file;
mod schedule;
mod tally;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{
        checkpoint::{
            Checkpoint, CheckpointKey, Head, InvalidCheckpoint, Origin, PublicKey, VerifierKey,
            open,
        },
        ports::Clock,
    },
    store::{Store, VerifyError},
};
pub use file::{FileError, read};
use schedule::Schedule;
pub use tally::{Tally, Witnessed};

/// Why no checkpoint was signed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The one before is not to be relied on.
    #[error("the checkpoint before, in {}, cannot be relied on: {cause}", .path.display())]
    Before {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        cause: InvalidCheckpoint,
    },
    /// The log is not whole, or is another one than it was.
    #[error(transparent)]
    Log(#[from] VerifyError),
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Signs checkpoints of one log.
pub struct Checkpoints {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    key: CheckpointKey,
    /// By which the checkpoint before is believed.
    believed: Arc<[VerifierKey]>,
    origin: Origin,
    file: Option<PathBuf>,
    last: Head,
    tally: Arc<Tally>,
}

impl Checkpoints {
    /// Signs with `key`, which follows those of `older`; keeps the newest checkpoint in `file`,
    /// where there is one.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        (key, older): (CheckpointKey, &[PublicKey]),
        origin: Origin,
        file: Option<PathBuf>,
    ) -> Self {
        let known = [key.public()].into_iter().chain(older.iter().copied());
        let believed = known.map(|key| VerifierKey { origin: origin.clone(), key }).collect();
        let (last, tally) = (Head::default(), Arc::default());
        Self { store, clock, key, believed, origin, file, last, tally }
    }

    /// The same, counted here.
    #[must_use]
    pub fn counted_by(self, tally: Arc<Tally>) -> Self {
        Self { tally, ..self }
    }

    /// Signs one: of the log as it is now, after it was found to go on from the one before. It is
    /// told of in the log of the process, as base64 of the file.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]; the file is then as it was.
    pub async fn sign(&mut self) -> Result<Checkpoint, CheckpointError> {
        let before = self.before().await?;
        let head = if before == Head::default() {
            // Of what came before nothing is known; `keyward events verify` reads it.
            self.store.head().await.map_err(VerifyError::from)?
        } else {
            self.store.verify_events_after(before).await?.into()
        };
        let checkpoint = Checkpoint { origin: self.origin.clone(), head, time: self.clock.now() };
        let note = self.key.sign(&checkpoint);
        if let Some(path) = &self.file {
            let (at, believed) = (path.clone(), Arc::clone(&self.believed));
            let is_older = move |there: &str| {
                head_in(there, &at, &believed).map(|there| there.revision <= head.revision)
            };
            file::replace(path.clone(), note.clone(), is_older).await??;
        }
        self.last = head;
        let encoded = STANDARD.encode(note);
        tracing::info!(revision = head.revision.0, checkpoint = encoded, "a checkpoint was signed");
        Ok(checkpoint)
    }

    /// How far the log is known to have come: an older file in place of ours is not believed.
    async fn before(&self) -> Result<Head, CheckpointError> {
        let Some(path) = &self.file else { return Ok(self.last) };
        let Some(note) = file::read_if_there(path.clone()).await? else { return Ok(self.last) };
        let found = head_in(&note, path, &self.believed)?;
        Ok(if found.revision > self.last.revision { found } else { self.last })
    }

    /// Signs one after each interval, and the last when it is to stop; with a file the first at
    /// once, for what is in the file may tell that the log was cut off meanwhile. Whatever keeps it
    /// from signing is said in the log of the process each time, and counted.
    pub async fn run(mut self, interval: Duration, stop: CancellationToken) {
        self.tally.begin();
        let mut schedule = Schedule::new(self.file.is_some(), interval, stop);
        loop {
            let is_last = schedule.due().await;
            match self.sign().await {
                Ok(_) => self.tally.signed(),
                Err(error) => {
                    self.tally.failed();
                    tracing::error!(%error, "no checkpoint was signed: see whether the log is whole with `keyward events verify`");
                }
            }
            if is_last {
                return;
            }
        }
    }
}

/// What a checkpoint in a file tells of.
fn head_in(note: &str, path: &Path, believed: &[VerifierKey]) -> Result<Head, CheckpointError> {
    let opened = open(note, believed);
    Ok(opened.map_err(|cause| CheckpointError::Before { path: path.to_owned(), cause })?.head)
}
