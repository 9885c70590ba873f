//! `keyward bootstrap`.

use std::{process::ExitCode, sync::Arc};

use super::{Failure, failure, on_back, output};
use crate::{admin::Bootstrapped, app::App, config::Settings};

/// Mints the first key of a caller. Its secret alone goes to standard output, before anything
/// else can fail.
pub(super) fn run(settings: &Settings, force: bool) -> Result<ExitCode, Failure> {
    on_back(settings, async |back| {
        let app = App::open(settings, back.clone()).await?;
        let admin = Arc::clone(app.admin());
        let done = back.run(async move { admin.bootstrap(force).await }).await??;
        let (told, closed) = (tell(done), app.close(settings.server.drain_timeout()).await);
        told?;
        closed?;
        Ok(ExitCode::SUCCESS)
    })
}

fn tell(done: Bootstrapped) -> Result<(), Failure> {
    match done {
        Bootstrapped::Minted(name, secret) => {
            output::note(format_args!(
                "Minted {name}, which may do everything. Its secret is shown this once:"
            ));
            output::once(secret.reveal()).map_err(|error| {
                failure(format!(
                    "the secret could not be printed: mint another with --force ({error})"
                ))
            })
        }
        Bootstrapped::Done(name) => {
            output::note(format_args!(
                "Done before: {name} exists, and its secret is not kept. Nothing was minted. \
                 If the secret is lost, `keyward bootstrap --force` mints another key."
            ));
            Ok(())
        }
    }
}
