//! The use cases of `KeyAdmin`: who may, what is asked, what is so, what changes.

mod bootstrap;
mod error;
mod events;
mod keys;
mod mask;
mod paging;
mod policies;
mod principals;
mod record;
mod request;
mod workspaces;

use std::{future::Future, sync::Arc, time::Duration};

use ring::rand::SecureRandom;

use crate::domain::{
    caller::Caller,
    event::{Deed, Kind, Revision},
    fault::Faults,
    live::Stored,
    name::WorkspaceName,
    policy::{CompiledPolicy, Policy},
    ports::{
        Change, Clock, Guard, NewRequest, Records, RememberedRequest, RequestKey, StoreError, Write,
    },
    secret::{Keyring, Secret},
    time::Timestamp,
    warning::Warning,
    workspace::Workspace,
};

pub use bootstrap::Bootstrapped;
pub use error::AdminError;
pub use keys::{IdentifiedKey, SecretState};
pub use mask::Mask;
pub use paging::{Paged, Paging};
pub use record::NamedPolicy;
pub use request::{
    CreateKey, CreatePrincipal, CreateResource, EventFilter, GrantDraft, KeyDraft, KeyFilter,
    Named, PolicyDraft, PrincipalDraft, RotateKey, UpdateKey, UpdateResource, WorkspaceDraft,
};

/// How often a change is tried when others change the same records meanwhile.
const ATTEMPTS_MAX: usize = 32;
/// For how long a `request_id` is remembered.
const REQUEST_REMEMBERED: Duration = Duration::from_hours(24);

/// The use cases of `KeyAdmin`.
pub struct Admin {
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    keyring: Arc<Keyring>,
    entropy: Arc<dyn SecureRandom + Send + Sync>,
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
        Self { records, clock, keyring, entropy }
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
        let policy = self.records.policy(policy_name).await?;
        let policy = policy.ok_or_else(|| {
            corrupt(format!("{name} refers to {policy_name}, which is not there"))
        })?;
        let compiled = compiled(policy.value.1)?;
        Ok(Site { workspace, policy: Arc::new(compiled), policy_revision: policy.revision })
    }

    /// What the caller's earlier request of this id did, if there was one. The record
    /// is read after this, for what was read before may be of the time before that request.
    async fn remembered(
        &self,
        caller: &Caller,
        intent: &Intent,
    ) -> Result<Option<RememberedRequest>, AdminError> {
        let Some(key) = request_key(&caller.actor(), intent) else { return Ok(None) };
        match self.records.request(&key, self.now()).await? {
            Some(earlier) if earlier.fingerprint == intent.fingerprint => Ok(Some(earlier)),
            Some(_) => Err(AdminError::RequestIdReused(key.id)),
            None => Ok(None),
        }
    }

    /// Writes a record: in place of the one that `before` tells of, or anew. On
    /// validation nothing is written, and the record is as it would be.
    async fn write<T>(
        &self,
        actor: String,
        intent: &Intent,
        before: Option<Stored<()>>,
        plan: Plan,
        value: T,
    ) -> Result<Stored<T>, AdminError> {
        let time = self.now();
        let create_time = before.as_ref().map_or(time, |before| before.create_time);
        let revision = if intent.validate_only {
            before.map(|before| before.revision).unwrap_or_default()
        } else {
            let Plan { guards, write, kind, subject, workspace, before, after } = plan;
            let request = request_key(&actor, intent).map(|key| NewRequest {
                key,
                fingerprint: intent.fingerprint,
                until: time.after(REQUEST_REMEMBERED).unwrap_or(Timestamp::MAX),
            });
            let request_id = intent.request_id.clone();
            let deed = Deed { actor, kind, subject, workspace, before, after, request_id };
            self.records.commit(Change { time, guards, write, deed, request }).await?
        };
        Ok(Stored { value, revision, create_time, update_time: time })
    }
}

/// A change about to be made.
struct Plan {
    guards: Vec<(Guard, Revision)>,
    write: Write,
    kind: Kind,
    subject: String,
    workspace: String,
    before: String,
    after: String,
}

/// The id under which a request is remembered: none where it has none, or changes nothing.
fn request_key(actor: &str, intent: &Intent) -> Option<RequestKey> {
    let remember = !intent.request_id.is_empty() && !intent.validate_only;
    remember.then(|| RequestKey { actor: actor.to_owned(), id: intent.request_id.clone() })
}

impl Intent {
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

/// Tries again as long as others change the same records in between.
async fn retry<T, F>(mut attempt: impl FnMut() -> F + Send) -> Result<T, AdminError>
where
    F: Future<Output = Result<T, AdminError>> + Send,
{
    for _ in 0..ATTEMPTS_MAX {
        match attempt().await {
            // A name that was free a moment ago is looked at again, too.
            Err(AdminError::Store(StoreError::Conflict | StoreError::Exists)) => {}
            outcome => return outcome,
        }
    }
    Err(AdminError::Contended)
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

/// A stored policy, compiled.
fn compiled(policy: Policy) -> Result<CompiledPolicy, AdminError> {
    let mut faults = Faults::new();
    let compiled = CompiledPolicy::compile(policy, "policy", &mut faults);
    compiled.ok_or_else(|| corrupt("a stored policy has faults".to_owned()))
}

/// The record as the log keeps it.
fn json(record: &impl serde::Serialize) -> Result<String, AdminError> {
    serde_json::to_string(record).map_err(|error| corrupt(error.to_string()))
}

fn corrupt(what: String) -> AdminError {
    AdminError::Store(StoreError::Corrupt(what))
}
