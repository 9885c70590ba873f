//! What each thread was asked for, before everything that threads share.
//!
//! An entry here is one that is kept for all, with its stamp, its subjects and its age: it counts as
//! long as it would there, and is dropped when it is found not to. Nobody else's key is held: what is
//! let go there is gone here. A look-up writes to nothing of other threads but the count of who holds
//! the key.
//!
//! - Of a set of four places the digest's own bits choose one. Who is not there when asked for
//!   costs the least asked of the set one of its merits, and takes its place when it has none
//!   left: many that are asked for once push out none that is asked for often.
//! - Where what is kept for all is short of room, hits here are told, or what is asked for here
//!   would seem unused there and be pushed out: the first [`TOLD_MAX`] of a place, which is as far
//!   as it is counted there, and then one in as many.
//! - The bytes of keys are those of what is kept for all; here places count, and all threads
//!   together get a part of the cache's bytes for them. Of a key that is gone a place holds the
//!   block that it was in, some hundred bytes, until a hand comes by: from set to set, one with each
//!   key that is offered, and one with each [`HITS_OF_SWEEP`]-th hit.

use std::{
    array::from_fn,
    cell::RefCell,
    hint::black_box,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
};

use thread_local::ThreadLocal;

use super::{Stamp, Subjects, entries::AGE_MAX};
use crate::domain::{live::LiveKey, secret::Digest};

/// The part of the cache's bytes that the places of all threads have together.
const PART: u64 = 8;
/// Threads beside those that each core is given.
const THREADS_MORE: usize = 2;
/// Places in a set.
const WAYS: usize = 4;
/// The most places of a thread, which takes all of them at once: some nine megabytes.
const PLACES_MAX: usize = 1 << 17;
/// Bytes of memory that a place takes.
const PLACE_BYTES: usize = size_of::<Option<Place>>() + size_of::<Tag>();
/// Hits of a place that are told one by one.
const TOLD_MAX: u8 = 16;
/// One in so many hits moves the hand.
const HITS_OF_SWEEP: u8 = 64;

/// What is kept for all, as it is asked by a thread for what that has at hand.
pub(super) trait ForAll {
    /// Whether an entry with this stamp counts.
    fn counts(&self, stamp: Stamp, subjects: &Subjects) -> bool;
    /// Whether there is little room left: what is used least is pushed out.
    fn is_short(&self) -> bool;
    /// Takes note that a key is in use, where it is there.
    fn tell(&self, digest: &Digest);
}

/// What all threads have at hand.
pub(super) struct Hot {
    threads: ThreadLocal<Option<RefCell<Sets>>>,
    /// How many threads may still have something at hand.
    left: AtomicUsize,
    /// The bytes of one thread.
    share: usize,
}

/// What one thread has at hand. Tags are apart from the rest: most that are not there cost nothing
/// more.
struct Sets {
    tags: Box<[[Tag; WAYS]]>,
    places: Box<[[Option<Place>; WAYS]]>,
    /// The set that is looked at next for what is to leave.
    hand: usize,
    /// Hits since the hand was moved by one.
    hits: u8,
}

/// The first bytes of a digest.
type Tag = [u8; 8];

/// One line of the processor's cache.
#[repr(align(64))]
struct Place {
    /// What follows the tag.
    rest: [u8; Digest::LEN - size_of::<Tag>()],
    key: Weak<LiveKey>,
    stamp: Stamp,
    subjects: Subjects,
    /// What is too large for it looks older than it is.
    since: u32,
    /// How often it was asked for, less what others have cost it.
    merits: u8,
    /// Hits while room was short: up to [`TOLD_MAX`], and those since the last one that was told.
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

    /// The key of a secret that this thread has at hand, where it counts.
    pub(super) fn get(
        &self,
        digest: &Digest,
        now: Seconds,
        all: &impl ForAll,
    ) -> Option<Arc<LiveKey>> {
        // It is held by nobody else: what is called below does not come back here.
        self.threads.get()?.as_ref()?.try_borrow_mut().ok()?.get(digest, now, all)
    }

    /// Has the processor read what these are looked up by, and then what they are judged by: of
    /// memory that is far it fetches many places together where nothing is written in between. It
    /// changes nothing.
    pub(super) fn bring_near(&self, digests: &[Option<Digest>], all: &impl ForAll) {
        let sets = self.threads.get().and_then(Option::as_ref);
        let Some(sets) = sets.and_then(|sets| sets.try_borrow().ok()) else { return };
        let digests = digests.iter().flatten();
        digests.clone().for_each(|digest| _ = black_box(sets.tag(digest)));
        digests.for_each(|digest| _ = black_box(sets.look(digest, all)));
    }

    /// Takes what was found for all, where there is a place for it.
    pub(super) fn offer(
        &self,
        digest: &Digest,
        (key, stamp, subjects): (&Arc<LiveKey>, Stamp, Subjects),
        since: Seconds,
        now: Seconds,
    ) {
        let Some((tag, rest)) = split(digest) else { return };
        let (key, since) = (Arc::downgrade(key), u32::try_from(since).unwrap_or(u32::MAX));
        let place = Place { rest, key, stamp, subjects, since, merits: 0, untold: 0 };
        let sets = self.threads.get_or(|| self.sets().map(RefCell::new));
        if let Some(mut sets) = sets.as_ref().and_then(|sets| sets.try_borrow_mut().ok()) {
            sets.offer(tag, place, now);
            sets.sweep();
        }
    }

