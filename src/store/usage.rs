//! How often keys are used: added up over all processes, forgotten in time, and reported.

mod add;
mod forget;

use sea_orm::{ConnectionTrait, DbErr, ExecResult, Statement, Value};

pub(super) use add::add;
pub(super) use forget::forget;

use super::{entity::corrupt, error::store_error};
use crate::domain::{
    name::Id,
    ports::StoreError,
    time::Timestamp,
    usage::{Hour, MostUsed, Outcome, Step, UsageQuery, UsageRow},
};

async fn execute<const N: usize>(
    db: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<ExecResult, DbErr> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.execute_raw(statement).await
}

/// The steps with calls. Looks into the index once for each hour, and reads one row for each
/// outcome in it.
pub(super) async fn steps(
    db: &impl ConnectionTrait,
    query: &UsageQuery,
) -> Result<Vec<UsageRow>, StoreError> {
    let UsageQuery { workspace, key, from, until, step } = query;
    let (hour, step) = (Step::Hour.micros(), step.micros());
    let sql = format!(
        r#"WITH RECURSIVE hours (start) AS (SELECT CAST($3 AS BIGINT)
UNION ALL SELECT start + {hour} FROM hours WHERE start + {hour} < $4)
SELECT start / {step} * {step} AS step, outcome, CAST(SUM(calls) AS BIGINT) AS calls
FROM hours CROSS JOIN usage WHERE workspace = $1 AND "hour" = start AND "key" = $2
GROUP BY 1, 2 ORDER BY 1, 2"#
    );
    let key = key.as_ref().map_or("", Id::as_str);
    let [from, until] = [from, until].map(|hour| hour.start().micros().into());
    let values = [workspace.workspace.as_str().into(), key.into(), from, until];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(statement).await.map_err(store_error)?;
    let read = |row: sea_orm::QueryResult| {
        let outcome: String = row.try_get("", "outcome").map_err(store_error)?;
        // One that a newer version counted is left out, as there is no name to report it by.
        let Some(outcome) = Outcome::find(&outcome) else { return Ok(None) };
        let start = Timestamp::from_micros(row.try_get("", "step").map_err(store_error)?);
        Ok(Some(UsageRow { start, outcome, calls: calls(&row)? }))
    };
    rows.into_iter().filter_map(|row| read(row).transpose()).collect()
}

fn calls(row: &sea_orm::QueryResult) -> Result<u64, StoreError> {
    let calls: i64 = row.try_get("", "calls").map_err(store_error)?;
    u64::try_from(calls).map_err(|_| corrupt("usage.calls"))
}

/// Tells which keys were used most, to one at a time: it reads much, and all who ask at once would
/// take every connection from those who look keys up.
#[derive(Default)]
pub(super) struct Ranking(tokio::sync::Mutex<()>);

impl Ranking {
    /// The most used keys, as [`most_used`] finds them.
    pub(super) async fn most_used(
        &self,
        db: &impl ConnectionTrait,
        query: &UsageQuery,
        most: u64,
        rows_max: u64,
    ) -> Result<MostUsed, StoreError> {
        let _alone = self.0.lock().await;
        most_used(db, query, most, rows_max).await
    }
}

/// The most used keys of the newest hours of the range: of as many as have no more rows than
/// may be added up.
async fn most_used(
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
