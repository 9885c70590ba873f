//! The records, over a link: what is asked of a secret, and changes.

use std::sync::Arc;

use async_trait::async_trait;
use keyward::domain::{
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

use crate::{
    link::Link,
    subject::{self, Subject},
};

pub(crate) struct Store(pub(crate) Arc<Link>);

#[async_trait]
impl FindKey for Store {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        let digest = Digest::from_bytes(*digest.as_bytes());
        self.0.ask(move |database, _| Some(subject::find(database, &digest))).await
    }
}

/// Methods that nobody calls here.
macro_rules! not_asked {
    ($($name:ident($($kind:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl Records for Store {
            $(
                async fn $name(&self, $(_: $kind),*) -> Result<$answer, StoreError> {
                    Err(StoreError::Corrupt(stringify!($name).to_owned()))
                }
            )+

            async fn request(
                &self,
                id: &RequestKey,
                _: Timestamp,
            ) -> Result<Option<RememberedRequest>, StoreError> {
                let number = id.id.parse().unwrap();
                let revision = self.0.ask(move |database, _| database.request(number)).await?;
                let (subject, fingerprint) = (String::new(), [0; 32]);
                Ok(revision.map(|revision| RememberedRequest { subject, fingerprint, revision }))
            }

            async fn commit_all(&self, changes: Vec<Change>) -> Result<Revision, StoreError> {
                let subject = |change: &Change| Subject::of_name(&change.write.subject());
                let subjects: Vec<Subject> = changes.iter().map(subject).collect();
                let request = changes.into_iter().find_map(|change| change.request).unwrap();
                let request = request.key.id.parse().unwrap();
                let server = Arc::clone(&self.0.server);
                let made = self.0.write(|_| (), move |database, _, ()| {
                    let revision = database.commit_all(&subjects, request);
                    server.rings.send_modify(|rings| *rings += 1);
                    revision
                });
                made.await?.ok_or(StoreError::Conflict)
            }

            /// Not of the store alone.
            async fn in_force(&self, _: Revision, _: Option<Moment>) -> Result<(), StoreError> {
                Err(StoreError::Corrupt("in_force".to_owned()))
            }
        }
    };
}

not_asked! {
    policy(&PolicyName) -> Option<Stored<(PolicyName, Policy)>>;
    rules(&PolicyName) -> Option<Stored<Arc<CompiledPolicy>>>;
    policies(&Page<Id>) -> Vec<Stored<(PolicyName, Policy)>>;
    workspace(&WorkspaceName) -> Option<Stored<Workspace>>;
    workspaces(&Page<Id>) -> Vec<Stored<Workspace>>;
    principal(&PrincipalName) -> Option<Stored<Principal>>;
    principals(&WorkspaceName, &Page<Id>) -> Vec<Stored<Principal>>;
    key(&KeyName) -> Option<KeyRecord>;
    keys_named(&WorkspaceName, &[Id]) -> Vec<KeyRecord>;
    keys(&KeyQuery, &Page<KeyCursor>) -> Vec<KeyRecord>;
    live_keys(&PolicyName, Revision, Timestamp, &Page<KeyName>) -> Vec<Facts>;
    workspaces_under(&PolicyName, &Page<Id>) -> Vec<Stored<Workspace>>;
    newest_under(&PolicyName) -> Revision;
    newest_of(&PrincipalName) -> Revision;
    events(&EventQuery, &Page<Revision>) -> Vec<Event>;
    usage(&UsageQuery) -> Vec<UsageRow>;
    most_used(&UsageQuery, u64, u64) -> MostUsed;
    remember(NewRequest, RememberedAs) -> ();
}
