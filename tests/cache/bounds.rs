//! How much is kept and loaded at once, and what becomes of who waits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use keyward::{
    cache::{Bounds, Cache, SoleOwner},
    domain::{
        live::LiveKey,
        ports::{FindKey, StoreError},
        secret::Digest,
    },
};
use tokio::{runtime::Handle, sync::Semaphore, task::JoinHandle};

use crate::world::{BOUNDS, World};

/// What the store makes of a digest.
#[derive(Clone, Copy)]
enum Made {
    Key,
    Nothing,
    Fault,
    Panic,
}

/// A store of one key that has all secrets, and lets reads through one by one.
struct Gate {
    key: Arc<LiveKey>,
    pass: Semaphore,
    reading: AtomicUsize,
    most: AtomicUsize,
    reads: AtomicUsize,
}

fn digest(number: u32, made: Made) -> Digest {
    let mut bytes = [0; Digest::LEN];
    let (start, end) = bytes.split_at_mut(4);
    start.copy_from_slice(&number.wrapping_mul(0x9E37_79B1).to_be_bytes());
    end.fill(made as u8);
    Digest::from_bytes(bytes)
}

#[async_trait]
impl FindKey for Gate {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let reading = self.reading.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(reading, Ordering::SeqCst);
        self.pass.acquire().await.unwrap().forget();
        self.reading.fetch_sub(1, Ordering::SeqCst);
        match digest.as_bytes().last() {
            Some(made) if *made == Made::Key as u8 => Ok(Some(Arc::clone(&self.key))),
            Some(made) if *made == Made::Nothing as u8 => Ok(None),
            Some(made) if *made == Made::Fault as u8 => Err(StoreError::Unavailable("x".into())),
            _ => panic!("deliberate"),
        }
    }
}

struct Scene {
    gate: Arc<Gate>,
    cache: Arc<Cache>,
}

impl Scene {
    async fn new(bounds: Bounds, passes: usize) -> Self {
        let world = World::new().await;
        let key = world.cache.find_key(&world.digest()).await.unwrap().unwrap();
        let (pass, zero) = (Semaphore::new(passes), AtomicUsize::default);
        let gate = Gate { key, pass, reading: zero(), most: zero(), reads: zero() };
        let (gate, owner) = (Arc::new(gate), Arc::new(SoleOwner::default()));
        let cache = Cache::new(Arc::clone(&gate) as _, owner, bounds, Handle::current());
        Self { gate, cache: Arc::new(cache) }
    }

    fn ask(&self, number: u32, made: Made) -> JoinHandle<Result<Option<Arc<LiveKey>>, StoreError>> {
        let cache = Arc::clone(&self.cache);
        tokio::spawn(async move { cache.find_key(&digest(number, made)).await })
    }

    async fn until(&self, so: impl Fn(&Self) -> bool) {
        for _ in 0..1_000_000 {
            if so(self) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("it never comes to that: {:?}", self.cache.counts());
    }

    fn reads(&self) -> usize {
        self.gate.reads.load(Ordering::SeqCst)
    }
}

const MANY: usize = 1 << 20;

#[tokio::test]
async fn only_so_many_reads_are_made_at_once_and_all_are_in_the_end() {
    let scene = Scene::new(Bounds { loads_max: 3, ..BOUNDS }, 0).await;
    let asking: Vec<_> = (0..20).map(|number| scene.ask(number, Made::Key)).collect();
    scene.until(|scene| scene.reads() == 3).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.reads(), 3);
    scene.gate.pass.add_permits(MANY);
    for asked in asking {
        assert!(asked.await.unwrap().unwrap().is_some());
    }
    assert_eq!(scene.gate.most.load(Ordering::SeqCst), 3);
    assert_eq!(scene.cache.counts().loads, 20);
}

#[tokio::test]
async fn who_waits_too_long_for_a_read_is_refused_and_who_comes_later_is_not() {
    let bounds = Bounds { loads_max: 1, load_wait: Duration::from_millis(1), ..BOUNDS };
    let scene = Scene::new(bounds, 0).await;
    let first = scene.ask(1, Made::Key);
    scene.until(|scene| scene.reads() == 1).await;
    let refused = [scene.ask(2, Made::Key), scene.ask(2, Made::Key)];
    for refused in refused {
        assert!(matches!(refused.await.unwrap(), Err(StoreError::Overloaded)));
    }
    assert_eq!(scene.cache.counts().refused, 1, "one read was refused, for two who waited");
    scene.gate.pass.add_permits(MANY);
    assert!(first.await.unwrap().unwrap().is_some());
    assert!(scene.ask(2, Made::Key).await.unwrap().unwrap().is_some());
}

