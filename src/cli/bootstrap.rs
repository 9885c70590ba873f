//! `keyward bootstrap`.

use std::{process::ExitCode, sync::Arc};

use super::{Failure, failure, on_back, output};
use crate::{
    admin::Bootstrapped,
    app::{App, AppError},
    config::Settings,
    store::OpenError,
};

/// Mints the first key of a caller. Its secret alone goes to standard output, before anything
/// else can fail.
pub(super) fn run(settings: &Settings, force: bool) -> Result<ExitCode, Failure> {
    on_back(settings, async |back| {
        let app = App::open(settings, back.clone()).await.map_err(beside_a_server)?;
        let admin = Arc::clone(app.admin());
        let done = back.run(async move { admin.bootstrap(force).await }).await??;
        let (told, closed) = (tell(done), app.close(settings.server.drain_timeout()).await);
        told?;
        closed?;
        Ok(ExitCode::SUCCESS)
    })
}

/// A file has one owner: what a server that runs on it leaves to do.
fn beside_a_server(error: AppError) -> Failure {
    match error {
        AppError::Open(OpenError::Owned { path }) => failure(format!(
            "another keyward process owns {path} (`fuser {path}.lock` names it), and a first key is minted in the file \
             itself. Stop that one, run `keyward bootstrap` again, and start it. With a key that may already do \
             everything, a running server mints others: keyward.v1.KeyAdmin/CreateKey in workspaces/system",
            path = path.display()
        )),
        error => error.into(),
    }
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
