//! A server in this process.

use std::{net::SocketAddr, sync::Arc, sync::mpsc, thread::JoinHandle};

use keyward::{
    admin::Bootstrapped,
    app::{self, App},
    back::{Back, Drained},
    config::Settings,
    tls::{Counted, Tally},
};
use tokio_util::sync::CancellationToken;

use crate::{LONG, place::Place};

/// Stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) health: Option<SocketAddr>,
    /// The secret of a caller that may do everything.
    pub(crate) root: String,
    tally: Option<Arc<Tally>>,
    stop: CancellationToken,
    thread: Option<JoinHandle<Drained>>,
}

impl Server {
    /// With these settings beside those of every test.
    pub(crate) async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.database.path = directory.path().join("keyward.db");
        settings.keyring.path = directory.path().join("keyward.keyring");
        settings.server.listen = "127.0.0.1:0".parse().unwrap();
        settings.server.front_threads = 1;
        change(&mut settings);
        let (tell, told) = mpsc::channel();
        let stop = CancellationToken::new();
        let ending = stop.clone();
        let thread = std::thread::spawn(move || {
            let (runtime, back) = Back::start(2).unwrap();
            let drained = runtime.block_on(async {
                let app = App::open(&settings, back).await.unwrap();
                let Bootstrapped::Minted(_, secret) = app.admin().bootstrap(false).await.unwrap()
                else {
                    panic!("a new database was bootstrapped before");
                };
                let listener = app::listen(&settings).await.unwrap();
                let (address, health) = (listener.local_addr().unwrap(), listener.health_addr());
                tell.send((address, health, secret.reveal(), listener.tally())).unwrap();
                app.serve(listener, &settings, ending).await.unwrap()
            });
            let _ = runtime.shutdown(LONG);
            drop(directory);
            drained
        });
        let told = tokio::task::spawn_blocking(move || told.recv()).await.unwrap();
        let (address, health, root, tally) = told.unwrap();
        Self { address, health, root, tally, stop, thread: Some(thread) }
    }

    /// One that speaks TLS and asks clients for nothing.
    pub(crate) async fn encrypted(place: &Place) -> Self {
        Self::start(|settings| place.encrypt(settings)).await
    }

    pub(crate) fn counted(&self) -> Counted {
        self.tally.as_ref().unwrap().counted()
    }

    /// Tells it to end.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// How it ended.
    pub(crate) async fn end(mut self) -> Drained {
        let thread = self.thread.take().unwrap();
        tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
