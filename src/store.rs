//! The records in a database, through sea-orm: an SQLite file, which one process owns
//! and one connection writes, or PostgreSQL, which many may use.
//!
//! What is written is on the disk before it is acknowledged (`synchronous = FULL`,
//! `synchronous_commit = on`), each change with its event. No secret comes here, but digests alone.

mod back;
mod bounded;
mod commit;
mod entity;
mod error;
mod find;
mod keyring;
mod listing;
mod log;
mod open;
mod place;
mod pools;
mod postgres;
mod read;
mod renewal;
mod traced;
mod under;
mod usage;
mod verify;

use std::{fs::File, sync::Arc};

use async_trait::async_trait;
use sea_orm::{
    AccessMode, DatabaseConnection, DatabaseTransaction, EntityTrait as _, IsolationLevel,
    SelectExt as _, TransactionOptions,
};

pub use back::BackError;
pub use commit::Committed;
pub use log::Log;
pub use open::{OpenError, Options};
pub use place::Place;
pub use pools::PoolUse;
pub use postgres::{PostgresOptions, Tls};
pub use verify::{BrokenChain, Verified, VerifyError};

use crate::domain::{
    event::{Event, Revision},
    live::{Facts, LiveKey, Stored},
    name::{Id, KeyName, PolicyName, PrincipalName, WorkspaceName},
    policy::{CompiledPolicy, Policy},
    ports::{
        Change, EventQuery, FindKey, KeyCursor, KeyQuery, KeyRecord, NewRequest, Page, Records,
        RememberedAs, RememberedRequest, RequestKey, StoreError,
    },
    principal::Principal,
    secret::Digest,
    time::{Moment, Timestamp},
    usage::{KeepUsage, MostUsed, NotAdded, Outdated, UsageBatch, UsageQuery, UsageRow},
    workspace::Workspace,
};
use bounded::Bounded;
use commit::{Committer, Queue, Work};
use error::store_error;

/// The records in one database.
pub struct Store {
    readers: Bounded<DatabaseConnection>,
    writer: Bounded<DatabaseConnection>,
    /// By which usage is added up: on a server one of its own, so that no change waits for it.
    counting: Bounded<DatabaseConnection>,
    queue: Queue<Committer>,
    ranking: usage::Ranking,
    policies: find::Policies,
    place: Place,
    home: Home,
}

/// What kind of database it is.
#[derive(Clone)]
enum Home {
    /// A file. Its lock is held as long as anything may still write; given up last.
    File(#[expect(dead_code, reason = "its drop gives up the lock")] Arc<File>),
    /// A server.
    Server(Box<PostgresOptions>),
}

impl Store {
    /// Opens the database file, which is made where there is none, and keeps other
    /// processes off it until this is dropped. The schema is left as it is.
    ///
    /// # Errors
    ///
    /// [`OpenError`], whose text says what to do.
    pub async fn open(options: &Options) -> Result<Self, OpenError> {
        open::open(options).await
    }

    /// Connects to a PostgreSQL database, which must be there and may be empty. The schema
    /// is left as it is.
    ///
    /// # Errors
    ///
    /// [`OpenError::Database`] where it cannot be asked.
    pub async fn connect(options: &PostgresOptions) -> Result<Self, OpenError> {
        postgres::open(options).await
    }

