//! All services over a database of their own, without a port, and what is in it.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use keyward::{
    admin::{Admin, Bootstrapped},
    app,
    back::{Back, BackRuntime},
    cache::{Announced, SoleOwner},
    clock::SystemStopwatch,
    config::Settings,
    domain::{secret::Keyring, time::Timestamp},
    grpc::{
        authenticate::{Authenticated, Knows},
        introspect::{IntrospectService, Introspects},
        key_admin::KeyAdminService,
        layers::{EdgeLimits, Line, Watch, edge},
        quick::Quick,
        sparing::Sparing,
    },
    introspect::Introspection,
    limits::{Alone, Local},
    proto::{self, key_admin_server::KeyAdminServer},
    server::{Connected, Leaving, Serves as _},
    store::Store,
};
use ring::rand::SystemRandom;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use tempfile::TempDir;
use tonic::service::Routes;

use crate::{
    furniture,
    ports::Still,
    sent::{Call, PEER, Told},
};

const MADE: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
/// How much later requests are sent.
const LATER: Duration = Duration::from_secs(3_600);
/// What nothing takes, also on a machine that has much else to do.
const WAIT: Duration = Duration::from_mins(10);
/// Bytes of a message at the most.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// How old a deployment becomes until all begins anew, so that what is asked does not take longer and longer.
const AGE_MAX: usize = 20_000;
/// By how much a change ages it; whatever else is asked does by one.
const AGE_OF_CHANGE: usize = 100;

/// What fills a name up to the length of the secret that it stands for.
const FILLER: &str = "~";

/// What the database is: the newest event, and whether anybody wrote anything at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) newest: i64,
    pub(crate) version: i64,
}

/// A deployment that was furnished, to begin with again and again.
struct Template {
    directory: TempDir,
    secrets: BTreeMap<String, String>,
}

/// The services.
pub(crate) struct Service {
    line: Line,
    clock: Arc<Still>,
    store: Arc<Store>,
    probe: DatabaseConnection,
    pub(crate) keyring: Arc<Keyring>,
    /// Secrets by what they are for.
    pub(crate) secrets: BTreeMap<String, String>,
    /// Secrets that were minted since.
    pub(crate) minted: Vec<String>,
    /// Messages by which callers wrote a secret into what they changed, as a title for instance.
    pub(crate) written: Vec<Vec<u8>>,
    /// What the database was when the last call had ended: nobody else has it.
    pub(crate) known: Option<State>,
    /// To be replaced when it is old.
    pub(crate) age: usize,
    directory: TempDir,
}

/// A runtime, and a deployment in it that is replaced now and then.
pub(crate) struct Host {
    runtime: BackRuntime,
    back: Back,
    template: Template,
    service: Option<Service>,
}

impl Host {
    pub(crate) fn new() -> Self {
        let (runtime, back) = Back::start(1).unwrap();
        let template = runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let mut service = Service::open(tempfile::tempdir().unwrap(), back.clone()).await;
            furniture::furnish(&mut service).await;
            service.copy_to(directory.path()).await;
            let secrets = service.secrets.clone();
            service.close().await;
            Template { directory, secrets }
        });
        Self { runtime, back, template, service: None }
    }

    /// Has this done with the services.
    pub(crate) fn run<T>(&mut self, work: impl AsyncFnOnce(&mut Service) -> T) -> T {
        let Self { runtime, back, template, service } = self;
        runtime.block_on(async {
            if service.as_ref().is_none_or(|service| service.age >= AGE_MAX) {
                if let Some(old) = service.take() {
                    old.close().await;
                }
                let directory = tempfile::tempdir().unwrap();
                for file in fs::read_dir(template.directory.path()).unwrap() {
                    let file = file.unwrap();
                    fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
                }
                let mut fresh = Service::open(directory, back.clone()).await;
                fresh.secrets.clone_from(&template.secrets);
                *service = Some(fresh);
            }
            work(service.as_mut().unwrap()).await
        })
    }
}

/// As long as the secret that it stands for: secrets are others each time, inputs are not.
pub(crate) fn stand_in(of: &str, secret: &str) -> String {
    format!("{of}{}", FILLER.repeat(secret.len() - of.len()))
}

/// The bytes with secrets in place of what stands for them.
pub(crate) fn with_secrets(bytes: &[u8], secrets: &BTreeMap<String, String>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let ends = |bytes: &[u8]| bytes.windows(8).any(|part| part == FILLER.repeat(8).as_bytes());
    if !ends(&bytes) {
        return bytes;
    }
    for (of, secret) in secrets {
        let wanted = stand_in(of, secret);
        let mut at = 0;
        while let Some(part) = bytes.get_mut(at..at + secret.len()) {
            if part == wanted.as_bytes() {
                part.copy_from_slice(secret.as_bytes());
            }
            at += 1;
        }
    }
    bytes
}

