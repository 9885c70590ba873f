//! Adds what was counted to what is kept.

use std::fmt::{self, Display, Write as _};

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr};
use serde::Serialize;

use super::execute;
use crate::{
    domain::{
        name::Id,
        usage::{Calls, NotAdded, SecretUse, UsageBatch},
    },
    store::{
        bounded::Bounded,
        commit::begin,
        error::{is_of_a_row, store_error, took_too_long, unavailable},
    },
};

/// A last use that is kept and so much later than a batch, in microseconds, was told by a clock
/// that was wrong.
const CLOCK_ERROR_MAX: i64 = 24 * 3_600_000_000;

/// Notes the batch. No row is written where it is noted already. Whoever tries the same batch at
/// the same time waits here.
const NOTE: &str = r#"INSERT INTO usage_batches (source, number, "time") VALUES ($1, $2, $3)
ON CONFLICT (source) DO UPDATE SET number = excluded.number, "time" = excluded."time"
WHERE usage_batches.number < excluded.number"#;

// Rows are few values, so that the text of a statement is the same for any number of them. A
// server is given columns, with commas between and `*` for what is empty; a file, one document, of
// which no part is made to text and read again (`jsonb_each`).
const ADD_ON_SERVER: &str = r#"INSERT INTO usage (workspace, "hour", "key", outcome, calls)
SELECT w, h::bigint, coalesce(k, ''), o, n::bigint FROM unnest(string_to_array($1, ','),
string_to_array($2, ','), string_to_array($3, ',', '*'), string_to_array($4, ','),
string_to_array($5, ',')) AS r(w, h, k, o, n)"#;
const ADD_IN_FILE: &str = r#"INSERT INTO usage (workspace, "hour", "key", outcome, calls)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
FROM jsonb_each($1) WHERE true"#;
const ADDED: &str = r#"ON CONFLICT (workspace, "hour", "key", outcome)
DO UPDATE SET calls = usage.calls + excluded.calls"#;

const USED_ON_SERVER: &str = r#"INSERT INTO last_uses (workspace, "key", digest, "time", address)
SELECT w, k, decode(d, 'hex'), t::bigint, coalesce(a, '') FROM unnest(string_to_array($2, ','),
string_to_array($3, ','), string_to_array($4, ','), string_to_array($5, ','),
string_to_array($6, ',', '*')) AS r(w, k, d, t, a)"#;
const USED_IN_FILE: &str = r#"INSERT INTO last_uses (workspace, "key", digest, "time", address)
SELECT value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4
FROM jsonb_each($2) WHERE true"#;
const USED: &str = r#"ON CONFLICT (workspace, "key", digest)
DO UPDATE SET "time" = excluded."time", address = excluded.address
WHERE last_uses."time" < excluded."time" OR last_uses."time" > $1"#;

/// Adds a batch, if it was not added before.
pub(in crate::store) async fn add(
    writer: &Bounded<DatabaseConnection>,
    batch: &UsageBatch,
) -> Result<(), NotAdded> {
    let UsageBatch { source, number, time, calls, last } = batch;
    let in_doubt = |error| NotAdded::InDoubt(unavailable(error));
    let transaction = begin(writer).await.map_err(in_doubt)?;
    let noted = [source.as_str().into(), (*number).into(), time.micros().into()];
    let noted = execute(&transaction, NOTE, noted).await;
    let noted = noted.map_err(|error| NotAdded::InDoubt(store_error(error)))?;
    if noted.rows_affected() == 0 {
        return transaction.rollback().await.map_err(in_doubt);
    }
    // From here on it is known that it was not added before.
    if !last.is_empty() {
        let wrong = time.micros().saturating_add(CLOCK_ERROR_MAX);
        add_last(&transaction, last, wrong).await.map_err(not_added)?;
    }
    // Last, for the sums of workspaces, for which many wait, are the last of them.
    if !calls.is_empty() {
        add_calls(&transaction, calls).await.map_err(not_added)?;
    }
    transaction.commit().await.map_err(in_doubt)
}

