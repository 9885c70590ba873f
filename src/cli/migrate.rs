//! `keyward migrate`.

use std::process::ExitCode;

use super::{Failure, on_back, output};
use crate::{app::open_database, config::Settings};

/// Brings the schema of the database to this version; one that fits is left alone.
pub(super) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let owned = settings.clone();
    let place = on_back(settings, async |back| {
        let migrated = back.run(async move {
            let store = open_database(&owned).await?;
            store.migrate().await?;
            store.close().await;
            Ok::<_, Failure>(store.place().clone())
        });
        migrated.await?
    })?;
    output::note(format_args!("The schema of {place} fits this version."));
    Ok(ExitCode::SUCCESS)
}
