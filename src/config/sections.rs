//! Settings of everything but the front.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{
    DatabaseSettings, Problem,
    telemetry::{LEVELS, parse_level},
};
use crate::domain::checkpoint::{InvalidOrigin, Origin};

/// The runtime behind the front.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackSettings {
    /// Threads for everything that is not the front: storage, administration, export.
    pub threads: usize,
}

impl Default for BackSettings {
    fn default() -> Self {
        Self { threads: 2 }
    }
}

/// The keys that are kept in memory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    /// About how many bytes of memory they take.
    pub max_bytes: u64,
    /// Look-ups in the database at once.
    pub max_loads: usize,
    /// Milliseconds that a look-up waits for its turn.
    pub load_wait_ms: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { max_bytes: 256 * 1024 * 1024, max_loads: 64, load_wait_ms: 250 }
    }
}

/// Where the signing keys are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyringSettings {
    /// The keyring file.
    pub path: PathBuf,
}

impl Default for KeyringSettings {
    fn default() -> Self {
        Self { path: PathBuf::from("keyward.keyring") }
    }
}

/// How the log of changes is vouched for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// The name of the log of changes, and of the key that signs checkpoints of it.
    pub origin: String,
    /// Where the newest checkpoint is kept. Empty: in the lines of the process's log alone.
    pub checkpoint_file: PathBuf,
    /// Seconds from one checkpoint to the next; 0: there are none.
    pub checkpoint_interval_s: u64,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            origin: "keyward".to_owned(),
            checkpoint_file: PathBuf::new(),
            checkpoint_interval_s: 3_600,
        }
    }
}

impl AuditSettings {
    /// The file that checkpoints are written to, where there is to be one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        Some(&*self.checkpoint_file).filter(|path| !path.as_os_str().is_empty())
    }

    /// The name of the log of changes.
    ///
    /// # Errors
    /// Where it is none; settings that were loaded have one.
    pub fn origin(&self) -> Result<Origin, Problem> {
        self.origin.parse().map_err(|wrong: InvalidOrigin| Problem::Refused {
            name: "audit.origin",
            value: format!("{:?}", self.origin),
            bound: wrong.to_string().replace("must be ", ""),
        })
    }

    pub(super) fn contradictions(&self) -> Option<Problem> {
        self.origin().err()
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// A level, or `target=level` directives separated by commas.
    pub level: String,
    /// A file that holds what wins over the level, as long as it can be read. Empty: none.
    pub level_file: PathBuf,
    /// One line of text or one JSON object per event.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), level_file: PathBuf::new(), format: LogFormat::Text }
    }
}

impl LogSettings {
    /// The file that wins over the level, where there is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        Some(&*self.level_file).filter(|path| !path.as_os_str().is_empty())
    }

    pub(super) fn contradictions(&self) -> Option<Problem> {
        parse_level(&self.level).is_none().then(|| Problem::Refused {
            name: "log.level",
            value: format!("{:?}", self.level),
            bound: LEVELS.to_owned(),
        })
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

impl LogFormat {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl TryFrom<String> for LogFormat {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        [Self::Text, Self::Json]
            .into_iter()
            .find(|format| format.name() == given)
            .ok_or_else(|| format!("invalid format {given:?}, expected text or json"))
    }
}

/// Where the process tells how it is, to whoever operates it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSettings {
    /// Whether it does.
    pub enabled: bool,
    /// Address and port to listen on; port 0: any that is free.
    pub listen: SocketAddr,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        // The port that is reserved for exporters of OpenTelemetry.
        Self { enabled: true, listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)) }
    }
}

/// How uses of keys are counted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UsageSettings {
    /// Milliseconds between two times that what was counted is written.
    pub flush_interval_ms: u64,
    /// Days that calls are kept after the end of their hour. 0: for ever.
    pub retention_days: u64,
}

impl Default for UsageSettings {
    fn default() -> Self {
        Self { flush_interval_ms: 1_000, retention_days: 90 }
    }
}

impl UsageSettings {
    /// For how long calls are kept after the end of their hour. None: for ever.
    pub fn retention(&self) -> Option<Duration> {
        (self.retention_days > 0).then(|| Duration::from_secs(self.retention_days * 86_400))
    }
}

/// How replicas of one database follow each other. Of an SQLite file there is one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplicaSettings {
    /// For how long a replica answers without hearing from the database.
    pub lease_ms: u64,
    /// For how long it goes on after that, saying so.
    pub bounded_stale_ms: u64,
    /// How often it looks for changes that nobody rang for. 0: five times in a lease.
    pub poll_interval_ms: u64,
    /// Whether changes ring.
    pub doorbell: bool,
}

impl Default for ReplicaSettings {
    fn default() -> Self {
        Self { lease_ms: 4_000, bounded_stale_ms: 0, poll_interval_ms: 0, doorbell: true }
    }
}

impl ReplicaSettings {
    /// How often it looks for changes that nobody rang for, in milliseconds.
    pub fn interval_ms(&self) -> u64 {
        match self.poll_interval_ms {
            0 => self.lease_ms / 5,
            given => given,
        }
    }

    /// A lease must not end between two looks, one of which may fail.
    pub(super) fn contradictions(&self) -> Option<Problem> {
        (self.poll_interval_ms > self.lease_ms / 3).then(|| Problem::Refused {
            name: "replicas.poll_interval_ms",
            value: self.poll_interval_ms.to_string(),
            bound: format!("a third of replicas.lease_ms at the most, {}", self.lease_ms / 3),
        })
    }
}

/// Compares names as written: two names for one file are found by whoever opens it.
pub(super) fn shared_files(
    database: &DatabaseSettings,
    keyring: &KeyringSettings,
    audit: &AuditSettings,
) -> Vec<Problem> {
    let uses = [
        ("keyring.path", &keyring.path, "database.path", &database.path),
        ("audit.checkpoint_file", &audit.checkpoint_file, "database.path", &database.path),
        ("audit.checkpoint_file", &audit.checkpoint_file, "keyring.path", &keyring.path),
    ];
    let shared =
        uses.into_iter().filter(|(_, one, _, other)| one == other && !one.as_os_str().is_empty());
    let refused = |(name, path, other, _): (_, &PathBuf, &str, _)| Problem::Refused {
        name,
        value: format!("{path:?}"),
        bound: format!("another file than {other}"),
    };
    shared.map(refused).collect()
}
