//! The absences that hold between the layers.

use crate::paths::paths;

/// The longest file, in lines.
const LINES_MAX: usize = 400;

/// Crates of the transport.
const TRANSPORT: &[&str] = &[
    "tonic",
    "tonic_types",
    "tonic_health",
    "tonic_reflection",
    "tonic_prost",
    "prost",
    "prost_types",
    "hyper",
    "hyper_util",
    "http",
    "http_body_util",
    "tower",
];
/// Crates of the database.
const DATABASE: &[&str] = &["sea_orm", "sea_orm_migration", "sqlx", "migrations"];
/// Crates of the runtime.
const RUNTIME: &[&str] = &["tokio", "tokio_util", "moka"];

/// The crate by which limits are counted elsewhere, and what is in it: others may say the word.
const REDIS: &[&str] = &["redis::"];

/// Crates by which metrics are told: whoever is measured knows nothing of it.
const TELEMETRY: &[&str] = &[
    "opentelemetry",
    "opentelemetry_sdk",
    "opentelemetry_prometheus",
    "opentelemetry_proto",
    "prometheus",
    "tracing_opentelemetry",
];

/// The crates of TLS and certificates: one module names them.
const TLS: &[&str] = &["rustls", "tokio_rustls", "webpki", "rustls_native_certs"];

/// What one layer must not name.
struct Layer {
    name: &'static str,
    /// The modules of ours that it may name; None: any but `not_ours`.
    ours: Option<&'static [&'static str]>,
    not_ours: &'static [&'static str],
    foreign: &'static [&'static [&'static str]],
}

const LAYERS: &[Layer] = &[
    Layer {
        name: "domain",
        ours: Some(&["domain"]),
        not_ours: &[],
        foreign: &[
            TRANSPORT,
            DATABASE,
            RUNTIME,
            TELEMETRY,
            REDIS,
            &["std::env", "SystemTime", "Instant", "std::fs", "std::thread"],
        ],
    },
    Layer {
        name: "admin",
        ours: Some(&["admin", "domain"]),
        not_ours: &[],
        foreign: &[TRANSPORT, DATABASE, RUNTIME, TELEMETRY, REDIS],
    },
    Layer {
        name: "introspect",
        ours: Some(&["introspect", "domain", "measure"]),
        not_ours: &[],
        foreign: &[TRANSPORT, DATABASE, RUNTIME, TELEMETRY, REDIS],
    },
    Layer {
        name: "cache",
        ours: Some(&["cache", "clock", "domain", "measure", "mutants"]),
        not_ours: &[],
        foreign: &[TRANSPORT, DATABASE, TELEMETRY, REDIS],
    },
    Layer {
        name: "replica",
        ours: Some(&["replica", "cache", "domain", "measure", "mutants"]),
        not_ours: &[],
        foreign: &[TRANSPORT, DATABASE, TELEMETRY, REDIS, &["moka", "Instant", "SystemTime"]],
    },
    Layer {
        name: "limits",
        ours: Some(&["limits", "domain", "measure"]),
        not_ours: &[],
        foreign: &[TRANSPORT, DATABASE, TELEMETRY, &["moka", "Instant", "SystemTime"]],
    },
    Layer {
        name: "store",
        ours: Some(&["store", "domain"]),
        not_ours: &[],
        foreign: &[TRANSPORT, TELEMETRY, REDIS],
    },
    Layer {
        name: "checkpoints",
        ours: Some(&["checkpoints", "domain", "store"]),
        not_ours: &[],
        foreign: &[TRANSPORT, DATABASE, TELEMETRY, REDIS, &["moka"]],
    },
    Layer {
        name: "usage",
        ours: Some(&["usage", "domain"]),
        not_ours: &[],
        foreign: &[TRANSPORT, DATABASE, TELEMETRY, REDIS, &["moka", "SystemTime"]],
    },
    Layer {
        name: "callers",
        ours: Some(&["callers", "domain"]),
        not_ours: &[],
        foreign: &[TRANSPORT, DATABASE, RUNTIME, TELEMETRY, REDIS, &["SystemTime", "Instant"]],
    },
    Layer {
        name: "tls",
        ours: Some(&["tls", "callers", "config", "files", "domain"]),
        not_ours: &[],
        foreign: &[TRANSPORT, DATABASE, TELEMETRY, REDIS, &["moka", "SystemTime"]],
    },
    Layer {
        name: "telemetry",
        ours: Some(&[
            "telemetry",
            "cache",
            "checkpoints",
            "introspect",
            "limits",
            "measure",
            "replica",
            "tls",
            "usage",
            "domain",
        ]),
        not_ours: &[],
        foreign: &[DATABASE, REDIS, &["moka"]],
    },
    // Counting is for everybody, and so knows nobody.
    Layer {
        name: "measure",
        ours: Some(&["measure"]),
        not_ours: &[],
        foreign: &[TRANSPORT, DATABASE, RUNTIME, TELEMETRY, REDIS, &["tracing", "SystemTime"]],
    },
    Layer {
        name: "grpc",
        ours: None,
        not_ours: &[
            "store",
            "cache",
            "checkpoints",
            "replica",
            "limits",
            "usage",
            "keyring",
            "tls",
            "config",
            "clock",
            "app",
            "cli",
        ],
        foreign: &[DATABASE, REDIS, TELEMETRY, &["moka"]],
    },
];

