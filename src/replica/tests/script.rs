//! A log that answers what a test says.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use super::super::{follow::Follower, standing::Standing, status::Seen};
use crate::domain::{
    event::Revision,
    key::Key,
    live::{Facts, LiveKey, Stored},
    policy::{CompiledPolicy, KeyType, Policy, Role, Scope},
    ports::{Clock, StoreError},
    replica::{
        Doorbell, Durability, Member, Noted, Position, Renewal, Row, SharedLog, Stopwatch, Tail,
        Terms,
    },
    time::{Moment, Timestamp},
    workspace::Workspace,
};

/// A stopwatch that a test turns.
#[derive(Default)]
pub(super) struct Dial(AtomicU64);

impl Dial {
    pub(super) fn set(&self, since_start: Duration) {
        self.0.store(u64::try_from(since_start.as_nanos()).unwrap(), SeqCst);
    }

    pub(super) fn turn(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_nanos()).unwrap(), SeqCst);
    }
}

impl Stopwatch for Dial {
    fn now(&self) -> Moment {
        Moment::from_start(Duration::from_nanos(self.0.load(SeqCst)))
    }
}

/// Before the database has told its time.
struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> Timestamp {
        Timestamp::MIN
    }
}

pub(super) fn position(revision: i64) -> Position {
    Position { revision: Revision(revision), nonce: 100 + revision }
}

/// What the log answers, and what it was asked.
#[derive(Default)]
pub(super) struct Script {
    pub(super) joins: Mutex<VecDeque<Result<i64, ()>>>,
    pub(super) renewals: Mutex<VecDeque<Result<Renewal, ()>>>,
    /// The incarnation of each join; that and the revision of each renewal.
    pub(super) joined: Mutex<Vec<i64>>,
    pub(super) renewed: Mutex<Vec<(i64, Position)>>,
    pub(super) left: Mutex<Vec<i64>>,
    pub(super) rows: Mutex<Vec<Row>>,
    /// How many evictions were begun, each of which takes a second.
    pub(super) evictions: AtomicU64,
    /// What is rung while the next renewal is under way.
    pub(super) during: Mutex<Option<Arc<Notify>>>,
    /// What is turned while a renewal is under way, and how far.
    pub(super) slow: Mutex<Option<(Arc<Dial>, Duration)>>,
    /// How often a doorbell was hung up.
    pub(super) hung: watch::Sender<usize>,
    pub(super) rings: watch::Sender<usize>,
}

fn gone() -> StoreError {
    StoreError::Unavailable("gone".into())
}

/// All changes up to a revision, of which these are new.
pub(super) fn tail(head: i64, changes: impl IntoIterator<Item = i64>) -> Renewal {
    let noted = |revision| Noted { position: position(revision), subject: "policies/a".into() };
    Renewal::Done(Tail {
        head: Revision(head),
        time: Timestamp::from_micros(1),
        changes: changes.into_iter().map(noted).collect(),
    })
}

#[async_trait]
impl SharedLog for Script {
    async fn join(&self, member: &Member, _: Terms) -> Result<Position, StoreError> {
        self.joined.lock().unwrap().push(member.incarnation);
        let next = self.joins.lock().unwrap().pop_front().unwrap_or(Ok(0));
        next.map(position).map_err(|()| gone())
    }

    async fn renew(&self, member: &Member, applied: Position) -> Result<Renewal, StoreError> {
        self.renewed.lock().unwrap().push((member.incarnation, applied));
        if let Some(rung) = self.during.lock().unwrap().take() {
            rung.notify_one();
        }
        if let Some((dial, by)) = &*self.slow.lock().unwrap() {
            dial.turn(*by);
        }
        let next = self.renewals.lock().unwrap().pop_front();
        next.unwrap_or(Ok(tail(applied.revision.0, []))).map_err(|()| gone())
    }

    async fn leave(&self, member: &Member) -> Result<(), StoreError> {
        self.left.lock().unwrap().push(member.incarnation);
        Ok(())
    }

