//! What a look-up is measured against.

use sea_orm::{
    DbBackend, DbErr, RuntimeErr,
    sqlx::{self, AssertSqlSafe, ColumnIndex, Decode, Row, Type, TypeInfo as _, ValueRef as _},
};

use super::super::{Store, error::store_error};
use crate::domain::{ports::StoreError, secret::Digest};

impl Store {
    /// Asks the database whose a secret is, by the very statement and through the very pool by
    /// which it is looked up, and does nothing with the row but read each of its columns. For
    /// benchmarks. Gives the bytes that were read. None: no key has the secret.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn ask_bare(&self, digest: &Digest) -> Result<Option<usize>, StoreError> {
        let pool = self.readers.pool();
        let backend = pool.get_database_backend();
        let sql = AssertSqlSafe(self.policies.look_up(backend, digest).sql);
        let digest = digest.as_bytes().as_slice();
        let read = match backend {
            DbBackend::Postgres => {
                let pool = pool.get_postgres_connection_pool();
                let row = sqlx::query(sql).bind(digest).fetch_optional(pool).await;
                row.and_then(|row| row.as_ref().map(columns).transpose())
            }
            _ => {
                let pool = pool.get_sqlite_connection_pool();
                let row = sqlx::query(sql).bind(digest).fetch_optional(pool).await;
                row.and_then(|row| row.as_ref().map(columns).transpose())
            }
        };
        read.map_err(|error| store_error(DbErr::Query(RuntimeErr::SqlxError(error.into()))))
    }
}

/// Reads each column as what it is, and adds up the bytes.
fn columns<R: Row>(row: &R) -> Result<usize, sqlx::Error>
where
    usize: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> bool: Decode<'r, R::Database> + Type<R::Database>,
{
    let mut bytes = 0;
    for place in 0..row.len() {
        let value = row.try_get_raw(place)?;
        let kind = value.type_info();
        bytes += if value.is_null() {
            0
        } else if <String as Type<R::Database>>::compatible(&kind) {
            row.try_get::<String, _>(place)?.len()
        } else if kind.name() == "BOOL" {
            size_of_val(&row.try_get::<bool, _>(place)?)
        } else {
            size_of_val(&row.try_get::<i64, _>(place)?)
        };
    }
    Ok(bytes)
}
