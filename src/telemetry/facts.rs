//! What is told, as one document.

use serde::Serialize;

use super::{Sources, VERSION};
use crate::{cache::Counts, domain::replica::Durability, replica::Status};

/// The document.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    version: &'static str,
    /// Whether the database was ready for use once. All else is unknown before.
    ready: bool,
    /// None: one process owns the database.
    replica: Option<ReplicaFacts>,
    cache: Option<CacheFacts>,
}

#[derive(Debug, Serialize)]
struct ReplicaFacts {
    id: String,
    lease: &'static str,
    lease_left_ms: u64,
    applied_revision: i64,
    head_revision: i64,
    /// None: nobody has looked yet.
    replicas: Option<usize>,
    durability: Option<DurabilityFacts>,
}

#[derive(Debug, Serialize)]
struct DurabilityFacts {
    on_disk: bool,
    standbys: u32,
    synchronous: bool,
    survives_fail_over: bool,
}

#[derive(Debug, Serialize)]
struct CacheFacts {
    hits: u64,
    misses: u64,
    loads: u64,
    joins: u64,
    refused: u64,
    entries: u64,
    bytes: u64,
}

impl Facts {
    /// As it is now.
    pub(super) fn of(sources: Option<&Sources>) -> Self {
        let replica = sources.and_then(|sources| sources.replica.as_ref());
        Self {
            version: VERSION,
            ready: sources.is_some(),
            replica: replica.map(|replica| replica.status().into()),
            cache: sources.map(CacheFacts::of),
        }
    }
}

impl From<Status> for ReplicaFacts {
    fn from(status: Status) -> Self {
        let Status { id, lease, lease_left, applied, head, replicas, durability } = status;
        Self {
            id: id.to_string(),
            lease: lease.as_str(),
            lease_left_ms: u64::try_from(lease_left.as_millis()).unwrap_or(u64::MAX),
            applied_revision: applied.0,
            head_revision: head.0,
            replicas: Some(replicas).filter(|replicas| *replicas > 0),
            durability: durability.map(Into::into),
        }
    }
}

impl From<Durability> for DurabilityFacts {
    fn from(durability: Durability) -> Self {
        let survives_fail_over = durability.survives_fail_over();
        let Durability { on_disk, standbys, synchronous } = durability;
        Self { on_disk, standbys, synchronous, survives_fail_over }
    }
}

impl CacheFacts {
    fn of(sources: &Sources) -> Self {
        let Counts { hits, misses, loads, joins, refused } = sources.cache.counts();
        let (entries, bytes) = sources.cache.size();
        Self { hits, misses, loads, joins, refused, entries, bytes }
    }
}
