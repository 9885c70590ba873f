//! Where the records are kept.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::database_url::{DatabaseUrl, FORM, PORT};
use super::held::held;
use super::{InvalidSettings, Problem};

/// Where the records are kept: in PostgreSQL where `url`, `url_file` or `host` names a server, else in an
/// SQLite file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseSettings {
    /// The SQLite file.
    pub path: PathBuf,
    /// Connections that read at once, beside those that write.
    pub read_connections: u32,
    /// Milliseconds to wait for another process that holds the file.
    pub busy_timeout_ms: u64,
    /// The PostgreSQL database; empty: none, or the one of the next fields.
    pub url: DatabaseUrl,
    /// A file that holds it, instead; empty: none.
    pub url_file: PathBuf,
    /// What that file held when the settings were read.
    #[serde(skip)]
    pub url_held: DatabaseUrl,
    /// Name or address of the PostgreSQL server, or the directory of its socket.
    pub host: String,
    /// Port of the server.
    pub port: u16,
    /// The database.
    pub name: String,
    /// The user.
    pub user: String,
    /// A file that holds the user's password; empty: none.
    pub password_file: PathBuf,
    /// Whether the connection is encrypted.
    pub tls: TlsMode,
    /// Certificate authorities beside the system's, in PEM; empty: none.
    pub tls_ca_file: PathBuf,
    /// Milliseconds that the first connection may take.
    pub connect_timeout_ms: u64,
    /// Milliseconds to wait for a connection.
    pub acquire_timeout_ms: u64,
    /// Milliseconds that a statement may take.
    pub statement_timeout_ms: u64,
    /// Whether the schema is brought up to date at the start.
    pub migrate_on_start: MigrateOnStart,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::from(FILE),
            read_connections: 4,
            busy_timeout_ms: 5_000,
            url: DatabaseUrl::default(),
            url_file: PathBuf::new(),
            url_held: DatabaseUrl::default(),
            host: String::new(),
            port: PORT,
            name: String::new(),
            user: String::new(),
            password_file: PathBuf::new(),
            tls: TlsMode::Verify,
            tls_ca_file: PathBuf::new(),
            connect_timeout_ms: 5_000,
            acquire_timeout_ms: 3_000,
            statement_timeout_ms: 5_000,
            migrate_on_start: MigrateOnStart::Auto,
        }
    }
}

/// The SQLite file where none is named.
const FILE: &str = "keyward.db";

/// Which PostgreSQL database, and as whom.
pub struct Connection {
    /// Name or address of the server, or the directory of its socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database.
    pub name: String,
    /// The user.
    pub user: String,
    /// The password, where it is in the URL.
    pub password: Option<Zeroizing<String>>,
    /// The file that the password is in, where one is named.
    pub password_file: Option<PathBuf>,
    /// Whether the connection is encrypted.
    pub tls: TlsMode,
    /// Certificate authorities beside the system's.
    pub tls_ca_file: Option<PathBuf>,
}

