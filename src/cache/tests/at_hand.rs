//! The cache with what each thread has at hand in front of it.

use std::{
    sync::{
        Mutex, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use tokio::runtime::{Builder, Runtime};

use super::*;

const BOUNDS: Bounds =
    Bounds { bytes_max: 1 << 28, loads_max: 8, load_wait: Duration::from_secs(60) };
const KEYS: u8 = 3;

/// A database in which each change of a key is a number, and the next.
struct Versions {
    head: Mutex<i64>,
    of: Vec<AtomicI64>,
    reads: AtomicU64,
    /// Every key that was read, as long as anybody holds it.
    read: Mutex<Vec<Weak<LiveKey>>>,
}

impl Versions {
    fn new() -> Arc<Self> {
        let of = (0..=u8::MAX).map(|_| AtomicI64::new(0)).collect();
        let (head, reads, read) = Default::default();
        Arc::new(Self { head, of, reads, read })
    }

    fn of(&self, number: u8) -> &AtomicI64 {
        &self.of[usize::from(number)]
    }

    fn change(&self, number: u8) -> i64 {
        let mut head = self.head.lock().unwrap();
        *head += 1;
        self.of(number).store(*head, SeqCst);
        *head
    }
}

#[async_trait]
impl FindKey for Versions {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        self.reads.fetch_add(1, SeqCst);
        let number = digest.as_bytes()[0];
        let revision = self.of(number).load(SeqCst);
        let key = (number < 200).then(|| Arc::new(key(record(number), revision)));
        self.read.lock().unwrap().extend(key.as_ref().map(Arc::downgrade));
        Ok(key)
    }
}

struct Scene {
    back: Runtime,
    versions: Arc<Versions>,
    owner: Arc<SoleOwner>,
    cache: Cache,
}

impl Scene {
    fn new(bounds: Bounds) -> Self {
        let back = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (versions, owner) = (Versions::new(), owner());
        let coherence = Arc::clone(&owner) as Arc<dyn Coherence>;
        let cache =
            Cache::new(Arc::clone(&versions) as _, coherence, bounds, back.handle().clone());
        Self { back, versions, owner, cache }
    }

    fn find(&self, number: u8) -> Option<i64> {
        let found = self.back.block_on(self.cache.find_key(&digest(number)));
        found.unwrap().map(|key| key.revision().0)
    }

    /// What is at hand, or else None.
    fn at_hand(&self, number: u8) -> Option<Option<i64>> {
        match self.cache.at_hand(&digest(number)).unwrap() {
            AtHand::Key(key) => Some(Some(key.revision().0)),
            AtHand::Nobodys => Some(None),
            AtHand::Unknown => None,
        }
    }

    /// A change of a key, from before it is sent to after it has returned.
    fn change(&self, number: u8) -> i64 {
        let under_way = self.owner.begin(&write(number));
        let revision = self.versions.change(number);
        under_way.made(Revision(revision));
        revision
    }

    /// What another thread, which has nothing at hand, is told.
    fn elsewhere<T: Send>(&self, ask: impl FnOnce(&Self) -> T + Send) -> T {
        thread::scope(|scope| scope.spawn(|| ask(self)).join().unwrap())
    }
}

#[test]
fn what_is_at_hand_is_what_was_found_and_is_counted_by_who_answers_by_it() {
    let scene = Scene::new(BOUNDS);
    assert_eq!(scene.at_hand(1), None);
    assert_eq!(scene.at_hand(201), None);
    assert_eq!(scene.cache.counts(), Counts::default());
    assert_eq!((scene.find(1), scene.find(201)), (Some(0), None));
    assert_eq!((scene.at_hand(1), scene.at_hand(201)), (Some(Some(0)), Some(None)));
    assert_eq!((scene.at_hand(1), scene.find(1)), (Some(Some(0)), Some(0)));
    let counts = scene.cache.counts();
    assert_eq!((counts.hits, counts.misses, counts.loads), (1, 2, 2));
    scene.cache.count_at_hand(3);
    assert_eq!(scene.cache.counts().hits, 4);
}

#[test]
fn a_change_that_returned_ends_what_every_thread_has_at_hand() {
    let scene = Scene::new(BOUNDS);
    let barrier = std::sync::Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                assert_eq!(scene.find(1), Some(0));
                assert_eq!((scene.at_hand(1), scene.at_hand(1)), (Some(Some(0)), Some(Some(0))));
                barrier.wait();
                barrier.wait();
                assert!(scene.at_hand(1).is_none_or(|found| found == Some(1)));
                assert_eq!((scene.find(1), scene.at_hand(1)), (Some(1), Some(Some(1))));
            });
        }
        barrier.wait();
        assert_eq!(scene.change(1), 1);
        barrier.wait();
    });
}

#[test]
fn nothing_is_at_hand_while_a_change_is_under_way() {
    let scene = Scene::new(BOUNDS);
    scene.find(1);
    assert_eq!((scene.at_hand(1), scene.at_hand(1)), (Some(Some(0)), Some(Some(0))));
    let under_way = scene.owner.begin(&write(1));
    assert_eq!(scene.at_hand(1), None);
    under_way.not_made();
    // What was dropped here is still kept for all.
    assert_eq!(scene.at_hand(1), Some(Some(0)));
    assert_eq!(scene.versions.reads.load(SeqCst), 1);
}

/// Numbers by chance: the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u8) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u8::try_from((self.0 >> 32) % u64::from(sides)).unwrap()
    }
}

