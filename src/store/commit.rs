//! Makes a change.
//!
//! Locks are taken in one order, so that no two changes wait for each other: the request,
//! with nothing else held; the subject and what the change rests on, by kind and name;
//! the counter. From then on changes are one after another until the commit is visible,
//! and commit order is revision order. On a database with several writers each statement must
//! see what was committed before it (READ COMMITTED), or it would judge by what was before it
//! waited.

use ring::rand::{SecureRandom as _, SystemRandom};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait as _, ConnectionTrait, DatabaseConnection,
    DatabaseTransaction, DbBackend, DbErr, EntityTrait, IntoActiveModel, QueryFilter as _,
    QuerySelect as _, QueryTrait as _, SqliteTransactionMode, TransactionOptions,
    sea_query::{Expr, ExprTrait as _, LockBehavior, LockType},
};

use super::{
    bounded::Bounded,
    entity::{
        Stamp, corrupt, counter, event, hash, key, key_scope, policy, principal, request, secret,
        workspace,
    },
    error::{insert_error, store_error, unavailable},
    lock::lock_all,
    read, under,
};
use crate::domain::{
    event::{Event, Revision},
    key::Key,
    ports::{Change, Guard, NewRequest, NewSecret, RememberedAs, RequestKey, StoreError, Write},
    time::Timestamp,
};

/// Wakes whoever listens, when the change is committed.
const RING: &str = "SELECT pg_notify('keyward', '')";

/// Begins a transaction that will write: one which only turns out to would be refused
/// where another wrote meanwhile.
pub(super) async fn begin(
    writer: &Bounded<DatabaseConnection>,
) -> Result<Bounded<DatabaseTransaction>, DbErr> {
    let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
    writer
        .begin(TransactionOptions { sqlite_transaction_mode, ..TransactionOptions::default() })
        .await
}

pub(super) async fn commit(
    writer: &Bounded<DatabaseConnection>,
    change: &Change,
) -> Result<Revision, StoreError> {
    let transaction = begin(writer).await.map_err(unavailable)?;
    match apply(&transaction, change).await {
        Ok(revision) => transaction.commit().await.map_err(unavailable).map(|()| revision),
        Err(refused) => {
            // Where even this fails, the drop has the connection roll back.
            _ = transaction.rollback().await;
            Err(refused)
        }
    }
}

/// Remembers a request that changed nothing.
pub(super) async fn remember(
    writer: &Bounded<DatabaseConnection>,
    request: &NewRequest,
    done: &RememberedAs,
) -> Result<(), StoreError> {
    let transaction = begin(writer).await.map_err(unavailable)?;
    check_request(&transaction, request, done.time).await?;
    let row = request::row(request, &done.subject, done.revision);
    request::Entity::insert(row).exec_without_returning(&transaction).await.map_err(store_error)?;
    transaction.commit().await.map_err(unavailable)
}

/// Sees to it that the request is not one that is remembered.
async fn check_request(
    db: &impl ConnectionTrait,
    request: &NewRequest,
    time: Timestamp,
) -> Result<(), StoreError> {
    forget_requests(db, &request.key, time).await?;
    match read::request(db, &request.key, time).await? {
        Some(_) => Err(StoreError::Conflict),
        None => Ok(()),
    }
}

async fn apply(db: &impl ConnectionTrait, change: &Change) -> Result<Revision, StoreError> {
    let Change { time, guards, write, deed, request } = change;
    if let Some(request) = request {
        // Before all else: a repeated request is that, and not a name which is taken.
        check_request(db, request, *time).await?;
    }
    lock_all(db, write, guards).await?;
    if db.get_database_backend() == DbBackend::Postgres {
        db.execute_unprepared(RING).await.map_err(store_error)?;
    }
    let (counter, nonce) = next_revision(db).await?;
    // From here on changes are one after another, and none is under way that would not be seen.
    for (guard, revision) in guards {
        if let Guard::Under(policy) = guard
            && under::newest(db, policy).await? != revision.0
        {
            return Err(StoreError::Conflict);
        }
    }
    let revision = Revision(counter.revision);
    if let Some(request) = request {
        let row = request::row(request, &deed.subject, revision);
        request::Entity::insert(row).exec_without_returning(db).await.map_err(store_error)?;
    }
    put_record(db, write, revision, *time).await?;
    let previous = hash(&counter.last_hash, "counter.last_hash")?;
    append(db, Event::new(revision, *time, deed.clone(), previous), nonce).await?;
    Ok(revision)
}

