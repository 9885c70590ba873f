//! The composition root: the one place that knows every part.

use std::{sync::Arc, time::Duration};

use ring::rand::SystemRandom;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    admin::Admin,
    back::{Back, Drained},
    cache::Cache,
    clock::{SystemClock, SystemStopwatch},
    config::{ServerSettings, Settings},
    domain::{ports::Clock, secret::Keyring},
    grpc::{
        authenticate::{Authenticated, Knows},
        introspect::{IntrospectService, Introspects},
        key_admin::KeyAdminService,
        layers::{EdgeLimits, Watch, edge},
        quick::Quick,
        sparing::Sparing,
    },
    introspect::Introspection,
    keyring,
    measure::Gauge,
    proto::{self, key_admin_server::KeyAdminServer},
    replica::Replica,
    server,
    store::{Place, Store},
    usage::Meter,
};

mod checkpoints;
mod coherence;
mod database;
mod error;
mod limits;
mod listener;
mod metrics;
mod usage;
mod waiting;

pub use checkpoints::public_keys;
use coherence::{Coherent, Member, cache_bounds};
pub use database::open_database;
pub use error::AppError;
use limits::Limits;
pub use listener::{Listener, listen};
pub use metrics::{Gathering, gather_spans, tell};
use usage::Keeping;
pub use waiting::open_when_ready;

/// The services by the names that health knows; the empty one is the whole server.
const SERVICES: [&str; 3] = ["", "keyward.v1.KeyAdmin", "keyward.v1.Introspect"];

/// A deployment that is ready to serve: database open, schema fitting, keyring read.
pub struct App {
    store: Arc<Store>,
    replica: Option<Arc<Member>>,
    admin: Arc<Admin>,
    introspection: Arc<Introspection>,
    cache: Arc<Cache>,
    usage: Arc<Meter>,
    checkpoints: Arc<crate::checkpoints::Tally>,
    watch: Watch,
    connections: Gauge,
    limits: Arc<crate::limits::Tally>,
    keeping: Keeping,
    /// Until the end it is kept reached.
    _redis: Option<DropGuard>,
    back: Back,
}

/// Opens the database, brings its schema to this version where the settings say so and reads the
/// keyring, which is made where there is none and nothing was signed yet. To be run on the back.
///
/// # Errors
///
/// [`AppError`]: what an operator must mend first.
pub async fn open_store(settings: &Settings) -> Result<(Arc<Store>, Arc<Keyring>), AppError> {
    let store = open_database(settings).await?;
    match settings.database.migrates_on_start() {
        true => store.migrate().await?,
        false => store.check_schema().await?,
    }
    store.report_durability().await?;
    let now = SystemClock.now().micros() / 1_000_000;
    let may_create = store.may_make_keyring().await?;
    let keyring = keyring::load_or_create(&settings.keyring.path, may_create, now)?;
    store.check_keyring(&keyring).await?;
    Ok((Arc::new(store), Arc::new(keyring)))
}

impl App {
    /// Opens a deployment.
    ///
    /// # Errors
    ///
    /// [`AppError`]: what an operator must mend first.
    pub async fn open(settings: &Settings, back: Back) -> Result<Self, AppError> {
        let owned = settings.clone();
        let (store, keyring) = back.run(async move { open_store(&owned).await }).await??;
        let (owned, opened, on) = (settings.clone(), Arc::clone(&store), back.clone());
        let coherent = async move { Coherent::new(&opened, &owned, &on).await };
        let Coherent { records, coherence, clock, replica } = back.run(coherent).await??;
        let keys = Arc::clone(&store) as _;
        let bounds = cache_bounds(settings);
        let cache = Arc::new(Cache::new(keys, coherence, bounds, back.handle().clone()));
        let entropy = Arc::new(SystemRandom::new());
        let admin = Arc::new(Admin::new(
            Arc::clone(&records),
            Arc::clone(&clock),
            Arc::clone(&keyring),
            entropy,
        ));
        let keys = Arc::clone(&cache) as _;
        let usage = Arc::new(Meter::default());
        let sharing = replica.as_ref().map(|member| &member.replica);
        let Limits { limiter, until_dropped: redis } =
            Limits::new(&settings.limits, sharing, back.handle())?;
        let time = Arc::clone(&clock);
        let introspection = Introspection::new(keyring, keys, clock, Arc::clone(&limiter) as _)
            .counted_by(Arc::clone(&usage) as _);
        let introspection = Arc::new(introspection);
        let installing = Arc::clone(&admin);
        back.run(async move { installing.install().await }).await?.map_err(AppError::Install)?;
        let kept = Arc::clone(&store) as _;
        let keeping = Keeping::start(&usage, kept, time, &settings.usage, back.handle())?;
        let replica = replica.map(Arc::new);
        Ok(Self {
            store,
            replica,
            admin,
            introspection,
            cache,
            usage,
            checkpoints: Arc::default(),
            watch: metrics::watch(settings),
            connections: Gauge::default(),
            limits: limiter,
            keeping,
            _redis: redis,
            back,
        })
    }

    /// The use cases of `KeyAdmin`. To be run on the back.
    pub fn admin(&self) -> &Arc<Admin> {
        &self.admin
    }

    /// Which database it is.
    pub fn place(&self) -> &Place {
        self.store.place()
    }

    /// What introspection finds keys in.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// What counts how keys are used.
    pub fn usage(&self) -> &Arc<Meter> {
        &self.usage
    }

