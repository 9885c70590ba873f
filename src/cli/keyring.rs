//! `keyward keyring`.

use std::{path::Path, process::ExitCode};

use super::{Failure, failure, output};
use crate::{app, clock::SystemClock, config::Settings, domain::ports::Clock as _, keyring};

/// Makes a keyring where there is none.
pub(super) fn init(settings: &Settings, path: Option<&Path>) -> Result<ExitCode, Failure> {
    let path = path.unwrap_or(&settings.keyring.path);
    keyring::create(path, now())?;
    let path = path.display();
    output::note(format_args!(
        "Made {path}, which its owner alone may read. Without it no key is good any more: keep a copy, apart from \
         those of the database. A secret of Kubernetes is made of it so:\n\
         \n  kubectl create secret generic keyward-keyring --from-file=keyring={path}\n"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Adds a signing key. A running server signs with it after its next start.
pub(super) fn rotate(settings: &Settings) -> Result<ExitCode, Failure> {
    let path = &settings.keyring.path;
    let version = keyring::rotate(path, now())?;
    output::note(format_args!(
        "{} signs with version {version} from the next start of the server on. Secrets of older versions stay good.",
        path.display()
    ));
    note_copies(settings, "refuses what the others sign");
    Ok(ExitCode::SUCCESS)
}

/// Replaces the key that signs checkpoints. A running server signs with it after its next start.
pub(super) fn rotate_checkpoints(settings: &Settings) -> Result<ExitCode, Failure> {
    let path = &settings.keyring.path;
    keyring::rotate_checkpoint_key(path, now())?;
    output::note(format_args!(
        "{} signs checkpoints with a new key from the next start of the server on; those before stay \
         good. Give the new public key, which `keyward keyring public-key` prints, to whoever checks them.",
        path.display()
    ));
    note_copies(settings, "signs no checkpoint in a file that they share");
    Ok(ExitCode::SUCCESS)
}

/// Says what is to be done where several processes have the keyring, and what one does that is left out.
fn note_copies(settings: &Settings, left_out: &str) {
    if settings.database.is_server() {
        output::note(format_args!(
            "Copy it to every process that uses the database, then stop them all and start them: \
             one that has not read it {left_out}."
        ));
    }
}

/// Prints the public keys of checkpoints.
pub(super) fn public_keys(settings: &Settings) -> Result<ExitCode, Failure> {
    let keys = app::public_keys(settings)?;
    if keys.is_empty() {
        return Err(failure(format!(
            "{} has no key for checkpoints; `keyward keyring rotate --checkpoints` adds one",
            settings.keyring.path.display()
        )));
    }
    for key in keys {
        output::answer(key)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn now() -> i64 {
    SystemClock.now().micros() / 1_000_000
}
