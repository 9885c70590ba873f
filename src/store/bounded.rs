//! Connections whose statements end in time, whatever becomes of the server.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, RuntimeErr, Statement, TransactionOptions, TransactionTrait as _,
};
use tracing::{Instrument as _, Span};

use super::{
    PoolUse,
    renewal::{Place, Renewal},
    traced,
};

/// How long a statement may take, on a connection that is to be had first and on one that is.
/// None: as long as it takes, which is right for a file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) with_acquire: Option<Duration>,
    pub(super) alone: Option<Duration>,
}

/// A pool of connections, or a transaction. The server has a limit of its own for
/// each statement; this one is for a server that does not even answer so much. What is cut off
/// was possibly done: [`DbErr::Conn`] says no more.
pub(super) struct Bounded<C: Kind> {
    inner: C::Inner,
    limits: Limits,
}

/// What can be bounded.
pub(super) trait Kind {
    /// What there is of it.
    type Inner;
}

impl Kind for DatabaseConnection {
    type Inner = Pool;
}

impl Kind for DatabaseTransaction {
    /// With its place in the pool, which is given up after it.
    type Inner = (DatabaseTransaction, Option<Place>);
}

/// The connections of a database.
#[derive(Clone)]
pub(super) enum Pool {
    /// As they are, for ever.
    Fixed(DatabaseConnection),
    /// Those of a server, which may be lost.
    Renewed(Arc<Renewal>),
}

impl Pool {
    /// Asks for what takes one connection.
    async fn ask<T, F>(
        &self,
        question: impl FnOnce(DatabaseConnection) -> F,
    ) -> Result<(T, Option<Place>), DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        match self {
            Self::Fixed(pool) => Ok((question(pool.clone()).await?, None)),
            Self::Renewed(renewal) => {
                renewal.ask(question).await.map(|(answer, place)| (answer, Some(place)))
            }
        }
    }
}

impl Clone for Bounded<DatabaseConnection> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), limits: self.limits }
    }
}

impl Bounded<DatabaseConnection> {
    pub(super) fn new(inner: Pool, limits: Limits) -> Self {
        Self { inner, limits }
    }

    /// The pool itself, as of now, for what has no limit or another one.
    pub(super) fn pool(&self) -> DatabaseConnection {
        match &self.inner {
            Pool::Fixed(pool) => pool.clone(),
            Pool::Renewed(renewal) => renewal.pool(),
        }
    }

    pub(super) async fn begin(
        &self,
        options: TransactionOptions,
    ) -> Result<Bounded<DatabaseTransaction>, DbErr> {
        let begun = self.ask(|pool| async move { pool.begin_with_options(options).await });
        let begun = begun.instrument(self.span("BEGIN")).await?;
        Ok(Bounded { inner: begun, limits: self.limits })
    }

    /// How many of the connections are in use, under this name.
    pub(super) fn in_use(&self, name: &'static str) -> PoolUse {
        let (in_use, max) = match &self.inner {
            Pool::Fixed(pool) => {
                let pool = pool.get_sqlite_connection_pool();
                let (open, idle) = (pool.size(), u32::try_from(pool.num_idle()).unwrap_or(0));
                (open.saturating_sub(idle).into(), pool.options().get_max_connections().into())
            }
            Pool::Renewed(renewal) => renewal.in_use(),
        };
        PoolUse { name, in_use, max }
    }

    fn span(&self, sql: &str) -> Span {
        traced::statement(self.get_database_backend(), sql)
    }

    /// Waits for what is under way, and answers nothing any more.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        if let Pool::Renewed(renewal) = &self.inner {
            renewal.close();
        }
        within(self.limits.with_acquire, self.pool().close_by_ref()).await
    }

    /// Asks something that takes a few statements on one connection at a time.
    pub(super) async fn ask<T, F>(
        &self,
        question: impl FnOnce(DatabaseConnection) -> F,
    ) -> Result<(T, Option<Place>), DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        within(self.limits.with_acquire, self.inner.ask(question)).await
    }
}

impl Bounded<DatabaseTransaction> {
    fn span(&self, sql: &str) -> Span {
        traced::statement(self.get_database_backend(), sql)
    }

    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let (transaction, _until_the_end) = self.inner;
        let span = traced::statement(transaction.get_database_backend(), "COMMIT");
        within(self.limits.alone, transaction.commit()).instrument(span).await
    }

    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        let (transaction, _until_the_end) = self.inner;
        let span = traced::statement(transaction.get_database_backend(), "ROLLBACK");
        within(self.limits.alone, transaction.rollback()).instrument(span).await
    }
}

#[async_trait]
impl ConnectionTrait for Bounded<DatabaseConnection> {
    fn get_database_backend(&self) -> DbBackend {
        self.pool().get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let span = self.span(&statement.sql);
        let asked = self.ask(|pool| async move { pool.execute_raw(statement).await });
        asked.instrument(span).await.map(|(answer, _)| answer)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let asked = self.ask(|pool| async move { pool.execute_unprepared(sql).await });
        asked.instrument(self.span(sql)).await.map(|(answer, _)| answer)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let span = self.span(&statement.sql);
        let asked = self.ask(|pool| async move { pool.query_one_raw(statement).await });
        asked.instrument(span).await.map(|(answer, _)| answer)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let span = self.span(&statement.sql);
        let asked = self.ask(|pool| async move { pool.query_all_raw(statement).await });
        asked.instrument(span).await.map(|(answer, _)| answer)
    }

    fn support_returning(&self) -> bool {
        self.pool().support_returning()
    }
}

#[async_trait]
impl ConnectionTrait for Bounded<DatabaseTransaction> {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let span = self.span(&statement.sql);
        within(self.limits.alone, self.inner.0.execute_raw(statement)).instrument(span).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let span = self.span(sql);
        within(self.limits.alone, self.inner.0.execute_unprepared(sql)).instrument(span).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let span = self.span(&statement.sql);
        within(self.limits.alone, self.inner.0.query_one_raw(statement)).instrument(span).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let span = self.span(&statement.sql);
        within(self.limits.alone, self.inner.0.query_all_raw(statement)).instrument(span).await
    }

    fn support_returning(&self) -> bool {
        self.inner.0.support_returning()
    }
}

/// Waits for the work, but not longer than the limit.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    let Some(limit) = limit else { return work.await };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let why = "the database did not answer in time".to_owned();
        Err(DbErr::Conn(RuntimeErr::Internal(why)))
    })
}
