//! Makes use of a PostgreSQL database, which other processes may use as well.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use migrations::WentBack;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement,
    TransactionTrait as _,
    sqlx::{
        Row as _,
        postgres::{PgConnectOptions, PgConnection, PgSslMode},
    },
};
use zeroize::Zeroizing;

use super::{
    Home, OpenError, Place, Store,
    back::Course,
    bounded::{Bounded, Limits, Pool, within},
    commit::{Committer, Queue},
    find::Policies,
    renewal::Renewal,
};

/// How much later than the server this side gives a statement up.
const GRACE: Duration = Duration::from_millis(500);
/// How many connections write. All changes that wait are made on one; until that is given back,
/// which takes a question more, the next ones are made on the other.
const WRITE_CONNECTIONS: u32 = 2;
/// From this long unused on, a connection is tried before it is used.
const STALE_AFTER: Duration = Duration::from_secs(1);
/// How many statements a connection remembers. Those of a group of changes have a text for each
/// number of rows, and there are a dozen for each group.
const STATEMENTS_KEPT: usize = 500;
/// What migrations hold, so that one process at a time makes them: "keyward" and 1.
const MIGRATION_LOCK: i64 = 0x6b65_7977_6172_6401;
/// In what durability the server gives a commit, and who it is.
const ABOUT: &str = "SELECT current_setting('synchronous_commit') AS synchronous_commit, \
    current_setting('fsync') AS fsync, current_setting('synchronous_standby_names') AS standbys, \
    current_setting('server_version') AS version";
/// A commit that is acknowledged before it is on the disk is none. What asks for more stays.
const SYNCHRONOUS: &str = "SELECT pg_is_in_recovery() AS is_standby, \
    CASE WHEN current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') \
    THEN set_config('synchronous_commit', 'on', false) END";
/// Why a connection is not used.
const IS_STANDBY: &str =
    "this PostgreSQL is a standby, from which nothing is read: it may lack what was acknowledged";

/// Where a PostgreSQL database is and how it is used.
#[derive(Clone)]
pub struct PostgresOptions {
    /// A name, an address, or the directory of a socket, which begins with `/`.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub name: String,
    /// Who we are there.
    pub user: String,
    /// The password of the user. None: the server asks for none.
    pub password: Option<Zeroizing<String>>,
    /// Whether the connection is encrypted, and whom it trusts.
    pub tls: Tls,
    /// Certificate authorities beside the system's, in PEM.
    pub tls_authorities: Option<PathBuf>,
    /// How many reads run at the same time; at least one.
    pub read_connections: u32,
    /// How long the first connection may take.
    pub connect_timeout: Duration,
    /// How long a read or a change waits for a connection before it is unavailable.
    pub acquire_timeout: Duration,
    /// How long a statement may take, the wait for locks included, before it is unavailable; also
    /// how long a transaction may do nothing.
    pub statement_timeout: Duration,
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// It is not.
    Off,
    /// It is, with whoever answers.
    Unverified,
    /// It is, with a server whose certificate is of its name and trusted.
    Verified,
}

impl PostgresOptions {
    /// How people call it: never with the password.
    pub fn place(&self) -> Place {
        let Self { host, port, name, .. } = self;
        Place::Server(format!("{name} at {host}:{port}"))
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "…");
        f.debug_struct("PostgresOptions")
            .field("place", &self.place())
            .field("user", &self.user)
            .field("password", &password)
            .finish_non_exhaustive()
    }
}

/// What a pool is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// To see whether it can be used at all.
    Trying,
    Reading,
    Writing,
    /// To add up usage.
    Counting,
    /// Without time-outs: a change of the schema takes as long as it takes.
    Migrating,
    /// By replicas: so many at once.
    Following(u32),
}

