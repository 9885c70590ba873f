//! How copies of keys are kept coherent with the records: what an entry is stamped with,
//! and when it still counts.

use std::{hash::BuildHasher as _, hash::RandomState, sync::LazyLock};

use crate::domain::{
    event::Revision,
    live::LiveKey,
    secret::Digest,
    time::{Moment, Timestamp},
};

/// Tells which entries count.
pub trait Coherence: Send + Sync {
    /// What a read of the records that begins after this call is sure to see.
    fn stamp(&self) -> Stamp;
    /// Whether an entry with this stamp, which rests on these subjects, holds every change of
    /// them that has returned. Never blocks.
    fn usable(&self, stamp: Stamp, subjects: &Subjects) -> bool;
    /// Until when this process may answer at all. To be read before an entry is judged by its
    /// stamp: read afterwards, it could be a permit renewed in between, together with a change
    /// that the judgement missed.
    fn permit(&self) -> Permit;
    /// Whether a permit still holds: until then, this process knows of every change that has
    /// returned. Asked last of all. Never blocks.
    fn holds(&self, permit: Permit) -> bool;
    /// Since when changes may have been missed, where answers are given all the same.
    fn stale_since(&self) -> Option<Timestamp> {
        None
    }
}

/// Until when a process may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// For ever: nobody else changes anything.
    Always,
    /// Before this moment.
    Until(Moment),
}

/// What a read is sure to have seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Which life of this replica: entries of another are of no use.
    pub incarnation: u32,
    /// Every change up to this one.
    pub revision: Revision,
}

/// Where changes of a subject are noted. Subjects share shards: one that changes costs the
/// others a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard(u16);

/// Chosen anew by each process, or a tenant could give its keys names that share a shard with
/// somebody else's policy, and have it reloaded at will.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Shard {
    /// How many there are.
    pub const COUNT: usize = 1 << 16;

    /// That of a resource name, as the log has it.
    pub fn of_name(name: &str) -> Self {
        Self::of(name.as_bytes())
    }

    /// That of a secret's digest.
    pub fn of_digest(digest: &Digest) -> Self {
        Self::of(digest.as_bytes())
    }

    fn of(bytes: &[u8]) -> Self {
        let [first, second, ..] = HASHER.hash_one(bytes).to_be_bytes();
        Self(u16::from_be_bytes([first, second]))
    }

    /// Its number, below [`Shard::COUNT`].
    pub fn place(self) -> usize {
        self.0.into()
    }
}

/// Where everything that an entry rests on is noted when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subjects([Shard; 4]);

impl Subjects {
    /// A key, its workspace, policy and principal. A principal that is not there counts too:
    /// it may come.
    pub fn of_key(key: &LiveKey) -> Self {
        let name = Shard::of_name(&key.name().to_string());
        let workspace = Shard::of_name(&key.name().parent().to_string());
        let policy = Shard::of_name(&key.policy_name().to_string());
        let principal = key.owner().map(|owner| Shard::of_name(&owner.to_string()));
        Self([name, workspace, policy, principal.unwrap_or(name)])
    }

    /// A secret that no key has. That one comes to have it is not to be expected: a secret is
    /// known to nobody before the call that makes it has returned.
    pub fn of_digest(digest: &Digest) -> Self {
        Self([Shard::of_digest(digest); 4])
    }

    /// The shards, some of them twice.
    pub fn shards(&self) -> &[Shard; 4] {
        &self.0
    }
}
