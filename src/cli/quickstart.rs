//! `keyward quickstart`: what Keyward does, shown on a deployment made for the occasion.

mod clients;
mod invitation;
mod page;
mod stage;
mod tour;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use tempfile::Builder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Failure, failure, on_back, output, serve};
use crate::{
    admin::Bootstrapped,
    app::{self, App, AppError, Listener},
    back::Back,
    config::{DatabaseSettings, HealthSettings, LogSettings, Settings, TlsSettings},
    logging,
};
use clients::Clients;

/// What the name of the directory begins with.
const PREFIX: &str = "keyward-quickstart-";
/// Whatever port is free, for this machine alone.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Shows what Keyward does on a new database in a directory of its own. Then ends and
/// removes the directory, or goes on serving and leaves it. Status 0 only if every step
/// came out as it should.
pub(super) fn run(settings: &Settings, exit: bool) -> Result<ExitCode, Failure> {
    let directory = Builder::new()
        .prefix(PREFIX)
        .disable_cleanup(!exit)
        .tempdir()
        .map_err(|error| failure(format!("cannot make a directory: {error}")))?;
    let settings = settings_for(settings, directory.path(), exit);
    let _ = logging::start(&settings.log, None)?;
    let shown = on_back(&settings, async |back| {
        let shutdown = CancellationToken::new();
        tokio::spawn(serve::end_on_signal(shutdown.clone()));
        let (app, caller) = open(&settings, &back).await?;
        let listener = listen(&settings).await?;
        serve_and_show(app, listener, &settings, &caller, exit, shutdown).await
    });
    if exit {
        directory.close()?;
    } else {
        output::note(format_args!("Ended. {} is left.", directory.path().display()));
    }
    Ok(if shown? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The settings as given, but for the place, what is needed for the show, and the log,
/// which is not to speak in between.
fn settings_for(settings: &Settings, directory: &Path, exit: bool) -> Settings {
    let mut settings = settings.clone();
    let DatabaseSettings { read_connections, busy_timeout_ms, .. } = settings.database;
    settings.database = DatabaseSettings {
        path: directory.join("keyward.db"),
        read_connections,
        busy_timeout_ms,
        ..DatabaseSettings::default()
    };
    settings.keyring.path = directory.join("keyward.keyring");
    settings.server.reflection = true;
    if exit {
        settings.server.listen = ANY_PORT;
    }
    // Nobody keeps checkpoints of a show, and the file is for those of another database.
    settings.audit.checkpoint_interval_s = 0;
    // What it shows is shown without certificates, which nobody has made for it.
    settings.tls = TlsSettings::default();
    settings.health = HealthSettings::default();
    settings.log = LogSettings { level: "warn".to_owned(), ..settings.log };
    settings
}

/// A new deployment, and the secret of a caller that may do everything there.
async fn open(settings: &Settings, back: &Back) -> Result<(App, String), Failure> {
    let app = App::open(settings, back.clone()).await?;
    let admin = Arc::clone(app.admin());
    match back.run(async move { admin.bootstrap(false).await }).await?? {
        Bootstrapped::Minted(_, secret) => Ok((app, secret.reveal())),
        Bootstrapped::Done(name) => Err(failure(format!("{name} is in a new database"))),
    }
}

/// Listens where the settings say, or elsewhere where that is taken.
async fn listen(settings: &Settings) -> Result<Listener, Failure> {
    match app::listen(settings).await {
        Err(AppError::Listen { address, error }) if error.kind() == io::ErrorKind::AddrInUse => {
            output::note(format_args!("{address} is taken; another port is used."));
            Ok(TcpListener::bind(ANY_PORT).await?.into())
        }
        outcome => Ok(outcome?),
    }
}

/// Serves, and meanwhile shows what a client of the server sees. Says whether every step
/// came out as it should.
async fn serve_and_show(
    app: App,
    listener: Listener,
    settings: &Settings,
    caller: &str,
    exit: bool,
    shutdown: CancellationToken,
) -> Result<bool, Failure> {
    let address = reachable(listener.local_addr()?);
    let serving = async {
        let served = app.serve(listener, settings, shutdown.clone()).await;
        shutdown.cancel();
        served
    };
    let showing = async {
        let shown = tokio::select! {
            shown = show(address, settings, caller, exit) => shown,
            () = shutdown.cancelled() => Err(failure("ended before everything was shown")),
        };
        if exit || shown.is_err() {
            shutdown.cancel();
        }
        shown
    };
    let (served, shown) = tokio::join!(serving, showing);
    let _ = served?;
    shown
}

async fn show(
    address: SocketAddr,
    settings: &Settings,
    caller: &str,
    exit: bool,
) -> Result<bool, Failure> {
    let directory = settings.database.path.parent().unwrap_or(Path::new("."));
    let mut clients = Clients::connect(address, caller).await?;
    page::title(address, directory);
    let (key, secret) = stage::set(&mut clients).await?;
    let all_right = tour::run(&mut clients, &key, secret).await?;
    if !exit {
        let secret = stage::key(&mut clients, invitation::KEY).await?;
        invitation::print(address, caller, &secret);
    }
    Ok(all_right)
}

/// Where a client on this machine finds a server that may listen on all addresses.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
