//! Waits for a database that is not ready yet: that is not there, or has another schema.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;

use super::{App, AppError, Listener, report};
use crate::{
    back::Back,
    config::Settings,
    grpc::{
        authenticate::Authenticated,
        introspect::IntrospectService,
        key_admin::KeyAdminService,
        layers::{EdgeLimits, Watch, edge},
        waiting::Waiting,
    },
    proto::{introspect_server::IntrospectServer, key_admin_server::KeyAdminServer},
    server,
};

/// How often the database is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// After how many looks it is told again what is waited for.
const TELL_EVERY: u32 = 60;

/// Opens a deployment on a server that other processes use too. As long as it cannot be opened,
/// for a reason that others may remove, health says NOT_SERVING and calls are answered
/// UNAVAILABLE, at the listener's address. None: `shutdown` came first.
///
/// # Errors
///
/// [`AppError`]: what an operator must mend first.
pub async fn open_when_ready(
    settings: &Settings,
    back: &Back,
    listener: &Listener,
    shutdown: &CancellationToken,
) -> Result<Option<App>, AppError> {
    let mut first = Box::pin(App::open(settings, back.clone()));
    let early = tokio::select! {
        () = shutdown.cancelled() => return Ok(None),
        outcome = &mut first => Some(outcome),
        () = tokio::time::sleep(INTERVAL) => None,
    };
    let (mut told, mut opening) = match early {
        Some(Err(error)) if error.may_pass() => (tell(&error), None),
        Some(outcome) => return outcome.map(Some),
        // Somebody else migrates, or the server hangs.
        None => (String::new(), Some(first)),
    };
    let stop = shutdown.child_token();
    let opening = async {
        let mut looks = 0_u32;
        let opened = loop {
            let look = async {
                if let Some(first) = opening.take() {
                    return first.await;
                }
                tokio::time::sleep(INTERVAL).await;
                App::open(settings, back.clone()).await
            };
            let outcome = tokio::select! {
                () = shutdown.cancelled() => break Ok(None),
                outcome = look => outcome,
            };
            looks = looks.wrapping_add(1);
            match outcome {
                Err(error) if error.may_pass() => {
                    if looks.is_multiple_of(TELL_EVERY) || why(&error) != told {
                        told = tell(&error);
                    }
                }
                outcome => break outcome.map(Some),
            }
        };
        stop.cancel();
        opened
    };
    let (opened, answered) = tokio::join!(opening, answer(settings, listener, stop.clone()));
    answered?;
    opened
}

/// Says that nothing can be answered, until `stop`.
async fn answer(
    settings: &Settings,
    listener: &Listener,
    stop: CancellationToken,
) -> Result<(), AppError> {
    let refused = |error| AppError::Listen { address: settings.server.listen, error };
    let twin = listener.twin().map_err(refused)?;
    let (reporter, health) = tonic_health::server::health_reporter();
    let reporters: Vec<_> = [reporter].into_iter().chain(listener.health()).collect();
    report(&reporters, ServingStatus::NotServing).await;
    let routes = Routes::new(health)
        .add_service(Waiting::<Authenticated<KeyAdminServer<KeyAdminService>>>::new())
        .add_service(Waiting::<Authenticated<IntrospectServer<IntrospectService>>>::new());
    let limits = EdgeLimits::from(&settings.server);
    let edge = edge(routes, limits, Watch::default());
    let entry = server::Entry { handshakes: listener.handshakes(), ..Default::default() };
    let _ = server::run(twin, edge, &settings.server, entry, stop).await?;
    Ok(())
}

fn why(error: &AppError) -> String {
    use std::error::Error as _;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn tell(error: &AppError) -> String {
    let why = why(error);
    tracing::warn!(error = why, "not serving: waiting until the database can be used");
    why
}
