//! How long and how much: the short form, and the long one.

use std::{path::PathBuf, time::Duration};

use crate::faults::Fault;

/// Sizes and spans of a run.
pub(crate) struct Pace {
    /// How many changes at least. None: the short form.
    pub(crate) changes: Option<u64>,
    /// Where the report is written.
    pub(crate) json: Option<PathBuf>,
    pub(crate) faults: Vec<Fault>,
    /// How often each fault is injected, in turn.
    pub(crate) turns: u64,
    /// Go on for so long, and end at the first violation. None: neither.
    pub(crate) search: Option<Duration>,
    pub(crate) tenants: usize,
    pub(crate) keys_of_tenant: usize,
    /// The keys of the workspace that is suspended.
    pub(crate) hot_keys: usize,
    /// How many faults there are between two rounds without any.
    pub(crate) faults_between: usize,
    /// Changes in such a round.
    pub(crate) quiet_changes: u64,
    pub(crate) lease_ms: u64,
    pub(crate) statement_timeout_ms: u64,
    /// How long a replica is stopped or cut off: longer than the longest wait of a change.
    pub(crate) outage: Duration,
    /// How long the answer of a commit is held.
    pub(crate) commit_delay: Duration,
    /// How long a caller waits for one answer to a change while something is broken.
    pub(crate) patience: Duration,
    /// How soon all replicas must answer as before, once a fault is over.
    pub(crate) recovered_within: Duration,
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

impl Pace {
    /// As the variables say that `tests/faults` sets; the short form without them.
    pub(crate) fn from_environment() -> Self {
        let changes = number("KEYWARD_FAULTS_CHANGES");
        let faults = match std::env::var("KEYWARD_FAULTS_ONLY") {
            Ok(names) => names.split(',').flat_map(Fault::named).collect(),
            Err(_) => Fault::ALL.to_vec(),
        };
        let common = Self {
            changes,
            json: std::env::var_os("KEYWARD_FAULTS_JSON").map(PathBuf::from),
            faults,
            turns: 1,
            search: number("KEYWARD_FAULTS_SEARCH_S").map(Duration::from_secs),
            tenants: 3,
            keys_of_tenant: 8,
            hot_keys: 60,
            faults_between: 5,
            quiet_changes: 40,
            lease_ms: 3_000,
            statement_timeout_ms: 2_000,
            outage: Duration::from_millis(4_200),
            commit_delay: Duration::from_secs(1),
            patience: Duration::from_secs(4),
            recovered_within: Duration::from_secs(60),
        };
        let Some(changes) = changes else { return common };
        // Small runs go through the faults once, large ones three times.
        let turns = (changes / 3_000).clamp(1, 3);
        let rounds = turns * (common.faults.len() as u64).max(1);
        Self {
            turns,
            tenants: 8,
            keys_of_tenant: 24,
            hot_keys: usize::try_from(changes.min(100_000)).unwrap(),
            faults_between: 1,
            quiet_changes: changes / rounds,
            lease_ms: 4_000,
            statement_timeout_ms: 5_000,
            outage: Duration::from_secs(10),
            commit_delay: Duration::from_secs(3),
            patience: Duration::from_secs(8),
            recovered_within: Duration::from_secs(60),
            ..common
        }
    }
}
