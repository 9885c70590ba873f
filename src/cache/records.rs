//! The records, with every change told to what keeps the cache coherent.

use std::sync::Arc;

use async_trait::async_trait;

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
    usage::{MostUsed, UsageQuery, UsageRow},
    workspace::Workspace,
};

/// Makes changes so that the cache stays coherent.
#[async_trait]
pub trait Coordinator: Send + Sync {
    /// Makes changes, as of [`Records::commit_all`]. Afterwards no entry of this process counts
    /// that has not seen them.
    async fn commit_all(
        self: Arc<Self>,
        records: Arc<dyn Records>,
        changes: Vec<Change>,
    ) -> Result<Revision, StoreError>;
    /// As of [`Records::in_force`].
    async fn in_force(&self, revision: Revision, until: Option<Moment>) -> Result<(), StoreError>;
}

/// Records whose changes are told. Everything that changes them must do so through this.
pub struct Announced {
    records: Arc<dyn Records>,
    coordinator: Arc<dyn Coordinator>,
}

impl Announced {
    /// The records, coordinated so.
    pub fn new(records: Arc<dyn Records>, coordinator: Arc<dyn Coordinator>) -> Self {
        Self { records, coordinator }
    }
}

/// Past the cache.
#[async_trait]
impl FindKey for Announced {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        self.records.find_key(digest).await
    }
}

/// Methods that the records answer.
macro_rules! answered {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl Records for Announced {
            $(
                async fn $name(&self, $($argument: $kind),*) -> Result<$answer, StoreError> {
                    self.records.$name($($argument),*).await
                }
            )+

            async fn commit_all(&self, changes: Vec<Change>) -> Result<Revision, StoreError> {
                let records = Arc::clone(&self.records);
                Arc::clone(&self.coordinator).commit_all(records, changes).await
            }

            async fn in_force(
                &self,
                revision: Revision,
                until: Option<Moment>,
            ) -> Result<(), StoreError> {
                self.coordinator.in_force(revision, until).await
            }
        }
    };
}

answered! {
    policy(name: &PolicyName) -> Option<Stored<(PolicyName, Policy)>>;
    rules(name: &PolicyName) -> Option<Stored<Arc<CompiledPolicy>>>;
    policies(page: &Page<Id>) -> Vec<Stored<(PolicyName, Policy)>>;
    workspace(name: &WorkspaceName) -> Option<Stored<Workspace>>;
    workspaces(page: &Page<Id>) -> Vec<Stored<Workspace>>;
    principal(name: &PrincipalName) -> Option<Stored<Principal>>;
    principals(workspace: &WorkspaceName, page: &Page<Id>) -> Vec<Stored<Principal>>;
    key(name: &KeyName) -> Option<KeyRecord>;
    keys_named(workspace: &WorkspaceName, ids: &[Id]) -> Vec<KeyRecord>;
    keys(query: &KeyQuery, page: &Page<KeyCursor>) -> Vec<KeyRecord>;
    live_keys(policy: &PolicyName, since: Revision, now: Timestamp, page: &Page<KeyName>) -> Vec<Facts>;
    workspaces_under(policy: &PolicyName, page: &Page<Id>) -> Vec<Stored<Workspace>>;
    newest_under(policy: &PolicyName) -> Revision;
    newest_of(principal: &PrincipalName) -> Revision;
    events(query: &EventQuery, page: &Page<Revision>) -> Vec<Event>;
    usage(query: &UsageQuery) -> Vec<UsageRow>;
    most_used(query: &UsageQuery, most: u64, rows_max: u64) -> MostUsed;
    request(id: &RequestKey, now: Timestamp) -> Option<RememberedRequest>;
    remember(request: NewRequest, done: RememberedAs) -> ();
}
