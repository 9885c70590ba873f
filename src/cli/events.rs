//! `keyward events`.

use std::process::ExitCode;

use super::{Failure, failure, on_back, output};
use crate::{
    app::store_options,
    config::Settings,
    domain::event::Hash,
    store::{Store, Verified},
};

/// Checks the log from its first event to its last. Makes no database where there is none.
pub(super) fn verify(settings: &Settings) -> Result<ExitCode, Failure> {
    let options = store_options(settings);
    // What cannot be looked for is for the opening to explain.
    if let Ok(false) = options.path.try_exists() {
        return Err(failure(format!("there is no database at {}", options.path.display())));
    }
    let Verified { count, revision, hash } = on_back(settings, async |back| {
        let verified = back.run(async move {
            let store = Store::open(&options).await?;
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
