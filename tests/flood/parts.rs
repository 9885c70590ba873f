//! The parts of a server, put together so that a test can reach in between.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use keyward::{
    admin::{Admin, Bootstrapped},
    app,
    back::Back,
    cache::{Announced, Bounds, Cache, Coherence, Permit, SoleOwner, Stamp, Subjects},
    clock::{SystemClock, SystemStopwatch},
    config::Settings,
    domain::{
        caller::Caller,
        live::LiveKey,
        ports::{FindKey, StoreError},
        secret::{Digest, Keyring},
    },
    grpc::{
        authenticate::{Authenticated, Knows},
        introspect::IntrospectService,
        key_admin::KeyAdminService,
        layers::{EdgeLimits, Watch, edge},
    },
    introspect::Introspection,
    limits::Refuse,
    proto::{introspect_server::IntrospectServer, key_admin_server::KeyAdminServer},
    server::{self, Entry},
    store::{Options, Store},
};
use ring::rand::SystemRandom;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

/// How long a back is given to end, which it does at once.
const END: Duration = Duration::from_secs(10);

/// A store that counts how often it is asked, may know one key by heart, and may keep its
/// answers to itself for a while.
pub(crate) struct Counting {
    store: Arc<Store>,
    asked: AtomicUsize,
    /// How many answers were ever kept back.
    held: AtomicUsize,
    holds: watch::Sender<bool>,
    by_heart: Mutex<Option<(Digest, Arc<LiveKey>)>>,
}

impl Counting {
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How many answers it ever kept back.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// From now on it keeps back what it has read, or gives it away.
    pub(crate) fn hold(&self, holds: bool) {
        self.holds.send_replace(holds);
    }
}

#[async_trait]
impl FindKey for Counting {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        let by_heart = match &*self.by_heart.lock().unwrap() {
            Some((known, key)) if known == digest => Some(Arc::clone(key)),
            _ => None,
        };
        if by_heart.is_some() {
            return Ok(by_heart);
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.store.find_key(digest).await;
        let mut holds = self.holds.subscribe();
        if *holds.borrow() {
            self.held.fetch_add(1, Ordering::SeqCst);
        }
        // The sender is this value's own.
        let _ = holds.wait_for(|holds| !holds).await;
        found
    }
}

pub(crate) struct Parts {
    pub(crate) store: Arc<Store>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) admin: Arc<Admin>,
    pub(crate) keys: Arc<Counting>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) introspection: Arc<Introspection>,
    /// The secret of a caller that may do everything.
    pub(crate) root_secret: String,
    settings: Settings,
    back: Back,
    shutdown: CancellationToken,
    directory: TempDir,
}

/// Runs a test on the parts of a new deployment.
pub(crate) fn with_parts<F: Future<Output = ()>>(test: impl FnOnce(Parts) -> F) {
    run(true, test);
}

/// The same without answers from memory.
pub(crate) fn with_parts_uncached<F: Future<Output = ()>>(test: impl FnOnce(Parts) -> F) {
    run(false, test);
}

fn run<F: Future<Output = ()>>(is_cached: bool, test: impl FnOnce(Parts) -> F) {
    let (runtime, back) = Back::start(2).unwrap();
    runtime.block_on(async { test(Parts::new(back, is_cached).await).await });
    let _ = runtime.shutdown(END);
}

/// Nothing is answered from memory.
struct Nothing;

impl Coherence for Nothing {
    fn stamp(&self) -> Stamp {
        Stamp::default()
    }

    fn usable(&self, _: Stamp, _: &Subjects) -> bool {
        false
    }

    fn permit(&self) -> Permit {
        Permit::Always
    }

