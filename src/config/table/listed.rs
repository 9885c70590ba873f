//! The list of settings.

use super::{Setting, file, flag, number, ratio, word};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const SECOND_MS: u64 = 1_000;
const HOUR_MS: u64 = 3_600 * SECOND_MS;

/// Every setting, in the order in which they are printed and documented.
pub static SETTINGS: &[Setting] = &[
    word("server.listen", "Address and port to listen on.", |s| s.server.listen.to_string()),
    number(
        "server.front_threads",
        0..=1_024,
        "Threads that serve connections; 0 stands for one per available core.",
        |s| s.server.front_threads as u64,
    ),
    number(
        "server.max_connections",
        1..=1_000_000,
        "Connections open at once; one more is closed as soon as it is accepted, or in its place the oldest that has not begun.",
        |s| s.server.max_connections as u64,
    ),
    number(
        "server.max_concurrent_streams",
        1..=100_000,
        "Calls in flight at once on one connection at most; clients keep more back.",
        |s| u64::from(s.server.max_concurrent_streams),
    ),
    number(
        "server.open_calls_target",
        1..=10_000_000,
        "Calls that all connections together should have open: a new connection is granted this by the number of those open, at least 16 and at most `server.max_concurrent_streams`. More than is answered in a part of your callers' deadline comes too late under overload.",
        |s| s.server.open_calls_target,
    ),
    number("server.max_header_bytes", KIB..=MIB, "Bytes of all headers of one call.", |s| {
        u64::from(s.server.max_header_bytes)
    }),
    number("server.max_message_bytes", KIB..=64 * MIB, "Bytes of one request message.", |s| {
        s.server.max_message_bytes as u64
    }),
    number(
        "server.max_in_flight",
        1..=1_000_000,
        "Calls in flight at once in the process, of KeyAdmin and of all else each, health and reflection apart; one more is answered RESOURCE_EXHAUSTED.",
        |s| s.server.max_in_flight as u64,
    ),
    number(
        "server.admin_wait_ms",
        1..=HOUR_MS,
        "Milliseconds that a call of KeyAdmin waits for its turn, and half of its own time at most, before it is answered RESOURCE_EXHAUSTED.",
        |s| s.server.admin_wait_ms,
    ),
    number(
        "server.deadline_max_ms",
        1..=HOUR_MS,
        "Milliseconds a call may take at most, and when its caller names no deadline.",
        |s| s.server.deadline_max_ms,
    ),
    number(
        "server.keepalive_interval_ms",
        SECOND_MS..=24 * HOUR_MS,
        "Milliseconds without traffic after which a connection is pinged.",
        |s| s.server.keepalive_interval_ms,
    ),
    number(
        "server.keepalive_timeout_ms",
        SECOND_MS..=HOUR_MS,
        "Milliseconds after which a connection that leaves a ping unanswered is closed; at most the interval.",
        |s| s.server.keepalive_timeout_ms,
    ),
    number(
        "server.max_connection_age_ms",
        0..=24 * HOUR_MS,
        "Milliseconds after which a connection is told to end (GOAWAY), a tenth less or more by chance, so that clients find replicas that came later. 0: never.",
        |s| s.server.max_connection_age_ms,
    ),
    number(
        "server.max_connection_age_grace_ms",
        0..=HOUR_MS,
        "Milliseconds that calls in flight are given to end on such a connection; then streams end with UNAVAILABLE, and 3 s later the rest is cut off.",
        |s| s.server.max_connection_age_grace_ms,
    ),
    number(
        "server.drain_timeout_ms",
        1..=HOUR_MS,
        "Milliseconds that calls in flight are given to end when the process stops.",
        |s| s.server.drain_timeout_ms,
    ),
    number(
        "server.handshake_timeout_ms",
        1..=HOUR_MS,
        "Milliseconds a new connection is given to agree on its encryption and to send the HTTP/2 preface.",
        |s| s.server.handshake_timeout_ms,
    ),
    flag("server.reflection", "Whether the gRPC reflection services are served.", |s| {
        s.server.reflection
    }),
    word(
        "tls.certificate_file",
        "The server's certificate, and those between it and its authority, in PEM; with `tls.private_key_file` all connections are encrypted. Read again when it changes, as the next three are.",
        |s| s.tls.certificate_file.to_string_lossy().into_owned(),
    ),
    word(
        "tls.private_key_file",
        "The private key of the certificate, in PEM, for the server alone to read.",
        |s| s.tls.private_key_file.to_string_lossy().into_owned(),
    ),
    word(
        "tls.client_ca_file",
        "The authorities of clients' certificates, in PEM; with them clients must show one. Each can vouch for every name in `tls.callers_file`: name those alone that you trust with all of them.",
        |s| s.tls.client_ca_file.to_string_lossy().into_owned(),
    ),
    word(
        "tls.callers_file",
        "A list in TOML of callers that are known by their certificate and need no key.",
        |s| s.tls.callers_file.to_string_lossy().into_owned(),
    ),
    word(
        "tls.client_certificates",
        "Whether clients must show a certificate, where there is `tls.client_ca_file`: `required`, as when nothing is said, or, beside `tls.callers_file`, `optional`: who shows none calls with a key.",
        |s| s.tls.client_certificates.name().to_owned(),
    ),
    word(
        "health.listen",
        "Address and port for the gRPC health service alone, never encrypted, for probes; empty: there is none.",
        |s| s.health.listen.shown(),
    ),
    number("back.threads", 1..=1_024, "Threads for everything that is not the front.", |s| {
        s.back.threads as u64
    }),
    file("database.path", "The SQLite file.", |s| &s.database.path),
    number(
        "database.read_connections",
        1..=1_024,
        "Connections that read at once, beside those that write.",
        |s| u64::from(s.database.read_connections),
    ),
    number(
        "database.busy_timeout_ms",
        1..=HOUR_MS,
        "SQLite: milliseconds to wait for another process that holds the database file.",
        |s| s.database.busy_timeout_ms,
    ),
    word(
        "database.url",
        "PostgreSQL: `postgres://USER[:PASSWORD]@HOST[:PORT]/NAME`, with `?sslmode=` `disable`, `require` or `verify-full` where it is not the default; instead of the next four. Printed without the password.",
        |s| s.database.url.shown(),
    ),
    word(
        "database.url_file",
        "PostgreSQL: a file that holds that address and nothing else, instead.",
        |s| s.database.url_file.to_string_lossy().into_owned(),
    ),
    word(
        "database.host",
        "PostgreSQL: name or address of the server, or the directory of its socket.",
        |s| s.database.host.clone(),
    ),
    number("database.port", 1..=65_535, "PostgreSQL: port of the server.", |s| {
        u64::from(s.database.port)
    }),
    word("database.name", "PostgreSQL: the database, which must exist.", |s| {
        s.database.name.clone()
    }),
    word("database.user", "PostgreSQL: the user.", |s| s.database.user.clone()),
    word(
        "database.password_file",
        "PostgreSQL: a file that holds the user's password and nothing else.",
        |s| s.database.password_file.to_string_lossy().into_owned(),
    ),
    word(
        "database.tls",
        "PostgreSQL: `verify` the server's certificate, `require` encryption with whoever answers, or `off`; a socket needs none.",
        |s| s.database.tls.name().to_owned(),
    ),
    word(
        "database.tls_ca_file",
        "PostgreSQL: certificate authorities to trust beside the system's, in PEM.",
        |s| s.database.tls_ca_file.to_string_lossy().into_owned(),
    ),
    number(
        "database.connect_timeout_ms",
        1..=HOUR_MS,
        "PostgreSQL: milliseconds that the first connection may take; of later ones, `database.acquire_timeout_ms` is the bound.",
        |s| s.database.connect_timeout_ms,
    ),
    number(
        "database.acquire_timeout_ms",
        1..=HOUR_MS,
        "PostgreSQL: milliseconds to wait for a connection, free or new, before the answer is UNAVAILABLE.",
        |s| s.database.acquire_timeout_ms,
    ),
    number(
        "database.statement_timeout_ms",
        10..=HOUR_MS,
        "PostgreSQL: milliseconds that a statement may take, waits for locks included, before the answer is UNAVAILABLE.",
        |s| s.database.statement_timeout_ms,
    ),
    word(
        "database.migrate_on_start",
        "Whether `serve` and `bootstrap` bring the schema to their version themselves: `true`, `false`, or `auto`: with SQLite yes, with PostgreSQL no.",
        |s| s.database.migrate_on_start.name().to_owned(),
    ),
    number(
        "cache.max_bytes",
        MIB..=1024 * GIB,
        "Bytes of memory, by estimate, that keys are kept in; the least used make room.",
        |s| s.cache.max_bytes,
    ),
    number(
        "cache.max_loads",
        1..=10_000,
        "Look-ups at once of keys that are not in memory; more wait.",
        |s| s.cache.max_loads as u64,
    ),
    number(
        "cache.load_wait_ms",
        1..=HOUR_MS,
        "Milliseconds that a look-up waits for its turn before it is answered UNAVAILABLE.",
        |s| s.cache.load_wait_ms,
    ),
    number(
        "replicas.lease_ms",
        500..=60_000,
        "PostgreSQL: milliseconds that a replica answers without hearing from the database; a change waits 1.25 times as long for a replica that has crashed, once.",
        |s| s.replicas.lease_ms,
    ),
    number(
        "replicas.bounded_stale_ms",
        0..=600_000,
        "PostgreSQL: milliseconds that a replica goes on answering after its lease, with `stale_since` set; changes wait so much longer for it. 0: it answers UNAVAILABLE.",
        |s| s.replicas.bounded_stale_ms,
    ),
    number(
        "replicas.poll_interval_ms",
        0..=20_000,
        "PostgreSQL: milliseconds between looks for changes that did not ring; a third of the lease at the most. 0: a fifth of it.",
        |s| s.replicas.poll_interval_ms,
    ),
    flag(
        "replicas.doorbell",
        "PostgreSQL: whether replicas listen for changes (`LISTEN`, which poolers by transaction do not pass on). Without, each change waits for `replicas.poll_interval_ms`.",
        |s| s.replicas.doorbell,
    ),
    word(
        "limits.redis_url",
        "PostgreSQL: a Redis that counts rate limits for all replicas, `redis://[USER][:PASSWORD@]HOST[:PORT][/NUMBER]`, or `rediss://` to speak TLS. Printed without the password.",
        |s| s.limits.redis_url.shown(),
    ),
    word(
        "limits.redis_url_file",
        "PostgreSQL: a file that holds the address of Redis and nothing else, instead.",
        |s| s.limits.redis_url_file.to_string_lossy().into_owned(),
    ),
    number(
        "limits.redis_timeout_ms",
        1..=60_000,
        "Milliseconds that Redis may take to answer before it counts as gone.",
        |s| s.limits.redis_timeout_ms,
    ),
    word(
        "limits.without_redis",
        "PostgreSQL: what becomes of rate limits while no Redis counts for all replicas: `divide`: each replica lets its part through; `refuse`: questions about keys that have limits are answered UNAVAILABLE.",
        |s| s.limits.without_redis.name().to_owned(),
    ),
    file("keyring.path", "The keyring file.", |s| &s.keyring.path),
    word(
        "audit.origin",
        "The name of the log of changes in its checkpoints, best a URL without its scheme, such as `keys.example.com/log`.",
        |s| s.audit.origin.clone(),
    ),
    word(
        "audit.checkpoint_file",
        "The file that holds the newest checkpoint of the log of changes; empty: checkpoints are in the lines of the process's log alone.",
        |s| s.audit.checkpoint_file.to_string_lossy().into_owned(),
    ),
    number(
        "audit.checkpoint_interval_s",
        0..=7 * 24 * 3_600,
        "Seconds between two checkpoints of the log of changes; 0: there are none.",
        |s| s.audit.checkpoint_interval_s,
    ),
    word(
        "log.level",
        "`off`, `error`, `warn`, `info`, `debug`, `trace`, or `target=level` directives separated by commas. Checkpoints are logged whatever it says.",
        |s| s.log.level.clone(),
    ),
    word(
        "log.level_file",
        "A file that holds what `log.level` may say, and wins over it as long as it is there. It is looked at each second, so that a level changes without a restart.",
        |s| s.log.level_file.to_string_lossy().into_owned(),
    ),
    word("log.format", "`text` for people, `json` for collectors.", |s| {
        s.log.format.name().to_owned()
    }),
    flag(
        "metrics.enabled",
        "Whether `serve` has a port for `/metrics` (Prometheus) and `/status` (JSON), over HTTP, without credentials.",
        |s| s.metrics.enabled,
    ),
    word(
        "metrics.listen",
        "Address and port for metrics and status; port 0: any that is free, which the log names.",
        |s| s.metrics.listen.to_string(),
    ),
    word(
        "telemetry.otlp_endpoint",
        "A collector of OpenTelemetry that takes traces and metrics over gRPC: `http://HOST:PORT`, or `https://` to speak TLS. Empty: none.",
        |s| s.telemetry.otlp_endpoint.clone(),
    ),
    word(
        "telemetry.otlp_headers_file",
        "A file with headers for the collector, such as what it knows its customers by: one `name: value` a line.",
        |s| s.telemetry.otlp_headers_file.to_string_lossy().into_owned(),
    ),
    ratio(
        "telemetry.sample_ratio",
        "Which part of the calls begins a trace, of those whose caller says nothing of one; else the caller's word counts, within `telemetry.caller_traces_per_s`.",
        |s| s.telemetry.sample_ratio,
    ),
    number(
        "telemetry.caller_traces_per_s",
        0..=100_000,
        "Calls that are traced because their caller says so, of all callers together, a second; twice as many at once. More are answered and not traced. 0: none.",
        |s| s.telemetry.caller_traces_per_s,
    ),
    word(
        "telemetry.service_instance_id",
        "What this process is told from others by (`service.instance.id`). Empty: a new name at each start.",
        |s| s.telemetry.service_instance_id.clone(),
    ),
    number(
        "telemetry.metrics_interval_ms",
        100..=HOUR_MS,
        "Milliseconds between two times that metrics are sent to the collector.",
        |s| s.telemetry.metrics_interval_ms,
    ),
    number(
        "usage.flush_interval_ms",
        10..=HOUR_MS,
        "Milliseconds between two writes of how keys were used, at the least: after one that took long the next waits nine times as long, a minute at the most. A crash loses what was not written.",
        |s| s.usage.flush_interval_ms,
    ),
    number(
        "usage.retention_days",
        0..=3_650,
        "Days that calls are kept after the end of their hour; older ones are forgotten within the hour. 0: for ever.",
        |s| s.usage.retention_days,
    ),
];
