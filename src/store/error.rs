//! What a failure of the database means to the domain: here alone.

use std::error::Error;

use sea_orm::{
    DbErr, RuntimeErr, SqlErr,
    sqlx::{self, error::DatabaseError, postgres::PgDatabaseError},
};

use crate::domain::ports::StoreError;

/// SQLite's primary result codes for a file that is damaged, and for one that is none.
const DAMAGED: [i32; 2] = [11, 26];
/// PostgreSQL's codes for damage: `data_corrupted` and `index_corrupted`.
const CORRUPTED: [&str; 2] = ["XX001", "XX002"];
/// PostgreSQL's codes for changes that got in each other's way: `serialization_failure` and
/// `deadlock_detected`. Nothing was changed.
const IN_THE_WAY: [&str; 2] = ["40001", "40P01"];
/// PostgreSQL's classes for values that cannot be, broken constraints and what triggers refuse.
const OF_A_ROW: [&str; 3] = ["22", "23", "P0"];
/// PostgreSQL's code for what took longer than a statement may: `query_canceled`.
const TOOK_TOO_LONG: &str = "57014";
/// SQLite's primary result code for a broken constraint and for what triggers refuse.
const OF_A_ROW_IN_A_FILE: i32 = 19;

/// What it means that a statement failed. A database that is busy, full or gone
/// cannot be asked; one that answers what it should not is corrupt. The text never
/// holds what is in a row.
pub(super) fn store_error(error: DbErr) -> StoreError {
    if let Some(SqlErr::UniqueConstraintViolation(_) | SqlErr::ForeignKeyConstraintViolation(_)) =
        error.sql_err()
    {
        return StoreError::Conflict;
    }
    match &error {
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            match &**cause {
                sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::Decode(_) => unreadable(),
                sqlx::Error::Database(cause) => match meaning(&**cause) {
                    Meaning::Damage(what) => {
                        StoreError::Corrupt(format!("{what} is damaged; restore it from backup"))
                    }
                    Meaning::InTheWay => StoreError::Conflict,
                    Meaning::Other => unavailable(error),
                },
                _ => unavailable(error),
            }
        }
        DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } => unreadable(),
        DbErr::RecordNotFound(_) | DbErr::RecordNotUpdated => {
            StoreError::Corrupt("a row vanished while it was locked".to_owned())
        }
        _ => unavailable(error),
    }
}

/// Whether a statement was refused for what it would have written, so that without one row it may
/// be done; and not for the state of the database, in which the next one would fail as well.
pub(super) fn is_of_a_row(cause: &(dyn Error + 'static)) -> bool {
    let Some(cause) = said_by_the_database(cause) else { return false };
    let Some(code) = cause.code() else { return false };
    if cause.try_downcast_ref::<PgDatabaseError>().is_some() {
        return OF_A_ROW.iter().any(|class| code.starts_with(class));
    }
    code.parse::<i32>().is_ok_and(|code| code & 0xff == OF_A_ROW_IN_A_FILE)
}

/// Whether the server gave a statement up because it took too long. Nothing was changed.
pub(super) fn took_too_long(cause: &(dyn Error + 'static)) -> bool {
    let cause = said_by_the_database(cause);
    let cause = cause.and_then(|cause| cause.try_downcast_ref::<PgDatabaseError>());
    cause.is_some_and(|cause| cause.code() == TOOK_TOO_LONG)
}

fn said_by_the_database<'a>(
    cause: &'a (dyn Error + 'static),
) -> Option<&'a (dyn DatabaseError + 'static)> {
    let Some(
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)),
    ) = cause.downcast_ref()
    else {
        return None;
    };
    match &**cause {
        sqlx::Error::Database(cause) => Some(&**cause),
        _ => None,
    }
}

/// What it means that a transaction could not be begun or ended: in doubt, that it
/// is not known.
pub(super) fn unavailable(error: DbErr) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

fn unreadable() -> StoreError {
    StoreError::Corrupt("a column is of another type".to_owned())
}

enum Meaning {
    Damage(&'static str),
    InTheWay,
    Other,
}

fn meaning(error: &dyn DatabaseError) -> Meaning {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return match error.code() {
            code if CORRUPTED.contains(&code) => Meaning::Damage("the database"),
            code if IN_THE_WAY.contains(&code) => Meaning::InTheWay,
            _ => Meaning::Other,
        };
    }
    let extended = error.code().and_then(|code| code.parse::<i32>().ok());
    match extended.is_some_and(|code| DAMAGED.contains(&(code & 0xff))) {
        true => Meaning::Damage("the file"),
        false => Meaning::Other,
    }
}