    fn holds(&self, _: Permit) -> bool {
        true
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Parts {
    async fn new(back: Back, is_cached: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.database.path = directory.path().join("keyward.db");
        settings.keyring.path = directory.path().join("keyward.keyring");
        settings.server.front_threads = 2;
        let (store, keyring) = app::open_store(&settings).await.unwrap();
        let clock = Arc::new(SystemClock);
        let owner = Arc::new(SoleOwner::default());
        let admin = Arc::new(Admin::new(
            Arc::new(Announced::new(Arc::clone(&store) as _, Arc::clone(&owner) as _)),
            Arc::clone(&clock) as _,
            Arc::clone(&keyring),
            Arc::new(SystemRandom::new()),
        ));
        admin.install().await.unwrap();
        let Bootstrapped::Minted(_, secret) = admin.bootstrap(false).await.unwrap() else {
            panic!("a new database was bootstrapped before");
        };
        let keys = Arc::new(Counting {
            store: Arc::clone(&store),
            asked: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            holds: watch::Sender::default(),
            by_heart: Mutex::new(None),
        });
        let coherence: Arc<dyn Coherence> = if is_cached { owner } else { Arc::new(Nothing) };
        let bounds = Bounds { bytes_max: 1 << 26, loads_max: 64, load_wait: END };
        let cache = Cache::new(Arc::clone(&keys) as _, coherence, bounds, back.handle().clone());
        let cache = Arc::new(cache);
        let finder = Arc::clone(&cache) as _;
        let limiter = Arc::new(Refuse);
        let introspection = Introspection::new(Arc::clone(&keyring), finder, clock, limiter);
        Self {
            store,
            keyring,
            admin,
            keys,
            cache,
            introspection: Arc::new(introspection),
            root_secret: secret.reveal(),
            settings,
            back,
            shutdown: CancellationToken::new(),
            directory,
        }
    }

    /// The caller that may do everything.
    pub(crate) async fn root(&self) -> Caller {
        self.introspection.authenticate(&self.root_secret, None).await.unwrap()
    }

    /// From now on that caller is known without a look-up, as from a cache.
    pub(crate) async fn know_root_by_heart(&self) {
        let digest = self.keyring.recognise(&self.root_secret).unwrap().digest;
        let key = self.store.find_key(&digest).await.unwrap().unwrap();
        *self.keys.by_heart.lock().unwrap() = Some((digest, key));
    }

    /// How many events a copy of the closed database has.
    pub(crate) async fn count_events_in_copy(&self) -> u64 {
        let copy = self.directory.path().join("copy.db");
        for suffix in ["", "-wal"] {
            let of = |path: &Path| format!("{}{suffix}", path.display());
            let original = of(&self.settings.database.path);
            if Path::new(&original).exists() {
                std::fs::copy(original, of(&copy)).unwrap();
            }
        }
        let store = Store::open(&Options::new(copy)).await.unwrap();
        let count = store.verify_events().await.unwrap().count;
        store.close().await;
        count
    }

    /// Serves on a port of its own until this is dropped.
    pub(crate) async fn serve(&self) -> SocketAddr {
        let admin = KeyAdminService::new(
            Arc::clone(&self.admin),
            self.back.clone(),
            Arc::new(SystemStopwatch),
            self.settings.server.max_in_flight,
            self.settings.server.admin_wait(),
            &Arc::default(),
        );
        let introspect = IntrospectService::new(Arc::clone(&self.introspection));
        let (admin, introspect) = (KeyAdminServer::new(admin), IntrospectServer::new(introspect));
        let knows = Knows { keys: Arc::clone(&self.introspection), certificates: None };
        let routes = Routes::new(Authenticated::new(admin, knows.clone()))
            .add_service(Authenticated::new(introspect, knows));
        let limits = EdgeLimits {
            deadline_max: self.settings.server.deadline_max(),
            max_in_flight: self.settings.server.max_in_flight,
            max_message_bytes: self.settings.server.max_message_bytes,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (settings, shutdown) = (self.settings.server.clone(), self.shutdown.clone());
        tokio::spawn(async move {
            let edge = edge(routes, limits, Watch::default());
            let drained = server::run(listener, edge, &settings, Entry::default(), shutdown);
            let _ = drained.await.unwrap();
        });
        address
    }
}
