//! Replicas over one store, each with its use cases, its memory and its clock. All follow the
//! clock of the database, which a test turns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use keyward::{
    admin::{Admin, Bootstrapped},
    cache::{Announced, Bounds, Cache, Coherence, SoleOwner},
    domain::{
        caller::Caller,
        decision::Denial,
        ports::{Clock, Records, StoreError},
        replica::{
            Doorbell, Durability, Member, Position, Renewal, Row, SharedLog, Stopwatch, Tail, Terms,
        },
        secret::{KeyVersion, Keyring, SigningKey},
        time::{Moment, Timestamp},
    },
    introspect::{Introspection, Question},
    limits::Refuse,
    replica::{Following, Parts, Replica as Follower},
    store::{Log, Store},
};
use ring::rand::SystemRandom;
use tokio::{runtime::Handle, sync::watch};

use crate::database::Database;

/// How many replicas there are.
const REPLICAS: u32 = 3;
/// Longer than any clock is turned.
const LEASE: Duration = Duration::from_hours(24 * 7);
/// How often each looks at the log.
const INTERVAL: Duration = Duration::from_millis(20);
/// What a statement may take.
const LIMIT: Duration = Duration::from_secs(30);

const BOUNDS: Bounds = Bounds { bytes_max: 1 << 24, loads_max: 8, load_wait: LIMIT };

/// The clock of the database, which stands still until it is turned.
#[derive(Default)]
pub(crate) struct Dial(AtomicI64);

impl Clock for Dial {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(EPOCH + self.0.load(SeqCst))
    }
}

/// What it shows at first: 2026-01-01T00:00:00Z.
const EPOCH: i64 = 1_767_225_600_000_000;

/// How long the machine of a replica has run.
struct Skewed {
    dial: Arc<Dial>,
    ahead: Duration,
}

impl Stopwatch for Skewed {
    fn now(&self) -> Moment {
        let micros = u64::try_from(self.dial.0.load(SeqCst)).unwrap();
        Moment::from_start(self.ahead + Duration::from_micros(micros))
    }
}

/// The log of the database, with the time of the dial.
struct Dated {
    log: Log,
    dial: Arc<Dial>,
    renewals: watch::Sender<u64>,
}

#[async_trait]
impl SharedLog for Dated {
    async fn join(&self, member: &Member, terms: Terms) -> Result<Position, StoreError> {
        self.log.join(member, terms).await
    }

    async fn renew(&self, member: &Member, applied: Position) -> Result<Renewal, StoreError> {
        let renewal = match self.log.renew(member, applied).await? {
            Renewal::Done(tail) => Renewal::Done(Tail { time: self.dial.now(), ..tail }),
            other => other,
        };
        self.renewals.send_modify(|count| *count += 1);
        Ok(renewal)
    }

    async fn leave(&self, member: &Member) -> Result<(), StoreError> {
        self.log.leave(member).await
    }

    async fn rows(&self) -> Result<Vec<Row>, StoreError> {
        self.log.rows().await
    }

    async fn evict(&self, row: &Row) -> Result<bool, StoreError> {
        self.log.evict(row).await
    }

    async fn durability(&self) -> Result<Durability, StoreError> {
        self.log.durability().await
    }

    async fn doorbell(&self) -> Result<Box<dyn Doorbell>, StoreError> {
        self.log.doorbell().await
    }
}

/// One of them.
pub(crate) struct Replica {
    pub(crate) admin: Admin,
    store: Arc<Store>,
    coherence: Arc<dyn Coherence>,
    clock: Arc<dyn Clock>,
    keyring: Arc<Keyring>,
    /// Its memory, and what answers from it.
    memory: (Arc<Cache>, Introspection),
    /// How it follows the others, where the database can be shared.
    follows: Option<(Arc<Follower>, Arc<Dated>)>,
}

impl Replica {
    fn new(
        store: &Arc<Store>,
        keyring: &Arc<Keyring>,
        (records, coherence, clock): (Arc<dyn Records>, Arc<dyn Coherence>, Arc<dyn Clock>),
        follows: Option<(Arc<Follower>, Arc<Dated>)>,
    ) -> Self {
        let entropy = Arc::new(SystemRandom::new());
        let admin = Admin::new(records, Arc::clone(&clock), Arc::clone(keyring), entropy);
        let (store, keyring) = (Arc::clone(store), Arc::clone(keyring));
        let memory = introspection(&store, &coherence, &clock, &keyring);
        Self { admin, store, coherence, clock, keyring, memory, follows }
    }

    /// Why a secret does not work. None: it does.
    pub(crate) async fn ask(&self, root: &Caller, secret: &str) -> Option<Denial> {
        asked(&self.memory.1, root, secret).await
    }

    /// The same by a replica that knows nothing yet.
    pub(crate) async fn ask_anew(&self, root: &Caller, secret: &str) -> Option<Denial> {
        let Self { store, coherence, clock, keyring, .. } = self;
        asked(&introspection(store, coherence, clock, keyring).1, root, secret).await
    }

    /// Who calls with this secret.
    pub(crate) async fn authenticate(&self, secret: &str) -> Caller {
        self.memory.1.authenticate(secret, None).await.unwrap()
    }

