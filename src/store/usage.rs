//! How often keys are used: added up over all processes, and reported.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, Statement,
    TransactionOptions, Value,
};
use serde_json::json;

use super::{
    bounded::Bounded,
    entity::corrupt,
    error::{store_error, unavailable},
};
use crate::domain::{
    name::Id,
    ports::StoreError,
    time::Timestamp,
    usage::{Calls, Hour, MostUsed, Outcome, SecretUse, Step, UsageBatch, UsageQuery, UsageRow},
};

/// For how long a process that adds nothing may still try its last batch again, in microseconds.
const SOURCE_REMEMBERED: i64 = 7 * 24 * 3_600_000_000;

/// Notes the batch. No row is written where it is noted already.
const NOTE: &str = r#"INSERT INTO usage_batches (source, number, "time") VALUES ($1, $2, $3)
ON CONFLICT (source) DO UPDATE SET number = excluded.number, "time" = excluded."time"
WHERE usage_batches.number < excluded.number"#;
/// Forgets processes that ended.
const FORGET: &str = r#"DELETE FROM usage_batches WHERE "time" < $1"#;

// All rows are one value, so that the text of a statement is the same for any number of them.
const ADD_ON_SERVER: &str = r#"INSERT INTO usage (workspace, "key", "hour", outcome, calls)
SELECT w, k, h, o, n FROM json_to_recordset($1::json) AS r(w text, k text, h bigint, o text, n bigint)"#;
const ADD_IN_FILE: &str = r#"INSERT INTO usage (workspace, "key", "hour", outcome, calls)
SELECT value ->> 'w', value ->> 'k', value ->> 'h', value ->> 'o', value ->> 'n'
FROM json_each($1) WHERE true"#;
const ADDED: &str = r#"ON CONFLICT (workspace, "key", "hour", outcome)
DO UPDATE SET calls = usage.calls + excluded.calls"#;

const USED_ON_SERVER: &str = r#"INSERT INTO last_uses (workspace, "key", digest, "time", address)
SELECT w, k, decode(d, 'hex'), t, a
FROM json_to_recordset($1::json) AS r(w text, k text, d text, t bigint, a text)"#;
const USED_IN_FILE: &str = r#"INSERT INTO last_uses (workspace, "key", digest, "time", address)
SELECT value ->> 'w', value ->> 'k', unhex(value ->> 'd'), value ->> 't', value ->> 'a'
FROM json_each($1) WHERE true"#;
const USED: &str = r#"ON CONFLICT (workspace, "key", digest)
DO UPDATE SET "time" = excluded."time", address = excluded.address
WHERE last_uses."time" < excluded."time""#;

/// Adds a batch, if it was not added before.
pub(super) async fn add(
    writer: &Bounded<DatabaseConnection>,
    batch: &UsageBatch,
) -> Result<(), StoreError> {
    let UsageBatch { source, number, time, calls, last } = batch;
    let transaction = writer.begin(TransactionOptions::default()).await.map_err(unavailable)?;
    let noted = [source.as_str().into(), (*number).into(), time.micros().into()];
    let noted = execute(&transaction, NOTE, noted).await.map_err(store_error)?;
    if noted.rows_affected() == 0 {
        return transaction.rollback().await.map_err(unavailable);
    }
    if *number == 1 {
        let end = time.micros().saturating_sub(SOURCE_REMEMBERED);
        execute(&transaction, FORGET, [end.into()]).await.map_err(store_error)?;
    }
    let (add, used) = match transaction.get_database_backend() {
        DbBackend::Postgres => (ADD_ON_SERVER, USED_ON_SERVER),
        _ => (ADD_IN_FILE, USED_IN_FILE),
    };
    let calls: Vec<_> = calls.iter().map(calls_row).collect();
    let calls = [json!(calls).to_string().into()];
    execute(&transaction, &format!("{add} {ADDED}"), calls).await.map_err(store_error)?;
    let last: Vec<_> = last.iter().map(use_row).collect();
    let last = [json!(last).to_string().into()];
    execute(&transaction, &format!("{used} {USED}"), last).await.map_err(store_error)?;
    transaction.commit().await.map_err(unavailable)
}

async fn execute<const N: usize>(
    db: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<ExecResult, DbErr> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.execute_raw(statement).await
}

