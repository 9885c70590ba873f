//! What each thread was asked for most, before everything that threads share.
//!
//! An entry here is one that was kept anyhow, with its stamp, its subjects and its age: it counts
//! as long as it would there, and is dropped when it is found not to. A look-up writes to nothing
//! of other threads but the count of who holds the key.
//!
//! - Of a set of four places the digest's own bits choose one. Who is not there when asked for
//!   costs the least asked of the set one of its merits, and takes its place when it has none
//!   left: many that are asked for once push out none that is asked for often.
//! - Every [`TOLD_EACH`]-th hit of a place is told, or what is kept for all would seem unused and
//!   be pushed out. Asked for as in life (zipf), the last of [`PLACES_MAX`] is then still among
//!   the most used 65,536 of all that are kept.
//! - What is too old leaves its place to whoever comes to its set. Where bytes are short, a hand goes
//!   from set to set, and who has no merits left there leaves: what nobody asks for any more keeps
//!   nobody out.
//! - What is pushed out there may stay here: so all threads together get a part of the bytes of
//!   the cache, and that part is not given away twice. A thread has its share of it, counted with
//!   every key; what is larger than [`KEY_MAX`] is not taken.

use std::{
    array::from_fn,
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
};

use thread_local::ThreadLocal;

use super::{Stamp, Subjects, entries::AGE_MAX};
use crate::domain::{live::LiveKey, secret::Digest};

/// The part of the cache's bytes that all threads have together.
const PART: u64 = 8;
/// Threads beside those that each core is given.
const THREADS_MORE: usize = 2;
/// Places in a set.
const WAYS: usize = 4;
/// The most places of a thread: its tags and entries are to stay near its core.
const PLACES_MAX: usize = 16_384;
/// Bytes of memory that a place is reckoned with: itself, and a usual key.
const PLACE_BYTES: usize = size_of::<Place>() + 1_024;
/// The largest key that is taken, in bytes.
const KEY_MAX: usize = 4_096;
/// Which hits are told.
const TOLD_EACH: u8 = 16;

/// What all threads have at hand.
pub(super) struct Hot {
    threads: ThreadLocal<Option<RefCell<Sets>>>,
    /// How many threads may still have something at hand.
    left: AtomicUsize,
    /// The bytes of one thread.
    share: usize,
}

/// What was found.
pub(super) struct Found {
    pub(super) key: Arc<LiveKey>,
    /// Whether those who keep it for all are to be told.
    pub(super) is_told: bool,
}

/// What one thread has at hand.
struct Sets {
    sets: Box<[Set]>,
    /// Bytes of the keys, and how many there may be.
    held: usize,
    held_max: usize,
    /// The set that is looked at next when bytes are short.
    hand: u64,
}

/// The first bits of digests apart from the rest: most that are not asked for cost nothing more.
struct Set {
    tags: [u64; WAYS],
    places: [Option<Place>; WAYS],
}

struct Place {
    digest: [u8; Digest::LEN],
    key: Arc<LiveKey>,
    stamp: Stamp,
    subjects: Subjects,
    since: Seconds,
    /// How often it was asked for, less what others have cost it.
    merits: u8,
    /// Hits since the last that was told.
    untold: u8,
}

/// Whole seconds of a clock that nobody sets.
pub(super) type Seconds = u64;

impl Hot {
    /// For a cache of so many bytes; gives how many of them are left for what is kept for all.
    pub(super) fn new(bytes_max: u64) -> (Self, u64) {
        let part = bytes_max / PART;
        let threads = available_parallelism().map_or(1, usize::from) + THREADS_MORE;
        let share = usize::try_from(part).unwrap_or(usize::MAX) / threads;
        let hot = Self { threads: ThreadLocal::new(), left: AtomicUsize::new(threads), share };
        (hot, bytes_max - part)
    }

    /// The key of a secret that this thread has at hand, where it `counts`.
    pub(super) fn get(
        &self,
        digest: &Digest,
        now: Seconds,
        counts: impl FnOnce(Stamp, &Subjects) -> bool,
    ) -> Option<Found> {
        // It is held by nobody else: what is called below does not come back here.
        self.threads.get()?.as_ref()?.try_borrow_mut().ok()?.get(digest, now, counts)
    }

    /// Takes what was found for all, where there is a place for it.
    pub(super) fn offer(
        &self,
        digest: &Digest,
        (key, stamp, subjects): (&Arc<LiveKey>, Stamp, Subjects),
        since: Seconds,
        now: Seconds,
    ) {
        let (digest, key) = (*digest.as_bytes(), Arc::clone(key));
        let place = Place { digest, key, stamp, subjects, since, merits: 0, untold: 0 };
        let sets = self.threads.get_or(|| self.sets().map(RefCell::new));
        if let Some(mut sets) = sets.as_ref().and_then(|sets| sets.try_borrow_mut().ok()) {
            sets.offer(place, now);
        }
    }

