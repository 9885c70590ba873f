//! The schema of Keyward's database, one file for each change of it. The rules
//! for a new one are in `README.md`.

mod back;
mod m20261122_000001_create_tables;
mod m20261122_000002_add_plans;
mod m20261122_000003_add_replicas;
mod m20261122_000004_add_usage;
mod m20261122_000005_add_deleted_principals;

use std::collections::BTreeSet;

pub use back::{WentBack, back};
use sea_orm_migration::{prelude::*, sea_orm::EntityTrait as _, seaql_migrations};

/// Every change of the schema, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_create_tables::Migration),
            Box::new(m20261122_000002_add_plans::Migration),
            Box::new(m20261122_000003_add_replicas::Migration),
            Box::new(m20261122_000004_add_usage::Migration),
            Box::new(m20261122_000005_add_deleted_principals::Migration),
        ]
    }
}

/// How a database stands to the schema that this build knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// It has every change and no other.
    Current,
    /// It lacks changes. These, oldest first.
    Behind(Vec<String>),
    /// It has changes that this build does not know. These, oldest first.
    Ahead(Vec<String>),
}

/// Makes the changes that a database lacks: each one whole or not at all.
///
/// # Errors
///
/// Where the database cannot be asked, or has changes that this build does not know.
pub async fn up(db: &sea_orm::DatabaseConnection) -> Result<(), DbErr> {
    Migrator::up(db, None).await
}

/// Takes back the newest `steps` changes, with all that is in what they made.
///
/// # Errors
///
/// As of [`up`].
pub async fn down(db: &sea_orm::DatabaseConnection, steps: u32) -> Result<(), DbErr> {
    Migrator::down(db, Some(steps)).await
}

/// The changes that a database has.
async fn made(db: &sea_orm::DatabaseConnection) -> Result<BTreeSet<String>, DbErr> {
    let mut made = BTreeSet::new();
    if SchemaManager::new(db).has_table("seaql_migrations").await? {
        let rows = seaql_migrations::Entity::find().all(db).await?;
        made.extend(rows.into_iter().map(|row| row.version));
    }
    Ok(made)
}

/// Reads how a database stands to the schema, and changes nothing.
///
/// # Errors
///
/// Where the database cannot be asked.
pub async fn schema(db: &sea_orm::DatabaseConnection) -> Result<Schema, DbErr> {
    let known: BTreeSet<String> =
        Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
    let made = made(db).await?;
    let only_in =
        |left: &BTreeSet<String>, right| left.difference(right).cloned().collect::<Vec<_>>();
    let (ahead, behind) = (only_in(&made, &known), only_in(&known, &made));
    Ok(match (ahead.is_empty(), behind.is_empty()) {
        (false, _) => Schema::Ahead(ahead),
        (true, false) => Schema::Behind(behind),
        (true, true) => Schema::Current,
    })
}
