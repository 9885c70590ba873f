//! Changes whose outcome is not the usual one, and secrets that nobody has.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use keyward::{
    admin::{CreateResource, Intent, WorkspaceDraft},
    cache::{Cache, Coherence, Permit, Stamp, Subjects},
    domain::{
        event::{Deed, Kind},
        ports::{Change as Written, FindKey as _, NewSecret, StoreError, Write},
        secret::{Digest, KeyVersion},
        time::{Moment, Timestamp},
    },
};
use tokio::runtime::Handle;

use crate::{
    between::Before,
    changes::Change,
    world::{BOUNDS, World},
};

/// A change of something else, by the same process.
async fn change_something_else(world: &World) {
    let draft = WorkspaceDraft { policy: "policies/acme".into(), ..WorkspaceDraft::default() };
    let request = CreateResource { id: "other".into(), draft, intent: Intent::default() };
    world.admin.create_workspace(&world.root, &request).await.unwrap();
}

#[tokio::test]
async fn what_may_have_changed_is_not_answered_from_memory_until_a_later_change_is_made() {
    for change in Change::ALL {
        let world = World::new().await;
        change.prepare(&world).await;
        world.ask().await;
        world.between.loses_outcome.store(true, Ordering::SeqCst);
        assert!(change.make(&world).await.is_err());
        let counts = world.cache.counts();
        for _ in 0..3 {
            assert_eq!(world.ask().await, change.answer(), "{change:?}");
        }
        assert_eq!(world.cache.counts().hits, counts.hits);
        assert_eq!(world.cache.counts().loads, counts.loads + 3);
        change_something_else(&world).await;
        world.ask_until_hit(change.answer()).await;
    }
}

#[tokio::test]
async fn a_lost_outcome_twice_is_settled_by_one_change() {
    let world = World::new().await;
    for change in [Change::Scopes, Change::Revoke] {
        world.between.loses_outcome.store(true, Ordering::SeqCst);
        assert!(change.make(&world).await.is_err());
    }
    change_something_else(&world).await;
    world.ask_until_hit(Change::Revoke.answer()).await;
}

#[tokio::test]
async fn a_change_that_was_refused_and_tried_again_forbids_nothing_in_the_end() {
    let world = World::new().await;
    let other = Arc::clone(&world);
    world.between.expect(Before::Commit, async move {
        Change::Constraint.make(&other).await.unwrap();
    });
    Change::Scopes.make(&world).await.unwrap();
    assert!(world.between.has_happened());
    world.ask_until_hit(Change::Constraint.answer()).await;
}

#[tokio::test]
async fn a_key_in_memory_expires() {
    let world = World::new().await;
    Change::Expiry.make(&world).await.unwrap();
    assert_eq!(world.ask().await, None);
    let finds = world.finds();
    assert_eq!(world.ask().await, None);
    world.turn_clock(std::time::Duration::from_hours(1));
    assert_eq!(world.ask().await, Change::Expiry.answer());
    assert_eq!(world.finds(), finds);
}

/// It cannot be: nobody knows a secret before the call that makes it has returned. Where
/// secrets are brought from elsewhere, somebody may.
#[tokio::test]
async fn a_secret_that_was_known_to_be_of_no_key_is_found_once_it_is_given_to_one() {
    let world = World::new().await;
    let digest = || Digest::from_bytes([7; Digest::LEN]);
    for _ in 0..3 {
        assert!(world.cache.find_key(&digest()).await.unwrap().is_none());
    }
    assert_eq!(world.finds(), 1);
    let mut key = world.cache.find_key(&world.digest()).await.unwrap().unwrap().key();
    key.name.key = "brought".parse().unwrap();
    let deed = Deed {
        actor: "cli".into(),
        kind: Kind::KeyCreated,
        subject: key.name.to_string(),
        workspace: "acme".into(),
        before: String::new(),
        after: "{}".into(),
        request_id: String::new(),
    };
    let (name, time) = (key.name.clone(), Timestamp::from_micros(1));
    let secret =
        NewSecret { digest: digest(), version: KeyVersion::FIRST, older_until: Timestamp::MIN };
    let write = Write::Key(key, None, Some(secret));
    let change = Written { time, guards: vec![], write, deed, request: None };
    world.records.commit(change).await.unwrap();
    let found = world.cache.find_key(&digest()).await.unwrap().unwrap();
    assert_eq!(*found.name(), name);
}

