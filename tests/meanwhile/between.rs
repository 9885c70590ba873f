//! The records, with something that happens between two calls of them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use keyward::{
    domain::{
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
    },
    store::Store,
};

/// Before what something happens.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Before {
    /// The compiled rules are read.
    Rules,
    /// The workspaces under a policy are read, after its live keys.
    WorkspacesUnder,
    /// A change is made.
    Commit,
    /// A change that was made returns.
    CommitReturns,
    /// What was found of a secret is told.
    FindReturns,
}

/// What happens.
type Deed = BoxFuture<'static, ()>;

pub(crate) struct Between {
    store: Arc<Store>,
    due: Mutex<Option<(Before, Deed)>>,
    pub(crate) commits: AtomicUsize,
    pub(crate) finds: AtomicUsize,
    /// Whether the next change is made and its outcome lost.
    pub(crate) loses_outcome: AtomicBool,
}

impl Between {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            due: Mutex::new(None),
            commits: AtomicUsize::new(0),
            finds: AtomicUsize::new(0),
            loses_outcome: AtomicBool::new(false),
        }
    }

    /// Has this happen once, before the next such call.
    pub(crate) fn expect(&self, before: Before, deed: impl Future<Output = ()> + Send + 'static) {
        self.commits.store(0, Ordering::SeqCst);
        *self.due.lock().unwrap() = Some((before, Box::pin(deed)));
    }

    /// Whether what was to happen did.
    pub(crate) fn has_happened(&self) -> bool {
        self.due.lock().unwrap().is_none()
    }

    async fn pass(&self, call: Before) {
        let due = self.due.lock().unwrap().take_if(|(before, _)| *before == call);
        if let Some((_, deed)) = due {
            deed.await;
        }
    }
}

#[async_trait]
impl FindKey for Between {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        self.finds.fetch_add(1, Ordering::SeqCst);
        let found = self.store.find_key(digest).await;
        self.pass(Before::FindReturns).await;
        found
    }
}

/// Methods that the store answers.
macro_rules! answered {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl Records for Between {
            $(
                async fn $name(&self, $($argument: $kind),*) -> Result<$answer, StoreError> {
                    self.store.$name($($argument),*).await
                }
            )+

            async fn rules(
                &self,
                name: &PolicyName,
            ) -> Result<Option<Stored<Arc<CompiledPolicy>>>, StoreError> {
                self.pass(Before::Rules).await;
                self.store.rules(name).await
            }

            async fn workspaces_under(
                &self,
                policy: &PolicyName,
                page: &Page<Id>,
            ) -> Result<Vec<Stored<Workspace>>, StoreError> {
                self.pass(Before::WorkspacesUnder).await;
                self.store.workspaces_under(policy, page).await
            }

            async fn commit_all(&self, changes: Vec<Change>) -> Result<Revision, StoreError> {
                self.commits.fetch_add(1, Ordering::SeqCst);
                self.pass(Before::Commit).await;
                let outcome = self.store.commit_all(changes).await;
                self.pass(Before::CommitReturns).await;
                if self.loses_outcome.swap(false, Ordering::SeqCst) {
                    return Err(StoreError::Unavailable("the reply was lost".into()));
                }
                outcome
            }
        }
    };
}

answered! {
    policy(name: &PolicyName) -> Option<Stored<(PolicyName, Policy)>>;
    policies(page: &Page<Id>) -> Vec<Stored<(PolicyName, Policy)>>;
    workspace(name: &WorkspaceName) -> Option<Stored<Workspace>>;
    workspaces(page: &Page<Id>) -> Vec<Stored<Workspace>>;
    principal(name: &PrincipalName) -> Option<Stored<Principal>>;
    principals(workspace: &WorkspaceName, page: &Page<Id>) -> Vec<Stored<Principal>>;
    key(name: &KeyName) -> Option<KeyRecord>;
    keys_named(workspace: &WorkspaceName, ids: &[Id]) -> Vec<KeyRecord>;
    keys(query: &KeyQuery, page: &Page<KeyCursor>) -> Vec<KeyRecord>;
    live_keys(policy: &PolicyName, since: Revision, now: Timestamp, page: &Page<KeyName>) -> Vec<Facts>;
    newest_under(policy: &PolicyName) -> Revision;
    newest_of(principal: &PrincipalName) -> Revision;
    events(query: &EventQuery, page: &Page<Revision>) -> Vec<Event>;
    usage(query: &UsageQuery) -> Vec<UsageRow>;
    most_used(query: &UsageQuery, most: u64, rows_max: u64) -> MostUsed;
    request(id: &RequestKey, now: Timestamp) -> Option<RememberedRequest>;
    remember(request: NewRequest, done: RememberedAs) -> ();
    in_force(revision: Revision, until: Option<Moment>) -> ();
}
