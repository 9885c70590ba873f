//! Writes what a group does, many rows in one statement.

use std::collections::HashMap;

use sea_orm::{
    ActiveModelTrait, ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait, IdenStatic as _,
    Iterable as _, QueryFilter as _, Statement, sea_query::OnConflict,
};

use super::seen::is_among;
use crate::{
    domain::{
        event::Event,
        key::Key,
        ports::{NewRequest, RequestKey, StoreError, Write},
        time::Timestamp,
    },
    store::{
        entity::{
            Stamp, counter, event, key, key_scope, policy, principal, request, secret, workspace,
        },
        error::store_error,
    },
};

/// At most this many values are in one statement: SQLite takes 32,766, PostgreSQL 65,535.
const VALUES_MAX: usize = 32_000;
/// Tells other processes that there is something new; what, they read.
const DOORBELL: &str = "SELECT pg_notify('keyward', '')";

/// All that a group writes.
#[derive(Default)]
pub(super) struct Writes {
    policies: Vec<policy::ActiveModel>,
    workspaces: Vec<workspace::ActiveModel>,
    principals: Vec<principal::ActiveModel>,
    keys: Vec<key::ActiveModel>,
    /// Keys which had scopes before.
    older_keys: Vec<(String, String)>,
    scopes: Vec<key_scope::ActiveModel>,
    secrets: Vec<secret::ActiveModel>,
    requests: HashMap<RequestKey, request::ActiveModel>,
    /// What expired until then is forgotten.
    forgotten: Option<Timestamp>,
    events: Vec<event::ActiveModel>,
    counter: Option<counter::ActiveModel>,
}

impl Writes {
    /// Adds a record with what belongs to it, but for its secrets.
    ///
    /// # Errors
    ///
    /// Where it cannot be written. Then nothing was added.
    pub(super) fn put_record(&mut self, write: &Write, stamp: Stamp) -> Result<(), StoreError> {
        match write {
            Write::Policy(name, record, _) => {
                self.policies.push(policy::row(name, record, stamp)?);
            }
            Write::Workspace(record, _) => self.workspaces.push(workspace::row(record, stamp)),
            Write::Principal(record, _) => self.principals.push(principal::row(record, stamp)?),
            Write::Key(record, expected, _) => {
                self.keys.push(key::row(record, stamp)?);
                if expected.is_some() {
                    let Key { name, .. } = record;
                    self.older_keys.push((name.workspace.to_string(), name.key.to_string()));
                }
                self.scopes.extend(key_scope::rows(record));
            }
        }
        Ok(())
    }

    /// Adds records that were put elsewhere before.
    pub(super) fn add(&mut self, records: Self) {
        let Self { policies, workspaces, principals, keys, older_keys, scopes, .. } = records;
        self.policies.extend(policies);
        self.workspaces.extend(workspaces);
        self.principals.extend(principals);
        self.keys.extend(keys);
        self.older_keys.extend(older_keys);
        self.scopes.extend(scopes);
    }

    pub(super) fn put_secret(&mut self, row: secret::Model) {
        self.secrets.push(row.into());
    }

    /// Remembers a request, in place of one of the same name that expired.
    pub(super) fn remember(
        &mut self,
        request: &NewRequest,
        row: request::ActiveModel,
        now: Timestamp,
    ) {
        self.requests.insert(request.key.clone(), row);
        self.forgotten = Some(self.forgotten.map_or(now, |earliest| earliest.min(now)));
    }

    /// Adds the next event.
    pub(super) fn append(&mut self, event: Event, nonce: i64) {
        self.counter = Some(counter::row(&event, nonce));
        self.events.push(event::row(event, nonce));
    }

    /// How many changes are made.
    pub(super) fn changes(&self) -> u64 {
        self.events.len() as u64
    }

    /// Writes it all; what is referred to comes before what refers to it.
    pub(super) async fn apply(self, db: &impl ConnectionTrait) -> Result<(), StoreError> {
        put(db, self.policies).await?;
        put(db, self.workspaces).await?;
        put(db, self.principals).await?;
        put(db, self.keys).await?;
        remove_scopes(db, &self.older_keys).await?;
        insert(db, self.scopes, None).await?;
        put(db, self.secrets).await?;
        if let Some(until) = self.forgotten {
            forget_requests(db, until).await?;
        }
        put(db, self.requests.into_values().collect()).await?;
        insert(db, self.events, None).await?;
        let Some(counter) = self.counter else { return Ok(()) };
        counter::Entity::update_many().set(counter).exec(db).await.map_err(store_error)?;
        if db.get_database_backend() == DbBackend::Postgres {
            let bell = Statement::from_string(DbBackend::Postgres, DOORBELL);
            db.execute_raw(bell).await.map_err(store_error)?;
        }
        Ok(())
    }
}

/// Inserts new rows, and puts the others in the place of what has their primary key. When a
/// record was made stays as it is.
async fn put<A: ActiveModelTrait>(
    db: &impl ConnectionTrait,
    rows: Vec<A>,
) -> Result<(), StoreError> {
    let keys: Vec<_> = <A::Entity as EntityTrait>::PrimaryKey::iter()
        .map(sea_orm::PrimaryKeyToColumn::into_column)
        .collect();
    let is_kept = |column: &<A::Entity as EntityTrait>::Column| {
        column.as_str() == "create_time" || keys.iter().any(|key| key.as_str() == column.as_str())
    };
    let columns = <A::Entity as EntityTrait>::Column::iter().filter(|column| !is_kept(column));
    let replace = OnConflict::columns(keys.clone()).update_columns(columns).to_owned();
    insert(db, rows, Some(replace)).await
}

async fn insert<A: ActiveModelTrait>(
    db: &impl ConnectionTrait,
    mut rows: Vec<A>,
    conflict: Option<OnConflict>,
) -> Result<(), StoreError> {
    let at_once = VALUES_MAX / <A::Entity as EntityTrait>::Column::iter().count();
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(at_once));
        let mut insert = A::Entity::insert_many(rows);
        if let Some(conflict) = &conflict {
            insert = insert.on_conflict(conflict.clone());
        }
        insert.exec_without_returning(db).await.map_err(store_error)?;
        rows = rest;
    }
    Ok(())
}

async fn remove_scopes(
    db: &impl ConnectionTrait,
    keys: &[(String, String)],
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let keys = keys.iter().map(|(workspace, key)| (&**workspace, &**key)).collect();
    let of_keys = is_among([key_scope::Column::Workspace, key_scope::Column::Key], keys);
    key_scope::Entity::delete_many().filter(of_keys).exec(db).await.map_err(store_error)?;
    Ok(())
}

async fn forget_requests(db: &impl ConnectionTrait, until: Timestamp) -> Result<(), StoreError> {
    let expired = request::Column::ExpireTime.lte(until.micros());
    request::Entity::delete_many().filter(expired).exec(db).await.map_err(store_error)?;
    Ok(())
}
