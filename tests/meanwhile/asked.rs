//! Questions that are asked together, of which some cannot be told.

use std::{
    future::pending,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};

use async_trait::async_trait;
use keyward::{
    domain::{
        limit::{CannotTell, Charge, Limiter, Verdict},
        live::LiveKey,
        policy::{Plan, RateLimit},
        ports::{FindKey, StoreError},
        secret::Digest,
        usage::{CountUses, Outcome, Use},
    },
    introspect::{IntrospectError, Question},
};
use tokio::sync::Notify;

use super::*;

/// Far more than anything here takes: a test that reaches it has failed.
const LONG: Duration = Duration::from_secs(60);

/// A database of which one look-up fails, and the others never end or do well.
struct Database {
    between: Arc<Between>,
    failing: usize,
    is_silent: bool,
    finds: AtomicUsize,
}

#[async_trait]
impl FindKey for Database {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        if self.finds.fetch_add(1, Ordering::SeqCst) == self.failing {
            return Err(StoreError::Unavailable("gone".into()));
        }
        if self.is_silent { pending().await } else { self.between.find_key(digest).await }
    }
}

/// Lets some through, and then cannot tell, or never says.
struct Counter {
    left: AtomicUsize,
    is_silent: AtomicBool,
    reached: Notify,
}

impl Counter {
    fn new(left: usize, is_silent: bool) -> Arc<Self> {
        let (left, is_silent) = (AtomicUsize::new(left), AtomicBool::new(is_silent));
        Arc::new(Self { left, is_silent, reached: Notify::new() })
    }
}

#[async_trait]
impl Limiter for Counter {
    async fn take(&self, _: &Charge<'_>) -> Result<Verdict, CannotTell> {
        let less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Ok(Verdict::default());
        }
        self.reached.notify_one();
        if self.is_silent.load(Ordering::SeqCst) { pending().await } else { Err(CannotTell) }
    }
}

/// What was counted.
#[derive(Default)]
struct Uses(Mutex<Vec<Outcome>>);

impl CountUses for Uses {
    fn count(&self, used: Use<'_>) {
        self.0.lock().unwrap().push(used.outcome);
    }
}

impl Uses {
    fn count_so_far(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

fn question(secret: &str) -> Question<'_> {
    Question {
        secret,
        client_ip: "",
        required_scopes: Default::default(),
        resource: "",
        class: "",
        cost: 0,
        full: true,
        without_hint: false,
    }
}

/// The secret of a key that has a limit.
async fn limited(world: &World) -> String {
    let limit = RateLimit {
        name: "all".into(),
        quota: 1_000,
        window: Duration::from_secs(60),
        ..RateLimit::default()
    };
    let plan = Plan { name: "free".into(), key_limits: vec![limit], ..Plan::default() };
    let with = Policy { plans: vec![plan], ..policy(&["read"]) };
    world.other.update_policy(&world.root, &change(with, "", &["plans"], false)).await.unwrap();
    let creation = creation("asked", "");
    let draft = KeyDraft { plan: "free".into(), ..creation.draft };
    let made = world.other.create_key(&world.root, &CreateKey { draft, ..creation }).await;
    made.unwrap().secret.unwrap().reveal()
}

#[tokio::test]
async fn the_first_look_up_that_fails_ends_it_however_long_the_others_would_take() {
    let world = World::under(&["read"]).await;
    let secret = limited(&world).await;
    let database = Arc::new(Database {
        between: Arc::clone(&world.between),
        failing: 5,
        is_silent: true,
        finds: AtomicUsize::new(0),
    });
    let (ring, clock) = (Arc::clone(&world.keyring), Arc::new(SystemClock));
    let introspection =
        Introspection::new(ring, Arc::clone(&database) as _, clock, Counter::new(1_000, false));
    let questions = vec![question(&secret); 1_000];
    let asked =
        introspection.introspect_all(&world.root, &questions, |_, _| (), tokio::task::yield_now);
    let outcome = tokio::time::timeout(LONG, asked).await.unwrap();
    let is_store = matches!(outcome, Err(IntrospectError::Store(StoreError::Unavailable(_))));
    assert!(is_store, "{outcome:?}");
    let finds = database.finds.load(Ordering::SeqCst);
    assert!(finds <= 32, "{finds} were begun");
}

/// Over a database that does well.
fn counting(world: &World, limiter: Arc<Counter>) -> (Introspection, Arc<Uses>) {
    let uses = Arc::<Uses>::default();
    let (ring, clock) = (Arc::clone(&world.keyring), Arc::new(SystemClock));
    let introspection = Introspection::new(ring, Arc::clone(&world.between) as _, clock, limiter);
    (introspection.counted_by(Arc::clone(&uses) as _), uses)
}

#[tokio::test]
async fn what_was_taken_before_limits_could_not_be_told_counts_as_use() {
    let world = World::under(&["read"]).await;
    let secret = limited(&world).await;
    let (introspection, uses) = counting(&world, Counter::new(3, false));
    let questions = vec![question(&secret); 100];
    let asked =
        introspection.introspect_all(&world.root, &questions, |_, _| (), tokio::task::yield_now);
    let outcome = asked.await;
    assert!(matches!(outcome, Err(IntrospectError::Limits(_))), "{outcome:?}");
    assert_eq!(uses.count_so_far(), 3);
}

#[tokio::test]
async fn what_was_taken_before_the_caller_left_counts_as_use() {
    let world = World::under(&["read"]).await;
    let secret = limited(&world).await;
    let limiter = Counter::new(40, true);
    let (introspection, uses) = counting(&world, Arc::clone(&limiter));
    let questions = vec![question(&secret); 100];
    let asked =
        introspection.introspect_all(&world.root, &questions, |_, _| (), tokio::task::yield_now);
    tokio::select! {
        biased;
        outcome = asked => panic!("{outcome:?}"),
        () = limiter.reached.notified() => {}
    }
    assert_eq!(uses.count_so_far(), 40);
}

#[tokio::test]
async fn answers_stand_in_the_order_of_the_questions_whichever_is_known_first() {
    let world = World::under(&["read"]).await;
    let made = world.other.create_key(&world.root, &creation("known", "")).await.unwrap();
    let secret = made.secret.unwrap().reveal();
    let (introspection, _) = counting(&world, Counter::new(0, false));
    // Those that are none of ours are known at once.
    let questions: Vec<_> =
        (0..100).map(|place| question(if place % 3 == 0 { &secret } else { "x" })).collect();
    let tell = |answer: &keyward::introspect::Answer, _: bool| answer.key.is_some();
    let asked = introspection.introspect_all(&world.root, &questions, tell, tokio::task::yield_now);
    let told = asked.await.unwrap();
    let expected: Vec<bool> = (0..100).map(|place| place % 3 == 0).collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn whoever_makes_many_keys_lets_others_have_their_turn() {
    let world = World::under(&["read"]).await;
    let turns = async |count: usize| {
        let request = BatchCreateKeys {
            parent: "workspaces/acme".into(),
            requests: vec![creation("", ""); count],
            intent: Intent { validate_only: true, ..Intent::default() },
        };
        let mut making = std::pin::pin!(world.admin.batch_create_keys(
            &world.root,
            &request,
            tokio::task::yield_now
        ));
        let mut turns = 0;
        std::future::poll_fn(|context| {
            turns += 1;
            making.as_mut().poll(context)
        })
        .await
        .unwrap();
        turns
    };
    let (one, many) = (turns(1).await, turns(500).await);
    assert!(many >= one + 400, "{one} and {many}");
}