fn calls_row(row: &Calls) -> serde_json::Value {
    let Calls { workspace, key, hour, outcome, calls } = row;
    json!({
        "w": workspace,
        "k": key.as_ref().map_or("", Id::as_str),
        "h": hour.start().micros(),
        "o": outcome.as_str(),
        "n": i64::try_from(*calls).unwrap_or(i64::MAX),
    })
}

fn use_row(row: &SecretUse) -> serde_json::Value {
    let SecretUse { key, digest, last } = row;
    let digest: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "w": key.workspace,
        "k": key.key,
        "d": digest,
        "t": last.time.micros(),
        "a": last.address.map(|address| address.to_string()).unwrap_or_default(),
    })
}

/// The steps with calls. Reads one row for each hour and outcome.
pub(super) async fn steps(
    db: &impl ConnectionTrait,
    query: &UsageQuery,
) -> Result<Vec<UsageRow>, StoreError> {
    let UsageQuery { workspace, key, from, until, step } = query;
    let start = match step {
        Step::Hour => r#""hour""#.to_owned(),
        Step::Day => format!(r#""hour" / {width} * {width}"#, width = step.micros()),
    };
    let sql = format!(
        r#"SELECT {start} AS start, outcome, CAST(SUM(calls) AS BIGINT) AS calls FROM usage
WHERE workspace = $1 AND "key" = $2 AND "hour" >= $3 AND "hour" < $4
GROUP BY 1, 2 ORDER BY 1, 2"#
    );
    let key = key.as_ref().map_or("", Id::as_str);
    let [from, until] = [from, until].map(|hour| hour.start().micros().into());
    let values = [workspace.workspace.as_str().into(), key.into(), from, until];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(statement).await.map_err(store_error)?;
    let read = |row: sea_orm::QueryResult| {
        let outcome: String = row.try_get("", "outcome").map_err(store_error)?;
        Ok(UsageRow {
            start: Timestamp::from_micros(row.try_get("", "start").map_err(store_error)?),
            outcome: Outcome::find(&outcome).ok_or_else(|| corrupt("usage.outcome"))?,
            calls: calls(&row)?,
        })
    };
    rows.into_iter().map(read).collect()
}

fn calls(row: &sea_orm::QueryResult) -> Result<u64, StoreError> {
    let calls: i64 = row.try_get("", "calls").map_err(store_error)?;
    u64::try_from(calls).map_err(|_| corrupt("usage.calls"))
}

/// The most used keys of the newest hours of the range: of as many as have no more rows than
/// may be added up.
pub(super) async fn most_used(
    db: &impl ConnectionTrait,
    query: &UsageQuery,
    most: u64,
    rows_max: u64,
) -> Result<MostUsed, StoreError> {
    const OF_KEYS: &str =
        r#"FROM usage WHERE workspace = $1 AND "key" <> '' AND "hour" >= $2 AND "hour" < $3"#;
    let backend = db.get_database_backend();
    let range = |from: Hour| -> [Value; 3] {
        let [from, until] = [from, query.until].map(|hour| hour.start().micros().into());
        [query.workspace.workspace.as_str().into(), from, until]
    };
    let sql = format!(r#"SELECT "hour" {OF_KEYS} ORDER BY "hour" DESC LIMIT 1 OFFSET {rows_max}"#);
    let beyond = Statement::from_sql_and_values(backend, sql, range(query.from));
    let from = match db.query_one_raw(beyond).await.map_err(store_error)? {
        None => query.from,
        Some(row) => {
            let hour = row.try_get("", "hour").map_err(store_error)?;
            Hour::of(Timestamp::from_micros(hour)).next()
        }
    };
    let sql = format!(
        r#"SELECT "key", CAST(SUM(calls) AS BIGINT) AS calls {OF_KEYS}
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}"#
    );
    let ranked = Statement::from_sql_and_values(backend, sql, range(from));
    let rows = db.query_all_raw(ranked).await.map_err(store_error)?;
    let read = |row: sea_orm::QueryResult| {
        let key: String = row.try_get("", "key").map_err(store_error)?;
        Ok((key.parse().map_err(|_| corrupt("usage.key"))?, calls(&row)?))
    };
    let keys = rows.into_iter().map(read).collect::<Result<_, StoreError>>()?;
    Ok(MostUsed { from, keys })
}
