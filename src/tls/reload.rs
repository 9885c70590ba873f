//! Reads files again when they change. New connections use what they hold then; open ones go on as they were agreed
//! on, but for those of clients whose authority is none any more.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    Handshakes, InvalidTls, Tally,
    held::{Begun, Held},
    material::{self, Names, Pair, Problem, Span},
    tally::Tried,
};
use crate::{
    callers::InForce,
    config::TlsSettings,
    domain::ports::Clock,
    files::{Files, LOOK_INTERVAL, Look},
};

/// The settings that name the server's certificate and its key.
const NAMES: Names = Names { certificate: "tls.certificate_file", key: "tls.private_key_file" };

/// Time between two lines of a file that is still refused for the same reason.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The certificate, authorities and callers in force.
pub struct Tls {
    settings: TlsSettings,
    clock: Arc<dyn Clock>,
    held: Held,
    span: Span,
    begun: watch::Sender<Arc<Begun>>,
    callers: Option<Arc<InForce>>,
    tally: Arc<Tally>,
    watched: Watched,
}

/// The files, which are looked at apart: what is wrong with one keeps nothing of the others out of force.
struct Watched {
    pair: Kept,
    client_ca: Kept,
    callers: Kept,
}

/// Files, and what was told last of why they are refused.
struct Kept {
    what: &'static str,
    files: Files,
    told: Option<(String, Instant)>,
}

impl Kept {
    async fn new(what: &'static str, paths: Vec<PathBuf>) -> Self {
        Self { what, files: Files::look_at(paths).await, told: None }
    }

    /// Tells and counts what became of the files. What is refused is tried again at the next look.
    fn judged(&mut self, look: Look, applied: Result<(), Vec<Problem>>, tried: &Tried) {
        let what = self.what;
        let Err(problems) = applied else {
            self.told = None;
            tried.applied();
            tracing::info!("{what} changed: new connections and calls go by it");
            return;
        };
        self.files.refuse();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let error = problems.join("; ");
        let told = self.told.as_ref();
        let is_new = look == Look::Changed || told.is_none_or(|(before, _)| *before != error);
        tried.refused(is_new);
        if is_new || told.is_none_or(|(_, when)| when.elapsed() >= TELL_EVERY) {
            tracing::warn!(
                error,
                "{what} changed and was refused: what was in force before still is"
            );
            self.told = Some((error, Instant::now()));
        }
    }
}

impl Watched {
    async fn look_at(settings: &TlsSettings) -> Self {
        let files = |path: Option<&Path>| path.map(Path::to_owned).into_iter().collect::<Vec<_>>();
        let pair = settings.pair().into_iter().flat_map(|(one, other)| [one, other]);
        let pair = pair.map(Path::to_owned).collect();
        Self {
            pair: Kept::new("the server's certificate", pair).await,
            client_ca: Kept::new("the authorities of clients", files(settings.client_ca())).await,
            callers: Kept::new("the list of callers", files(settings.callers())).await,
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
        let span = pair.span;
        pair.warn_of_slow();
        let held = Held::new(pair, clients);
        let (begun, _) = watch::channel(held.begun().map_err(|problem| InvalidTls(vec![problem]))?);
        let callers = callers.map(|callers| {
            tracing::info!(count = callers.count(), "callers are known by their certificates");
            Arc::new(InForce::new(callers, Arc::clone(&clock)))
        });
        let settings = settings.clone();
        Ok(Some(Self { settings, clock, held, span, begun, callers, tally, watched }))
    }

    /// What begins connections with what is in force.
    pub fn handshakes(&self) -> Handshakes {
        Handshakes(self.begun.subscribe())
    }

    /// The callers who are known by their certificate. None: by a key alone.
    pub fn callers(&self) -> Option<&Arc<InForce>> {
        self.callers.as_ref()
    }

    /// What is counted.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Reads again what changes, for ever, looking each [`LOOK_INTERVAL`]. What is refused is tried again at every
    /// look, for it may be a mode that was wrong, or descriptors that were short; it is told when that is new, and
    /// once a minute.
    pub async fn keep(mut self) {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let look = self.watched.pair.files.look().await;
            if look != Look::Same {
                let read = self.read_pair().await;
                self.watched.pair.judged(look, read, &self.tally.certificate);
            }
            let look = self.watched.client_ca.files.look().await;
            if look != Look::Same {
                let read = self.read_client_ca().await;
                self.watched.client_ca.judged(look, read, &self.tally.client_ca);
            }
            let look = self.watched.callers.files.look().await;
            if look != Look::Same {
                let read = self.read_callers().await;
                self.watched.callers.judged(look, read, &self.tally.callers);
            }
            self.tally.warn_of_end();
        }
    }

    async fn read_pair(&mut self) -> Result<(), Vec<Problem>> {
        let Some((certificate, key)) = self.settings.pair() else { return Ok(()) };
        let (certificate, key): (PathBuf, PathBuf) = (certificate.to_owned(), key.to_owned());
        let path = certificate.clone();
        let pair = apart(move || Pair::read(NAMES, &certificate, &key)).await??;
        let (now, span, end) = (self.clock.now(), pair.span, pair.end);
        // A roll-back that brings last year's must not take the place of one that is good.
        if self.span.holds(now) && !span.holds(now) {
            let setting = NAMES.certificate;
            return Err(vec![Problem::NotNow { setting, path, span }]);
        }
        pair.warn_of_slow();
        self.apply(self.held.with_pair(pair))?;
        self.span = span;
        self.tally.ends(end);
        Ok(())
    }

    async fn read_client_ca(&mut self) -> Result<(), Vec<Problem>> {
        let Some(path) = self.settings.client_ca().map(Path::to_owned) else { return Ok(()) };
        let policy = self.settings.client_certificates;
        let read = apart(move || material::verifier(&path, policy)).await?;
        self.apply(self.held.with_clients(read.map_err(|problem| vec![problem])?))
    }

    async fn read_callers(&self) -> Result<(), Vec<Problem>> {
        let Some(path) = self.settings.callers().map(Path::to_owned) else { return Ok(()) };
        let read = apart(move || material::callers(&path)).await?;
        let callers = read.map_err(|problem| vec![problem])?;
        if let Some(in_force) = &self.callers {
            in_force.replace(callers);
        }
        Ok(())
    }

    /// Has these parts come into force, once all is made of them that is needed.
    fn apply(&mut self, held: Held) -> Result<(), Vec<Problem>> {
        self.begun.send_replace(held.begun().map_err(|problem| vec![problem])?);
        self.held = held;
        Ok(())
    }
}

/// Reads files where nobody waits for it.
async fn apart<T: Send + 'static>(
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Vec<Problem>> {
    spawn_blocking(read).await.map_err(|error| vec![Problem::Refused(error.to_string())])
}