pub(super) async fn open(options: &PostgresOptions) -> Result<Store, OpenError> {
    let place = options.place();
    let opened = async {
        let first = connect_in_time(options, Use::Trying).await?;
        first.close().await?;
        let [writer, counting, readers] = [Use::Writing, Use::Counting, Use::Reading];
        let [writer, counting] = [pool(options, writer).await?, pool(options, counting).await?];
        Ok((writer, counting, pool(options, readers).await?))
    };
    let (writer, counting, readers) =
        opened.await.map_err(|error| OpenError::database(&place, error))?;
    let alone = options.statement_timeout.saturating_add(GRACE);
    let limits = Limits {
        with_acquire: Some(alone.saturating_add(options.acquire_timeout)),
        alone: Some(alone),
    };
    let writer = Bounded::new(writer, limits);
    let home = Home::Server(Box::new(options.clone()));
    let committer = Committer::new(writer.clone(), home.clone());
    Ok(Store {
        readers: Bounded::new(readers, limits),
        counting: Bounded::new(counting, limits),
        writer,
        queue: Queue::new(committer, options.acquire_timeout),
        ranking: super::usage::Ranking::default(),
        policies: Policies::new(),
        place,
        home,
    })
}

async fn pool(options: &PostgresOptions, purpose: Use) -> Result<Pool, DbErr> {
    let (owned, most) = (options.clone(), connections(options, purpose));
    let make = move || {
        let options = owned.clone();
        async move { connect(&options, purpose).await }.boxed()
    };
    let renewal = Renewal::new(most, options.acquire_timeout, Box::new(make)).await?;
    Ok(Pool::Renewed(Arc::new(renewal)))
}

/// Connections by which a replica follows the others.
pub(super) async fn following(options: &PostgresOptions, most: u32) -> Result<Pool, DbErr> {
    pool(options, Use::Following(most)).await
}

/// How to open a connection that only listens.
pub(super) fn listening(options: &PostgresOptions) -> PgConnectOptions {
    use sea_orm::sqlx::ConnectOptions as _;
    session(options, Use::Trying).disable_statement_logging()
}

/// Changes the schema. Of many processes that do, one at a time makes changes, and the others find
/// them made.
pub(super) async fn migrate(
    options: &PostgresOptions,
    course: Course<'_>,
) -> Result<WentBack, OpenError> {
    let migrated = async {
        let pool = connect_in_time(options, Use::Migrating).await?;
        let outcome = migrate_alone(&pool, course).await;
        pool.close().await?;
        outcome
    };
    migrated.await.map_err(|error| OpenError::database(&options.place(), error))
}

/// The lock is of a transaction, and so is given up with the connection at the latest; what is
/// migrated is so beside it.
async fn migrate_alone(pool: &DatabaseConnection, course: Course<'_>) -> Result<WentBack, DbErr> {
    let turn = pool.begin().await?;
    let lock = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT pg_advisory_xact_lock($1)",
        [MIGRATION_LOCK.into()],
    );
    turn.execute_raw(lock).await?;
    let went = course.go(pool).await?;
    turn.commit().await?;
    Ok(went)
}

async fn connect_in_time(
    options: &PostgresOptions,
    purpose: Use,
) -> Result<DatabaseConnection, DbErr> {
    within(Some(options.connect_timeout.saturating_add(GRACE)), connect(options, purpose)).await
}

/// How many connections a pool has at most.
fn connections(options: &PostgresOptions, purpose: Use) -> u32 {
    match purpose {
        Use::Trying | Use::Counting => 1,
        Use::Reading => options.read_connections.max(1),
        Use::Writing => WRITE_CONNECTIONS,
        // One holds the lock, one does the work.
        Use::Migrating => 2,
        Use::Following(most) => most,
    }
}

