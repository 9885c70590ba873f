//! `keyward serve`.

use std::{process::ExitCode, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Failure, on_back, output};
use crate::{
    app::{self, App},
    back::Drained,
    config::Settings,
    logging,
    telemetry::Telemetry,
};

/// How long what was not sent to the collector of telemetry yet may take, once all else is over.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Prints the settings in force.
pub(super) fn print_config(settings: &Settings) -> Result<ExitCode, Failure> {
    output::answer(settings.print().trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Serves until SIGTERM or SIGINT; a second one ends the process at once.
pub(super) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let (spans, gathering) = app::gather_spans(settings);
    let level = logging::start(&settings.log, spans)?;
    let drained = on_back(settings, async |back| {
        let shutdown = CancellationToken::new();
        tokio::spawn(end_on_signal(shutdown.clone()));
        back.handle().spawn(level.follow());
        let (app, listener, telemetry) = if settings.database.is_server() {
            let listener = app::listen(settings).await?;
            let telemetry = app::tell(settings, gathering, &back).await?;
            match app::open_when_ready(settings, &back, &listener, &shutdown).await {
                Ok(Some(app)) => (app, listener, telemetry),
                ended => {
                    finish(telemetry).await;
                    ended?;
                    return Ok(Drained::All);
                }
            }
        } else {
            let app = App::open(settings, back.clone()).await?;
            let listener = app::listen(settings).await?;
            (app, listener, app::tell(settings, gathering, &back).await?)
        };
        app.tell(telemetry.as_ref(), &listener);
        tracing::info!(
            address = %listener.local_addr()?,
            database = %app.place(),
            version = env!("CARGO_PKG_VERSION"),
            "serving"
        );
        let served = app.serve(listener, settings, shutdown).await;
        // Until the end it is told how it ends.
        finish(telemetry).await;
        Ok(served?)
    })?;
    match drained {
        Drained::All => tracing::info!("ended; every call was finished"),
        Drained::CutOff(left) => {
            tracing::warn!(left, "ended; the drain time-out cut connections off");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends what waits for the collector.
async fn finish(telemetry: Option<Telemetry>) {
    if let Some(telemetry) = telemetry {
        telemetry.finish(LAST_WORDS).await;
    }
}

/// Asks for the end at the first SIGTERM or SIGINT, and ends the process at the second.
/// Signals count from the call on, whenever what it returns is first polled.
pub(super) fn end_on_signal(shutdown: CancellationToken) -> impl Future<Output = ()> + Send {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            tracing::warn!("signals cannot be waited for; the process ends only when it is killed");
            return;
        };
        for round in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if round == 0 {
                tracing::info!("asked to end: no new calls are taken");
                shutdown.cancel();
            }
        }
        std::process::exit(1);
    }
}
