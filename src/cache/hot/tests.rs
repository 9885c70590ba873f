#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Weak;

use super::*;
use crate::{
    cache::tests::{digest, key, record, subjects},
    domain::{event::Revision, key::Key},
};

/// Of ample size.
const BYTES: u64 = 1 << 30;

/// A key with so many bytes of constraint.
fn live(bytes: usize) -> Arc<LiveKey> {
    let constraint = (0..bytes / 1_000).map(|_| "x".repeat(1_000));
    Arc::new(key(Key { constraint: constraint.collect(), ..record(1) }, 1))
}

fn offer(hot: &Hot, number: u8, key: &Arc<LiveKey>, since: Seconds) {
    let stamp = Stamp { incarnation: 0, revision: Revision(i64::from(number)) };
    hot.offer(&digest(number), (key, stamp, subjects(number)), since, since);
}

fn get(hot: &Hot, number: u8, now: Seconds) -> Option<Found> {
    hot.get(&digest(number), now, |_, _| true)
}

/// One set of places, in which all are.
fn one_set() -> Sets {
    Sets::new(WAYS * PLACE_BYTES).unwrap()
}

fn place(number: u8, key: &Arc<LiveKey>) -> Place {
    Place {
        digest: *digest(number).as_bytes(),
        key: Arc::clone(key),
        stamp: Stamp::default(),
        subjects: subjects(number),
        since: 0,
        merits: 0,
        untold: 0,
    }
}

fn has(sets: &mut Sets, number: u8) -> bool {
    sets.get(&digest(number), 0, |_, _| true).is_some()
}

#[test]
fn what_was_offered_is_found_and_judged_by_its_own_stamp() {
    let (hot, _) = Hot::new(BYTES);
    let key = live(0);
    assert!(get(&hot, 1, 0).is_none(), "before anything was offered");
    offer(&hot, 1, &key, 0);
    let judged = |stamp: Stamp, its: &Subjects| {
        assert_eq!((stamp.revision, *its), (Revision(1), subjects(1)));
        true
    };
    assert!(Arc::ptr_eq(&hot.get(&digest(1), 0, judged).unwrap().key, &key));
    assert!(get(&hot, 2, 0).is_none());
}

#[test]
fn what_no_longer_counts_is_dropped_at_once() {
    let (hot, _) = Hot::new(BYTES);
    let key = live(0);
    offer(&hot, 1, &key, 0);
    assert!(hot.get(&digest(1), 0, |_, _| false).is_none());
    assert_eq!(Arc::strong_count(&key), 1);
    assert!(get(&hot, 1, 0).is_none(), "although it would count again");
}

#[test]
fn nothing_is_found_that_is_as_old_as_entries_may_become() {
    let (hot, _) = Hot::new(BYTES);
    let (key, age) = (live(0), AGE_MAX.as_secs());
    offer(&hot, 1, &key, 100);
    assert!(get(&hot, 1, 100 + age - 1).is_some());
    assert!(get(&hot, 1, 100 + age).is_none());
    assert_eq!(Arc::strong_count(&key), 1);
}

#[test]
fn a_secret_with_the_same_tag_is_another() {
    let mut sets = one_set();
    let key = live(0);
    sets.offer(place(1, &key), 0);
    let mut twin = [1; Digest::LEN];
    twin[Digest::LEN - 1] = 2;
    assert!(sets.get(&Digest::from_bytes(twin), 0, |_, _| true).is_none());
    assert!(has(&mut sets, 1));
    // It takes the place, as if it were not the same tag.
    sets.offer(Place { digest: twin, ..place(1, &key) }, 0);
    assert!(sets.get(&Digest::from_bytes(twin), 0, |_, _| true).is_none(), "one merit is left");
    sets.offer(Place { digest: twin, ..place(1, &key) }, 0);
    assert!(sets.get(&Digest::from_bytes(twin), 0, |_, _| true).is_some());
    assert!(!has(&mut sets, 1));
}

#[test]
fn one_hit_in_so_many_is_told() {
    let (hot, _) = Hot::new(BYTES);
    offer(&hot, 1, &live(0), 0);
    let told: Vec<usize> = (1..=64).filter(|_| get(&hot, 1, 0).unwrap().is_told).collect();
    assert_eq!(told, [16, 32, 48, 64]);
}

#[test]
fn many_that_are_asked_for_once_push_out_none_that_is_asked_for_often() {
    let (mut sets, key) = (one_set(), live(0));
    for number in 0..4 {
        sets.offer(place(number, &key), 0);
    }
    for _ in 0..100 {
        assert!((0..3).all(|number| has(&mut sets, number)));
    }
    for number in 4..150 {
        sets.offer(place(number, &key), 0);
    }
    assert!((0..3).all(|number| has(&mut sets, number)));
    assert!(has(&mut sets, 149), "the last of the others has the place of the fourth");
}

#[test]
fn what_is_asked_for_no_more_gives_way_in_the_end() {
    let (mut sets, key) = (one_set(), live(0));
    for number in 0..4 {
        sets.offer(place(number, &key), 0);
        for _ in 0..1_000 {
            assert!(has(&mut sets, number));
        }
    }
    let late = (4..=255).cycle().take(4 * 256);
    late.for_each(|number| sets.offer(place(number, &key), 0));
    assert!((0..4).any(|number| !has(&mut sets, number)));
}

