//! The log and the rows of the replicas, on PostgreSQL. Each method is one statement, which sees
//! one snapshot.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, QueryResult, Statement, Value,
    sqlx::{
        PgPool,
        postgres::{PgListener, PgPoolOptions},
    },
};

use super::{
    Home, OpenError, Store,
    bounded::{Bounded, Limits, within},
    entity::corrupt,
    error::{store_error, unavailable},
    postgres::{self, PostgresOptions},
};
use crate::domain::{
    event::Revision,
    name::Id,
    ports::StoreError,
    replica::{
        Doorbell, Durability, Member, Noted, Position, Renewal, Row, SharedLog, Tail, Terms,
    },
    time::Timestamp,
};

/// The channel that changes ring on.
pub(super) const CHANNEL: &str = "keyward";
/// How many changes a renewal brings at the most; the rest comes with the next.
const CHANGES_MAX: i64 = 2_000;
/// How many statements of a replica run at once: its renewal, the look at the others, and one
/// each that was given up and still waits for its connection to answer.
const CONNECTIONS: u32 = 4;

/// A new connection is given this time at the least: on a busy machine it takes so long to prove
/// who one is, and who gives up before begins again each time.
const CONNECT_MIN: Duration = Duration::from_secs(1);

/// The newest event, and a row that begins with it, of one snapshot. One that comes late does
/// nothing: it would acknowledge for a life that has not applied so much.
const JOIN: &str = "\
INSERT INTO replicas (id, incarnation, applied, lease_seq, lease_ms, stale_ms, build)
SELECT $1, $2, revision, 0, $3, $4, $5 FROM counter
ON CONFLICT (id) DO UPDATE SET incarnation = excluded.incarnation, applied = excluded.applied,
  lease_seq = replicas.lease_seq + 1, lease_ms = excluded.lease_ms, stale_ms = excluded.stale_ms,
  build = excluded.build
WHERE replicas.incarnation < excluded.incarnation
RETURNING applied, (SELECT nonce FROM counter) AS nonce";

/// Fetch, acknowledge and renew: one statement (M4). Where the event that was applied last is
/// another by now, or not there, nothing is acknowledged (M14).
const RENEW: &str = "\
WITH known AS (
  SELECT 1 WHERE $3 = 0 OR EXISTS (SELECT 1 FROM events WHERE revision = $3 AND nonce = $4)
), renewed AS (
  UPDATE replicas SET applied = $3, lease_seq = lease_seq + 1
  WHERE id = $1 AND incarnation = $2 AND EXISTS (SELECT 1 FROM known)
  RETURNING 1
)
SELECT EXISTS (SELECT 1 FROM known) AS is_known, EXISTS (SELECT 1 FROM renewed) AS is_renewed,
  counter.revision AS head, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now,
  event.revision, event.nonce, event.subject
FROM counter LEFT JOIN LATERAL (
  SELECT revision, nonce, subject FROM events WHERE revision > $3 ORDER BY revision LIMIT $5
) AS event ON true ORDER BY event.revision";

const LEAVE: &str = "DELETE FROM replicas WHERE id = $1 AND incarnation = $2";

const ROWS: &str = "SELECT id, incarnation, applied, lease_seq, lease_ms, stale_ms FROM replicas";

/// Only as it was seen (M6, M22).
const EVICT: &str =
    "DELETE FROM replicas WHERE id = $1 AND incarnation = $2 AND lease_seq = $3 AND applied = $4";

/// `pg_stat_replication` shows who follows to everybody, and details to the privileged alone.
const DURABILITY: &str = "\
SELECT current_setting('fsync') = 'on'
    AND current_setting('synchronous_commit') IN ('on', 'remote_apply') AS on_disk,
  (SELECT count(*) FROM pg_stat_replication) AS standbys,
  current_setting('synchronous_standby_names') <> '' AS synchronous";

/// The log of a database on a server, on connections of its own: whatever else waits for the
/// database, leases are renewed.
pub struct Log {
    db: Bounded<DatabaseConnection>,
    options: Arc<PostgresOptions>,
    limit: Duration,
}

impl Store {
    /// What replicas share, where this is a database on a server. No statement takes longer than
    /// `limit`, beside the time that a new connection may take.
    ///
    /// # Errors
    ///
    /// [`OpenError::Database`] where the settings are of no use.
    pub async fn log(&self, limit: Duration) -> Result<Option<Log>, OpenError> {
        let Home::Server(options) = &self.home else { return Ok(None) };
        let options = Arc::new(PostgresOptions {
            statement_timeout: limit,
            acquire_timeout: limit.max(CONNECT_MIN),
            ..(**options).clone()
        });
        let pool = postgres::following(&options, CONNECTIONS).await;
        let pool = pool.map_err(|error| OpenError::database(&self.place, error))?;
        let with_acquire = Some(limit.saturating_add(options.acquire_timeout));
        let limits = Limits { with_acquire, alone: Some(limit) };
        Ok(Some(Log { db: Bounded::new(pool, limits), options, limit }))
    }
}

impl Log {
    fn statement<const N: usize>(sql: &str, values: [Value; N]) -> Statement {
        Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
    }

    async fn all<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Vec<QueryResult>, StoreError> {
        self.db.query_all_raw(Self::statement(sql, values)).await.map_err(store_error)
    }

