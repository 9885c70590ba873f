//! `keyward events`.

use std::{path::Path, process::ExitCode};

use super::{Failure, failure, on_back, output};
use crate::{
    app::{open_database, public_keys},
    checkpoints,
    config::Settings,
    domain::{
        checkpoint::{Checkpoint, Head, VerifierKey, open},
        event::Hash,
    },
    store::Verified,
};

/// Checks the log from its first event to its last, and where a checkpoint is given, that it is
/// the log which that tells of. Makes no database where there is none.
pub(super) fn verify(
    settings: &Settings,
    checkpoint: Option<&Path>,
    keys: Vec<VerifierKey>,
) -> Result<ExitCode, Failure> {
    // First, for it costs nothing, and says what to do whatever the log is like.
    let checkpoint = checkpoint.map(|file| trusted(settings, file, keys)).transpose()?;
    let known = checkpoint.as_ref().map(|checkpoint| checkpoint.head).unwrap_or_default();
    let Verified { count, revision, hash } = verified(settings, known)?;
    output::answer(format_args!(
        "{count} events, unbroken. Last: revision {revision}, hash {}",
        hex(hash)
    ))?;
    if let Some(Checkpoint { origin, head, time }) = checkpoint {
        output::answer(format_args!(
            "The checkpoint of {origin} at revision {}, signed {}, holds.",
            head.revision,
            prost_types::Timestamp { seconds: time.micros() / 1_000_000, nanos: 0 }
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The checkpoint in a file, rightly signed.
fn trusted(
    settings: &Settings,
    file: &Path,
    keys: Vec<VerifierKey>,
) -> Result<Checkpoint, Failure> {
    let note = checkpoints::read(file)?;
    let keys = if keys.is_empty() { public_keys(settings)? } else { keys };
    open(&note, &keys).map_err(|wrong| {
        failure(format!("the checkpoint in {} cannot be relied on: {wrong}", file.display()))
    })
}

fn verified(settings: &Settings, known: Head) -> Result<Verified, Failure> {
    let path = &settings.database.path;
    // What cannot be looked for is for the opening to explain.
    if !settings.database.is_server()
        && let Ok(false) = path.try_exists()
    {
        return Err(failure(format!("there is no database at {}", path.display())));
    }
    let (owned, is_server) = (settings.clone(), settings.database.is_server());
    on_back(settings, async |back| {
        let verified = back.run(async move {
            let store = open_database(&owned).await?;
            if is_server {
                store.check_schema().await?;
            }
            let verified = store.verify_events_with(known).await;
            store.close().await;
            Ok::<_, Failure>(verified?)
        });
        verified.await?
    })
}

fn hex(Hash(bytes): Hash) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
