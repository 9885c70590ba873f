//! What the rules need of the world: records, a clock, randomness.

mod keys;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

pub use keys::{KeyCursor, KeyOrder, KeyQuery, KeyRecord, SecretRecord};

use super::{
    event::{Deed, Event, Kind, Revision},
    key::Key,
    live::{Facts, LiveKey, Stored},
    name::{Id, KeyName, PolicyName, PrincipalName, WorkspaceName},
    policy::{CompiledPolicy, Policy},
    principal::Principal,
    secret::{Digest, KeyVersion},
    time::{Moment, Timestamp},
    usage::{MostUsed, UsageQuery, UsageRow},
    workspace::Workspace,
};

/// Why the records could not be asked, or not be changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What a change rested on is no longer so. Nothing was changed.
    #[error("what the change rested on has changed")]
    Conflict,
    /// The name is taken. Nothing was changed.
    #[error("the name is taken")]
    Exists,
    /// The database cannot be asked. After a change was sent: it may have been made.
    #[error("the database cannot be asked")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More look-ups wait for the database than it can take. This one was not made.
    #[error("too many look-ups wait for the database")]
    Overloaded,
    /// The database was not heard of for so long that changes may have been missed.
    #[error("changes may have been missed: the database was not heard of for too long")]
    NoLease,
    /// What the database holds cannot be.
    #[error("the database holds what cannot be: {0}")]
    Corrupt(String),
    /// A change was made, but it is not certain that every replica knows of it.
    #[error("change {revision} was made, and is in force everywhere within {within:?}")]
    NotInForce {
        /// Which.
        revision: Revision,
        /// How long it may still take.
        within: Duration,
    },
}

/// What time it is.
pub trait Clock: Send + Sync {
    /// Now, by the wall clock.
    fn now(&self) -> Timestamp;

    /// The latest that it may be now, where the clock is only known about: what ends is judged
    /// by this.
    fn latest(&self) -> Timestamp {
        self.now()
    }

    /// [`Clock::latest`] and [`Clock::now`], read together: once, where they are the same.
    fn both(&self) -> (Timestamp, Timestamp) {
        (self.latest(), self.now())
    }
}

/// What is at hand of a secret.
#[derive(Clone, Debug)]
pub enum AtHand {
    /// Its key.
    Key(Arc<LiveKey>),
    /// That no key has it.
    Nobodys,
    /// Nothing: it is to be looked up.
    Unknown,
}

/// Whose a secret is: all that a decision rests on, in one read.
#[async_trait]
pub trait FindKey: Send + Sync {
    /// The key that has a secret with this digest, also a replaced one.
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError>;

    /// The same, where it is at hand: without waiting for anything.
    ///
    /// # Errors
    ///
    /// As of [`FindKey::find_key`].
    fn at_hand(&self, _: &Digest) -> Result<AtHand, StoreError> {
        Ok(AtHand::Unknown)
    }

    /// Told what will be asked for next: the processor is to fetch what is at hand of all of it
    /// together, rather than of one after the other. It changes nothing.
    fn bring_near(&self, _: &[Option<Digest>]) {}

    /// Takes note that an answer rests on so many that were at hand. Who asks what is at hand and
    /// then goes another way does not say so.
    fn count_at_hand(&self, _: u64) {}

    /// Since when changes may have been missed, where answers are given all the same. To be
    /// asked before the key is.
    fn stale_since(&self) -> Option<Timestamp> {
        None
    }
}

