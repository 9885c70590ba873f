//! Connections whose statements end in time, whatever becomes of the server.

use std::{future::Future, time::Duration};

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, RuntimeErr, Statement, TransactionOptions, TransactionTrait as _,
};

/// How long a statement may take, on a connection that is to be had first and on one that is.
/// None: as long as it takes, which is right for a file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) with_acquire: Option<Duration>,
    pub(super) alone: Option<Duration>,
}

/// A connection, a pool of them or a transaction. The server has a limit of its own for
/// each statement; this one is for a server that does not even answer so much. What is cut off
/// was possibly done: [`DbErr::Conn`] says no more.
#[derive(Clone)]
pub(super) struct Bounded<C> {
    inner: C,
    limits: Limits,
}

impl Bounded<DatabaseConnection> {
    pub(super) fn new(inner: DatabaseConnection, limits: Limits) -> Self {
        Self { inner, limits }
    }

    /// The pool itself, for what has no limit or another one.
    pub(super) fn inner(&self) -> &DatabaseConnection {
        &self.inner
    }

    pub(super) async fn begin(
        &self,
        options: TransactionOptions,
    ) -> Result<Bounded<DatabaseTransaction>, DbErr> {
        let inner =
            within(self.limits.with_acquire, self.inner.begin_with_options(options)).await?;
        let limits = Limits { with_acquire: self.limits.alone, ..self.limits };
        Ok(Bounded { inner, limits })
    }

    /// Asks something that takes a few statements.
    pub(super) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        within(self.limits.with_acquire, question).await
    }
}

impl Bounded<DatabaseTransaction> {
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        within(self.limits.alone, self.inner.commit()).await
    }

    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        within(self.limits.alone, self.inner.rollback()).await
    }
}

#[async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Bounded<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        within(self.limits.with_acquire, self.inner.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        within(self.limits.with_acquire, self.inner.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        within(self.limits.with_acquire, self.inner.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        within(self.limits.with_acquire, self.inner.query_all_raw(statement)).await
    }

    fn support_returning(&self) -> bool {
        self.inner.support_returning()
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