#[tokio::test]
async fn a_hit_is_answered_at_once_and_without_the_store() {
    let world = World::new().await;
    assert!(world.cache.find_key(&world.digest()).now_or_never().is_none());
    world.ask().await;
    let finds = world.finds();
    for _ in 0..100 {
        assert!(world.cache.find_key(&world.digest()).now_or_never().unwrap().unwrap().is_some());
    }
    assert_eq!(world.finds(), finds);
}

/// A lease that can be taken away, and what was asked of it.
#[derive(Default)]
struct Leased {
    is_over: AtomicBool,
    is_useless: AtomicBool,
    asked: Mutex<Vec<&'static str>>,
}

impl Leased {
    fn note(&self, what: &'static str) {
        self.asked.lock().unwrap().push(what);
    }
}

impl Coherence for Leased {
    fn stamp(&self) -> Stamp {
        Stamp::default()
    }

    fn permit(&self) -> Permit {
        self.note("permit");
        Permit::Until(Moment::from_start(Duration::from_secs(7)))
    }

    fn usable(&self, _: Stamp, _: &Subjects) -> bool {
        self.note("usable");
        !self.is_useless.load(Ordering::SeqCst)
    }

    fn holds(&self, permit: Permit) -> bool {
        self.note("holds");
        assert_eq!(permit, Permit::Until(Moment::from_start(Duration::from_secs(7))));
        !self.is_over.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn what_does_not_count_is_read_each_time_and_not_kept() {
    let world = World::new().await;
    let useless = Leased { is_useless: AtomicBool::new(true), ..Leased::default() };
    let keys = Arc::clone(&world.between) as _;
    let cache = Cache::new(keys, Arc::new(useless), BOUNDS, Handle::current());
    for asked in 1..=3 {
        assert!(cache.find_key(&world.digest()).await.unwrap().is_some());
        assert_eq!((world.finds(), cache.counts().hits), (asked, 0));
    }
    assert_eq!(cache.size().0, 0);
}

/// The other way round, a lease renewed in between could excuse an entry that was judged before
/// the change came with that renewal.
#[tokio::test]
async fn the_lease_is_read_before_an_entry_is_judged_and_compared_afterwards() {
    let world = World::new().await;
    let lease = Arc::new(Leased::default());
    let keys = Arc::clone(&world.between) as _;
    let cache = Cache::new(keys, Arc::clone(&lease) as _, BOUNDS, Handle::current());
    assert!(cache.find_key(&world.digest()).await.unwrap().is_some());
    lease.asked.lock().unwrap().clear();
    assert!(cache.find_key(&world.digest()).await.unwrap().is_some());
    assert_eq!(*lease.asked.lock().unwrap(), ["permit", "usable", "holds"]);
}

#[tokio::test]
async fn without_a_lease_nothing_is_answered_neither_from_memory_nor_from_a_read() {
    let world = World::new().await;
    let lease = Arc::new(Leased::default());
    let keys = Arc::clone(&world.between) as _;
    let cache = Cache::new(keys, Arc::clone(&lease) as _, BOUNDS, Handle::current());
    // It ends during the read.
    let ending = Arc::clone(&lease);
    world
        .between
        .expect(Before::FindReturns, async move { ending.is_over.store(true, Ordering::SeqCst) });
    let unavailable = |found| matches!(found, Err(StoreError::NoLease));
    assert!(unavailable(cache.find_key(&world.digest()).await.map(drop)));
    let finds = world.finds();
    assert!(unavailable(cache.find_key(&world.digest()).await.map(drop)));
    assert_eq!(world.finds(), finds, "the store is not asked, either");
    lease.is_over.store(false, Ordering::SeqCst);
    assert!(cache.find_key(&world.digest()).await.unwrap().is_some());
}