impl DatabaseSettings {
    /// The PostgreSQL database; None: it is an SQLite file.
    ///
    /// # Errors
    /// What is half given or contradicts something else.
    pub fn connection(&self) -> Result<Option<Connection>, InvalidSettings> {
        InvalidSettings::if_any(self.contradictions())?;
        let optional = |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| path.clone());
        let files = (optional(&self.password_file), optional(&self.tls_ca_file));
        let connection = match self.address().1.parts() {
            Some(url) => Connection {
                host: url.host,
                port: url.port,
                name: url.name,
                user: url.user,
                password: url.password,
                password_file: files.0,
                tls: url.tls.unwrap_or(self.tls),
                tls_ca_file: files.1,
            },
            None if self.host.is_empty() => return Ok(None),
            None => Connection {
                host: self.host.clone(),
                port: self.port,
                name: self.name.clone(),
                user: self.user.clone(),
                password: None,
                password_file: files.0,
                tls: self.tls,
                tls_ca_file: files.1,
            },
        };
        Ok(Some(connection))
    }

    /// Whether a PostgreSQL database is named, be it half or wrong.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.has_address() || self.fields().into_iter().any(|(_, value)| !value.is_empty())
    }

    /// Reads the files that hold values.
    pub(super) fn read_files(&mut self, problems: &mut Vec<Problem>) {
        let held = held("database.url_file", &self.url_file, problems);
        self.url_held = DatabaseUrl::from(held.to_string());
    }

    fn has_address(&self) -> bool {
        !self.url.is_empty() || !self.url_file.as_os_str().is_empty()
    }

    /// The address of the PostgreSQL database, and the setting that says it.
    fn address(&self) -> (&'static str, &DatabaseUrl) {
        match self.url_file.as_os_str().is_empty() {
            true => ("database.url", &self.url),
            false => ("database.url_file", &self.url_held),
        }
    }

    /// Whether the schema is brought up to date at the start.
    #[must_use]
    pub fn migrates_on_start(&self) -> bool {
        match self.migrate_on_start {
            MigrateOnStart::Auto => !self.is_server(),
            MigrateOnStart::Always => true,
            MigrateOnStart::Never => false,
        }
    }

    /// How long the first connection may take.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// How long a connection is waited for.
    #[must_use]
    pub fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }

    /// How long a statement may take.
    #[must_use]
    pub fn statement_timeout(&self) -> Duration {
        Duration::from_millis(self.statement_timeout_ms)
    }

    /// The fields that name a database only all together.
    fn fields(&self) -> [(&'static str, &str); 3] {
        [
            ("database.host", &self.host),
            ("database.name", &self.name),
            ("database.user", &self.user),
        ]
    }

    pub(super) fn contradictions(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |name, value: String, bound: &str| {
            problems.push(Problem::Refused { name, value, bound: bound.to_owned() });
        };
        let quoted = |value: &str| format!("{value:?}");
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let password_file = path(&self.password_file);
        let mut beside = vec![
            ("database.password_file", password_file.as_str()),
            ("database.tls_ca_file", self.tls_ca_file.to_str().unwrap_or_default()),
        ];
        let port = self.port.to_string();
        if self.port != PORT {
            beside.push(("database.port", &port));
        }
        if self.tls != TlsMode::Verify {
            beside.push(("database.tls", self.tls.name()));
        }
        if !self.is_server() {
            for (name, value) in beside.into_iter().filter(|(_, value)| !value.is_empty()) {
                let bound = "left out without database.url, database.url_file or database.host";
                refuse(name, quoted(value), bound);
            }
            return problems;
        }
        if self.path != *FILE {
            let bound = "left out where database.url, database.url_file or database.host names a PostgreSQL server";
            refuse("database.path", quoted(&path(&self.path)), bound);
        }
        let (said_by, url) = self.address();
        if !self.url.is_empty() && said_by != "database.url" {
            refuse(said_by, quoted(&path(&self.url_file)), "left out where database.url is given");
        }
        if !self.has_address() {
            for (name, value) in self.fields().into_iter().filter(|(_, value)| value.is_empty()) {
                let bound =
                    "given, as database.host, database.name and database.user are so together";
                refuse(name, quoted(value), bound);
            }
            return problems;
        }
        let given = self.fields().into_iter().filter(|(_, value)| !value.is_empty());
        for (name, value) in given.chain((self.port != PORT).then_some(("database.port", &*port))) {
            refuse(name, quoted(value), &format!("left out where {said_by} is given"));
        }
        match url.parts() {
            // A file that could not be read was named before.
            None if url.is_empty() => {}
            None => refuse(said_by, quoted(&url.shown()), FORM),
            Some(parts) => {
                if parts.password.is_some() && !password_file.is_empty() {
                    let bound = format!("left out where {said_by} has a password");
                    refuse("database.password_file", quoted(&password_file), &bound);
                }
                if parts.tls.is_some_and(|tls| tls != self.tls) && self.tls != TlsMode::Verify {
                    let bound = format!("left out where {said_by} has an sslmode");
                    refuse("database.tls", quoted(self.tls.name()), &bound);
                }
            }
        }
        problems
    }
}

/// Whether the connection to PostgreSQL is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum TlsMode {
    /// It is not.
    Off,
    /// It is, with whoever answers.
    Require,
    /// It is, with a server that proves its name.
    Verify,
}

impl TlsMode {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Require => "require",
            Self::Verify => "verify",
        }
    }
}

impl TryFrom<String> for TlsMode {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        [Self::Off, Self::Require, Self::Verify]
            .into_iter()
            .find(|mode| mode.name() == given)
            .ok_or_else(|| format!("invalid mode {given:?}, expected off, require or verify"))
    }
}

/// Whether the schema is brought up to date at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum MigrateOnStart {
    /// Where one process owns the database.
    Auto,
    /// It is.
    Always,
    /// It is not.
    Never,
}

impl MigrateOnStart {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "true",
            Self::Never => "false",
        }
    }
}

impl TryFrom<String> for MigrateOnStart {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        [Self::Auto, Self::Always, Self::Never]
            .into_iter()
            .find(|choice| choice.name() == given)
            .ok_or_else(|| format!("invalid choice {given:?}, expected auto, true or false"))
    }
}
