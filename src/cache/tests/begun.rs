//! A read is begun where it is asked for, and ended on the back.

use std::{
    sync::Mutex,
    thread::{self, ThreadId},
};

use tokio::{runtime::Builder, sync::Notify};

use super::*;

const BOUNDS: Bounds =
    Bounds { bytes_max: 1 << 20, loads_max: 8, load_wait: Duration::from_secs(10) };

/// Finds nothing, once it is let go on; or panics, before that or after.
#[derive(Default)]
struct Slow {
    seen: Mutex<Vec<ThreadId>>,
    go_on: Notify,
    panics: Option<Panics>,
}

#[derive(PartialEq)]
enum Panics {
    AtOnce,
    Later,
}

impl Slow {
    fn pass(&self) {
        self.seen.lock().unwrap().push(thread::current().id());
    }
}

#[async_trait]
impl FindKey for Slow {
    async fn find_key(&self, _: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        self.pass();
        assert!(self.panics != Some(Panics::AtOnce), "on purpose");
        self.go_on.notified().await;
        self.pass();
        assert!(self.panics != Some(Panics::Later), "on purpose");
        Ok(None)
    }

    fn at_hand(&self, _: &Digest) -> Result<AtHand, StoreError> {
        unreachable!("a cache looks in itself")
    }
}

struct Scene {
    store: Arc<Slow>,
    cache: Cache,
    _back: tokio::runtime::Runtime,
    front: tokio::runtime::Runtime,
}

fn scene(panics: Option<Panics>) -> Scene {
    let back = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let front = Builder::new_current_thread().enable_all().build().unwrap();
    let store = Arc::new(Slow { panics, ..Slow::default() });
    let cache = Cache::new(Arc::clone(&store) as _, owner(), BOUNDS, back.handle().clone());
    Scene { store, cache, _back: back, front }
}

#[test]
fn a_read_is_begun_by_who_asks_and_ended_on_the_back() {
    let Scene { store, cache, front, _back } = scene(None);
    let digest = digest(1);
    front.block_on(async {
        let asking = cache.find_key(&digest);
        let go_on = async {
            assert_eq!(*store.seen.lock().unwrap(), [thread::current().id()], "at once");
            store.go_on.notify_one();
        };
        let (found, ()) = tokio::join!(asking, go_on);
        assert!(found.unwrap().is_none());
    });
    let seen = store.seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_ne!(seen[1], thread::current().id());
    assert_eq!((cache.counts().loads, cache.loading()), (1, 0));
}

#[test]
fn a_read_goes_on_when_who_began_it_has_left() {
    let Scene { store, cache, front, _back } = scene(None);
    let digest = digest(1);
    front.block_on(async {
        let mut first = cache.find_key(&digest);
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut nobody).is_pending());
        let mut joined = cache.find_key(&digest);
        assert!(joined.as_mut().poll(&mut nobody).is_pending());
        drop(first);
        store.go_on.notify_one();
        assert!(joined.await.unwrap().is_none());
    });
    let Counts { loads, joins, .. } = cache.counts();
    assert_eq!((loads, joins, cache.loading()), (1, 1, 0));
}

#[test]
fn a_read_that_panics_is_told_to_who_waits_and_to_nobody_else() {
    for panics in [Panics::AtOnce, Panics::Later] {
        let Scene { store, cache, front, _back } = scene(Some(panics));
        for _ in 0..2 {
            store.go_on.notify_one();
            let found = front.block_on(cache.find_key(&digest(1)));
            assert!(matches!(found, Err(StoreError::Unavailable(_))));
            assert_eq!(cache.loading(), 0, "the next one is not kept waiting for it");
        }
        assert_eq!(cache.counts().loads, 2);
    }
}
