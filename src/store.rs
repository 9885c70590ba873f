//! The records in a database, through sea-orm. Today the database is SQLite, and
//! one process owns its file.
//!
//! One connection writes, several read. What is written is on the disk before it
//! is acknowledged (`synchronous = FULL`), each change together with its event.
//! Secrets never come here: rows hold digests alone.

mod commit;
mod entity;
mod error;
mod find;
mod keyring;
mod listing;
mod open;
mod read;
mod under;
mod verify;

use std::{fs::File, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, EntityTrait as _, SelectExt as _,
    TransactionTrait as _,
};
use tokio::task::JoinHandle;

pub use open::{OpenError, Options};
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
    time::Timestamp,
    workspace::Workspace,
};
use error::store_error;

/// The records in one database.
pub struct Store {
    readers: DatabaseConnection,
    writer: DatabaseConnection,
    policies: find::Policies,
    path: PathBuf,
    /// Held as long as anything may still write; given up last.
    lock: Arc<File>,
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

    /// Brings the schema up to what this build knows.
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
        migrations::up(&self.writer).await.map_err(|error| OpenError::database(&self.path, error))
    }

    /// Whether the schema is the one that this build knows; not, where [`Store::migrate`]
    /// has something to do.
    ///
    /// # Errors
    ///
    /// As [`Store::migrate`].
    pub async fn schema_fits(&self) -> Result<bool, OpenError> {
        let schema = migrations::schema(&self.readers).await;
        match schema.map_err(|error| OpenError::database(&self.path, error))? {
            migrations::Schema::Current => Ok(true),
            migrations::Schema::Behind(_) => Ok(false),
            migrations::Schema::Ahead(unknown) => {
                Err(OpenError::Newer { path: self.path.clone(), unknown })
            }
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
        for pool in [&self.readers, &self.writer] {
            if let Err(error) = pool.close_by_ref().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the database was not closed in good order"
                );
            }
        }
    }

    /// One moment of the database, for reads that belong together.
    async fn snapshot(&self) -> Result<DatabaseTransaction, StoreError> {
        self.readers.begin().await.map_err(store_error)
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
            find::Found::Moved => {
                Err(StoreError::Corrupt("policies.revision differs within one moment".to_owned()))
            }
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

    async fn events(
        &self,
        query: &EventQuery,
        page: &Page<Revision>,
    ) -> Result<Vec<Event>, StoreError> {
        read::events(&self.readers, query, page).await
    }

    async fn request(
        &self,
        id: &RequestKey,
        now: Timestamp,
    ) -> Result<Option<RememberedRequest>, StoreError> {
        read::request(&self.readers, id, now).await
    }

    async fn remember(&self, request: NewRequest, done: RememberedAs) -> Result<(), StoreError> {
        commit::remember(&self.writer, &request, &done).await
    }

    async fn commit(&self, change: Change) -> Result<Revision, StoreError> {
        let (writer, lock) = (self.writer.clone(), Arc::clone(&self.lock));
        // In a task of its own: whoever asked may leave, the change is made all the same.
        outcome(tokio::spawn(async move {
            let outcome = commit::commit(&writer, &change).await;
            drop((writer, lock));
            outcome
        }))
        .await
    }
}

/// What a task led to. A panic in it goes on here: as an error of the store it would be
/// logged with all that it says.
async fn outcome<T>(task: JoinHandle<Result<T, StoreError>>) -> Result<T, StoreError> {
    task.await.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => Err(StoreError::Unavailable(error.into())),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use std::{future::pending, panic::AssertUnwindSafe};

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_task_is_a_panic_of_who_awaits_it_and_no_error() {
        let task: JoinHandle<Result<(), _>> = tokio::spawn(async { panic!("deliberate") });
        let panic = AssertUnwindSafe(outcome(task)).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"deliberate"));
    }

    #[tokio::test]
    async fn a_task_that_is_cut_off_is_unavailable() {
        let task = tokio::spawn(pending::<Result<(), StoreError>>());
        task.abort();
        assert!(matches!(outcome(task).await, Err(StoreError::Unavailable(_))));
    }
}
