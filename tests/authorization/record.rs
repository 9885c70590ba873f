//! Everything that a database holds, so that it shows whether anything of it was changed.

use std::path::Path;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

/// What changes without anybody's call: the leases of replicas.
const BY_ITSELF: &[&str] = &["replicas"];

/// The tables, each with all of its rows.
pub(crate) type Record = Vec<(String, String)>;

/// Where it is read from.
pub(crate) struct Reader(DatabaseConnection);

impl Reader {
    pub(crate) async fn of_file(path: &Path) -> Self {
        Self::of_url(&format!("sqlite://{}", path.display())).await
    }

    pub(crate) async fn of_url(url: &str) -> Self {
        let mut options = ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        Self(Database::connect(options).await.unwrap())
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let statement = Statement::from_string(self.0.get_database_backend(), sql);
        let rows = self.0.query_all_raw(statement).await.unwrap();
        rows.iter()
            .map(|row| row.try_get_by_index::<Option<String>>(0).unwrap().unwrap_or_default())
            .collect()
    }

    /// All rows of all tables.
    pub(crate) async fn read(&self) -> Record {
        let is_postgres = self.0.get_database_backend() == sea_orm::DbBackend::Postgres;
        let tables = self
            .texts(if is_postgres {
                "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
            } else {
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY 1"
            })
            .await;
        assert!(tables.len() > 8, "{tables:?}");
        let mut record = Record::new();
        for table in tables.into_iter().filter(|table| !BY_ITSELF.contains(&table.as_str())) {
            let rows = if is_postgres {
                format!("SELECT t::text FROM \"{table}\" t ORDER BY 1")
            } else {
                let columns = format!("SELECT name FROM pragma_table_info('{table}')");
                let columns = self.texts(&columns).await;
                let quoted: Vec<String> =
                    columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
                format!("SELECT {} FROM \"{table}\" ORDER BY 1", quoted.join(" || ',' || "))
            };
            let rows = self.texts(&rows).await.join("\n");
            record.push((table, rows));
        }
        record
    }
}

/// That nothing was changed.
#[track_caller]
pub(crate) fn same(before: &Record, after: &Record, what: &str) {
    for (old, new) in before.iter().zip(after) {
        assert!(old == new, "{what} changed {}:\n{}\nwas\n{}", old.0, new.1, old.1);
    }
    assert_eq!(before.len(), after.len());
}
