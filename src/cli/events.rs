//! `keyward events`.

use std::process::ExitCode;

use super::{Failure, on_back, output};
use crate::{app::store_options, config::Settings, store::Store};

/// Checks the log from its first event to its last.
pub(super) fn verify(settings: &Settings) -> Result<ExitCode, Failure> {
    let options = store_options(settings);
    let verified = on_back(settings, async |back| {
        let verified = back.run(async move {
            let store = Store::open(&options).await?;
            let verified = store.verify_events().await;
            store.close().await;
            Ok::<_, Failure>(verified?)
        });
        verified.await?
    })?;
    output::answer(format_args!("{} events, unbroken.", verified.count));
    Ok(ExitCode::SUCCESS)
}
