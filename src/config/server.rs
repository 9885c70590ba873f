//! Settings of the front: the listener, its connections and calls.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::Problem;

/// How the front listens, and what it grants a connection and a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Threads that serve connections; 0 stands for one per available core. See [`ServerSettings::front_threads`].
    pub front_threads: usize,
    /// Connections open at once in the process; one more is closed as soon as it is accepted, or in its place the oldest
    /// that has not begun.
    pub max_connections: usize,
    /// Calls in flight at once on one connection at most (HTTP/2 `SETTINGS_MAX_CONCURRENT_STREAMS`).
    pub max_concurrent_streams: u32,
    /// About how many calls all connections together may have open: a new one is granted its part of it.
    pub open_calls_target: u64,
    /// Bytes of all headers of one call (HTTP/2 `SETTINGS_MAX_HEADER_LIST_SIZE`).
    pub max_header_bytes: u32,
    /// Bytes of one request message.
    pub max_message_bytes: usize,
    /// Calls in flight at once in the process, of KeyAdmin and of all else each, health and reflection apart; one more
    /// is answered RESOURCE_EXHAUSTED.
    pub max_in_flight: usize,
    /// Milliseconds that a call of KeyAdmin waits for its turn at most.
    pub admin_wait_ms: u64,
    /// Milliseconds a call may take at most, and when its caller names no deadline.
    pub deadline_max_ms: u64,
    /// Milliseconds without traffic after which a connection is pinged.
    pub keepalive_interval_ms: u64,
    /// Milliseconds after which a connection that leaves a ping unanswered is closed.
    pub keepalive_timeout_ms: u64,
    /// Milliseconds, about, after which a connection is told to end; 0: never.
    pub max_connection_age_ms: u64,
    /// Milliseconds that calls in flight are given to end on such a connection.
    pub max_connection_age_grace_ms: u64,
    /// Milliseconds that calls in flight are given to end when the process stops.
    pub drain_timeout_ms: u64,
    /// Milliseconds a new connection is given to agree on its encryption and to send the HTTP/2 preface.
    pub handshake_timeout_ms: u64,
    /// Whether the gRPC reflection services are served.
    pub reflection: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50051)),
            front_threads: 0,
            max_connections: 10_000,
            max_concurrent_streams: 100,
            open_calls_target: 2_048,
            max_header_bytes: 16 * 1024,
            max_message_bytes: 4 * 1024 * 1024,
            max_in_flight: 10_000,
            admin_wait_ms: 2_000,
            deadline_max_ms: 30_000,
            keepalive_interval_ms: 60_000,
            keepalive_timeout_ms: 20_000,
            max_connection_age_ms: 300_000,
            max_connection_age_grace_ms: 30_000,
            drain_timeout_ms: 15_000,
            handshake_timeout_ms: 10_000,
            reflection: true,
        }
    }
}

impl ServerSettings {
    /// Threads that serve connections, at least 1: the setting, or one per core that this process may use.
    #[must_use]
    pub fn front_threads(&self) -> usize {
        match self.front_threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }

    /// What a call may take at most, and when its caller names no deadline.
    #[must_use]
    pub fn deadline_max(&self) -> Duration {
        Duration::from_millis(self.deadline_max_ms)
    }

    /// How long a call of KeyAdmin waits for its turn.
    #[must_use]
    pub fn admin_wait(&self) -> Duration {
        Duration::from_millis(self.admin_wait_ms)
    }

    /// How long a connection may be silent before it is pinged.
    #[must_use]
    pub fn keepalive_interval(&self) -> Duration {
        Duration::from_millis(self.keepalive_interval_ms)
    }

    /// How long a ping may stay unanswered.
    #[must_use]
    pub fn keepalive_timeout(&self) -> Duration {
        Duration::from_millis(self.keepalive_timeout_ms)
    }

    /// About how old a connection becomes. None: as old as it likes.
    #[must_use]
    pub fn max_connection_age(&self) -> Option<Duration> {
        (self.max_connection_age_ms > 0).then(|| Duration::from_millis(self.max_connection_age_ms))
    }

    /// How long calls in flight are waited for on a connection that has become old.
    #[must_use]
    pub fn max_connection_age_grace(&self) -> Duration {
        Duration::from_millis(self.max_connection_age_grace_ms)
    }

    /// How long calls in flight are waited for when the process stops.
    #[must_use]
    pub fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }

    /// How long a new connection may take to agree on its encryption and to send the HTTP/2 preface.
    #[must_use]
    pub fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }

    pub(super) fn contradictions(&self) -> Option<Problem> {
        (self.keepalive_timeout_ms > self.keepalive_interval_ms).then(|| Problem::Refused {
            name: "server.keepalive_timeout_ms",
            value: self.keepalive_timeout_ms.to_string(),
            bound: format!(
                "at most server.keepalive_interval_ms, which is {}",
                self.keepalive_interval_ms
            ),
        })
    }
}
