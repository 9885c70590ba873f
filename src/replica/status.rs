//! What a replica tells of itself.

use std::time::Duration;

use crate::domain::{event::Revision, name::Id, replica::Durability};

/// What the last step of the follower showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whether it has a row, as far as it knows.
    pub(super) is_member: bool,
    /// What it has applied.
    pub(super) applied: Revision,
    /// The newest change.
    pub(super) head: Revision,
    /// How often in a row the database did not answer.
    pub(super) failures: u32,
}

/// What a replica may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// It answers.
    Valid,
    /// It answers, but may have missed changes, and says so.
    Stale,
    /// It does not answer.
    None,
}

impl Lease {
    /// How it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Stale => "stale",
            Self::None => "none",
        }
    }
}

/// How a replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which.
    pub id: Id,
    /// What it may do.
    pub lease: Lease,
    /// How long its lease lasts still.
    pub lease_left: Duration,
    /// The newest change that it has applied.
    pub applied: Revision,
    /// The newest change, as of its last renewal.
    pub head: Revision,
    /// How many replicas there are, as of the last look; 0: nobody has looked yet.
    pub replicas: usize,
    /// How safe commits are; None: nobody has looked yet.
    pub durability: Option<Durability>,
}
