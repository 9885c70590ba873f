#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::{Cell, RefCell};

use super::*;
use crate::{
    cache::tests::{digest, key, record, subjects},
    domain::event::Revision,
};

/// Of ample size.
const BYTES: u64 = 1 << 20;

/// What is kept for all, as a test says.
struct Said<'a> {
    counts: &'a dyn Fn(Stamp, &Subjects) -> bool,
    is_short: Cell<bool>,
    /// The first byte of what was told to be in use.
    told: RefCell<Vec<u8>>,
}

impl ForAll for Said<'_> {
    fn counts(&self, stamp: Stamp, subjects: &Subjects) -> bool {
        (self.counts)(stamp, subjects)
    }

    fn is_short(&self) -> bool {
        self.is_short.get()
    }

    fn tell(&self, digest: &Digest) {
        self.told.borrow_mut().push(digest.as_bytes()[0]);
    }
}

/// Where this decides what counts.
fn judged(counts: &dyn Fn(Stamp, &Subjects) -> bool) -> Said<'_> {
    Said { counts, is_short: Cell::new(false), told: RefCell::default() }
}

/// Where there is room, and everything counts.
fn roomy() -> Said<'static> {
    judged(&|_, _| true)
}

fn live() -> Arc<LiveKey> {
    Arc::new(key(record(1), 1))
}

fn offer(hot: &Hot, number: u8, key: &Arc<LiveKey>, since: Seconds) {
    let stamp = Stamp { incarnation: 0, revision: Revision(i64::from(number)) };
    hot.offer(&digest(number), (key, stamp, subjects(number)), since, since);
}

fn get(hot: &Hot, number: u8, now: Seconds) -> Option<Arc<LiveKey>> {
    hot.get(&digest(number), now, &roomy())
}

/// One set of places, in which all are.
fn one_set() -> Sets {
    Sets::new(1).unwrap()
}

fn place(digest: &Digest, key: &Arc<LiveKey>) -> (Tag, Place) {
    let (tag, rest) = split(digest).unwrap();
    let (stamp, subjects) = (Stamp::default(), subjects(0));
    let key = Arc::downgrade(key);
    (tag, Place { rest, key, stamp, subjects, since: 0, merits: 0, untold: 0 })
}

fn put(sets: &mut Sets, number: u8, key: &Arc<LiveKey>) {
    let (tag, place) = place(&digest(number), key);
    sets.offer(tag, place, 0);
}

fn has(sets: &mut Sets, number: u8) -> bool {
    sets.get(&digest(number), 0, &roomy()).is_some()
}

#[test]
fn a_place_is_a_line_of_the_processor_s_cache() {
    assert_eq!((size_of::<Option<Place>>(), align_of::<Place>()), (64, 64));
}

#[test]
fn what_was_offered_is_found_and_judged_by_its_own_stamp() {
    let (hot, _) = Hot::new(BYTES);
    let key = live();
    assert!(get(&hot, 1, 0).is_none(), "before anything was offered");
    offer(&hot, 1, &key, 0);
    let by_its_own = |stamp: Stamp, its: &Subjects| {
        assert_eq!((stamp.revision, *its), (Revision(1), subjects(1)));
        true
    };
    assert!(Arc::ptr_eq(&hot.get(&digest(1), 0, &judged(&by_its_own)).unwrap(), &key));
    assert!(get(&hot, 2, 0).is_none());
}

#[test]
fn what_no_longer_counts_is_dropped_at_once() {
    let (hot, _) = Hot::new(BYTES);
    let key = live();
    offer(&hot, 1, &key, 0);
    assert!(hot.get(&digest(1), 0, &judged(&|_, _| false)).is_none());
    assert_eq!(Arc::weak_count(&key), 0);
    assert!(get(&hot, 1, 0).is_none(), "although it would count again");
}

#[test]
fn a_newer_state_of_a_key_takes_its_place_whatever_its_merits() {
    let (mut sets, old, new) = (one_set(), live(), live());
    put(&mut sets, 1, &old);
    assert!((0..9).all(|_| has(&mut sets, 1)));
    put(&mut sets, 1, &new);
    assert!(Arc::ptr_eq(&sets.get(&digest(1), 0, &roomy()).unwrap(), &new));
    assert_eq!(Arc::weak_count(&old), 0);
}

#[test]
fn nothing_is_found_that_is_as_old_as_entries_may_become() {
    let (hot, _) = Hot::new(BYTES);
    let (key, age) = (live(), AGE_MAX.as_secs());
    offer(&hot, 1, &key, 100);
    assert!(get(&hot, 1, 100 + age - 1).is_some());
    assert!(get(&hot, 1, 100 + age).is_none());
    assert_eq!(Arc::weak_count(&key), 0);
}

