//! The use cases of `KeyAdmin`: who may, what is asked, what is so, what changes.

mod actor;
mod bootstrap;
mod error;
mod events;
mod keys;
mod mask;
mod paging;
mod plan;
mod policies;
mod principals;
mod record;
mod request;
mod usage;
mod workspaces;

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::lock::Mutex;
use ring::rand::SecureRandom;

use crate::domain::{
    caller::Caller,
    event::Revision,
    fault::Faults,
    live::Stored,
    name::{Id, WorkspaceName},
    policy::{CompiledPolicy, effects::Effects},
    ports::{
        Clock, Guard, NewRequest, Records, RememberedAs, RememberedRequest, RequestKey, StoreError,
    },
    secret::{Keyring, Secret},
    time::Timestamp,
    warning::Warning,
    workspace::Workspace,
};

use actor::Actor;
pub use bootstrap::Bootstrapped;
pub use error::AdminError;
pub use keys::{IdentifiedKey, SecretState};
pub use mask::Mask;
pub use paging::{Paged, Paging};
use plan::Plan;
pub use record::NamedPolicy;
pub use request::{
    BatchCreateKeys, BatchRevokeKeys, CreateKey, CreatePrincipal, CreateResource, EventFilter,
    GrantDraft, KeyDraft, KeyFilter, Named, PolicyDraft, PrincipalDraft, RotateKey, UpdateKey,
    UpdatePolicy, UpdateResource, UsageFilter, WorkspaceDraft,
};
pub use usage::Usage;

/// How often a change is tried when others change the same records meanwhile.
const ATTEMPTS_MAX: usize = 32;
/// The largest other record, in bytes as JSON: a page of them must fit into memory.
const RECORD_SIZE_MAX: usize = 128 * 1024;
/// For how long a `request_id` is remembered.
const REQUEST_REMEMBERED: Duration = Duration::from_hours(24);

/// The use cases of `KeyAdmin`.
pub struct Admin {
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    keyring: Arc<Keyring>,
    entropy: Arc<dyn SecureRandom + Send + Sync>,
    /// Held by who tries a change again.
    turns: Mutex<()>,
}

/// How a change is asked for.
#[derive(Clone, Debug, Default)]
pub struct Intent {
    /// What the caller calls its request. Empty: nothing.
    pub request_id: String,
    /// SHA-256 of the request.
    pub fingerprint: [u8; 32],
    /// Whether to check only.
    pub validate_only: bool,
}

/// What a change led to.
#[derive(Debug)]
pub struct Changed<T> {
    /// The record as it is now, or would be.
    pub record: T,
    /// What is legal but risky in it.
    pub warnings: Vec<Warning>,
}

/// What a change of a policy led to.
#[derive(Debug)]
pub struct PolicyChange {
    /// The policy.
    pub changed: Changed<Stored<NamedPolicy>>,
    /// What it does to live keys. None for a repeated request.
    pub effects: Option<Effects>,
}

/// A key that was made or rotated.
pub struct Issued<T> {
    /// The key, and what is risky in it.
    pub changed: Changed<T>,
    /// Its secret; none where nothing was made: on validation, or on a repeated request.
    pub secret: Option<Secret>,
}

/// A workspace with its policy, of one moment.
struct Site {
    workspace: Stored<Workspace>,
    policy: Arc<CompiledPolicy>,
    policy_revision: Revision,
}

impl Site {
    fn guards(&self) -> Vec<(Guard, Revision)> {
        let workspace = &self.workspace.value;
        vec![
            (Guard::Workspace(workspace.name.clone()), self.workspace.revision),
            (Guard::Policy(workspace.policy.clone()), self.policy_revision),
        ]
    }
}

impl Admin {
    /// The use cases over these records.
    pub fn new(
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
        keyring: Arc<Keyring>,
        entropy: Arc<dyn SecureRandom + Send + Sync>,
    ) -> Self {
        Self { records, clock, keyring, entropy, turns: Mutex::new(()) }
    }

    /// Now, by the clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The workspace, which the caller must have been found to reach.
    async fn site(&self, name: &WorkspaceName) -> Result<Site, AdminError> {
        let workspace = self.records.workspace(name).await?;
        let workspace = workspace.ok_or_else(|| AdminError::not_found(name))?;
        let policy_name = &workspace.value.policy;
        let rules = self.records.rules(policy_name).await?;
        let rules = rules.ok_or_else(|| {
            corrupt(format!("{name} refers to {policy_name}, which is not there"))
        })?;
        Ok(Site { workspace, policy: rules.value, policy_revision: rules.revision })
    }

    /// What the caller's earlier request of this id did, if there was one. The record
    /// is read after this, for what was read before may be of the time before that request.
    async fn remembered(
        &self,
        caller: &Caller,
        intent: &Intent,
    ) -> Result<Option<RememberedRequest>, AdminError> {
        let Some(key) = request_key(&Actor::Caller(caller).name(), intent) else { return Ok(None) };
        match self.records.request(&key, self.now()).await? {
            Some(earlier) if earlier.fingerprint == intent.fingerprint => {
                self.records.in_force(earlier.revision, caller.patience()).await?;
                Ok(Some(earlier))
            }
            Some(_) => Err(AdminError::RequestIdReused(key.id)),
            None => Ok(None),
        }
    }

