//! `keyward migrate`.

use std::process::ExitCode;

use super::{Failure, on_back, output};
use crate::{app::open_database, config::Settings};

/// Takes changes of the schema back: all after `to`, else the newest.
pub(super) fn take_back(
    settings: &Settings,
    to: Option<String>,
    force: bool,
) -> Result<ExitCode, Failure> {
    let owned = settings.clone();
    let (place, taken) = on_back(settings, async |back| {
        let went = back.run(async move {
            let store = open_database(&owned).await?;
            let taken = store.migrate_back(to.as_deref(), force).await;
            store.close().await;
            Ok::<_, Failure>((store.place().clone(), taken?))
        });
        went.await?
    })?;
    match taken.as_slice() {
        [] => output::note(format_args!("There is nothing to take back of the schema of {place}.")),
        taken => output::note(format_args!(
            "Taken back of the schema of {place}: {}. An older version starts on it; this one only after `keyward \
             migrate`, which makes them again.",
            taken.join(", ")
        )),
    }
    Ok(ExitCode::SUCCESS)
}

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