    /// Those of one more thread, if it may have any.
    fn sets(&self) -> Option<Sets> {
        let one_less = |left: usize| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).ok()?;
        Sets::new((self.share / PLACE_BYTES).min(PLACES_MAX) / WAYS)
    }
}

impl Sets {
    /// None: no set at all.
    fn new(sets: usize) -> Option<Self> {
        let tags = vec![[Tag::default(); WAYS]; sets].into_boxed_slice();
        let places = (0..sets).map(|_| from_fn(|_| None)).collect();
        (sets > 0).then_some(Self { tags, places, hand: 0, hits: 0 })
    }

    /// The set of a digest follows from other bits than where the entry is kept for all, and as
    /// good: a digest is the output of an HMAC.
    fn number(&self, rest: &[u8]) -> Option<usize> {
        let bits = u64::from_le_bytes(*rest.last_chunk()?);
        let sets = u128::try_from(self.places.len()).ok()?;
        usize::try_from((u128::from(bits) * sets) >> u64::BITS).ok()
    }

    /// A tag of the set in which a digest is.
    fn tag(&self, digest: &Digest) -> Option<Tag> {
        let (_, rest) = split(digest)?;
        self.tags.get(self.number(&rest)?)?.first().copied()
    }

    /// Whether an entry counts, and how many hold its key, which is said where the key lies. By the
    /// tag alone, and whatever its age: it may be another's, and nothing is to rest on it.
    fn look(&self, digest: &Digest, all: &impl ForAll) -> Option<(bool, usize)> {
        let (tag, rest) = split(digest)?;
        let number = self.number(&rest)?;
        let way = self.tags.get(number)?.iter().position(|its| *its == tag)?;
        let place = self.places.get(number)?.get(way)?.as_ref()?;
        Some((all.counts(place.stamp, &place.subjects), place.key.strong_count()))
    }

    fn get(&mut self, digest: &Digest, now: Seconds, all: &impl ForAll) -> Option<Arc<LiveKey>> {
        let (tag, rest) = split(digest)?;
        let number = self.number(&rest)?;
        let way = self.tags.get(number)?.iter().position(|its| *its == tag)?;
        let slot = self.places.get_mut(number)?.get_mut(way)?;
        let place = slot.as_mut().filter(|place| place.rest == rest)?;
        if place.is_aged(now) || !all.counts(place.stamp, &place.subjects) {
            *slot = None;
            return None;
        }
        let Some(key) = place.key.upgrade() else {
            *slot = None;
            return None;
        };
        place.merits = place.merits.saturating_add(1);
        if all.is_short() && place.is_told() {
            all.tell(digest);
        }
        self.hits += 1;
        if self.hits == HITS_OF_SWEEP {
            self.hits = 0;
            self.sweep();
        }
        Some(key)
    }

    fn offer(&mut self, tag: Tag, place: Place, now: Seconds) {
        let Some(number) = self.number(&place.rest) else { return };
        let (tags, places) = (self.tags.get_mut(number), self.places.get_mut(number));
        let (Some(tags), Some(places)) = (tags, places) else { return };
        for at in &mut *places {
            at.take_if(|present| present.is_aged(now) || present.is_gone());
        }
        let same = tags.iter().zip(&*places).position(|(its, at)| *its == tag && at.is_some());
        let free = || places.iter().position(Option::is_none);
        let merits = |(_, place): &(usize, &Option<Place>)| place.as_ref().map(|at| at.merits);
        let least = || places.iter().enumerate().min_by_key(merits).map(|(way, _)| way);
        let Some(way) = same.or_else(free).or_else(least) else { return };
        let (Some(its), Some(at)) = (tags.get_mut(way), places.get_mut(way)) else { return };
        // Another state of the same key is newer: it was found where this one did not count.
        if let Some(present) = at.as_mut()
            && !(*its == tag && present.rest == place.rest)
            && present.merits > 0
        {
            present.merits -= 1;
            return;
        }
        (*its, *at) = (tag, Some(place));
    }

    /// Drops what is gone of the set under the hand, and moves on.
    fn sweep(&mut self) {
        let Some(places) = self.places.get_mut(self.hand) else {
            self.hand = 0;
            return;
        };
        self.hand += 1;
        for at in places {
            at.take_if(|place| place.is_gone());
        }
    }
}

impl Place {
    /// Whether it is as old as entries may become.
    fn is_aged(&self, now: Seconds) -> bool {
        now.saturating_sub(self.since.into()) >= AGE_MAX.as_secs()
    }

    /// Whether nobody keeps the key any more.
    fn is_gone(&self) -> bool {
        self.key.strong_count() == 0
    }

    /// Whether one more hit is told.
    fn is_told(&mut self) -> bool {
        self.untold += 1;
        if self.untold == 2 * TOLD_MAX {
            self.untold = TOLD_MAX;
            return true;
        }
        self.untold <= TOLD_MAX
    }
}

/// The two parts of a digest, which has both.
fn split(digest: &Digest) -> Option<(Tag, [u8; Digest::LEN - size_of::<Tag>()])> {
    let (tag, rest) = digest.as_bytes().split_first_chunk()?;
    Some((*tag, rest.try_into().ok()?))
}

#[cfg(test)]
mod tests;