    async fn one<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<QueryResult, StoreError> {
        let rows = self.all(sql, values).await?;
        rows.into_iter().next().ok_or_else(|| corrupt("counter"))
    }

    async fn execute<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<u64, StoreError> {
        let done = self.db.execute_raw(Self::statement(sql, values)).await;
        done.map(|done| done.rows_affected()).map_err(store_error)
    }

    /// Gives its connections back.
    pub async fn close(&self) {
        _ = self.db.close().await;
    }
}

fn get<T: sea_orm::TryGetable>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
    row.try_get("", column).map_err(store_error)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn duration(row: &QueryResult, column: &'static str) -> Result<Duration, StoreError> {
    let millis: i64 = get(row, column)?;
    u64::try_from(millis).map(Duration::from_millis).map_err(|_| corrupt(column))
}

#[async_trait]
impl SharedLog for Log {
    async fn join(&self, member: &Member, terms: Terms) -> Result<Position, StoreError> {
        let values = [
            member.id.as_str().into(),
            member.incarnation.into(),
            millis(terms.lease).into(),
            millis(terms.stale).into(),
            env!("CARGO_PKG_VERSION").into(),
        ];
        let rows = self.all(JOIN, values).await?;
        let row = rows.first().ok_or(StoreError::Conflict)?;
        Ok(Position { revision: Revision(get(row, "applied")?), nonce: get(row, "nonce")? })
    }

    async fn renew(&self, member: &Member, applied: Position) -> Result<Renewal, StoreError> {
        let values = [
            member.id.as_str().into(),
            member.incarnation.into(),
            applied.revision.0.into(),
            applied.nonce.into(),
            CHANGES_MAX.into(),
        ];
        let rows = self.all(RENEW, values).await?;
        let first = rows.first().ok_or_else(|| corrupt("counter"))?;
        if !get::<bool>(first, "is_known")? {
            return Ok(Renewal::HistoryLost);
        }
        if !get::<bool>(first, "is_renewed")? {
            return Ok(Renewal::Outside);
        }
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(revision) = get::<Option<i64>>(row, "revision")? else { continue };
            let position = Position { revision: Revision(revision), nonce: get(row, "nonce")? };
            changes.push(Noted { position, subject: get(row, "subject")? });
        }
        let head = Revision(get(first, "head")?);
        let time = Timestamp::from_micros(get(first, "now")?);
        Ok(Renewal::Done(Tail { head, time, changes }))
    }

    async fn leave(&self, member: &Member) -> Result<(), StoreError> {
        let values = [member.id.as_str().into(), member.incarnation.into()];
        self.execute(LEAVE, values).await.map(|_| ())
    }

    async fn rows(&self) -> Result<Vec<Row>, StoreError> {
        let row = |row: &QueryResult| {
            let id: String = get(row, "id")?;
            let id: Id = id.parse().map_err(|_| corrupt("replicas.id"))?;
            let terms =
                Terms { lease: duration(row, "lease_ms")?, stale: duration(row, "stale_ms")? };
            let member = Member { id, incarnation: get(row, "incarnation")? };
            let applied = Revision(get(row, "applied")?);
            Ok(Row { member, applied, lease_seq: get(row, "lease_seq")?, terms })
        };
        self.all(ROWS, []).await?.iter().map(row).collect()
    }

    async fn evict(&self, row: &Row) -> Result<bool, StoreError> {
        let values = [
            row.member.id.as_str().into(),
            row.member.incarnation.into(),
            row.lease_seq.into(),
            row.applied.0.into(),
        ];
        self.execute(EVICT, values).await.map(|rows| rows > 0)
    }

    async fn durability(&self) -> Result<Durability, StoreError> {
        let row = self.one(DURABILITY, []).await?;
        let standbys: i64 = get(&row, "standbys")?;
        Ok(Durability {
            on_disk: get(&row, "on_disk")?,
            standbys: u32::try_from(standbys).unwrap_or(u32::MAX),
            synchronous: get(&row, "synchronous")?,
        })
    }

    async fn doorbell(&self) -> Result<Box<dyn Doorbell>, StoreError> {
        let listen = async {
            // Not of a pool that others use, nor one that is mended behind our back: rings are
            // lost then, and whoever waits for them must know.
            let session = postgres::listening(&self.options);
            let pool: PgPool = PgPoolOptions::new()
                .max_connections(1)
                .acquire_timeout(self.options.acquire_timeout)
                .connect_with(session)
                .await
                .map_err(connection)?;
            let mut listener = PgListener::connect_with(&pool).await.map_err(connection)?;
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await.map_err(connection)?;
            Ok(listener)
        };
        let patience = self.limit.saturating_add(self.options.acquire_timeout);
        let listener = within(Some(patience), listen).await.map_err(unavailable)?;
        Ok(Box::new(Bell(listener)))
    }
}

fn connection(error: sea_orm::sqlx::Error) -> DbErr {
    DbErr::Conn(sea_orm::RuntimeErr::SqlxError(Arc::new(error)))
}

/// A connection that listens.
struct Bell(PgListener);

#[async_trait]
impl Doorbell for Bell {
    async fn ring(&mut self) -> Result<(), StoreError> {
        match self.0.try_recv().await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(StoreError::Unavailable("the connection was lost".into())),
            Err(error) => Err(unavailable(connection(error))),
        }
    }
}
