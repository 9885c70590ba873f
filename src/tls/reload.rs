//! Reads files again when they change. New connections use what they hold then; open ones go on as they were agreed on.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::ServerConfig;
use tokio::{sync::watch, task::spawn_blocking};

use super::{
    Handshakes, InvalidTls, Tally,
    held::Held,
    material::{self, Names, Pair, Problem},
};
use crate::{callers::InForce, config::TlsSettings, domain::ports::Clock, files::Files};

/// The settings that name the server's certificate and its key.
const NAMES: Names = Names { certificate: "tls.certificate_file", key: "tls.private_key_file" };

/// The certificate, authorities and callers in force.
pub struct Tls {
    settings: TlsSettings,
    held: Held,
    configs: watch::Sender<Arc<ServerConfig>>,
    callers: Option<Arc<InForce>>,
    tally: Arc<Tally>,
    watched: Watched,
}

/// The files, which are looked at apart: what is wrong with one keeps nothing of the others out of force.
struct Watched {
    pair: Files,
    client_ca: Files,
    callers: Files,
}

impl Watched {
    async fn look_at(settings: &TlsSettings) -> Self {
        let files = |path: Option<&Path>| path.map(Path::to_owned).into_iter().collect::<Vec<_>>();
        let pair = settings.pair().into_iter().flat_map(|(one, other)| [one, other]);
        let pair = pair.map(Path::to_owned).collect();
        Self {
            pair: Files::look_at(pair).await,
            client_ca: Files::look_at(files(settings.client_ca())).await,
            callers: Files::look_at(files(settings.callers())).await,
        }
    }
}

impl Tls {
    /// What the files hold that the settings name. None: connections are not encrypted.
    ///
    /// # Errors
    ///
    /// [`InvalidTls`]: all that is wrong with the files.
    pub async fn open(
        settings: &TlsSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, InvalidTls> {
        let Some((certificate, key)) = settings.pair() else { return Ok(None) };
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        // Looked at before they are read: what changes in between is read again.
        let watched = Watched::look_at(settings).await;
        let owned = settings.clone();
        let read = apart(move || {
            let mut problems = Vec::new();
            let pair = Pair::read(NAMES, &certificate, &key);
            let pair = pair.map_err(|several| problems.extend(several)).ok();
            let policy = owned.client_certificates;
            let clients = owned.client_ca().map(|path| material::verifier(path, policy));
            let clients = clients.transpose().map_err(|one| problems.push(one)).ok();
            let callers = owned.callers().map(material::callers);
            let callers = callers.transpose().map_err(|one| problems.push(one)).ok();
            match (pair, clients, callers) {
                (Some(pair), Some(clients), Some(callers)) => Ok((pair, clients, callers)),
                _ => Err(problems),
            }
        });
        let (pair, clients, callers) = read.await.and_then(|read| read).map_err(InvalidTls)?;
        let tally = Arc::new(Tally::new(Arc::clone(&clock), pair.end));
        let held = Held::new(pair, clients);
        let config = held.config().map_err(|problem| InvalidTls(vec![problem]))?;
        let callers = callers.map(|callers| {
            tracing::info!(count = callers.count(), "callers are known by their certificates");
            Arc::new(InForce::new(callers, clock))
        });
        let (configs, _) = watch::channel(config);
        Ok(Some(Self { settings: settings.clone(), held, configs, callers, tally, watched }))
    }

    /// What begins connections with what is in force.
    pub fn handshakes(&self) -> Handshakes {
        Handshakes(self.configs.subscribe())
    }

    /// The callers who are known by their certificate. None: by a key alone.
    pub fn callers(&self) -> Option<&Arc<InForce>> {
        self.callers.as_ref()
    }

    /// What is counted.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Reads again what changes, for ever. What is refused is told once, and tried again when it changes.
    pub async fn keep(mut self) {
        loop {
            let Watched { pair, client_ca, callers } = &mut self.watched;
            tokio::select! {
                () = pair.changed() => self.read_pair().await,
                () = client_ca.changed() => self.read_client_ca().await,
                () = callers.changed() => self.read_callers().await,
            }
        }
    }

    async fn read_pair(&mut self) {
        let Some((certificate, key)) = self.settings.pair() else { return };
        let (certificate, key): (PathBuf, PathBuf) = (certificate.to_owned(), key.to_owned());
        let read = apart(move || Pair::read(NAMES, &certificate, &key)).await;
        let read = read.and_then(|pair| pair);
        let applied = match read {
            Ok(pair) => {
                let end = pair.end;
                self.held.replace_pair(pair);
                let applied = self.apply();
                self.tally.ends(end);
                applied
            }
            Err(problems) => Err(problems),
        };
        self.tally.certificate.count(applied.is_ok());
        tell("the server's certificate", applied);
    }

    async fn read_client_ca(&mut self) {
        let Some(path) = self.settings.client_ca().map(Path::to_owned) else { return };
        let policy = self.settings.client_certificates;
        let read = apart(move || material::verifier(&path, policy)).await;
        let applied = match read.and_then(|read| read.map_err(|problem| vec![problem])) {
            Ok(clients) => {
                self.held.replace_clients(clients);
                self.apply()
            }
            Err(problems) => Err(problems),
        };
        self.tally.client_ca.count(applied.is_ok());
        tell("the authorities of clients", applied);
    }

    async fn read_callers(&mut self) {
        let Some(path) = self.settings.callers().map(Path::to_owned) else { return };
        let read = apart(move || material::callers(&path)).await;
        let applied = match read.and_then(|read| read.map_err(|problem| vec![problem])) {
            Ok(callers) => {
                if let Some(in_force) = &self.callers {
                    in_force.replace(callers);
                }
                Ok(())
            }
            Err(problems) => Err(problems),
        };
        self.tally.callers.count(applied.is_ok());
        tell("the list of callers", applied);
    }

    fn apply(&self) -> Result<(), Vec<Problem>> {
        let config = self.held.config().map_err(|problem| vec![problem])?;
        self.configs.send_replace(config);
        Ok(())
    }
}

/// Reads files where nobody waits for it.
async fn apart<T: Send + 'static>(
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Vec<Problem>> {
    spawn_blocking(read).await.map_err(|error| vec![Problem::Refused(error.to_string())])
}

fn tell(what: &str, applied: Result<(), Vec<Problem>>) {
    match applied {
        Ok(()) => tracing::info!("{what} changed: new connections and calls go by it"),
        Err(problems) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let error = problems.join("; ");
            tracing::warn!(
                error,
                "{what} changed and was refused: what was in force before still is"
            );
        }
    }
}