#[test]
fn no_thread_is_told_what_is_older_than_a_change_that_had_returned() {
    const CHANGES: usize = 3_000;
    let scene = Scene::new(BOUNDS);
    let returned: [AtomicI64; KEYS as usize] = Default::default();
    let left = AtomicU64::new(2);
    let ask = |seed| {
        let (mut dice, mut newest) = (Dice(seed), [0; KEYS as usize]);
        while left.load(SeqCst) > 0 {
            let number = dice.roll(KEYS);
            let place = usize::from(number);
            let floor = returned[place].load(SeqCst);
            let found = match dice.roll(8) {
                0 => Some(scene.find(number)),
                _ => scene.at_hand(number),
            };
            if let Some(found) = found {
                let found = found.unwrap();
                assert!(found >= floor, "{found} after {floor}");
                // Nor does anybody see a key go back.
                assert!(found >= newest[place]);
                newest[place] = found;
            }
        }
    };
    let change = |seed| {
        let mut dice = Dice(seed);
        for _ in 0..CHANGES {
            let number = dice.roll(KEYS);
            let revision = scene.change(number);
            returned[usize::from(number)].fetch_max(revision, SeqCst);
            // So that there is something at hand meanwhile.
            scene.find(number);
        }
        left.fetch_sub(1, SeqCst);
    };
    thread::scope(|scope| {
        for seed in [1, 2] {
            scope.spawn(move || ask(seed));
            scope.spawn(move || change(seed + 10));
        }
    });
    let counts = scene.cache.counts();
    assert!(counts.hits > 0 && counts.loads > 0, "{counts:?}");
}

#[test]
fn what_one_thread_alone_asks_for_is_kept_for_all() {
    let threads = thread::available_parallelism().unwrap().get() as u64 + 2;
    // Enough for a few places of each thread.
    let scene = Scene::new(Bounds { bytes_max: 8 * threads * 5_000, ..BOUNDS });
    scene.find(1);
    let mut pushed_out = 0;
    for round in 0..12_u32 {
        for number in 2..200_u8 {
            for _ in 0..32 {
                assert_eq!(scene.at_hand(1), Some(Some(0)));
            }
            let mut bytes = [number; Digest::LEN];
            bytes[1..5].copy_from_slice(&round.to_be_bytes());
            // By another thread: it is at hand here of what is asked for here alone.
            scene.elsewhere(|scene| {
                let found = scene.back.block_on(scene.cache.find_key(&Digest::from_bytes(bytes)));
                assert!(found.unwrap().is_some());
            });
            pushed_out += 1;
        }
        // What is due is done, so that it shows.
        scene.cache.size();
    }
    let kept = scene.cache.size().0;
    assert!(kept < pushed_out / 2, "{kept} of {pushed_out}");
    assert_eq!(scene.elsewhere(|scene| scene.at_hand(1)), Some(Some(0)));
}

#[test]
fn what_is_kept_for_all_no_more_is_held_by_no_thread() {
    let threads = thread::available_parallelism().unwrap().get() as u64 + 2;
    let scene = Scene::new(Bounds { bytes_max: threads << 18, ..BOUNDS });
    // Several times as many as there is room for.
    for round in 0..u32::try_from(threads).unwrap() * 2_000 {
        let mut bytes = [1; Digest::LEN];
        bytes[1..5].copy_from_slice(&round.to_be_bytes());
        // The bits by which a thread finds its place.
        bytes[Digest::LEN - 4..].copy_from_slice(&round.wrapping_mul(0x9e37_79b9).to_le_bytes());
        let digest = Digest::from_bytes(bytes);
        for _ in 0..3 {
            assert!(scene.back.block_on(scene.cache.find_key(&digest)).unwrap().is_some());
        }
        if round % 100 == 0 {
            // What is due is done, so that it shows.
            scene.cache.size();
        }
    }
    let kept = usize::try_from(scene.cache.size().0).unwrap();
    let read = scene.versions.read.lock().unwrap();
    let held = read.iter().filter(|key| key.strong_count() > 0).count();
    assert!(kept > 300 && kept < read.len() / 3, "{kept} of {}", read.len());
    // A thread has places for some 450. What moka lets go it drops a little later.
    assert!(held < kept + 200, "{held} are held, and {kept} kept for all");
}

/// Looks at which lease an answer rests on.
#[derive(Default)]
struct Leased {
    is_over: AtomicBool,
    is_asked: Mutex<Vec<&'static str>>,
}

impl Coherence for Leased {
    fn stamp(&self) -> Stamp {
        Stamp::default()
    }

    fn usable(&self, _: Stamp, _: &Subjects) -> bool {
        self.is_asked.lock().unwrap().push("usable");
        true
    }

    fn permit(&self) -> Permit {
        self.is_asked.lock().unwrap().push("permit");
        Permit::Always
    }

    fn holds(&self, _: Permit) -> bool {
        self.is_asked.lock().unwrap().push("holds");
        !self.is_over.load(SeqCst)
    }
}

#[test]
fn what_is_at_hand_is_judged_between_the_permit_and_its_end() {
    let lease = Arc::new(Leased::default());
    let scene = Scene::new(BOUNDS);
    let coherence = Arc::clone(&lease) as Arc<dyn Coherence>;
    let handle = scene.back.handle().clone();
    let scene = Scene {
        cache: Cache::new(Arc::clone(&scene.versions) as _, coherence, BOUNDS, handle),
        ..scene
    };
    scene.find(1);
    // From what is kept for all, and then from what is at hand.
    for _ in 0..2 {
        lease.is_asked.lock().unwrap().clear();
        assert_eq!(scene.at_hand(1), Some(Some(0)));
        assert_eq!(*lease.is_asked.lock().unwrap(), ["permit", "usable", "holds"]);
    }
    lease.is_over.store(true, SeqCst);
    assert!(matches!(scene.cache.at_hand(&digest(1)), Err(StoreError::NoLease)));
    assert!(matches!(scene.cache.at_hand(&digest(9)), Err(StoreError::NoLease)));
}