/// The records, and the one way to change them.
#[async_trait]
pub trait Records: FindKey {
    /// A policy by name.
    async fn policy(
        &self,
        name: &PolicyName,
    ) -> Result<Option<Stored<(PolicyName, Policy)>>, StoreError>;
    /// A policy by name, compiled.
    async fn rules(
        &self,
        name: &PolicyName,
    ) -> Result<Option<Stored<Arc<CompiledPolicy>>>, StoreError>;
    /// Policies by name, after the given one.
    async fn policies(
        &self,
        page: &Page<Id>,
    ) -> Result<Vec<Stored<(PolicyName, Policy)>>, StoreError>;
    /// A workspace by name.
    async fn workspace(
        &self,
        name: &WorkspaceName,
    ) -> Result<Option<Stored<Workspace>>, StoreError>;
    /// Workspaces by name, after the given one.
    async fn workspaces(&self, page: &Page<Id>) -> Result<Vec<Stored<Workspace>>, StoreError>;
    /// A principal by name, also a deleted one.
    async fn principal(
        &self,
        name: &PrincipalName,
    ) -> Result<Option<Stored<Principal>>, StoreError>;
    /// The principals of a workspace by name, after the given one, without deleted ones.
    async fn principals(
        &self,
        workspace: &WorkspaceName,
        page: &Page<Id>,
    ) -> Result<Vec<Stored<Principal>>, StoreError>;
    /// A key by name, with its secrets, newest first.
    async fn key(&self, name: &KeyName) -> Result<Option<KeyRecord>, StoreError>;
    /// Those of these keys of a workspace that are there, with their secrets, in no order.
    async fn keys_named(
        &self,
        workspace: &WorkspaceName,
        ids: &[Id],
    ) -> Result<Vec<KeyRecord>, StoreError>;
    /// The keys of a workspace that fit a query.
    async fn keys(
        &self,
        query: &KeyQuery,
        page: &Page<KeyCursor>,
    ) -> Result<Vec<KeyRecord>, StoreError>;
    /// The live keys of all workspaces under a policy, with all that they rest on, by name:
    /// those that changed after a revision, or whose owner or workspace did.
    async fn live_keys(
        &self,
        policy: &PolicyName,
        since: Revision,
        now: Timestamp,
        page: &Page<KeyName>,
    ) -> Result<Vec<Facts>, StoreError>;
    /// The workspaces under a policy by name, after the given one.
    async fn workspaces_under(
        &self,
        policy: &PolicyName,
        page: &Page<Id>,
    ) -> Result<Vec<Stored<Workspace>>, StoreError>;
    /// The newest change in the workspaces under a policy; 0 where there was none.
    async fn newest_under(&self, policy: &PolicyName) -> Result<Revision, StoreError>;
    /// The newest change of a principal's keys; 0 where there was none.
    async fn newest_of(&self, principal: &PrincipalName) -> Result<Revision, StoreError>;
    /// Events that fit a query, oldest first, after the given one.
    async fn events(
        &self,
        query: &EventQuery,
        page: &Page<Revision>,
    ) -> Result<Vec<Event>, StoreError>;
    /// How often keys were used: the steps with calls, oldest first.
    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError>;
    /// The most used keys of a workspace, so many, of the newest hours that have at most so many
    /// rows together; the query's key and step are of no account.
    async fn most_used(
        &self,
        query: &UsageQuery,
        most: u64,
        rows_max: u64,
    ) -> Result<MostUsed, StoreError>;
    /// What an earlier request with this id did.
    async fn request(
        &self,
        id: &RequestKey,
        now: Timestamp,
    ) -> Result<Option<RememberedRequest>, StoreError>;
    /// Remembers a request that found everything as it asked for, so that it changes
    /// nothing when it comes again, either.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] where the request was remembered meanwhile.
    async fn remember(&self, request: NewRequest, done: RememberedAs) -> Result<(), StoreError>;
    /// Makes changes: all of them, in this order and each with its event, or nothing. None
    /// rests on another: each is judged by what was there before all. When it returns, they
    /// survive the loss of the process and of power. Gives the revision of the last; those of
    /// the others come before it without gaps.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] where a guard no longer holds, a record is not of the expected
    /// revision or is written twice, or a request was remembered meanwhile;
    /// [`StoreError::Exists`] where a new record's name is taken.
    async fn commit_all(&self, changes: Vec<Change>) -> Result<Revision, StoreError>;
    /// Makes one change, as [`Records::commit_all`] does.
    async fn commit(&self, change: Change) -> Result<Revision, StoreError> {
        self.commit_all(vec![change]).await
    }
    /// Waits until a change that was made is in force: until no replica answers from an older
    /// state. Whoever tells a caller that it is made, or was made before, waits for this first;
    /// of what was made anew nobody has an older state. `until`: how long the caller waits.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotInForce`] where that moment came first.
    async fn in_force(&self, revision: Revision, until: Option<Moment>) -> Result<(), StoreError>;
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Where the part before ended. None: the first part.
    pub after: Option<T>,
    /// How many at the most.
    pub size: u64,
}

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Of this workspace. None: all.
    pub workspace: Option<WorkspaceName>,
    /// About this.
    pub subject: Option<String>,
    /// By this actor.
    pub actor: Option<String>,
    /// Of one of these kinds. Empty: all.
    pub kinds: Vec<Kind>,
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// A request that was given an id: whose, and which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestKey {
    /// The actor.
    pub actor: String,
    /// The id.
    pub id: String,
}

/// What a request with an id did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedRequest {
    /// The resource name of what it changed.
    pub subject: String,
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
    /// Its event.
    pub revision: Revision,
}

/// A request to remember with the change that it makes.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// Which.
    pub key: RequestKey,
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
    /// Until when.
    pub until: Timestamp,
}

/// What a request that changes nothing is remembered as.
#[derive(Clone, Debug)]
pub struct RememberedAs {
    /// The resource name of what was asked for.
    pub subject: String,
    /// The event that had made it so.
    pub revision: Revision,
    /// When the request came.
    pub time: Timestamp,
}

/// One change with all that makes it one.
pub struct Change {
    /// When.
    pub time: Timestamp,
    /// What other records it rests on: the change fails where one has another revision.
    pub guards: Vec<(Guard, Revision)>,
    /// What is written.
    pub write: Write,
    /// What the log says of it.
    pub deed: Deed,
    /// What to remember it by.
    pub request: Option<NewRequest>,
}

/// A record that a change rests on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Guard {
    /// A policy.
    Policy(PolicyName),
    /// A workspace.
    Workspace(WorkspaceName),
    /// A principal.
    Principal(PrincipalName),
    /// A key.
    Key(KeyName),
    /// All that is in the workspaces under a policy, by the newest change of it.
    Under(PolicyName),
    /// The keys of a principal, by the newest change of them: none is made, prolonged or taken up
    /// again without one.
    KeysOf(PrincipalName),
}

/// What a change writes. Without an expected revision the record is new.
pub enum Write {
    /// A policy.
    Policy(PolicyName, Policy, Option<Revision>),
    /// A workspace.
    Workspace(Workspace, Option<Revision>),
    /// A principal.
    Principal(Principal, Option<Revision>),
    /// A key, and where it is given one, a new secret that replaces the others.
    Key(Key, Option<Revision>, Option<NewSecret>),
}

impl Write {
    /// The resource name of what is written, by which the log knows it.
    pub fn subject(&self) -> String {
        match self {
            Self::Policy(name, ..) => name.to_string(),
            Self::Workspace(record, _) => record.name.to_string(),
            Self::Principal(record, _) => record.name.to_string(),
            Self::Key(record, ..) => record.name.to_string(),
        }
    }
}

/// A secret that a key is given.
pub struct NewSecret {
    /// What it is looked up by.
    pub digest: Digest,
    /// The signing key that it was made with.
    pub version: KeyVersion,
    /// From when on the key's newest secret until now works no longer; one in its grace
    /// stops at once. [`Timestamp::MIN`]: at once, also for a clock that is set back.
    pub older_until: Timestamp,
}
