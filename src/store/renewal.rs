//! A pool that is made anew where its places are lost.
//!
//! A connection that is given back is tried by sqlx without a limit. Where the server's machine
//! dies just then, nobody says so, and the place is lost until the system gives the connection
//! up: after a quarter of an hour. Here nobody asks the pool without a place of its own, of
//! which there are as many as connections; so who gets no connection in time knows that the pool
//! has lost some, or that there is no server. Both are mended by a new pool.

use std::{
    future::Future,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use sea_orm::{ConnAcquireErr, DatabaseConnection, DbErr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Makes a pool, which connects when it is asked.
type Make = Box<dyn Fn() -> BoxFuture<'static, Result<DatabaseConnection, DbErr>> + Send + Sync>;

/// A pool, and how to make another.
pub(super) struct Renewal {
    pool: RwLock<(u64, DatabaseConnection)>,
    connections: u32,
    places: Arc<Semaphore>,
    acquire_timeout: Duration,
    make: Make,
}

/// The right to one connection of the pool.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

impl Renewal {
    /// Makes the first pool, of so many connections.
    pub(super) async fn new(
        connections: u32,
        acquire_timeout: Duration,
        make: Make,
    ) -> Result<Self, DbErr> {
        let pool = RwLock::new((0, make().await?));
        let places = usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places));
        Ok(Self { pool, connections, places, acquire_timeout, make })
    }

    /// How many connections are in use, and how many may be.
    pub(super) fn in_use(&self) -> (u64, u64) {
        let max = u64::from(self.connections);
        let free = u64::try_from(self.places.available_permits()).unwrap_or(max);
        (max.saturating_sub(free), max)
    }

    /// The pool as of now.
    pub(super) fn pool(&self) -> DatabaseConnection {
        self.now().1
    }

    /// From now on nobody is given a place, and no pool is made any more.
    pub(super) fn close(&self) {
        self.places.close();
    }

    /// Asks the pool for what takes one connection, which whoever asked may hold as long as the
    /// place.
    pub(super) async fn ask<T, F>(
        &self,
        question: impl FnOnce(DatabaseConnection) -> F,
    ) -> Result<(T, Place), DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        let failed = |why| DbErr::ConnectionAcquire(why);
        let place = Arc::clone(&self.places).acquire_owned();
        let place = tokio::time::timeout(self.acquire_timeout, place)
            .await
            .map_err(|_| failed(ConnAcquireErr::Timeout))?
            .map_err(|_| failed(ConnAcquireErr::ConnectionClosed))?;
        let (number, pool) = self.now();
        let outcome = question(pool).await;
        if let Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)) = outcome
            && !self.places.is_closed()
        {
            let pool = (self.make)().await?;
            let mut current = self.pool.write().unwrap_or_else(PoisonError::into_inner);
            // Many find it out at once.
            if current.0 == number {
                *current = (number + 1, pool);
            }
        }
        Ok((outcome?, Arc::new(place)))
    }

    fn now(&self) -> (u64, DatabaseConnection) {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
