//! The replicas that answer from memory. An SQLite file has one owner, and needs none of this.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Logged, for an UNLOGGED table is empty after a crash, and nobody would wait for those that still
/// answer. With room in each page: rows are renewed all the time.
const TABLE: &str = r#"
CREATE TABLE replicas (
  id text COLLATE "C" PRIMARY KEY,
  incarnation bigint NOT NULL,
  applied bigint NOT NULL,
  lease_seq bigint NOT NULL,
  lease_ms bigint NOT NULL,
  stale_ms bigint NOT NULL,
  build text COLLATE "C" NOT NULL
) WITH (fillfactor = 50)"#;

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signatures as the trait has them"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            manager.get_connection().execute_unprepared(TABLE).await?;
        }
        Ok(())
    }

    /// Replicas that run renew no lease where there is no such table, and no change returns OK. Those
    /// that run must be stopped before it is made again: nobody would wait for them.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::drop().table("replicas").if_exists().take();
        manager.drop_table(drop).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