/// Why a statement was not done, and with it what came before.
fn not_added(error: DbErr) -> NotAdded {
    if is_of_a_row(&error) {
        NotAdded::Refused(store_error(error))
    } else if took_too_long(&error) {
        NotAdded::TooMuch(store_error(error))
    } else {
        NotAdded::InDoubt(store_error(error))
    }
}

async fn add_calls(
    transaction: &Bounded<DatabaseTransaction>,
    rows: &[Calls],
) -> Result<(), DbErr> {
    let DbBackend::Postgres = transaction.get_database_backend() else {
        let rows = rows.iter().map(|Calls { workspace, hour, key, outcome, calls }| {
            let (hour, key) = (hour.start().micros(), key.as_ref().map_or("", Id::as_str));
            (workspace.as_str(), hour, key, outcome.as_str(), number(*calls))
        });
        let values = [document(rows)?.into()];
        return execute(transaction, &format!("{ADD_IN_FILE} {ADDED}"), values).await.map(drop);
    };
    let mut columns = [const { Column(String::new()) }; 5];
    for Calls { workspace, hour, key, outcome, calls } in rows {
        let [workspaces, hours, keys, outcomes, numbers] = &mut columns;
        workspaces.push(workspace);
        hours.push(hour.start().micros());
        keys.push(key.as_ref().map_or("*", Id::as_str));
        outcomes.push(outcome.as_str());
        numbers.push(number(*calls));
    }
    let columns = columns.map(|Column(texts)| texts.into());
    execute(transaction, &format!("{ADD_ON_SERVER} {ADDED}"), columns).await.map(drop)
}

async fn add_last(
    transaction: &Bounded<DatabaseTransaction>,
    rows: &[SecretUse],
    wrong: i64,
) -> Result<(), DbErr> {
    let DbBackend::Postgres = transaction.get_database_backend() else {
        let rows = rows.iter().map(|SecretUse { key, digest, last }| {
            let (digest, time) = (Hex(digest.as_bytes()).to_string(), last.time.micros());
            let address = last.address.map_or(String::new(), |address| address.to_string());
            (key.workspace.as_str(), key.key.as_str(), digest, time, address)
        });
        let values = [wrong.into(), document(rows)?.into()];
        return execute(transaction, &format!("{USED_IN_FILE} {USED}"), values).await.map(drop);
    };
    let mut columns = [const { Column(String::new()) }; 5];
    for SecretUse { key, digest, last } in rows {
        let [workspaces, keys, digests, times, addresses] = &mut columns;
        workspaces.push(&key.workspace);
        keys.push(&key.key);
        digests.push(Hex(digest.as_bytes()));
        times.push(last.time.micros());
        match last.address {
            Some(address) => addresses.push(address),
            None => addresses.push("*"),
        }
    }
    let [workspaces, keys, digests, times, addresses] = columns.map(|Column(texts)| texts.into());
    let values = [wrong.into(), workspaces, keys, digests, times, addresses];
    execute(transaction, &format!("{USED_ON_SERVER} {USED}"), values).await.map(drop)
}

/// Texts without commas, with commas between.
struct Column(String);

impl Column {
    fn push(&mut self, value: impl Display) {
        let comma = if self.0.is_empty() { "" } else { "," };
        // A text takes whatever is written to it.
        _ = write!(self.0, "{comma}{value}");
    }
}

/// A JSON array of the rows.
fn document(rows: impl Iterator<Item: Serialize>) -> Result<String, DbErr> {
    serde_json::to_string(&rows.collect::<Vec<_>>()).map_err(|error| DbErr::Json(error.to_string()))
}

/// Bytes by their digits.
struct Hex<'a>(&'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |of: u8| char::from_digit(of.into(), 16).ok_or(fmt::Error);
        for byte in self.0 {
            f.write_char(digit(byte >> 4)?)?;
            f.write_char(digit(byte & 15)?)?;
        }
        Ok(())
    }
}

fn number(calls: u64) -> i64 {
    i64::try_from(calls).unwrap_or(i64::MAX)
}
