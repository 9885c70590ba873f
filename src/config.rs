//! Every setting: its meaning, default, bounds and environment variable.
//!
//! Three layers, the later one wins: the defaults below, a TOML file, the environment. A setting `section.name` is the
//! variable `KEYWARD__SECTION__NAME`. The doubled underscore is deliberate: Kubernetes puts `KEYWARD_PORT` and
//! `KEYWARD_SERVICE_HOST` into every pod beside a service called `keyward`, and those are no settings of ours.
//!
//! This module is the only one that reads the environment.

mod database;
mod database_url;
mod held;
mod invalid;
mod limits;
mod sections;
mod server;
mod table;
mod telemetry;
mod tls;

use std::ffi::OsString;
use std::path::Path;

use config::{Config, File, FileFormat, Map, Source, Value, ValueKind};
use serde::Deserialize;

pub use database::{Connection, DatabaseSettings, MigrateOnStart, TlsMode};
pub use database_url::DatabaseUrl;
pub use invalid::{InvalidSettings, Problem};
pub use limits::{LimitSettings, RedisUrl, WithoutRedis};
pub use sections::{
    AuditSettings, BackSettings, CacheSettings, KeyringSettings, LogFormat, LogSettings,
    MetricsSettings, ReplicaSettings, UsageSettings,
};
pub use server::ServerSettings;
pub use table::{SETTINGS, Setting, markdown};
pub use telemetry::{LEVELS, Ratio, TelemetrySettings, parse_level};
pub use tls::{ClientCertificates, HealthListen, HealthSettings, TlsSettings};

/// What the name of each of our environment variables begins with.
pub const VARIABLE_PREFIX: &str = "KEYWARD__";

/// All settings of one process, one struct per concern.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The listener, its connections and calls.
    pub server: ServerSettings,
    /// How connections are encrypted, and who may open one.
    pub tls: TlsSettings,
    /// A port for health alone.
    pub health: HealthSettings,
    /// The runtime behind the front.
    pub back: BackSettings,
    /// Where the records are kept.
    pub database: DatabaseSettings,
    /// The keys that are kept in memory.
    pub cache: CacheSettings,
    /// How replicas follow each other.
    pub replicas: ReplicaSettings,
    /// Who keeps count of rate limits.
    pub limits: LimitSettings,
    /// Where the signing keys are kept.
    pub keyring: KeyringSettings,
    /// How the log of changes is vouched for.
    pub audit: AuditSettings,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Where the process tells how it is.
    pub metrics: MetricsSettings,
    /// What is told to a collector of OpenTelemetry.
    pub telemetry: TelemetrySettings,
    /// How uses of keys are counted.
    pub usage: UsageSettings,
}

impl Settings {
    /// Reads the defaults, then `file`, then the variables in `environment` that begin with [`VARIABLE_PREFIX`].
    ///
    /// # Errors
    /// An unreadable file or a value of the wrong type is reported alone, as nothing can be said about the rest. Unknown
    /// settings are reported together, and so are values out of range, values that contradict each other, and files
    /// that hold a value and cannot be read.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, InvalidSettings> {
        let mut unknown = Vec::new();
        let mut builder = Config::builder();
        if let Some(path) = file {
            let source = read(path)?;
            unknown.extend(unknown_in(&source));
            builder = builder.add_source(source);
        }
        for (variable, value) in environment.filter(|(name, _)| name.starts_with(VARIABLE_PREFIX)) {
            match SETTINGS.iter().find(|known| known.variable() == variable) {
                Some(setting) => {
                    builder = builder.set_override(setting.name, value).map_err(Problem::from)?;
                }
                None => unknown.push(Problem::Unknown { name: variable }),
            }
        }
        InvalidSettings::if_any(unknown)?;

