//! `keyward bootstrap`.

use std::{process::ExitCode, sync::Arc};

use super::{Failure, on_back, output};
use crate::{admin::Bootstrapped, app::App, config::Settings};

/// Mints the first key of a caller. Its secret alone goes to standard output.
pub(super) fn run(settings: &Settings, force: bool) -> Result<ExitCode, Failure> {
    let done = on_back(settings, async |back| {
        let app = App::open(settings, back.clone()).await?;
        let admin = Arc::clone(app.admin());
        let done = back.run(async move { admin.bootstrap(force).await }).await??;
        app.close().await?;
        Ok(done)
    })?;
    match done {
        Bootstrapped::Minted(name, secret) => {
            output::note(format_args!(
                "Minted {name}, which may do everything. Its secret is shown this once:"
            ));
            output::answer(secret.reveal());
        }
        Bootstrapped::Done(name) => {
            output::note(format_args!(
                "Done before: {name} exists, and its secret is not kept. Nothing was minted. \
                 If the secret is lost, `keyward bootstrap --force` mints another key."
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
