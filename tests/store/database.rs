//! The kinds of database.

use std::{path::PathBuf, time::Duration};

use keyward::{
    config::Connection,
    store::{Options, PostgresOptions, Store, Tls},
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use tempfile::TempDir;

use crate::fresh::Fresh;

/// A database of its own, empty at first and gone with the value.
pub(crate) trait Database: Sync {
    /// Opens it. Where it belongs to one process, only after the store before was dropped.
    fn open(&self) -> impl Future<Output = Store> + Send;
    /// A connection beside the store's, for what a store would never do.
    fn connect(&self) -> impl Future<Output = DatabaseConnection> + Send;
    /// How bytes are written in SQL.
    fn literal(&self, bytes: &[u8]) -> String;

    /// Opens it with all tables.
    fn store(&self) -> impl Future<Output = Store> + Send {
        async {
            let store = self.open().await;
            store.migrate().await.unwrap();
            store
        }
    }

    /// Runs a statement behind the store's back.
    fn execute(&self, sql: &str) -> impl Future<Output = ()> + Send {
        async move {
            let connection = self.connect().await;
            connection.execute_unprepared(sql).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

/// A file in a directory of its own.
pub(crate) struct Sqlite(TempDir);

impl Sqlite {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The name has what would mean something in a URL.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap().join("key ward?.db")
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(self.path())
    }
}

impl Database for Sqlite {
    async fn open(&self) -> Store {
        Store::open(&self.options()).await.unwrap()
    }

    async fn connect(&self) -> DatabaseConnection {
        let path = self.path();
        let mut options = sea_orm::ConnectOptions::new("sqlite:keyward");
        options.map_sqlx_sqlite_opts(move |options| options.filename(&path));
        sea_orm::Database::connect(options).await.unwrap()
    }

    fn literal(&self, bytes: &[u8]) -> String {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("X'{digits}'")
    }
}

/// A database of its own on the server that `tests/run` starts.
pub(crate) struct Postgres(Fresh);

impl Postgres {
    pub(crate) async fn new() -> Self {
        Self(Fresh::new().await)
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        let Connection { host, port, name, user, password, .. } = self.0.parts();
        PostgresOptions {
            host,
            port,
            name,
            user,
            password,
            tls: Tls::Off,
            tls_authorities: None,
            read_connections: 4,
            connect_timeout: Duration::from_secs(30),
            acquire_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(30),
        }
    }
}

impl Database for Postgres {
    async fn open(&self) -> Store {
        Store::connect(&self.options()).await.unwrap()
    }

    async fn connect(&self) -> DatabaseConnection {
        self.0.connect().await
    }

    fn literal(&self, bytes: &[u8]) -> String {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("'\\x{digits}'::bytea")
    }
}
