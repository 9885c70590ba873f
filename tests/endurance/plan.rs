//! How long and how much: the short form, and the long one.

use std::{path::PathBuf, time::Duration};

use crate::{
    limited::{LITTLE, Limits, USUAL},
    pace::Pace,
};

/// Sizes and spans of a run.
pub(crate) struct Plan {
    /// How long the load goes on after the rate is known.
    pub(crate) span: Duration,
    /// Where the report is written.
    pub(crate) json: Option<PathBuf>,
    /// How long as much as possible is asked for, to know how much that is.
    pub(crate) saturating: Duration,
    /// How long nothing is broken between two faults: at least, and by how much more by chance.
    pub(crate) quiet: [Duration; 2],
    /// Keys of each tenant that are not changed at first.
    pub(crate) keys_more: usize,
    /// What memory may grow by where a tenth of it is less.
    pub(crate) growth_kib: f64,
    /// The most calls a second that are asked for: a busy machine has less time later on than when
    /// it was found out how much is answered.
    pub(crate) rate_max: f64,
    /// How many faults there are at least, however long they take.
    pub(crate) strikes: usize,
    pub(crate) limits: Limits,
    pub(crate) pace: Pace,
}

/// Part of the run in which any process may end; after it one goes on to the end.
const ANY_MAY_END: f64 = 1.0 / 3.0;
/// What counts as long: the memory of shorter runs says little.
const LONG: Duration = Duration::from_secs(120);

/// In a run as long as this each fault comes by turns.
const ALL_FAULTS: Duration = Duration::from_secs(1_500);

impl Plan {
    /// As the variables say that `tests/soak` sets; the short form without them.
    pub(crate) fn from_environment() -> Self {
        let json = std::env::var_os("KEYWARD_SOAK_JSON").map(PathBuf::from);
        let seconds = std::env::var("KEYWARD_SOAK_SECONDS").ok().map(|text| {
            text.parse::<u64>().unwrap_or_else(|_| panic!("KEYWARD_SOAK_SECONDS={text}"))
        });
        let pace = Pace {
            changes: None,
            json: None,
            faults: Vec::new(),
            turns: 1,
            search: None,
            tenants: 4,
            keys_of_tenant: 6,
            hot_keys: 40,
            faults_between: 1,
            quiet_changes: 0,
            lease_ms: 4_000,
            statement_timeout_ms: 5_000,
            outage: Duration::from_millis(1_500),
            commit_delay: Duration::from_millis(500),
            patience: Duration::from_secs(8),
            recovered_within: Duration::from_secs(120),
        };
        let Some(seconds) = seconds else {
            return Self {
                span: Duration::from_secs(18),
                json,
                saturating: Duration::from_secs(2),
                quiet: [Duration::from_millis(500), Duration::from_millis(500)],
                keys_more: 0,
                growth_kib: 65_536.0,
                rate_max: 200.0,
                strikes: 4,
                limits: LITTLE,
                pace,
            };
        };
        Self {
            span: Duration::from_secs(seconds),
            json,
            saturating: Duration::from_secs(15),
            quiet: [Duration::from_secs(4), Duration::from_secs(8)],
            keys_more: 250,
            growth_kib: 16_384.0,
            rate_max: f64::INFINITY,
            strikes: 4,
            limits: USUAL,
            pace: Pace {
                tenants: 8,
                keys_of_tenant: 24,
                hot_keys: 300,
                outage: Duration::from_secs(7),
                commit_delay: Duration::from_secs(2),
                ..pace
            },
        }
    }

    pub(crate) fn is_long(&self) -> bool {
        self.span >= LONG
    }

    pub(crate) fn has_all_faults(&self) -> bool {
        self.span >= ALL_FAULTS
    }

    /// From when on one process goes on to the end.
    pub(crate) fn any_may_end(&self) -> Duration {
        self.span.mul_f64(ANY_MAY_END)
    }
}
