//! Checkpoints of the log, as the settings want them.

use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{App, AppError};
use crate::{
    checkpoints::Checkpoints,
    clock::SystemClock,
    config::{InvalidSettings, Settings},
    domain::checkpoint::{Origin, VerifierKey},
    keyring::{self, CheckpointKeys},
};

/// The last checkpoint may take this part of the time that is left at the end.
const PATIENCE_PART: u32 = 2;

/// The schedule, while it goes on. Dropped, it stops at once.
pub(super) struct Scheduled {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Scheduled {
    /// Signs the last checkpoint, and stops. What hangs there must not keep what was counted from
    /// being written, so it is given a part of the time that there is.
    pub(super) async fn end(self, patience: Duration) {
        self.stop.cancel();
        // Where it panicked, that was told already.
        if tokio::time::timeout(patience / PATIENCE_PART, self.task).await.is_err() {
            tracing::error!("no checkpoint was signed at the end: it took too long");
        }
    }
}

impl App {
    /// Begins to sign checkpoints, where the settings want any and the keyring has a key for them.
    pub(super) fn sign_checkpoints(
        &self,
        settings: &Settings,
    ) -> Result<Option<Scheduled>, AppError> {
        let interval = settings.audit.checkpoint_interval_s;
        if interval == 0 {
            return Ok(None);
        }
        let CheckpointKeys { current, older } = keyring::checkpoint_keys(&settings.keyring.path)?;
        let Some(key) = current else {
            tracing::warn!(
                "no checkpoints of the log are signed: the keyring has no key for them; run `keyward keyring rotate \
                 --checkpoints`, and start again"
            );
            return Ok(None);
        };
        let checkpoints = Checkpoints::new(
            Arc::clone(&self.store),
            Arc::new(SystemClock),
            (key, &older),
            origin(settings)?,
            settings.audit.file().map(ToOwned::to_owned),
        )
        .counted_by(Arc::clone(&self.checkpoints));
        let stop = CancellationToken::new();
        let schedule = checkpoints.run(Duration::from_secs(interval), stop.clone());
        let task = AbortOnDropHandle::new(self.back.handle().spawn(schedule));
        Ok(Some(Scheduled { stop, task }))
    }
}

/// The public keys of checkpoints, that of the key which signs first.
///
/// # Errors
///
/// [`AppError`]: what an operator must mend first.
pub fn public_keys(settings: &Settings) -> Result<Vec<VerifierKey>, AppError> {
    let keys = keyring::checkpoint_keys(&settings.keyring.path)?;
    let origin = origin(settings)?;
    Ok(keys.public().map(|key| VerifierKey { origin: origin.clone(), key }).collect())
}

fn origin(settings: &Settings) -> Result<Origin, InvalidSettings> {
    Ok(settings.audit.origin()?)
}
