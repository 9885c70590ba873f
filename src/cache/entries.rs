//! What is kept, bounded in bytes and in time.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;

use super::{Stamp, Subjects, hot::Seconds};
use crate::domain::{
    bits::{OwnBits, Place},
    live::LiveKey,
    secret::Digest,
};

/// How long an entry lives, whatever its stamp says.
pub(super) const AGE_MAX: Duration = Duration::from_mins(5);
/// Secrets that are kept as known to be of no key. Only who has the signing key makes more.
const ABSENT_MAX: u64 = 16_384;
/// About how many bytes moka takes for an entry: its node, its place in three lists and in the table.
const OVERHEAD: usize = 320;

/// Where less than this part of the bytes is left, room is short.
const SHORT_PART: u64 = 16;

/// What a look-up found.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key. None: no key has the secret.
    pub(super) key: Option<Arc<LiveKey>>,
    /// What the look-up is sure to have seen.
    pub(super) stamp: Stamp,
    /// What it rests on.
    pub(super) subjects: Subjects,
    /// When it was made, which is before it was put in.
    pub(super) since: Seconds,
}

/// Entries by digest. What is of no key is kept apart, so that it pushes out none that is.
pub(super) struct Entries {
    keys: Cache<Place, Entry, OwnBits>,
    absent: Cache<Place, Entry, OwnBits>,
    /// How many bytes of keys leave little room for more.
    short_from: u64,
}

impl Entries {
    pub(super) fn new(bytes_max: u64) -> Self {
        let keys = Cache::builder().weigher(weight).max_capacity(bytes_max);
        let absent = Cache::builder().max_capacity(ABSENT_MAX);
        Self {
            keys: keys.time_to_live(AGE_MAX).build_with_hasher(OwnBits),
            absent: absent.time_to_live(AGE_MAX).build_with_hasher(OwnBits),
            short_from: bytes_max - bytes_max / SHORT_PART,
        }
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<Entry> {
        let place = Place::of(digest);
        self.keys.get(&place).or_else(|| self.absent.get(&place))
    }

    /// Takes note that a key is in use, where it is still kept.
    pub(super) fn tell(&self, digest: &Digest) {
        self.keys.get(&Place::of(digest));
    }

    /// Whether there is little room left: as of when what is due was done last.
    pub(super) fn is_short(&self) -> bool {
        self.keys.weighted_size() >= self.short_from
    }

    /// May wait for a moment: not for the threads of the front.
    pub(super) fn insert(&self, digest: &Digest, entry: &Entry) {
        let place = Place::of(digest);
        match entry.key {
            Some(_) => self.keys.insert(place, entry.clone()),
            None => {
                self.keys.invalidate(&place);
                self.absent.insert(place, entry.clone());
            }
        }
    }

    /// How many keys there are, and about how many bytes they take.
    pub(super) fn size(&self) -> (u64, u64) {
        self.keys.run_pending_tasks();
        (self.keys.entry_count(), self.keys.weighted_size())
    }
}

fn weight(_: &Place, entry: &Entry) -> u32 {
    let key = entry.key.as_ref().map_or(0, |key| key.size());
    u32::try_from(key + OVERHEAD).unwrap_or(u32::MAX)
}