#[test]
fn what_is_too_old_leaves_its_place_however_often_it_was_asked_for() {
    let (mut sets, key, age) = (one_set(), live(0), AGE_MAX.as_secs());
    for number in 0..4 {
        sets.offer(Place { since: u64::from(number), ..place(number, &key) }, 3);
        for _ in 0..1_000 {
            assert!(has(&mut sets, number));
        }
    }
    let last = |number| Place { since: age + 2, ..place(number, &key) };
    sets.offer(last(4), age + 2);
    assert!(sets.get(&digest(4), age + 2, |_, _| true).is_some());
    // All that are too old leave, and nobody else.
    assert_eq!((Arc::strong_count(&key) - 1, sets.held), (2, 2 * key.size()));
    assert!(has(&mut sets, 3));
}

/// Sixteen sets, all but the last filled with keys that were asked for twice until no byte is left,
/// although there are free places in each; and the first that did not fit.
fn filled(key: &Arc<LiveKey>) -> (Sets, u8) {
    let mut sets = Sets::new(64 * PLACE_BYTES).unwrap();
    let is_late = |number: &u8| {
        sets.offer(place(*number, key), 0);
        !has(&mut sets, *number) || !has(&mut sets, *number)
    };
    let late = (0..=255).filter(|number| number % 16 < 15).find(is_late).unwrap();
    assert!(sets.sets.len() == 16 && late > 16);
    assert!(sets.sets.iter().all(|set| set.places.iter().any(Option::is_none)));
    (sets, late)
}

#[test]
fn what_is_asked_for_no_more_keeps_no_bytes_from_others() {
    let key = live(1_000);
    let (mut sets, late) = filled(&key);
    let kept = Arc::strong_count(&key);
    // One merit for each time that the hand comes by, and then the place.
    let offers = (0..3 * 16).position(|_| {
        assert!(has(&mut sets, 5), "what is asked for stays");
        sets.offer(place(late, &key), 0);
        has(&mut sets, late)
    });
    assert!(offers.is_some_and(|offers| offers > 16), "{offers:?}");
    assert_eq!(Arc::strong_count(&key), kept, "no more leave than must");
    assert_eq!(sets.held, (kept - 1) * key.size());
}

#[test]
fn what_is_too_old_gives_its_bytes_to_others_in_other_sets() {
    let (key, age) = (live(1_000), AGE_MAX.as_secs());
    let (mut sets, _) = filled(&key);
    sets.offer(Place { since: age, ..place(15, &key) }, age);
    assert!(sets.get(&digest(15), age, |_, _| true).is_some());
}

#[test]
fn what_is_too_large_costs_nobody_a_merit() {
    let (mut sets, key, large) = (one_set(), live(0), live(3_000));
    for number in 0..4 {
        sets.offer(place(number, &key), 0);
    }
    for _ in 0..3 {
        (4..=255).for_each(|number| sets.offer(place(number, &large), 0));
    }
    assert!((0..4).all(|number| has(&mut sets, number)));
}

#[test]
fn a_thread_holds_no_more_than_its_share_and_nothing_large() {
    let (small, large) = (live(1_000), live(3_000));
    assert!(small.size() <= KEY_MAX && large.size() > KEY_MAX);
    let share = 64 * PLACE_BYTES;
    let mut sets = Sets::new(share).unwrap();
    assert_eq!(sets.sets.len() * WAYS, 64);
    sets.offer(place(0, &large), 0);
    assert!(!has(&mut sets, 0));
    for number in 0..=255 {
        sets.offer(place(number, &small), 0);
        let kept = Arc::strong_count(&small) - 1;
        assert_eq!(sets.held, kept * small.size());
        assert!(sets.held + sets.sets.len() * size_of::<Set>() <= share);
    }
    assert!(Arc::strong_count(&small) > 10);
    // What is dropped gives its bytes back.
    for number in 0..=255 {
        assert!(sets.get(&digest(number), 0, |_, _| false).is_none());
    }
    assert_eq!((sets.held, Arc::strong_count(&small)), (0, 1));
}

#[test]
fn all_threads_together_have_a_part_of_the_bytes() {
    let bytes = 1 << 30;
    let (hot, left) = Hot::new(bytes);
    let threads = hot.left.load(Ordering::Relaxed);
    assert!(threads as u64 * hot.share as u64 + left <= bytes);
    assert!(left >= bytes / 2);
    let key = live(0);
    // All at once: one that has ended leaves its place to the next.
    let barrier = std::sync::Barrier::new(threads + 3);
    let with = AtomicUsize::new(0);
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
    let (one, other) = (Hot::new(BYTES).0, Hot::new(BYTES).0);
    offer(&one, 1, &live(0), 0);
    assert!(get(&one, 1, 0).is_some());
    assert!(get(&other, 1, 0).is_none());
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(get(&one, 1, 0).is_none()));
    });
}

#[test]
fn what_a_cache_had_at_hand_goes_with_it() {
    let (hot, _) = Hot::new(BYTES);
    let kept: Weak<LiveKey> = {
        let key = live(0);
        offer(&hot, 1, &key, 0);
        Arc::downgrade(&key)
    };
    assert!(kept.upgrade().is_some());
    drop(hot);
    assert!(kept.upgrade().is_none());
}