    /// Tries again as long as others change the same records in between, from the second
    /// time on one after another.
    async fn retry<T, F>(
        &self,
        actor: Actor<'_>,
        mut attempt: impl FnMut() -> F + Send,
    ) -> Result<T, AdminError>
    where
        F: Future<Output = Result<T, AdminError>> + Send,
    {
        let mut turn = None;
        let mut is_last = false;
        for _ in 0..ATTEMPTS_MAX {
            match attempt().await {
                // A name that was free a moment ago is looked at again, too.
                Err(AdminError::Store(StoreError::Conflict | StoreError::Exists)) => {}
                outcome => return outcome,
            }
            if is_last {
                break;
            }
            // Who is no longer who it was changes nothing more; but what conflicts may be
            // its own request, come twice, which then is remembered.
            is_last = self.has_changed(actor).await?;
            if turn.is_none() {
                turn = Some(self.turns.lock().await);
            }
        }
        Err(AdminError::Contended)
    }

    /// Whether what the actor was recognised by is no longer as it was.
    async fn has_changed(&self, actor: Actor<'_>) -> Result<bool, AdminError> {
        for (guard, revision) in actor.guards() {
            let now = match guard {
                Guard::Key(name) => self.records.key(&name).await?.map(|now| now.key.revision),
                Guard::Principal(name) => {
                    self.records.principal(&name).await?.map(|now| now.revision)
                }
                Guard::Workspace(name) => {
                    self.records.workspace(&name).await?.map(|now| now.revision)
                }
                Guard::Policy(name) => self.records.rules(&name).await?.map(|now| now.revision),
                Guard::Under(name) => Some(self.records.newest_under(&name).await?),
                Guard::KeysOf(name) => Some(self.records.newest_of(&name).await?),
            };
            if now != Some(revision) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Remembers a request that found everything as it asked for: what it said must not
    /// come about later, when somebody wanted otherwise meanwhile.
    async fn unchanged<T>(
        &self,
        actor: Actor<'_>,
        intent: &Intent,
        subject: String,
        stored: &Stored<T>,
    ) -> Result<(), AdminError> {
        let time = self.now();
        if let Some(request) = intent.to_remember(&actor.name(), time) {
            let done = RememberedAs { subject, revision: stored.revision, time };
            self.records.remember(request, done).await?;
        }
        if intent.validate_only {
            return Ok(());
        }
        // Who made it so may not have been told yet.
        Ok(self.records.in_force(stored.revision, actor.patience()).await?)
    }

    /// A new identifier: a UUID of version 7 (RFC 9562), of the clock and the entropy.
    fn new_id(&self) -> Result<Id, AdminError> {
        let mut random = [0; 10];
        self.entropy.fill(&mut random).map_err(|_| AdminError::NoEntropy)?;
        let millis = u64::try_from(self.now().micros() / 1_000).unwrap_or_default();
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        uuid.to_string().parse().map_err(|_| corrupt("a UUID is no identifier".to_owned()))
    }
}

/// The id under which a request is remembered: none where it has none, or changes nothing.
fn request_key(actor: &str, intent: &Intent) -> Option<RequestKey> {
    let remember = !intent.request_id.is_empty() && !intent.validate_only;
    remember.then(|| RequestKey { actor: actor.to_owned(), id: intent.request_id.clone() })
}

impl Intent {
    /// The request as it is remembered; none where it has no id, or changes nothing.
    fn to_remember(&self, actor: &str, time: Timestamp) -> Option<NewRequest> {
        request_key(actor, self).map(|key| NewRequest {
            key,
            fingerprint: self.fingerprint,
            until: time.after(REQUEST_REMEMBERED).unwrap_or(Timestamp::MAX),
        })
    }

    /// Notes where the id is none that the API takes.
    fn check(&self, faults: &mut Faults) {
        let id = &self.request_id;
        if !id.is_empty() && (id.len() != 36 || uuid::Uuid::try_parse(id).is_err()) {
            faults
                .note("request_id", "must be a UUID, such as 01990e0c-7b6f-7000-8000-000000000000");
        }
    }
}

impl<T> Changed<T> {
    fn new(record: T) -> Self {
        Self { record, warnings: Vec::new() }
    }
}

/// The etag of a record that was changed last by this event (AIP-154).
pub fn etag(revision: Revision) -> String {
    format!("r{revision}")
}

/// Whether an etag, where one is given, is that of the record.
fn check_etag<T>(given: &str, stored: &Stored<T>, name: &impl ToString) -> Result<(), AdminError> {
    if given.is_empty() || given == etag(stored.revision) {
        Ok(())
    } else {
        Err(AdminError::EtagMismatch(name.to_string()))
    }
}

/// How many bytes a record has as JSON. One that cannot be written has none to count.
fn size(record: &impl serde::Serialize) -> usize {
    json(record).map_or(0, |text| text.len())
}

/// The record as the log keeps it.
fn json(record: &impl serde::Serialize) -> Result<String, AdminError> {
    serde_json::to_string(record).map_err(|error| corrupt(error.to_string()))
}

fn corrupt(what: String) -> AdminError {
    AdminError::Store(StoreError::Corrupt(what))
}