#[test]
fn what_is_brought_near_is_judged_and_stays_as_it_was() {
    let (hot, _) = Hot::new(BYTES);
    let (key, judged_of) = (live(), RefCell::new(Vec::new()));
    let none_counts = |stamp: Stamp, _: &Subjects| {
        judged_of.borrow_mut().push(stamp.revision);
        false
    };
    let asked = [Some(digest(2)), None, Some(digest(1)), Some(digest(3)), Some(digest(1))];
    let bring_near = || hot.bring_near(&asked, &judged(&none_counts));
    bring_near();
    assert_eq!(*judged_of.borrow(), [], "before anything was offered");
    offer(&hot, 1, &key, 0);
    offer(&hot, 2, &key, 0);
    bring_near();
    assert_eq!(*judged_of.borrow(), [2, 1, 1].map(Revision));
    assert_eq!((Arc::strong_count(&key), Arc::weak_count(&key)), (1, 2));
    let sets = hot.threads.get().unwrap().as_ref().unwrap();
    assert!(sets.borrow().places.iter().flatten().flatten().all(|place| place.merits == 0));
    assert!(get(&hot, 1, 0).is_some() && get(&hot, 2, 0).is_some());
}

#[test]
fn a_secret_with_the_same_tag_is_another() {
    let (mut sets, key) = (one_set(), live());
    put(&mut sets, 1, &key);
    let mut twin = [1; Digest::LEN];
    twin[Digest::LEN - 1] = 2;
    let twin = Digest::from_bytes(twin);
    assert!(sets.get(&twin, 0, &roomy()).is_none());
    assert!(has(&mut sets, 1));
    // It takes the place, as if it were not the same tag.
    let offer = |sets: &mut Sets| {
        let (tag, place) = place(&twin, &key);
        sets.offer(tag, place, 0);
    };
    offer(&mut sets);
    assert!(sets.get(&twin, 0, &roomy()).is_none(), "one merit is left");
    offer(&mut sets);
    assert!(sets.get(&twin, 0, &roomy()).is_some());
    assert!(!has(&mut sets, 1));
}

#[test]
fn hits_are_told_where_room_is_short_and_only_there() {
    let (hot, _) = Hot::new(BYTES);
    let (key, said) = (live(), roomy());
    offer(&hot, 7, &key, 0);
    let hits = |count: usize| -> Vec<usize> {
        let is_told = |_: &usize| {
            assert!(hot.get(&digest(7), 0, &said).is_some());
            said.told.borrow_mut().pop().is_some_and(|told| told == 7)
        };
        (1..=count).filter(is_told).collect()
    };
    assert_eq!(hits(100), [0; 0]);
    said.is_short.set(true);
    let first: Vec<usize> = (1..=16).collect();
    assert_eq!(hits(64), [first, vec![32, 48, 64]].concat());
    said.is_short.set(false);
    assert_eq!(hits(100), [0; 0]);
}

#[test]
fn many_that_are_asked_for_once_push_out_none_that_is_asked_for_often() {
    let (mut sets, key) = (one_set(), live());
    for number in 0..4 {
        put(&mut sets, number, &key);
    }
    for _ in 0..100 {
        assert!((0..3).all(|number| has(&mut sets, number)));
    }
    for number in 4..150 {
        put(&mut sets, number, &key);
    }
    assert!((0..3).all(|number| has(&mut sets, number)));
    assert!(has(&mut sets, 149), "the last of the others has the place of the fourth");
}

#[test]
fn what_is_asked_for_no_more_gives_way_in_the_end() {
    let (mut sets, key) = (one_set(), live());
    for number in 0..4 {
        put(&mut sets, number, &key);
        for _ in 0..1_000 {
            assert!(has(&mut sets, number));
        }
    }
    let late = (4..=255).cycle().take(4 * 256);
    late.for_each(|number| put(&mut sets, number, &key));
    assert!((0..4).any(|number| !has(&mut sets, number)));
}

#[test]
fn what_is_too_old_leaves_its_place_however_often_it_was_asked_for() {
    let (mut sets, key, age) = (one_set(), live(), AGE_MAX.as_secs());
    for number in 0..4 {
        let (tag, place) = place(&digest(number), &key);
        sets.offer(tag, Place { since: number.into(), ..place }, 3);
        for _ in 0..1_000 {
            assert!(has(&mut sets, number));
        }
    }
    let (tag, place) = place(&digest(4), &key);
    sets.offer(tag, Place { since: u32::try_from(age).unwrap() + 2, ..place }, age + 2);
    assert!(sets.get(&digest(4), age + 2, &roomy()).is_some());
    // All that are too old leave, and nobody else.
    assert_eq!(Arc::weak_count(&key), 2);
    assert!(has(&mut sets, 3));
}

