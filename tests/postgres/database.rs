//! A PostgreSQL database of a test's own, on the server that `tests/run` starts.

use std::{
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use keyward::config::{Connection, DatabaseSettings, Settings};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection};

/// Where the address of the server is: that of a database from which others may be made.
const VARIABLE: &str = "KEYWARD_TEST_POSTGRES";

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// An empty database. It is gone with the value, whoever still uses it.
pub(crate) struct Fresh {
    server: String,
    name: String,
}

/// The address of the server that tests may use.
fn server() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{VARIABLE} is not set: run the tests with `tests/run`, which starts a PostgreSQL \
             server for them, or set it to the address of one, such as \
             postgres://user:password@localhost/postgres?sslmode=disable"
        )
    })
}

impl Fresh {
    pub(crate) async fn new() -> Self {
        Self::on(server()).await
    }

    /// On another server.
    pub(crate) async fn on(server: String) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("keyward_{}_{number}", process::id());
        let admin = connect(&server).await;
        // Left over by a process of the same number that was killed.
        admin
            .execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await
            .unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
        Self { server, name }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        let (server, parameters) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let (server, _) = server.rsplit_once('/').unwrap();
        format!("{server}/{}?{parameters}", self.name)
    }

    /// The settings that name it.
    pub(crate) fn settings(&self) -> DatabaseSettings {
        let variable = ("KEYWARD__DATABASE__URL".to_owned(), self.url());
        Settings::load(None, [variable].into_iter()).unwrap().database
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        connect(&self.url()).await
    }

    /// What it is called by.
    pub(crate) fn parts(&self) -> Connection {
        self.settings().connection().unwrap().unwrap()
    }
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap()
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // On a thread of its own: a runtime that drops this cannot wait.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let admin = connect(&server).await;
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                admin.execute_unprepared(&drop).await.unwrap();
            });
        });
        if dropping.join().is_err() && !std::thread::panicking() {
            panic!("the database {} was not dropped", self.name);
        }
    }
}
