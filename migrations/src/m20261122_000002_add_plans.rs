//! Plans of workspaces and keys, and the keys on whose behalf others were made.

use sea_orm_migration::{
    prelude::*,
    sea_orm::DbBackend,
    sea_query::{ColumnDef, Table},
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The new columns: table, name, and whether it may be NULL rather than empty.
const COLUMNS: [(&str, &str, bool); 3] =
    [("workspaces", "plan", false), ("keys", "plan", false), ("keys", "minting_key", true)];

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signatures as the trait has them"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, name, nullable) in COLUMNS {
            let mut column = ColumnDef::new(name).text().take();
            if manager.get_database_backend() == DbBackend::Postgres {
                column.extra(r#"COLLATE "C""#);
            }
            if !nullable {
                column.not_null().default("");
            }
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        Ok(())
    }

    /// Loses which plans there were, and on whose behalf keys were made.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, name, _) in COLUMNS.into_iter().rev() {
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
