//! Spans of what is asked of the database, by the names of OpenTelemetry. They count within a call
//! that is traced.

use sea_orm::DbBackend;
use tracing::{Span, field::Empty};

/// The span of a statement: what it does to which table, and never a value.
pub(super) fn statement(backend: DbBackend, sql: &str) -> Span {
    let span = tracing::info_span!(
        "statement",
        otel.name = Empty,
        otel.kind = "client",
        db.system.name = system(backend),
        db.operation.name = Empty,
        db.query.summary = Empty,
    );
    if !span.is_disabled() {
        let (operation, table) = summary(sql);
        let text = format!("{operation} {table}");
        span.record("otel.name", text.trim_end());
        span.record("db.operation.name", operation);
        span.record("db.query.summary", text.trim_end());
    }
    span
}

fn system(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "sqlite",
        DbBackend::Postgres => "postgresql",
        _ => "other_sql",
    }
}

/// The first word of a statement that says what it does, and the first table that it names after
/// that, where it is one of ours.
fn summary(sql: &str) -> (&'static str, &str) {
    const OPERATIONS: [&str; 9] =
        ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "BEGIN", "COMMIT", "ROLLBACK", "PRAGMA"];
    let mut words = sql.split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    let operation = OPERATIONS.iter().find(|operation| operation.eq_ignore_ascii_case(first));
    let Some(operation) = operation else { return ("OTHER", "") };
    let before = match *operation {
        "SELECT" | "WITH" | "DELETE" => "FROM",
        "INSERT" => "INTO",
        "UPDATE" => "UPDATE",
        _ => return (operation, ""),
    };
    let mut rest = std::iter::once(first).chain(words);
    let table =
        rest.by_ref().find(|word| word.eq_ignore_ascii_case(before)).and_then(|_| rest.next());
    let table =
        table.map(|word| word.trim_matches(['"', ',', ';', ')'])).filter(|word| is_table(word));
    (operation, table.unwrap_or_default())
}

/// A value is no table: those of ours are small letters.
fn is_table(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_known_by_what_it_does_and_to_which_table() {
        for (sql, expected) in [
            ("SELECT \"id\" FROM \"keys\" WHERE \"id\" = ?", ("SELECT", "keys")),
            ("select 1", ("SELECT", "")),
            ("INSERT INTO \"key_scopes\" (\"a\") VALUES ($1)", ("INSERT", "key_scopes")),
            ("UPDATE counter SET revision = 'x'", ("UPDATE", "counter")),
            ("DELETE FROM requests WHERE id = 'a'", ("DELETE", "requests")),
            ("WITH a AS (SELECT 1 FROM replicas)", ("WITH", "replicas")),
            ("COMMIT", ("COMMIT", "")),
            ("VACUUM", ("OTHER", "")),
            ("", ("OTHER", "")),
        ] {
            assert_eq!(summary(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_value_is_never_a_table() {
        for sql in ["SELECT x FROM 'acme_live'", "INSERT INTO Secret1 VALUES ('x')", "acme_live_0"]
        {
            let (_, table) = summary(sql);
            assert_eq!(table, "", "{sql}");
        }
    }
}
