//! The records, with every change announced to the cache.

use std::sync::Arc;

use async_trait::async_trait;

use super::SoleOwner;
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

/// Records whose changes are in force in the cache when they return. Everything that changes
/// them must do so through this.
pub struct Announced {
    records: Arc<dyn Records>,
    owner: Arc<SoleOwner>,
}

impl Announced {
    /// The records, announced to their one owner.
    pub fn new(records: Arc<dyn Records>, owner: Arc<SoleOwner>) -> Self {
        Self { records, owner }
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

            async fn commit(&self, change: Change) -> Result<Revision, StoreError> {
                let (records, owner) = (Arc::clone(&self.records), Arc::clone(&self.owner));
                // In a task of its own: whoever asked may leave, the change is announced all
                // the same.
                let task = tokio::spawn(async move {
                    let under_way = owner.begin(&change.write);
                    let outcome = records.commit(change).await;
                    match &outcome {
                        Ok(revision) => under_way.made(*revision),
                        Err(StoreError::Conflict | StoreError::Exists) => under_way.not_made(),
                        Err(_) => drop(under_way),
                    }
                    outcome
                });
                task.await.unwrap_or_else(|error| match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(error) => Err(StoreError::Unavailable(error.into())),
                })
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
    keys(query: &KeyQuery, page: &Page<KeyCursor>) -> Vec<KeyRecord>;
    live_keys(policy: &PolicyName, since: Revision, now: Timestamp, page: &Page<KeyName>) -> Vec<Facts>;
    workspaces_under(policy: &PolicyName, page: &Page<Id>) -> Vec<Stored<Workspace>>;
    newest_under(policy: &PolicyName) -> Revision;
    events(query: &EventQuery, page: &Page<Revision>) -> Vec<Event>;
    request(id: &RequestKey, now: Timestamp) -> Option<RememberedRequest>;
    remember(request: NewRequest, done: RememberedAs) -> ();
}