    /// Which database it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Brings the schema up to what this build knows. Of several processes that do, one at a
    /// time makes changes.
    ///
    /// # Errors
    ///
    /// [`OpenError::Newer`] where it has changes that this build does not know;
    /// [`OpenError::Database`] where it cannot be changed. Each change of the schema is
    /// made whole or not at all.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        if self.schema_fits().await? {
            return Ok(());
        }
        match &self.home {
            Home::File(_) => migrations::up(&self.writer.pool())
                .await
                .map_err(|error| OpenError::database(&self.place, error)),
            Home::Server(options) => postgres::migrate(options, back::Course::Up).await.map(|_| ()),
        }
    }

    /// Whether the schema is the one that this build knows; not, where [`Store::migrate`]
    /// has something to do.
    ///
    /// # Errors
    ///
    /// As [`Store::migrate`].
    pub async fn schema_fits(&self) -> Result<bool, OpenError> {
        let schema = self.readers.ask(|pool| async move { migrations::schema(&pool).await }).await;
        let (schema, _) = schema.map_err(|error| OpenError::database(&self.place, error))?;
        match schema {
            migrations::Schema::Current => Ok(true),
            migrations::Schema::Behind(_) => Ok(false),
            migrations::Schema::Ahead(unknown) => {
                Err(OpenError::Newer { place: self.place.clone(), unknown })
            }
        }
    }

    /// Says in the log which server it is and what its commits are worth. Of a file there is
    /// nothing to say: how it is written is for this process to choose.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn report_durability(&self) -> Result<(), StoreError> {
        match self.home {
            Home::File(_) => Ok(()),
            Home::Server(_) => {
                postgres::report(&self.writer, &self.place).await.map_err(store_error)
            }
        }
    }

    /// That the schema is the one that this build knows.
    ///
    /// # Errors
    ///
    /// [`OpenError::Behind`] where it lacks changes, or as [`Store::schema_fits`].
    pub async fn check_schema(&self) -> Result<(), OpenError> {
        match self.schema_fits().await? {
            true => Ok(()),
            false => Err(OpenError::Behind { place: self.place.clone() }),
        }
    }

    /// Whether any key was ever given a secret, so that a lost keyring would be a loss.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn has_secrets(&self) -> Result<bool, StoreError> {
        entity::secret::Entity::find().exists(&self.readers).await.map_err(store_error)
    }

    /// Waits for changes under way and closes the database. From then on whatever is
    /// asked is [`StoreError::Unavailable`]; other processes are kept off until the drop.
    pub async fn close(&self) {
        for pool in [&self.readers, &self.counting, &self.writer] {
            if let Err(error) = pool.close().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the database was not closed in good order"
                );
            }
        }
    }

    /// How many changes this store made, and in how many transactions: those that wait for each
    /// other are made together.
    pub fn committed(&self) -> Committed {
        self.queue.maker().committed()
    }

    /// Has it done together with what else waits.
    async fn ask(&self, work: Work) -> Result<Revision, StoreError> {
        let outcome = self.queue.ask(work).await;
        outcome.unwrap_or_else(|error| Err(StoreError::Unavailable(error.into())))
    }

    /// One moment of the database, for reads that belong together.
    async fn snapshot(&self) -> Result<Bounded<DatabaseTransaction>, StoreError> {
        let options = match self.home {
            Home::File(_) => TransactionOptions::default(),
            Home::Server(_) => TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..TransactionOptions::default()
            },
        };
        self.readers.begin(options).await.map_err(store_error)
    }
}

#[async_trait]
impl FindKey for Store {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        let found = match self.policies.find_key(&self.readers, digest).await? {
            find::Found::Moved => self.policies.find_key(&self.snapshot().await?, digest).await?,
            found => found,
        };
        match found {
            find::Found::Key(key) => Ok(Some(key)),
            find::Found::Nothing => Ok(None),
            find::Found::Moved => Err(entity::corrupt("policies.revision, read twice at once,")),
        }
    }
}

#[async_trait]
impl Records for Store {
    async fn policy(
        &self,
        name: &PolicyName,
    ) -> Result<Option<Stored<(PolicyName, Policy)>>, StoreError> {
        read::one::<entity::policy::Entity, _>(&self.readers, name.policy.to_string()).await
    }

    async fn rules(
        &self,
        name: &PolicyName,
    ) -> Result<Option<Stored<Arc<CompiledPolicy>>>, StoreError> {
        self.policies.rules(&self.readers, name).await
    }

    async fn policies(
        &self,
        page: &Page<Id>,
    ) -> Result<Vec<Stored<(PolicyName, Policy)>>, StoreError> {
        let select = entity::policy::Entity::find();
        read::page(&self.readers, select, entity::policy::Column::Id, page).await
    }

