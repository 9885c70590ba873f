//! The way back, and what it would lose.

use sea_orm_migration::{
    prelude::*,
    sea_orm::{DatabaseConnection, DbBackend, Statement},
};

use crate::{Migrator, made};

/// What a change holds that its way back loses: part of its name, rows that are lost, and what they are for people.
const HELD: [(&str, &str, &str); 4] = [
    ("m20261122_000001", "SELECT 1 FROM events", "every record"),
    (
        "m20261122_000002",
        "SELECT 1 FROM workspaces WHERE plan <> '' UNION ALL SELECT 1 FROM keys WHERE plan <> '' OR minting_key IS NOT NULL",
        "the plans of workspaces and keys, and on whose behalf keys were made",
    ),
    (
        "m20261122_000004",
        "SELECT 1 FROM usage UNION ALL SELECT 1 FROM last_uses",
        "how often keys were used, and when",
    ),
    (
        "m20261122_000005",
        "SELECT 1 FROM principals WHERE deleted",
        "which principals were deleted: they are there again, and disabled",
    ),
];
/// Where replicas that run are noted. Those that answer from memory have to be gone, or nobody would wait for them.
const REPLICAS: &str = "replicas";

/// What became of the wish to go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WentBack {
    /// These changes were taken back, the newest first. None: there was nothing to do.
    Taken(Vec<String>),
    /// There is no such change among those that were made, which are these, oldest first. Nothing was done.
    Unknown(Vec<String>),
    /// Servers use the database, or did when they were cut off. So many. Nothing was done.
    InUse(i64),
    /// This would be lost. Nothing was done.
    Losing(Vec<&'static str>),
}

/// Takes back all changes after `to`, which stays, else the newest. Refused, unless `force`, where a server uses the
/// database or something would be lost.
///
/// # Errors
///
/// Where the database cannot be asked, or has changes that this build does not know. Each change is taken back whole
/// or not at all.
pub async fn back(
    db: &DatabaseConnection,
    to: Option<&str>,
    force: bool,
) -> Result<WentBack, DbErr> {
    let made: Vec<String> = made(db).await?.into_iter().collect();
    let stay = match to {
        None => made.len().saturating_sub(1),
        Some(to) => match made.iter().position(|version| version == to) {
            Some(place) => place + 1,
            None => return Ok(WentBack::Unknown(made)),
        },
    };
    let taken: Vec<String> = made.into_iter().skip(stay).rev().collect();
    if taken.is_empty() {
        return Ok(WentBack::Taken(taken));
    }
    if !force {
        let replicas = replicas(db).await?;
        if replicas > 0 {
            return Ok(WentBack::InUse(replicas));
        }
        let lost = lost(db, &taken).await?;
        if !lost.is_empty() {
            return Ok(WentBack::Losing(lost));
        }
    }
    Migrator::down(db, Some(taken.len().try_into().unwrap_or(u32::MAX))).await?;
    Ok(WentBack::Taken(taken))
}

async fn replicas(db: &DatabaseConnection) -> Result<i64, DbErr> {
    match SchemaManager::new(db).has_table(REPLICAS).await? {
        true => count(db, &format!("SELECT 1 FROM {REPLICAS}")).await,
        false => Ok(0),
    }
}

async fn lost(db: &DatabaseConnection, taken: &[String]) -> Result<Vec<&'static str>, DbErr> {
    let mut lost = Vec::new();
    for (version, rows, what) in HELD {
        let is_taken = taken.iter().any(|name| name.starts_with(version));
        if is_taken && count(db, &format!("{rows} LIMIT 1")).await? > 0 {
            lost.push(what);
        }
    }
    Ok(lost)
}

async fn count(db: &DatabaseConnection, rows: &str) -> Result<i64, DbErr> {
    let backend: DbBackend = db.get_database_backend();
    let sql = format!("SELECT COUNT(*) AS many FROM ({rows}) AS found");
    let row = db.query_one_raw(Statement::from_string(backend, sql)).await?;
    row.map_or(Ok(0), |row| row.try_get("", "many"))
}
