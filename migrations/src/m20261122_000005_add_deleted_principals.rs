//! Principals that were deleted: their rows stay, for keys that ended refer to them.

use sea_orm_migration::{
    prelude::*,
    sea_query::{ColumnDef, Table},
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLE: &str = "principals";
const COLUMN: &str = "deleted";

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signatures as the trait has them"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = ColumnDef::new(COLUMN).boolean().not_null().default(false).take();
        manager.alter_table(Table::alter().table(TABLE).add_column(column).take()).await
    }

    /// Deleted principals are there again, and disabled.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table(TABLE).drop_column(COLUMN).take()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