    async fn rows(&self) -> Result<Vec<Row>, StoreError> {
        Ok(self.rows.lock().unwrap().clone())
    }

    async fn evict(&self, _: &Row) -> Result<bool, StoreError> {
        self.evictions.fetch_add(1, SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(true)
    }

    async fn durability(&self) -> Result<Durability, StoreError> {
        Ok(Durability::default())
    }

    async fn doorbell(&self) -> Result<Box<dyn Doorbell>, StoreError> {
        self.hung.send_modify(|hung| *hung += 1);
        Ok(Box::new(Bell(self.rings.subscribe())))
    }
}

struct Bell(watch::Receiver<usize>);

#[async_trait]
impl Doorbell for Bell {
    async fn ring(&mut self) -> Result<(), StoreError> {
        self.0.changed().await.map_err(|_| gone())
    }
}

/// How often a replica looks here.
pub(super) const INTERVAL: Duration = Duration::from_millis(800);

/// One that follows a script, with the stopwatch at rest.
pub(super) struct Followed {
    pub(super) dial: Arc<Dial>,
    pub(super) standing: Arc<Standing>,
    pub(super) rung: Arc<Notify>,
    pub(super) unrung: Arc<Notify>,
    pub(super) seen: watch::Receiver<Seen>,
    pub(super) follower: Option<Follower>,
}

pub(super) fn follow(script: &Arc<Script>) -> Followed {
    let dial = Arc::<Dial>::default();
    dial.set(Duration::from_secs(1_000));
    let terms = Terms { lease: Duration::from_secs(4), stale: Duration::ZERO };
    let standing = Arc::new(Standing::new(Arc::clone(&dial) as _, Arc::new(NoClock), terms));
    let (rung, unrung) = (Arc::<Notify>::default(), Arc::<Notify>::default());
    let (tell, seen) = watch::channel(Seen::default());
    let follower = Some(Follower {
        log: Arc::clone(script) as _,
        standing: Arc::clone(&standing),
        member: Member { id: "a".parse().unwrap(), incarnation: 1 },
        position: None,
        rung: Arc::clone(&rung),
        unrung: Arc::clone(&unrung),
        interval: INTERVAL,
        seen: tell,
    });
    Followed { dial, standing, rung, unrung, seen, follower }
}

/// A key of this name in the workspace `acme`.
pub(super) fn live(name: &str) -> LiveKey {
    fn stored<T>(value: T) -> Stored<T> {
        let time = Timestamp::from_micros(0);
        Stored { value, revision: Revision(1), create_time: time, update_time: time }
    }
    let key = Key {
        name: format!("workspaces/acme/keys/{name}").parse().unwrap(),
        title: "k".parse().unwrap(),
        key_type: "live".into(),
        principal: None,
        grants: vec![],
        constraint: vec![],
        allowed_cidrs: Default::default(),
        expire_time: None,
        plan: String::new(),
        labels: [].into(),
        minting_key: None,
        revoke_time: None,
    };
    let workspace = Workspace {
        name: "workspaces/acme".parse().unwrap(),
        title: "Acme".parse().unwrap(),
        policy: "policies/acme".parse().unwrap(),
        plan: String::new(),
        suspended: false,
    };
    let policy = Policy {
        scopes: vec![Scope { name: "read".into(), ..Scope::default() }],
        roles: vec![Role { name: "owner".into(), scopes: vec!["read".into()], ..Role::default() }],
        key_types: vec![KeyType {
            name: "live".into(),
            prefix: "acme".into(),
            is_default: true,
            ..KeyType::default()
        }],
        ..Policy::default()
    };
    let mut faults = crate::domain::fault::Faults::new();
    let policy = CompiledPolicy::compile(policy, "policy", &mut faults).unwrap();
    let facts = Facts {
        key: stored(key),
        replaced: None,
        policy: (workspace.policy.clone(), Revision(1)),
        workspace: stored(workspace).into(),
        principal: None,
    };
    LiveKey::new(facts, Arc::new(policy))
}