    /// How many questions it has answered from memory.
    pub(crate) fn hits(&self) -> u64 {
        self.memory.0.counts().hits
    }
}

fn introspection(
    store: &Arc<Store>,
    coherence: &Arc<dyn Coherence>,
    clock: &Arc<dyn Clock>,
    keyring: &Arc<Keyring>,
) -> (Arc<Cache>, Introspection) {
    let store = Arc::clone(store) as Arc<_>;
    let cache = Arc::new(Cache::new(store, Arc::clone(coherence), BOUNDS, Handle::current()));
    let keys = Arc::clone(&cache) as Arc<_>;
    let (keyring, clock) = (Arc::clone(keyring), Arc::clone(clock));
    (cache, Introspection::new(keyring, keys, clock, Arc::new(Refuse)))
}

async fn asked(introspection: &Introspection, root: &Caller, secret: &str) -> Option<Denial> {
    let question = Question {
        secret,
        client_ip: "192.0.2.1",
        required_scopes: Default::default(),
        resource: "",
        class: "",
        cost: 0,
        full: false,
        without_hint: false,
    };
    introspection.introspect(root, question).await.unwrap().decision.denial
}

/// All of them, and who may do everything.
pub(crate) struct Deployment {
    pub(crate) store: Arc<Store>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) root: Caller,
    pub(crate) dial: Arc<Dial>,
}

impl Deployment {
    /// Three replicas; of a file, three parts of the one process that owns it.
    pub(crate) async fn new(database: &impl Database) -> Self {
        Self::of(database, REPLICAS).await
    }

    /// One process, that follows no others.
    pub(crate) async fn alone(database: &impl Database) -> Self {
        Self::of(database, 1).await
    }

    async fn of(database: &impl Database, count: u32) -> Self {
        let store = Arc::new(database.store().await);
        let keys = vec![SigningKey::new(KeyVersion::FIRST, &[7; SigningKey::LEN])];
        let keyring = Arc::new(Keyring::new(keys, KeyVersion::FIRST).unwrap());
        let dial = Arc::<Dial>::default();
        let owner = Arc::new(SoleOwner::default());
        let mut replicas = Vec::new();
        for number in 0..count {
            let records = Arc::clone(&store) as Arc<dyn Records>;
            let log = store.log(LIMIT).await.unwrap().filter(|_| count > 1);
            let replica = match log {
                None => {
                    let records = Arc::new(Announced::new(records, Arc::clone(&owner) as _));
                    let parts = (records as _, Arc::clone(&owner) as _, Arc::clone(&dial) as _);
                    Replica::new(&store, &keyring, parts, None)
                }
                Some(log) => {
                    let (member, dated) = follow(log, &dial, number).await;
                    let records = Arc::new(Announced::new(records, Arc::clone(&member) as _));
                    let standing = Arc::clone(member.standing());
                    let parts = (records as _, Arc::clone(&standing) as _, standing as _);
                    Replica::new(&store, &keyring, parts, Some((member, dated)))
                }
            };
            replicas.push(replica);
        }
        let first = &replicas[0];
        first.admin.install().await.unwrap();
        let bootstrapped = first.admin.bootstrap(false).await.unwrap();
        let Bootstrapped::Minted(_, secret) = bootstrapped else { panic!("it is new") };
        let root = first.authenticate(secret.as_str()).await;
        Self { store, replicas, root, dial }
    }

    /// Turns the clock of the database to this moment. Returns when every replica knows.
    pub(crate) async fn turn_to(&self, moment: Timestamp) {
        self.dial.0.store(moment.micros() - EPOCH, SeqCst);
        for (_, dated) in self.replicas.iter().filter_map(|replica| replica.follows.as_ref()) {
            let mut renewals = dated.renewals.subscribe();
            // One was under way when the clock was turned; the next was not, and when the one
            // after that is answered it has been taken note of.
            let known = *renewals.borrow_and_update() + 3;
            renewals.wait_for(|count| *count >= known).await.unwrap();
        }
    }

    /// Whoever else uses the database waits for none of them.
    pub(crate) async fn end(self) {
        for (member, dated) in self.replicas.into_iter().filter_map(|replica| replica.follows) {
            member.leave().await;
            dated.log.close().await;
        }
        self.store.close().await;
    }
}

/// A replica that has a lease.
async fn follow(log: Log, dial: &Arc<Dial>, number: u32) -> (Arc<Follower>, Arc<Dated>) {
    let dated = Dated { log, dial: Arc::clone(dial), renewals: watch::Sender::default() };
    let dated = Arc::new(dated);
    let parts = Parts {
        log: Arc::clone(&dated) as _,
        stopwatch: Arc::new(Skewed {
            dial: Arc::clone(dial),
            ahead: Duration::from_secs(1_000_000) * (number + 1),
        }),
        clock: Arc::clone(dial) as _,
        id: format!("replica-{number}").parse().unwrap(),
    };
    let terms = Terms { lease: LEASE, stale: Duration::ZERO };
    let following = Following { terms, interval: INTERVAL, doorbell: true };
    let member = Follower::start(parts, following, &Handle::current());
    member.until(true).await;
    (member, dated)
}
