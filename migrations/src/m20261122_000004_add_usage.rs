//! How often keys are used, and when each secret was used last. None of it is in the event log.

use sea_orm_migration::{
    prelude::*,
    sea_orm::DbBackend,
    sea_query::{ColumnDef, Table, TableCreateStatement},
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// In the order in which they are made.
const TABLES: [&str; 3] = ["usage", "last_uses", "usage_batches"];

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signatures as the trait has them"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables(manager.get_database_backend()) {
            manager.create_table(table).await?;
        }
        Ok(())
    }

    /// Loses how often keys were used, and when.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES.into_iter().rev() {
            manager.drop_table(Table::drop().table(table).take()).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// Nothing refers to `keys`: what is counted locks no key, and a change of a key waits for no count.
fn tables(backend: DbBackend) -> [TableCreateStatement; 3] {
    let text = |name| {
        let mut column = ColumnDef::new(name).text().not_null().take();
        if backend == DbBackend::Postgres {
            column.extra(r#"COLLATE "C""#);
        }
        column
    };
    let number = |name| ColumnDef::new(name).big_integer().not_null().take();
    // Each row is written again and again. A server keeps the new version beside the old one, where
    // there is room; a file has each row once, in its index.
    let table = |name, columns, primary| {
        let mut table = table(name, columns, primary);
        table.extra(match backend {
            DbBackend::Postgres => "WITH (fillfactor = 70)",
            _ => "WITHOUT ROWID",
        });
        table
    };
    let [usage, last_uses, usage_batches] = TABLES;
    [
        // `key` is empty for all keys of the workspace together. The one index has what is written
        // in one hour side by side; of one key there is a look for each hour that is asked for.
        table(
            usage,
            vec![text("workspace"), number("hour"), text("key"), text("outcome"), number("calls")],
            &["workspace", "hour", "key", "outcome"],
        ),
        table(
            last_uses,
            vec![
                text("workspace"),
                text("key"),
                ColumnDef::new("digest").blob().not_null().take(),
                number("time"),
                text("address"),
            ],
            &["workspace", "key", "digest"],
        ),
        // The last batch of each process, so that none is added twice.
        table(usage_batches, vec![text("source"), number("number"), number("time")], &["source"]),
    ]
}

fn table(
    name: &'static str,
    columns: Vec<ColumnDef>,
    primary: &[&'static str],
) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    for column in columns {
        table.col(column);
    }
    let mut key = Index::create();
    for column in primary {
        key.col(*column);
    }
    table.primary_key(&mut key).take()
}