impl Service {
    async fn open(directory: TempDir, back: Back) -> Self {
        let mut settings = Settings::default();
        settings.database.path = directory.path().join("keyward.db");
        settings.keyring.path = directory.path().join("keyward.keyring");
        settings.database.busy_timeout_ms = WAIT.as_millis().try_into().unwrap();
        let is_new = !settings.database.path.exists();
        let (store, keyring) = app::open_store(&settings).await.unwrap();
        let clock = Arc::new(Still::at(if is_new { MADE } else { MADE.after(LATER).unwrap() }));
        let records =
            Arc::new(Announced::new(Arc::clone(&store) as _, Arc::new(SoleOwner::default())));
        let (time, entropy) = (Arc::clone(&clock) as _, Arc::new(SystemRandom::new()));
        let admin = Arc::new(Admin::new(records, time, Arc::clone(&keyring), entropy));
        admin.install().await.unwrap();
        let mut secrets = BTreeMap::new();
        if let Ok(Bootstrapped::Minted(_, root)) = admin.bootstrap(false).await {
            secrets.insert("root".to_owned(), root.reveal());
        }
        let limiter = Arc::new(Local::new(Arc::clone(&clock) as _, Arc::new(Alone)));
        let (finder, time) = (Arc::clone(&store) as _, Arc::clone(&clock) as _);
        let keys = Introspection::new(Arc::clone(&keyring), finder, time, limiter);
        let line = line(Arc::new(keys), admin, back);
        let probe = format!("sqlite://{}", settings.database.path.display());
        let mut probe = sea_orm::ConnectOptions::new(probe);
        // What is asked is told of one connection, however long this goes on.
        probe.max_connections(1).min_connections(1).sqlx_logging(false);
        probe.max_lifetime(None).idle_timeout(None);
        let probe = Database::connect(probe).await.unwrap();
        let (minted, known, age) = (Vec::new(), None, 0);
        let written = Vec::new();
        Self { line, clock, store, probe, keyring, secrets, minted, written, known, age, directory }
    }

    async fn close(self) {
        self.probe.close().await.unwrap();
        self.store.close().await;
    }

    /// Writes all there is into files of another directory.
    async fn copy_to(&self, directory: &Path) {
        let to = directory.join("keyward.db");
        self.probe.execute_unprepared(&format!("VACUUM INTO '{}'", to.display())).await.unwrap();
        let keyring = "keyward.keyring";
        fs::copy(self.directory.path().join(keyring), directory.join(keyring)).unwrap();
    }

    /// Takes note of what came of a call, and goes on.
    pub(crate) fn note(&mut self, before: State, after: State) {
        self.known = Some(after);
        let by = if after == before { 1 } else { AGE_OF_CHANGE };
        self.age = self.age.saturating_add(by);
        self.go_on();
    }

    /// What the database was before a call.
    pub(crate) async fn state_before(&self) -> State {
        match self.known {
            Some(known) => known,
            None => self.state().await,
        }
    }

    /// What the database is now.
    pub(crate) async fn state(&self) -> State {
        let sql = "SELECT revision, data_version FROM counter, pragma_data_version";
        let sql = Statement::from_string(self.probe.get_database_backend(), sql);
        let row = self.probe.query_one_raw(sql).await.unwrap().unwrap();
        let column = |place| row.try_get_by_index(place).unwrap();
        State { newest: column(0), version: column(1) }
    }

    /// A second goes by.
    pub(crate) fn go_on(&self) {
        self.clock.go_on(Duration::from_secs(1));
    }

    /// Sends a message as it is, as whoever has this secret.
    pub(crate) async fn send(&mut self, secret: Option<&str>, path: &str, message: &[u8]) -> Told {
        let body = crate::sent::Sent::whole(crate::sent::framed(message));
        let call = Call::new(secret.unwrap_or_default(), body).to(path);
        let call = if secret.is_none() { call.without("authorization") } else { call };
        let (request, arrived) = call.request();
        Told::read(self.line.clone().answer_to(request, arrived).await).await
    }

    /// Sends a call that is answered.
    pub(crate) async fn call<M: prost::Message + Default>(
        &mut self,
        method: &str,
        request: &impl prost::Message,
    ) -> M {
        self.go_on();
        let root = self.secrets["root"].clone();
        let path = format!("/keyward.v1.KeyAdmin/{method}");
        let told = self.send(Some(&root), &path, &request.encode_to_vec()).await;
        assert_eq!(told.code(), Some("0"), "{method}: {told:?}");
        told.messages().pop().unwrap()
    }

    /// Makes a key, whose secret is known by its id from now on.
    pub(crate) async fn create_key(&mut self, workspace: &str, id: &str, key: proto::Key) {
        let request = proto::CreateKeyRequest {
            parent: format!("workspaces/{workspace}"),
            key_id: id.to_owned(),
            key: Some(key),
            ..Default::default()
        };
        let made: proto::CreateKeyResponse = self.call("CreateKey", &request).await;
        self.secrets.insert(id.to_owned(), made.secret);
    }
}

/// The services as the program has them.
fn line(keys: Arc<Introspection>, admin: Arc<Admin>, back: Back) -> Line {
    let admin =
        KeyAdminService::new(admin, back, Arc::new(SystemStopwatch), 10, WAIT, &Arc::default());
    let queues = admin.queues();
    let admin = KeyAdminServer::new(admin).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let knows = Knows { keys: Arc::clone(&keys), certificates: None };
    let introspect = Introspects::new(IntrospectService::new(keys), MESSAGE_BYTES_MAX);
    let routes = Routes::new(Sparing::new(Authenticated::new(admin, knows.clone()), queues))
        .add_service(Authenticated::new(introspect, knows.clone()));
    let limits =
        EdgeLimits { deadline_max: WAIT, max_in_flight: 10, max_message_bytes: MESSAGE_BYTES_MAX };
    let watch = Watch { knows: Some(knows.clone()), ..Watch::default() };
    let edge = edge(routes, limits, watch).quickened(Quick::new(knows));
    edge.connection(Connected { peer: PEER, leaving: Leaving(Arc::default()), presented: None })
}