#[test]
fn nobody_is_kept_alive_and_what_is_gone_is_found_no_more() {
    let (hot, _) = Hot::new(BYTES);
    let key = live();
    offer(&hot, 1, &key, 0);
    let held = get(&hot, 1, 0).unwrap();
    assert_eq!((Arc::strong_count(&key), Arc::weak_count(&key)), (2, 1));
    drop((key, held));
    assert!(get(&hot, 1, 0).is_none());
}

#[test]
fn what_is_gone_leaves_its_place_to_the_next_whatever_its_merits() {
    let (mut sets, key) = (one_set(), live());
    let gone = live();
    for number in 0..4 {
        put(&mut sets, number, if number == 2 { &gone } else { &key });
        assert!((0..9).all(|_| has(&mut sets, number)));
    }
    drop(gone);
    put(&mut sets, 9, &key);
    assert!([0, 1, 3, 9].into_iter().all(|number| has(&mut sets, number)));
}

#[test]
fn a_hand_takes_out_what_is_gone_set_by_set() {
    let mut sets = Sets::new(16).unwrap();
    let mut keys: Vec<_> = (0..16).map(|_| live()).collect();
    for (number, key) in (0..16).zip(&keys) {
        put(&mut sets, number * 16, key);
    }
    let taken = |sets: &Sets| sets.places.iter().flatten().flatten().count();
    assert!(sets.places.iter().all(|set| set.iter().flatten().count() == 1));
    // Once around, and to the start.
    let around = |sets: &mut Sets| (0..17).for_each(|_| sets.sweep());
    around(&mut sets);
    assert_eq!(taken(&sets), 16, "all are there");
    keys.drain(3..6);
    around(&mut sets);
    assert_eq!(taken(&sets), 13);
    assert!([3, 4, 5].into_iter().all(|gone| !has(&mut sets, gone * 16)));
    assert!((6..16).all(|there| has(&mut sets, there * 16)));
}

#[test]
fn hits_and_offers_move_the_hand() {
    let (hot, _) = Hot::new(BYTES);
    let key = live();
    offer(&hot, 1, &key, 0);
    let hand = || hot.threads.get().unwrap().as_ref().unwrap().borrow().hand;
    assert_eq!(hand(), 1);
    for hits in 1..=2 * usize::from(HITS_OF_SWEEP) {
        assert!(get(&hot, 1, 0).is_some());
        assert_eq!(hand(), 1 + hits / usize::from(HITS_OF_SWEEP));
    }
}

#[test]
fn all_threads_together_have_a_part_of_the_bytes() {
    let bytes = 1 << 30;
    let (hot, left) = Hot::new(bytes);
    let threads = hot.left.load(Ordering::Relaxed);
    assert!(threads as u64 * hot.share as u64 + left <= bytes);
    assert!(left >= bytes / 2);
    let taken = |hot: &Hot| {
        let sets = hot.sets().unwrap();
        size_of_val(&*sets.places) + size_of_val(&*sets.tags)
    };
    let (usual, _) = Hot::new(1 << 24);
    assert!(taken(&usual) <= usual.share && taken(&usual) > usual.share / 2);
    assert!(taken(&Hot::new(1 << 40).0) < 10_000_000, "however much there is");
    let key = live();
    // All at once: one that has ended leaves its place to the next.
    let barrier = std::sync::Barrier::new(threads + 3);
    let with = AtomicUsize::new(0);
    let (hot, _) = Hot::new(BYTES);
    std::thread::scope(|scope| {
        for _ in 0..threads + 3 {
            scope.spawn(|| {
                offer(&hot, 1, &key, 0);
                with.fetch_add(usize::from(get(&hot, 1, 0).is_some()), Ordering::Relaxed);
                barrier.wait();
            });
        }
    });
    assert_eq!(with.into_inner(), threads);
    assert!(Hot::new(1).0.sets().is_none(), "a cache of a byte has none");
}

#[test]
fn two_caches_in_one_thread_do_not_mix_and_threads_neither() {
    let (one, other, key) = (Hot::new(BYTES).0, Hot::new(BYTES).0, live());
    offer(&one, 1, &key, 0);
    assert!(get(&one, 1, 0).is_some());
    assert!(get(&other, 1, 0).is_none());
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(get(&one, 1, 0).is_none()));
    });
}

#[test]
fn what_a_cache_had_at_hand_goes_with_it() {
    let (hot, _) = Hot::new(BYTES);
    let key = live();
    offer(&hot, 1, &key, 0);
    assert_eq!(Arc::weak_count(&key), 1);
    drop(hot);
    assert_eq!(Arc::weak_count(&key), 0);
}