/// What only one file may name.
pub(crate) const ALONE: &[(&str, &str)] = &[
    ("src/grpc/status.rs", "Code"),
    ("src/config.rs", "std::env"),
    ("src/limits/redis.rs", "RedisError"),
    ("src/limits/redis.rs", "redis::"),
    ("src/clock.rs", "SystemTime"),
    ("src/clock.rs", "clock_gettime"),
];

/// A file with the paths that it names.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) paths: Vec<Vec<String>>,
    lines: usize,
}

impl Source {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let inside = name.strip_prefix("src/").unwrap_or(name);
        let module = inside.strip_suffix(".rs").unwrap_or(inside);
        let module: Vec<&str> = match module {
            "main" | "lib" => Vec::new(),
            module => module.split('/').collect(),
        };
        let paths = paths(text, &module);
        Self { name: name.to_owned(), paths, lines: text.lines().count() }
    }

    /// The layer that it is of: the first part of its module.
    pub(crate) fn layer(&self) -> &str {
        let inside = self.name.strip_prefix("src/").unwrap_or(&self.name);
        inside.split(['/', '.']).next().unwrap_or_default()
    }
}

/// Whether the path has this part, or these parts, one after the other; or begins with this one, where
/// it ends with colons.
pub(crate) fn names(path: &[String], what: &str) -> bool {
    if let Some(name) = what.strip_suffix("::") {
        return matches!(path, [first, _, ..] if first == name);
    }
    let parts: Vec<&str> = what.split("::").collect();
    path.windows(parts.len()).any(|window| window == parts)
}

/// What the file names and must not.
pub(crate) fn faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let mut note = |path: &[String], why: &str| {
        faults.push(format!("{}: names {}: {why}", source.name, path.join("::")));
    };
    let layer = LAYERS.iter().find(|layer| layer.name == source.layer());
    for path in &source.paths {
        if let Some(layer) = layer {
            if is_foreign_to(path, layer) {
                note(path, "not in this layer");
            }
            if let [first, ours, ..] = &path[..]
                && first == "crate"
                && (layer.not_ours.contains(&ours.as_str())
                    || layer.ours.is_some_and(|may| !may.contains(&ours.as_str())))
            {
                note(path, "another layer");
            }
        }
        if source.layer() != "tls" && path.first().is_some_and(|first| TLS.contains(&&**first)) {
            note(path, "only src/tls may");
        }
        for (file, what) in ALONE {
            if source.name != *file && is_named(path, what) {
                note(path, &format!("only {file} may"));
            }
        }
    }
    faults
}

fn is_foreign_to(path: &[String], layer: &Layer) -> bool {
    layer.foreign.iter().copied().flatten().any(|what| {
        let first = path.first().is_some_and(|first| first == what);
        let is_crate = what.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if is_crate { first } else { is_named(path, what) }
    })
}

/// Whether the path names it: also `env::var` where it is to be `std::env`.
fn is_named(path: &[String], what: &str) -> bool {
    let last_two = what.split_once("::").filter(|_| path.len() > 1);
    let imported =
        last_two.is_some_and(|(_, last)| path.first().is_some_and(|first| first == last));
    imported || names(path, what)
}

pub(crate) fn too_long(source: &Source) -> Option<String> {
    let long = source.lines > LINES_MAX;
    long.then(|| format!("{}: {} lines, at most {LINES_MAX}", source.name, source.lines))
}

pub(crate) fn is_unsafe(source: &Source) -> Option<String> {
    let word = source.paths.iter().any(|path| names(path, "unsafe"));
    word.then(|| format!("{}: says unsafe", source.name))
}
