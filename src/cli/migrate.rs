//! `keyward migrate`.

use std::process::ExitCode;

use super::{Failure, on_back, output};
use crate::{app::store_options, config::Settings, store::Store};

/// Brings the schema of the database to this version; one that fits is left alone.
pub(super) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let options = store_options(settings);
    on_back(settings, async |back| {
        let migrated = back.run(async move {
            let store = Store::open(&options).await?;
            store.migrate().await?;
            store.close().await;
            Ok::<_, Failure>(())
        });
        migrated.await?
    })?;
    output::note(format_args!(
        "The schema of {} fits this version.",
        settings.database.path.display()
    ));
    Ok(ExitCode::SUCCESS)
}