    async fn workspace(
        &self,
        name: &WorkspaceName,
    ) -> Result<Option<Stored<Workspace>>, StoreError> {
        read::one::<entity::workspace::Entity, _>(&self.readers, name.workspace.to_string()).await
    }

    async fn workspaces(&self, page: &Page<Id>) -> Result<Vec<Stored<Workspace>>, StoreError> {
        let select = entity::workspace::Entity::find();
        read::page(&self.readers, select, entity::workspace::Column::Id, page).await
    }

    async fn principal(
        &self,
        name: &PrincipalName,
    ) -> Result<Option<Stored<Principal>>, StoreError> {
        let id = (name.workspace.to_string(), name.principal.to_string());
        read::one::<entity::principal::Entity, _>(&self.readers, id).await
    }

    async fn principals(
        &self,
        workspace: &WorkspaceName,
        page: &Page<Id>,
    ) -> Result<Vec<Stored<Principal>>, StoreError> {
        let select = read::principals_of(workspace);
        read::page(&self.readers, select, entity::principal::Column::Id, page).await
    }

    async fn key(&self, name: &KeyName) -> Result<Option<KeyRecord>, StoreError> {
        listing::key(&self.snapshot().await?, name).await
    }

    async fn keys_named(
        &self,
        workspace: &WorkspaceName,
        ids: &[Id],
    ) -> Result<Vec<KeyRecord>, StoreError> {
        listing::named(&self.snapshot().await?, workspace, ids).await
    }

    async fn keys(
        &self,
        query: &KeyQuery,
        page: &Page<KeyCursor>,
    ) -> Result<Vec<KeyRecord>, StoreError> {
        listing::keys(&self.snapshot().await?, query, page).await
    }

    async fn live_keys(
        &self,
        policy: &PolicyName,
        since: Revision,
        now: Timestamp,
        page: &Page<KeyName>,
    ) -> Result<Vec<Facts>, StoreError> {
        under::live_keys(&self.readers, policy, since, now, page).await
    }

    async fn workspaces_under(
        &self,
        policy: &PolicyName,
        page: &Page<Id>,
    ) -> Result<Vec<Stored<Workspace>>, StoreError> {
        under::workspaces(&self.readers, policy, page).await
    }

    async fn newest_under(&self, policy: &PolicyName) -> Result<Revision, StoreError> {
        under::newest(&self.readers, policy).await.map(Revision)
    }

    async fn newest_of(&self, principal: &PrincipalName) -> Result<Revision, StoreError> {
        under::newest_of(&self.readers, principal).await.map(Revision)
    }

    async fn events(
        &self,
        query: &EventQuery,
        page: &Page<Revision>,
    ) -> Result<Vec<Event>, StoreError> {
        read::events(&self.readers, query, page).await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError> {
        usage::steps(&self.readers, query).await
    }

    async fn most_used(
        &self,
        query: &UsageQuery,
        most: u64,
        rows_max: u64,
    ) -> Result<MostUsed, StoreError> {
        self.ranking.most_used(&self.readers, query, most, rows_max).await
    }

    async fn request(
        &self,
        id: &RequestKey,
        now: Timestamp,
    ) -> Result<Option<RememberedRequest>, StoreError> {
        read::request(&self.readers, id, now).await
    }

    async fn remember(&self, request: NewRequest, done: RememberedAs) -> Result<(), StoreError> {
        self.ask(Work::Remember(request, done)).await.map(|_| ())
    }

    async fn commit_all(&self, changes: Vec<Change>) -> Result<Revision, StoreError> {
        self.ask(Work::Changes(changes)).await
    }

    /// It is where it is read from this database; what is kept of it elsewhere is not known here.
    async fn in_force(&self, _: Revision, _: Option<Moment>) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl KeepUsage for Store {
    async fn add_usage(&self, batch: &UsageBatch) -> Result<(), NotAdded> {
        usage::add(&self.counting, batch).await
    }

    async fn forget_usage(&self, outdated: Outdated) -> Result<bool, StoreError> {
        usage::forget(&self.counting, outdated).await
    }
}