    /// Those of one more thread, if it may have any.
    fn sets(&self) -> Option<Sets> {
        let one_less = |left: usize| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).ok()?;
        Sets::new(self.share)
    }
}

impl Sets {
    fn new(share: usize) -> Option<Self> {
        let places = (share / PLACE_BYTES).min(PLACES_MAX);
        // The largest power of two, so that bits choose.
        let sets = 1 << (places / WAYS).checked_ilog2()?;
        let held_max = share - sets * size_of::<Set>();
        let sets = (0..sets).map(|_| Set::new()).collect();
        Some(Self { sets, held: 0, held_max, hand: 0 })
    }

    fn get(
        &mut self,
        digest: &Digest,
        now: Seconds,
        counts: impl FnOnce(Stamp, &Subjects) -> bool,
    ) -> Option<Found> {
        let (tag, number) = bits(digest.as_bytes());
        let Set { tags, places } = set(&mut self.sets, number)?;
        let way = tags.iter().position(|its| *its == tag)?;
        let slot = places.get_mut(way)?;
        let place = slot.as_mut().filter(|place| place.digest == *digest.as_bytes())?;
        if place.is_aged(now) || !counts(place.stamp, &place.subjects) {
            self.held -= place.key.size();
            *slot = None;
            return None;
        }
        place.merits = place.merits.saturating_add(1);
        place.untold += 1;
        let is_told = place.untold == TOLD_EACH;
        if is_told {
            place.untold = 0;
        }
        Some(Found { key: Arc::clone(&place.key), is_told })
    }

    fn offer(&mut self, place: Place, now: Seconds) {
        let (tag, number) = bits(&place.digest);
        let size = place.key.size();
        if size > KEY_MAX {
            return;
        }
        self.drop_from(number, |present, _| present.is_aged(now));
        let Some(Set { tags, places }) = set(&mut self.sets, number) else { return };
        let same = tags.iter().zip(&*places).position(|(its, at)| *its == tag && at.is_some());
        let free = || places.iter().position(Option::is_none);
        let merits = |(_, place): &(usize, &Option<Place>)| place.as_ref().map(|at| at.merits);
        let least = || places.iter().enumerate().min_by_key(merits).map(|(way, _)| way);
        let Some(way) = same.or_else(free).or_else(least) else { return };
        let Some(at) = places.get_mut(way) else { return };
        if let Some(present) = at {
            // Another state of the same key is newer: it was found where this one did not count.
            if present.digest != place.digest && present.merits > 0 {
                present.merits -= 1;
                return;
            }
            self.held -= present.key.size();
            *at = None;
        }
        let held_before = self.held_max.saturating_sub(size);
        if self.held > held_before {
            self.sweep(held_before, now);
        }
        if self.held <= held_before
            && let Some(Set { tags, places }) = set(&mut self.sets, number)
            && let (Some(its), Some(at)) = (tags.get_mut(way), places.get_mut(way))
        {
            self.held += size;
            (*its, *at) = (tag, Some(place));
        }
    }

    /// Looks at the set under the hand, and moves on: drops what is too old, and what has no merits
    /// as long as more bytes are held than so many. It costs the others one.
    fn sweep(&mut self, held_max: usize, now: Seconds) {
        let number = self.hand;
        self.hand = self.hand.wrapping_add(1);
        self.drop_from(number, |place, held| {
            let left = place.merits.checked_sub(1);
            place.is_aged(now) || held > held_max && left.map(|left| place.merits = left).is_none()
        });
    }

    /// Drops of a set what is `gone`, which is told how many bytes are held.
    fn drop_from(&mut self, number: u64, gone: impl Fn(&mut Place, usize) -> bool) {
        let Some(Set { places, .. }) = set(&mut self.sets, number) else { return };
        for at in places {
            let gone = at.take_if(|place| gone(place, self.held));
            self.held -= gone.map_or(0, |place| place.key.size());
        }
    }
}

impl Place {
    /// Whether it is as old as entries may become.
    fn is_aged(&self, now: Seconds) -> bool {
        now.saturating_sub(self.since) >= AGE_MAX.as_secs()
    }
}

impl Set {
    fn new() -> Self {
        Self { tags: [0; WAYS], places: from_fn(|_| None) }
    }
}

/// The tag of a digest, and the number from which the set follows. Others than those by which
/// entries are placed in the cache, and as good: a digest is the output of an HMAC.
fn bits(digest: &[u8; Digest::LEN]) -> (u64, u64) {
    let [.., a, b, c, d, e, f, g, h] = *digest;
    let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let tag = digest.first_chunk().map_or(0, |first| u64::from_ne_bytes(*first));
    (tag, number)
}

fn set(sets: &mut [Set], number: u64) -> Option<&mut Set> {
    let last = sets.len().checked_sub(1)?;
    let number = usize::try_from(number & u64::try_from(last).ok()?).ok()?;
    sets.get_mut(number)
}

#[cfg(test)]
mod tests;