#[tokio::test]
async fn a_stampede_is_one_read() {
    for made in [Made::Key, Made::Nothing] {
        let scene = Scene::new(BOUNDS, 0).await;
        let asking: Vec<_> = (0..500).map(|_| scene.ask(1, made)).collect();
        scene.until(|scene| scene.cache.counts().joins == 499).await;
        scene.gate.pass.add_permits(MANY);
        for asked in asking {
            asked.await.unwrap().unwrap();
        }
        assert_eq!((scene.reads(), scene.cache.counts().loads), (1, 1));
        scene.ask(1, made).await.unwrap().unwrap();
        assert_eq!((scene.reads(), scene.cache.counts().hits), (1, 1));
    }
}

#[tokio::test]
async fn a_failed_read_fails_for_all_who_wait_and_is_not_kept() {
    for made in [Made::Fault, Made::Panic] {
        let scene = Scene::new(BOUNDS, 0).await;
        for round in 1..=2 {
            let asking = [scene.ask(1, made), scene.ask(1, made)];
            scene.until(|scene| scene.cache.counts().joins == round).await;
            scene.until(|scene| scene.reads() as u64 == round).await;
            scene.gate.pass.add_permits(1);
            for asked in asking {
                assert!(matches!(asked.await.unwrap(), Err(StoreError::Unavailable(_))));
            }
        }
        // The panics gave their places back.
        scene.gate.pass.add_permits(MANY);
        for number in 0..100 {
            assert!(scene.ask(number, Made::Key).await.unwrap().unwrap().is_some());
        }
    }
}

#[tokio::test]
async fn a_read_goes_on_when_who_began_it_has_left() {
    let scene = Scene::new(BOUNDS, 0).await;
    let first = scene.ask(1, Made::Key);
    scene.until(|scene| scene.reads() == 1).await;
    let joined = scene.ask(1, Made::Key);
    scene.until(|scene| scene.cache.counts().joins == 1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    scene.gate.pass.add_permits(1);
    assert!(joined.await.unwrap().unwrap().is_some());
    assert_eq!(scene.reads(), 1);
}

#[tokio::test]
async fn a_read_that_nobody_waits_for_any_more_is_not_begun() {
    let scene = Scene::new(Bounds { loads_max: 1, ..BOUNDS }, 0).await;
    let first = scene.ask(1, Made::Key);
    scene.until(|scene| scene.reads() == 1).await;
    let (left, waits) = (scene.ask(2, Made::Key), scene.ask(3, Made::Key));
    scene.until(|scene| scene.cache.counts().misses == 3).await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    scene.gate.pass.add_permits(MANY);
    for asked in [first, waits] {
        assert!(asked.await.unwrap().unwrap().is_some());
    }
    assert_eq!(scene.cache.counts().loads, 2, "the one in between was left");
    // Who comes later is not told that another left.
    assert!(scene.ask(2, Made::Key).await.unwrap().unwrap().is_some());
    assert_eq!(scene.cache.counts().loads, 3);
}

#[test]
fn who_waits_is_told_when_the_back_ends() {
    let (back, front) = (runtime(), runtime());
    let scene = back.block_on(Scene::new(BOUNDS, 0));
    front.block_on(async {
        let asking = [scene.ask(1, Made::Key), scene.ask(1, Made::Key)];
        scene.until(|scene| scene.cache.counts().joins == 1).await;
        back.shutdown_background();
        for asked in asking {
            assert!(matches!(asked.await.unwrap(), Err(StoreError::Unavailable(_))));
        }
        let late = scene.ask(2, Made::Key).await.unwrap();
        assert!(matches!(late, Err(StoreError::Unavailable(_))));
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[tokio::test]
async fn keys_are_kept_within_so_many_bytes() {
    let bytes_max = 1 << 20;
    let scene = Scene::new(Bounds { bytes_max, ..BOUNDS }, MANY).await;
    for number in 0..5_000 {
        scene.ask(number, Made::Key).await.unwrap().unwrap();
    }
    let (count, bytes) = scene.cache.size();
    assert!(bytes <= bytes_max, "{bytes}");
    assert!(bytes > bytes_max / 2 && count > 100, "{count} keys in {bytes}");
}

#[tokio::test]
async fn secrets_of_no_key_push_out_none_that_is_one() {
    let scene = Scene::new(Bounds { bytes_max: 1 << 20, ..BOUNDS }, MANY).await;
    for number in 0..50 {
        scene.ask(number, Made::Key).await.unwrap().unwrap();
    }
    for number in 0..20_000 {
        assert!(scene.cache.find_key(&digest(number, Made::Nothing)).await.unwrap().is_none());
    }
    let reads = scene.reads();
    for number in 0..50 {
        scene.ask(number, Made::Key).await.unwrap().unwrap();
    }
    assert_eq!(scene.reads(), reads);
}
