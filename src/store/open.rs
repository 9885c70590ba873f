//! Takes charge of a database file, and why a database cannot be used.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{
    Home, Place, Store,
    bounded::{Bounded, Limits, Pool},
    commit::{Committer, Queue},
    error::store_error,
    find::Policies,
};
use crate::domain::{ports::StoreError, secret::KeyVersion};

/// Where the database is and how it is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file. `-wal`, `-shm` and `.lock` are added to its name for those beside it.
    pub path: PathBuf,
    /// How many reads run at the same time; at least one.
    pub read_connections: u32,
    /// How long SQLite waits for a lock that another program, such as a backup, holds.
    pub busy_timeout: Duration,
    /// How long a read or a change waits for its turn before it is unavailable.
    pub acquire_timeout: Duration,
}

impl Options {
    /// The usual for a file: 4 reads at once, 5 seconds for locks, 10 for a turn.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            read_connections: 4,
            busy_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(10),
        }
    }
}

/// Why a database cannot be used. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "another keyward process owns {path}; stop it first (`fuser {path}.lock` names it), or give this one a database of its own",
        path = .path.display()
    )]
    Owned {
        /// The database file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        cause: io::Error,
    },
    /// The database refused.
    #[error("cannot use the database {place}")]
    Database {
        /// The database.
        place: Place,
        /// Why.
        #[source]
        cause: StoreError,
    },
    /// The schema has changes that this build does not know.
    #[error(
        "the database {place} was migrated by a newer keyward ({}); run that one, or stop all servers and have it take them back with `keyward migrate --down`",
        .unknown.join(", ")
    )]
    Newer {
        /// The database.
        place: Place,
        /// The changes, oldest first.
        unknown: Vec<String>,
    },
    /// The schema lacks changes that this build needs.
    #[error("the schema of the database {place} is older than this keyward; run `keyward migrate`")]
    Behind {
        /// The database.
        place: Place,
    },
    /// The database was used with another signing key of the same version.
    #[error(
        "this keyring is not the one that the database {place} was used with: its key of version {version} is another; restore the keyring from backup"
    )]
    WrongKeyring {
        /// The database.
        place: Place,
        /// The version that has another key.
        version: KeyVersion,
    },
    /// The keyring lacks a key that live secrets were signed with.
    #[error(
        "the keyring has no key of version {version}, which secrets in the database {place} were signed with; restore the keyring from backup"
    )]
    MissingKey {
        /// The database.
        place: Place,
        /// The version that is missing.
        version: String,
    },
}

impl OpenError {
    pub(super) fn database(place: &Place, error: DbErr) -> Self {
        Self::Database { place: place.clone(), cause: store_error(error) }
    }

    /// Whether it may be mended while this process waits: by whoever runs the database.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Database { cause: StoreError::Unavailable(_), .. }
            | Self::Behind { .. }
            | Self::Newer { .. } => true,
            Self::Database { .. }
            | Self::Owned { .. }
            | Self::Io { .. }
            | Self::WrongKeyring { .. }
            | Self::MissingKey { .. } => false,
        }
    }

    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { action, path: path.to_owned(), cause }
    }
}

pub(super) async fn open(options: &Options) -> Result<Store, OpenError> {
    open_file(&options.path)?;
    // Whatever it is called by, it is one file and has one lock.
    let path = fs::canonicalize(&options.path).map_err(OpenError::io("find", &options.path))?;
    let lock = Arc::new(lock(&path)?);
    // The writer first: it makes the log that readers then find.
    let writer = connect(&path, options, 1, false).await?;
    let readers = connect(&path, options, options.read_connections.max(1), true).await?;
    let writer = Bounded::new(Pool::Fixed(writer), Limits::default());
    let home = Home::File(lock);
    let committer = Committer::new(writer.clone(), home.clone());
    Ok(Store {
        readers: Bounded::new(Pool::Fixed(readers), Limits::default()),
        counting: writer.clone(),
        writer,
        queue: Queue::new(committer, options.acquire_timeout),
        ranking: super::usage::Ranking::default(),
        policies: Policies::new(),
        place: Place::File(path),
        home,
    })
}

/// Opens a file, and makes it for its owner alone where there is none. SQLite gives
/// its other files the same mode.
fn open_file(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(OpenError::io("open", path))
}

fn lock(database: &Path) -> Result<File, OpenError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = open_file(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Owned { path: database.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(OpenError::Io { action: "lock", path, cause }),
    }
}

async fn connect(
    path: &Path,
    options: &Options,
    most: u32,
    read_only: bool,
) -> Result<DatabaseConnection, OpenError> {
    let sqlite = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(options.busy_timeout)
        .pragma("query_only", if read_only { "on" } else { "off" });
    // The path is not in the URL, where its special characters would mean something.
    let mut connect = ConnectOptions::new("sqlite:keyward");
    connect
        .min_connections(1)
        .max_connections(most)
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |_| {
            use sea_orm::sqlx::ConnectOptions as _;
            sqlite.clone().disable_statement_logging()
        });
    let place = || Place::File(path.to_owned());
    Database::connect(connect).await.map_err(|error| OpenError::database(&place(), error))
}