        let mut settings: Self =
            builder.build().and_then(Config::try_deserialize).map_err(Problem::from)?;
        let mut problems = Vec::new();
        settings.database.read_files(&mut problems);
        settings.limits.read_files(&mut problems);
        problems.extend(settings.problems());
        InvalidSettings::if_any(problems)?;
        Ok(settings)
    }

    /// [`Settings::load`] with the variables of this process.
    ///
    /// # Errors
    /// Those of [`Settings::load`], and every variable of ours that is not UTF-8.
    pub fn from_environment(file: Option<&Path>) -> Result<Self, InvalidSettings> {
        Self::load(file, readable(std::env::vars_os())?.into_iter())
    }

    /// The settings in effect, one `section.name = value` per line in the order of [`SETTINGS`]; valid TOML. The
    /// secrets that settings may hold, passwords in `database.url` and `limits.redis_url`, are left out; others are in
    /// files that settings point to, and are not read for this.
    #[must_use]
    pub fn print(&self) -> String {
        SETTINGS
            .iter()
            .map(|setting| format!("{} = {}\n", setting.name, setting.value(self)))
            .collect()
    }

    /// Values out of range, in the order of [`SETTINGS`], then contradictions.
    fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<_> =
            SETTINGS.iter().filter_map(|setting| setting.out_of_range(self)).collect();
        problems.extend(self.server.contradictions());
        problems.extend(self.tls.contradictions());
        problems.extend(self.log.contradictions());
        problems.extend(self.database.contradictions());
        problems.extend(self.replicas.contradictions());
        problems.extend(self.limits.contradictions());
        problems.extend(self.audit.contradictions());
        problems.extend(self.telemetry.contradictions());
        problems.extend(sections::shared_files(&self.database, &self.keyring, &self.audit));
        problems
    }
}

/// Which mistake is to be made on purpose. Empty: none.
#[cfg(feature = "mutants")]
pub(crate) fn mutant() -> String {
    std::env::var("KEYWARD_MUTANT").unwrap_or_default()
}

/// The variables of ours among `all`; an error names every one that is not UTF-8.
fn readable(
    all: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, InvalidSettings> {
    let mut variables = Vec::new();
    let mut garbled = Vec::new();
    let prefix = VARIABLE_PREFIX.as_bytes();
    for (name, value) in all.filter(|(name, _)| name.as_encoded_bytes().starts_with(prefix)) {
        let shown = name.to_string_lossy().into_owned();
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => variables.push((name, value)),
            (Ok(_), Err(_)) | (Err(_), _) => garbled.push(Problem::NotUtf8 { variable: shown }),
        }
    }
    InvalidSettings::if_any(garbled)?;
    Ok(variables)
}

fn read(path: &Path) -> Result<File<config::FileSourceString, FileFormat>, Problem> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::Unreadable { path: path.to_owned(), cause: error.to_string() })?;
    let source = File::from_str(&text, FileFormat::Toml);
    source.collect().map_err(|error| Problem::Unreadable {
        path: path.to_owned(),
        cause: without_quotes(&error.to_string()),
    })?;
    Ok(source)
}

/// What the reader of TOML says, without the line that it quotes, in which a password may be.
fn without_quotes(cause: &str) -> String {
    let said = cause.lines().filter(|line| !line.contains('|') && !line.trim().is_empty());
    said.collect::<Vec<_>>().join(": ")
}

fn unknown_in(source: &impl Source) -> Vec<Problem> {
    let mut names = Vec::new();
    leaves("", source.collect().unwrap_or_default(), &mut names);
    names.sort_unstable();
    names.retain(|name| SETTINGS.iter().all(|setting| setting.name != name));
    names.into_iter().map(|name| Problem::Unknown { name }).collect()
}

/// Dotted names of everything in `table` that is not itself a table.
fn leaves(prefix: &str, table: Map<String, Value>, names: &mut Vec<String>) {
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        match value.kind {
            ValueKind::Table(inner) => leaves(&format!("{name}."), inner, names),
            _ => names.push(name),
        }
    }
}

#[cfg(test)]
mod database_tests;
#[cfg(test)]
mod tests;