/// Removes what expired: an earlier request of this name first, whoever else may be at it, then
/// all that nobody else is at.
async fn forget_requests(
    db: &impl ConnectionTrait,
    own: &RequestKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let expired = request::Column::ExpireTime.lte(now.micros());
    request::Entity::delete_many()
        .filter(expired.clone())
        .filter(request::Column::Actor.eq(own.actor.as_str()))
        .filter(request::Column::Id.eq(own.id.as_str()))
        .exec(db)
        .await
        .map_err(store_error)?;
    let free = request::Entity::find()
        .select_only()
        .columns([request::Column::Actor, request::Column::Id])
        .filter(expired)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_query();
    let name = Expr::tuple([request::Column::Actor, request::Column::Id].map(Expr::col));
    request::Entity::delete_many()
        .filter(name.in_subquery(free))
        .exec(db)
        .await
        .map_err(store_error)?;
    Ok(())
}

/// Takes the next revision: its number with the hash of the event before it, and a new nonce.
async fn next_revision(db: &impl ConnectionTrait) -> Result<(counter::Model, i64), StoreError> {
    let mut bytes = [0; 8];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled
        .map_err(|_| StoreError::Unavailable("the random generator of the system failed".into()))?;
    let nonce = i64::from_be_bytes(bytes);
    let rows = counter::Entity::update_many()
        .col_expr(counter::Column::Revision, Expr::col(counter::Column::Revision).add(1))
        .col_expr(counter::Column::Nonce, Expr::value(nonce))
        .exec_with_returning(db)
        .await
        .map_err(store_error)?;
    let counter = rows.into_iter().next().ok_or_else(|| corrupt("counter"))?;
    Ok((counter, nonce))
}

async fn put_record(
    db: &impl ConnectionTrait,
    write: &Write,
    revision: Revision,
    time: Timestamp,
) -> Result<(), StoreError> {
    let stamp = |expected: &Option<Revision>| Stamp { revision, time, is_new: expected.is_none() };
    match write {
        Write::Policy(name, record, expected) => {
            put(db, policy::row(name, record, stamp(expected))?, expected.is_none()).await
        }
        Write::Workspace(record, expected) => {
            put(db, workspace::row(record, stamp(expected)), expected.is_none()).await
        }
        Write::Principal(record, expected) => {
            put(db, principal::row(record, stamp(expected))?, expected.is_none()).await
        }
        Write::Key(record, expected, secret) => {
            put(db, key::row(record, stamp(expected))?, expected.is_none()).await?;
            put_scopes(db, record).await?;
            match secret {
                Some(secret) => put_secret(db, record, secret, time).await,
                None => Ok(()),
            }
        }
    }
}

/// Inserts the row of a new record, or updates that of a record which is locked.
async fn put<A>(db: &impl ConnectionTrait, row: A, is_new: bool) -> Result<(), StoreError>
where
    A: ActiveModelTrait + ActiveModelBehavior + Send,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    if is_new {
        A::Entity::insert(row).exec_without_returning(db).await.map_err(insert_error)?;
    } else {
        A::Entity::update(row).exec(db).await.map_err(store_error)?;
    }
    Ok(())
}

async fn put_scopes(db: &impl ConnectionTrait, record: &Key) -> Result<(), StoreError> {
    key_scope::Entity::delete_many()
        .filter(key_scope::Column::Workspace.eq(record.name.workspace.as_str()))
        .filter(key_scope::Column::Key.eq(record.name.key.as_str()))
        .exec(db)
        .await
        .map_err(store_error)?;
    let rows = key_scope::Entity::insert_many(key_scope::rows(record));
    rows.exec_without_returning(db).await.map_err(store_error)?;
    Ok(())
}

async fn put_secret(
    db: &impl ConnectionTrait,
    record: &Key,
    secret: &NewSecret,
    time: Timestamp,
) -> Result<(), StoreError> {
    let replaced = secret::Column::ReplacedTime;
    // What is in its grace first: the newest is about to be so itself.
    for (which, end) in
        [(replaced.gt(time.micros()), Timestamp::MIN), (replaced.is_null(), secret.older_until)]
    {
        secret::Entity::update_many()
            .col_expr(replaced, Expr::value(end.micros()))
            .filter(secret::Column::Workspace.eq(record.name.workspace.as_str()))
            .filter(secret::Column::Key.eq(record.name.key.as_str()))
            .filter(which)
            .exec(db)
            .await
            .map_err(store_error)?;
    }
    let row = secret::row(&record.name, secret, time);
    secret::Entity::insert(row).exec_without_returning(db).await.map_err(store_error)?;
    Ok(())
}

async fn append(db: &impl ConnectionTrait, event: Event, nonce: i64) -> Result<(), StoreError> {
    let last_hash = event.hash.0.to_vec();
    event::Entity::insert(event::row(event, nonce))
        .exec_without_returning(db)
        .await
        .map_err(store_error)?;
    let counter =
        counter::Entity::update_many().col_expr(counter::Column::LastHash, Expr::value(last_hash));
    counter.exec(db).await.map_err(store_error)?;
    Ok(())
}
