//! `keyward events`.

use std::process::ExitCode;

use super::{Failure, failure, on_back, output};
use crate::{app::open_database, config::Settings, domain::event::Hash, store::Verified};

/// Checks the log from its first event to its last. Makes no database where there is none.
pub(super) fn verify(settings: &Settings) -> Result<ExitCode, Failure> {
    let path = &settings.database.path;
    // What cannot be looked for is for the opening to explain.
    if !settings.database.is_server()
        && let Ok(false) = path.try_exists()
    {
        return Err(failure(format!("there is no database at {}", path.display())));
    }
    let (owned, is_server) = (settings.clone(), settings.database.is_server());
    let Verified { count, revision, hash } = on_back(settings, async |back| {
        let verified = back.run(async move {
            let store = open_database(&owned).await?;
            if is_server {
                store.check_schema().await?;
            }
            let verified = store.verify_events().await;
            store.close().await;
            Ok::<_, Failure>(verified?)
        });
        verified.await?
    })?;
    output::answer(format_args!(
        "{count} events, unbroken. Last: revision {revision}, hash {}",
        hex(hash)
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn hex(Hash(bytes): Hash) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
