//! Forgets what is older than it need be.

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement};

use super::execute;
use crate::{
    domain::{
        ports::StoreError,
        time::Timestamp,
        usage::{Hour, Outdated},
    },
    store::{
        bounded::Bounded,
        commit::begin,
        error::{store_error, unavailable},
    },
};

/// For how long a process that adds nothing may still try its last batch again, in microseconds.
const SOURCE_REMEMBERED: i64 = 7 * 24 * 3_600_000_000;

/// Who holds this forgets: "keyward" and 2. Who comes second does not wait.
const FORGET_LOCK: i64 = 0x6b65_7977_6172_6402;
/// Whether it is had, until the end of the transaction; and what the server's clock says.
const TURN: &str = "SELECT pg_try_advisory_xact_lock($1) AS mine, \
    CAST(extract(epoch FROM now()) * 1000000 AS BIGINT) AS now";

const SOURCES: &str = r#"DELETE FROM usage_batches WHERE "time" < $1"#;

/// Workspaces with calls, each by one look into the index.
const WORKSPACES: &str = "WITH RECURSIVE counted (name) AS (SELECT min(workspace) FROM usage \
    UNION ALL SELECT (SELECT min(workspace) FROM usage WHERE workspace > name) FROM counted \
    WHERE name IS NOT NULL)";
/// Rows that somebody adds to just now are left for the next time, so that nobody waits for whoever
/// waits for him.
const CALLS_ON_SERVER: &str = r#"DELETE FROM usage WHERE ctid = ANY (ARRAY(
SELECT old.ctid FROM counted CROSS JOIN LATERAL (SELECT ctid FROM usage
WHERE workspace = name AND "hour" < $1 ORDER BY "hour" LIMIT $2 FOR UPDATE SKIP LOCKED) AS old
LIMIT $2))"#;
const CALLS_IN_FILE: &str = r#"DELETE FROM usage WHERE (workspace, "hour", "key", outcome) IN (
SELECT workspace, "hour", "key", outcome FROM counted CROSS JOIN usage
WHERE workspace = name AND "hour" < $1 LIMIT $2)"#;

/// Forgets some of what is outdated; whether there may be more.
pub(in crate::store) async fn forget(
    writer: &Bounded<DatabaseConnection>,
    outdated: Outdated,
) -> Result<bool, StoreError> {
    let Outdated { now, retention, rows_max } = outdated;
    let transaction = begin(writer).await.map_err(unavailable)?;
    let (now, calls) = match transaction.get_database_backend() {
        DbBackend::Postgres => {
            let turn = [FORGET_LOCK.into()];
            let turn = Statement::from_sql_and_values(DbBackend::Postgres, TURN, turn);
            let turn = transaction.query_one_raw(turn).await.map_err(store_error)?;
            let read = |row: &sea_orm::QueryResult| -> Result<(bool, i64), DbErr> {
                Ok((row.try_get("", "mine")?, row.try_get("", "now")?))
            };
            let (mine, told) = turn.as_ref().map_or(Ok((false, 0)), read).map_err(store_error)?;
            if !mine {
                return transaction.rollback().await.map_err(unavailable).map(|()| false);
            }
            (now.min(Timestamp::from_micros(told)), CALLS_ON_SERVER)
        }
        _ => (now, CALLS_IN_FILE),
    };
    let sources = now.micros().saturating_sub(SOURCE_REMEMBERED);
    execute(&transaction, SOURCES, [sources.into()]).await.map_err(store_error)?;
    let mut forgotten = 0;
    if let Some(end) = retention.and_then(|retention| now.before(retention)) {
        let rows = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let values = [Hour::of(end).start().micros().into(), rows.into()];
        let sql = format!("{WORKSPACES} {calls}");
        forgotten = execute(&transaction, &sql, values).await.map_err(store_error)?.rows_affected();
    }
    transaction.commit().await.map_err(unavailable)?;
    Ok(forgotten >= rows_max)
}
