//! `keyward keyring`.

use std::process::ExitCode;

use super::{Failure, output};
use crate::{clock::SystemClock, config::Settings, domain::ports::Clock as _, keyring};

/// Adds a signing key. A running server signs with it after its next start.
pub(super) fn rotate(settings: &Settings) -> Result<ExitCode, Failure> {
    let path = &settings.keyring.path;
    let now = SystemClock.now().micros() / 1_000_000;
    let version = keyring::rotate(path, now)?;
    output::note(format_args!(
        "{} signs with version {version} from the next start of the server on. Secrets of older versions stay good.",
        path.display()
    ));
    if settings.database.is_server() {
        output::note(
            "Copy it to every process that uses the database, then stop them all and start them: \
             one that has not read it refuses what the others sign.",
        );
    }
    Ok(ExitCode::SUCCESS)
}