async fn connect(options: &PostgresOptions, purpose: Use) -> Result<DatabaseConnection, DbErr> {
    let (is_lazy, patience) = match purpose {
        Use::Trying | Use::Migrating => (false, options.connect_timeout),
        Use::Reading | Use::Writing | Use::Counting | Use::Following(_) => {
            (true, options.acquire_timeout)
        }
    };
    // Where to connect is not in the URL, which others may print.
    let mut connect = ConnectOptions::new("postgres://keyward");
    let session = session(options, purpose);
    connect
        .min_connections(0)
        .max_connections(connections(options, purpose))
        .connect_lazy(is_lazy)
        .acquire_timeout(patience)
        .test_before_acquire_if_idle_for(STALE_AFTER)
        .record_stmt_in_spans(false)
        .map_sqlx_postgres_opts(move |_| {
            use sea_orm::sqlx::ConnectOptions as _;
            session.clone().disable_statement_logging()
        })
        .map_sqlx_postgres_pool_opts(move |pool| {
            pool.after_connect(move |connection, _| begin_session(connection, is_lazy).boxed())
        });
    Database::connect(connect).await
}

/// Sees to it that commits are on the disk; and of what is in use, that its server is the primary.
/// A standby shows what is older than its replica's stamp, and an entry of that would count. It
/// never becomes one while it is connected: that takes a restart.
async fn begin_session(
    connection: &mut PgConnection,
    is_in_use: bool,
) -> Result<(), sea_orm::sqlx::Error> {
    let row = sea_orm::sqlx::query(SYNCHRONOUS).fetch_one(connection).await?;
    match is_in_use && row.try_get("is_standby")? {
        true => Err(sea_orm::sqlx::Error::Configuration(IS_STANDBY.into())),
        false => Ok(()),
    }
}

/// What each connection is opened with. What the environment or a password file of the user
/// might say of the server, the password and whom to trust is said here; of libpq's variables
/// `PGOPTIONS`, `PGSSLCERT` and `PGSSLKEY` alone have an effect.
fn session(options: &PostgresOptions, purpose: Use) -> PgConnectOptions {
    let mode = match options.tls {
        Tls::Off => PgSslMode::Disable,
        Tls::Unverified => PgSslMode::Require,
        Tls::Verified => PgSslMode::VerifyFull,
    };
    let is_socket = options.host.starts_with('/');
    let connect = PgConnectOptions::new_without_pgpass();
    let connect =
        if is_socket { connect.socket(&options.host) } else { connect.host(&options.host) };
    let mut connect = connect
        .port(options.port)
        .database(&options.name)
        .username(&options.user)
        .password(options.password.as_ref().map_or("", |password| password.as_str()))
        .ssl_mode(if is_socket { PgSslMode::Disable } else { mode })
        .application_name("keyward")
        .statement_cache_capacity(STATEMENTS_KEPT)
        // A statement sees what was committed before it, which the order of locks rests on.
        .options([("default_transaction_isolation", "read committed")]);
    connect = match &options.tls_authorities {
        Some(path) => connect.ssl_root_cert(path),
        // None, also where `PGSSLROOTCERT` names one.
        None => connect.ssl_root_cert_from_pem(Vec::new()),
    };
    if purpose == Use::Reading {
        connect = connect.options([("default_transaction_read_only", "on")]);
    }
    let limit = match purpose {
        Use::Migrating => 0,
        Use::Trying | Use::Reading | Use::Writing | Use::Counting | Use::Following(_) => {
            options.statement_timeout.as_millis()
        }
    };
    // A process that is stopped amid a change must not keep the others from theirs.
    connect.options([
        ("statement_timeout", format!("{limit}ms")),
        ("idle_in_transaction_session_timeout", format!("{limit}ms")),
    ])
}

/// Says in the log what a commit is worth.
pub(super) async fn report(db: &impl ConnectionTrait, place: &Place) -> Result<(), DbErr> {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, ABOUT)).await?;
    let Some(row) = row else { return Ok(()) };
    let text = |column| row.try_get::<String>("", column);
    let synchronous_commit = text("synchronous_commit")?;
    let fsync = text("fsync")?;
    tracing::info!(
        database = %place,
        version = text("version")?,
        synchronous_commit,
        fsync,
        synchronous_standbys = text("standbys")?,
        "connected to PostgreSQL"
    );
    if fsync != "on" || !matches!(synchronous_commit.as_str(), "on" | "remote_apply") {
        tracing::warn!("PostgreSQL acknowledges changes that a loss of power may undo");
    }
    Ok(())
}