    /// What it is among the replicas of its database, where there may be others.
    pub fn replica(&self) -> Option<&Arc<Replica>> {
        self.replica.as_ref().map(|member| &member.replica)
    }

    /// Writes what was counted last, leaves the other replicas, and closes the database. The first
    /// of these takes at most half of `patience`.
    ///
    /// # Errors
    ///
    /// [`AppError::Stopped`].
    pub async fn close(self, patience: Duration) -> Result<(), AppError> {
        let Self { store, replica, keeping, back, .. } = self;
        let closing = async move {
            keeping.finish(patience).await;
            if let Some(member) = replica {
                member.leave().await;
            }
            store.close().await;
        };
        Ok(back.run(closing).await?)
    }

    /// The services, and what their health is reported through.
    fn routes(
        &self,
        settings: &Settings,
        knows: Knows,
    ) -> Result<(Routes, HealthReporter), AppError> {
        let most = settings.server.max_message_bytes;
        let key_admin = KeyAdminService::new(
            Arc::clone(&self.admin),
            self.back.clone(),
            Arc::new(SystemStopwatch),
            settings.server.max_in_flight,
            settings.server.admin_wait(),
            &self.watch.calls,
        );
        let queues = key_admin.queues();
        let key_admin = KeyAdminServer::new(key_admin).max_decoding_message_size(most);
        let introspect = IntrospectService::new(Arc::clone(&self.introspection));
        let introspect = Introspects::new(introspect, most);
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut routes = Routes::new(health)
            .add_service(Sparing::new(Authenticated::new(key_admin, knows.clone()), queues))
            .add_service(Authenticated::new(introspect, knows));
        if settings.server.reflection {
            routes = routes
                .add_service(reflection().build_v1()?)
                .add_service(reflection().build_v1alpha()?);
        }
        Ok((routes, reporter))
    }

    /// Serves until `shutdown`: then health says NOT_SERVING, no call is taken any
    /// more, watches of health and reflection end, other calls in flight are finished
    /// within the drain time-out, and the database is closed.
    ///
    /// # Errors
    ///
    /// [`AppError`]: the server could not start or go on.
    pub async fn serve(
        self,
        listener: Listener,
        settings: &Settings,
        shutdown: CancellationToken,
    ) -> Result<Drained, AppError> {
        let keys = Arc::clone(&self.introspection);
        let knows = Knows { keys, certificates: listener.callers() };
        let (routes, reporter) = self.routes(settings, knows.clone())?;
        let checkpoints = self.sign_checkpoints(settings)?;
        let limits = EdgeLimits::from(&settings.server);
        let reporters: Vec<_> = [reporter].into_iter().chain(listener.health()).collect();
        // Before anybody can ask: a service that nothing was said of is not known.
        report(&reporters, ServingStatus::Serving).await;
        let stop = CancellationToken::new();
        let ending = {
            let (shutdown, stop) = (shutdown.clone(), stop.clone());
            let replica = self.replica().map(Arc::clone);
            async move {
                tokio::select! {
                    () = report_always(&reporters, replica.as_deref()) => {}
                    () = shutdown.cancelled() => {}
                }
                report(&reporters, ServingStatus::NotServing).await;
                stop.cancel();
            }
        };
        let quick = Quick::new(knows.clone());
        let watch = Watch { knows: Some(knows), ..self.watch.clone() };
        let edge = edge(routes, limits, watch).quickened(quick);
        let (port, handshakes, _until_the_end) = listener.parted();
        let entry = server::Entry {
            handshakes,
            open: self.connections.clone(),
            ..server::Entry::default()
        };
        let serving = server::run(port, edge, &settings.server, entry, stop.clone());
        let (drained, ()) = tokio::join!(
            async {
                let drained = serving.await;
                // A server that ended by itself needs no further sign to end.
                shutdown.cancel();
                drained
            },
            ending
        );
        let usage = Arc::clone(&self.usage);
        // What hangs in the database must not keep the process from ending.
        let patience = settings.server.drain_timeout();
        let begun = Instant::now();
        let closing = async {
            if let Some(checkpoints) = checkpoints {
                checkpoints.end(patience).await;
            }
            self.close(patience.saturating_sub(begun.elapsed())).await
        };
        let closed = tokio::time::timeout(patience, closing).await;
        let drained = drained?;
        match closed {
            Ok(closed) => closed?,
            Err(_) => {
                let entries = usage.counted().entries;
                tracing::warn!(entries, "the database did not close in time; these uses are lost");
            }
        }
        Ok(drained)
    }
}

impl From<&ServerSettings> for EdgeLimits {
    fn from(settings: &ServerSettings) -> Self {
        Self {
            deadline_max: settings.deadline_max(),
            max_in_flight: settings.max_in_flight,
            max_message_bytes: settings.max_message_bytes,
        }
    }
}

/// Says when questions are no longer answered, and when they are again.
async fn report_always(reporters: &[HealthReporter], replica: Option<&Replica>) {
    let Some(replica) = replica else { return std::future::pending().await };
    loop {
        replica.until(false).await;
        report(reporters, ServingStatus::NotServing).await;
        replica.until(true).await;
        report(reporters, ServingStatus::Serving).await;
    }
}

/// Says the same of every service.
async fn report(reporters: &[HealthReporter], status: ServingStatus) {
    for reporter in reporters {
        for service in SERVICES {
            reporter.set_service_status(service, status).await;
        }
    }
}

/// Everything that a client may want described, also the details of errors.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
