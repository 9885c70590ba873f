//! Keys: make, read, list, change, rotate, revoke, identify.

mod batch;
mod change;
mod draft;
mod make;
mod minting;
mod presets;
mod read;

use std::{sync::Arc, time::Duration};

use super::{
    Actor, Admin, AdminError, Changed, CreateKey, Intent, Issued, Plan, Site,
    error::{invalid, settle},
    json,
    plan::Planned,
    record::reached,
};
use crate::domain::{
    caller::Caller,
    event::{Kind, Revision},
    fault::Faults,
    key::Key,
    live::{Facts, LiveKey, Stored},
    name::{KeyName, WorkspaceName},
    policy::CompiledPolicy,
    ports::{Guard, KeyRecord, NewSecret, SecretRecord, Write},
    principal::Principal,
    secret::{Minted, Prefix, Secret},
    system::SystemScope,
    time::Timestamp,
    warning::{Warning, WarningCode},
};

use make::{Form, Made, Making};
pub use read::{IdentifiedKey, SecretState};

const READ: SystemScope = SystemScope::KeysRead;
const WRITE: SystemScope = SystemScope::KeysWrite;

impl Admin {
    /// Makes a key. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, no such workspace or principal, the
    /// principal disabled, the name taken.
    pub async fn create_key(
        &self,
        caller: &Caller,
        request: &CreateKey,
    ) -> Result<Issued<KeyRecord>, AdminError> {
        self.retry(Actor::Caller(caller), || self.create_key_once(caller, request)).await
    }

    async fn create_key_once(
        &self,
        caller: &Caller,
        request: &CreateKey,
    ) -> Result<Issued<KeyRecord>, AdminError> {
        let CreateKey { parent, draft, intent, .. } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let parent: Option<WorkspaceName> = reached(caller, WRITE, "parent", parent, &mut faults)?;
        intent.check(&mut faults);
        let form = request.form(caller, &mut faults)?;
        let Some(parent) = parent else {
            draft.check_form(&mut faults);
            return Err(invalid(faults));
        };
        // Before the rules are asked, which may have changed since.
        if faults.is_empty()
            && let Some(repeated) = self.repeated(caller, intent).await?
        {
            return Ok(repeated);
        }
        let site = self.site(&parent).await?;
        let now = self.now();
        let parsed = request.read(&parent, &site.policy, now, &mut faults);
        let parsed = settle(faults, parsed)?;
        let Form { id, minting_key } = form;
        let id = id.map_or_else(|| self.new_id(), Ok)?;
        let name = KeyName { workspace: parent.workspace.clone(), key: id };
        caller.reach(WRITE, &name)?;
        if self.records.key(&name).await?.is_some() {
            // It may be there by this very request, which came twice at once.
            let repeated = self.repeated(caller, intent).await?;
            return repeated.ok_or_else(|| AdminError::Exists(name.to_string()));
        }
        let key = Key { name, ..parsed };
        let mut making = Making::new(caller, &site, now);
        let Made { key, guards, warnings } =
            self.make(&mut making, request, key, minting_key).await?;
        let plan = KeyPlan::new(Kind::KeyCreated, guards);
        let mut issued = self.issue(Actor::Caller(caller), intent, &site.policy, plan, key).await?;
        issued.changed.warnings = warnings;
        Ok(issued)
    }

    /// The key that the caller's earlier request of this id made, if there was one, as it
    /// is now and without its secret. The caller may reach less by now.
    async fn repeated(
        &self,
        caller: &Caller,
        intent: &Intent,
    ) -> Result<Option<Issued<KeyRecord>>, AdminError> {
        let Some(earlier) = self.remembered(caller, intent).await? else { return Ok(None) };
        let name = earlier.subject.parse::<KeyName>();
        let name = name.map_err(|_| AdminError::not_found(&earlier.subject))?;
        // The caller may reach less by now than when it made the key.
        caller.reach(WRITE, &name)?;
        let record = self.key_now(&name).await?;
        self.dated(record).await.map(unissued).map(Some)
    }

    async fn key_now(&self, name: &KeyName) -> Result<KeyRecord, AdminError> {
        self.records.key(name).await?.ok_or_else(|| AdminError::not_found(name))
    }

    /// The same key, with when its rotation is due.
    async fn dated(&self, record: KeyRecord) -> Result<KeyRecord, AdminError> {
        let workspace = record.key.value.name.workspace.clone();
        let site = self.site(&WorkspaceName { workspace }).await?;
        Ok(record.due_after(site.due_after()))
    }

    /// Writes a key with a new secret.
    pub(super) async fn issue(
        &self,
        actor: Actor<'_>,
        intent: &Intent,
        policy: &CompiledPolicy,
        plan: KeyPlan,
        key: Key,
    ) -> Result<Issued<KeyRecord>, AdminError> {
        let (new, secret) = self.mint(policy, &key, plan.grace)?;
        let older_until = new.older_until;
        let replaced = plan.replaced.clone();
        let stored = self.write_key(actor, intent, plan, key, Some(new)).await?;
        let now = self.now();
        let ended = |record: SecretRecord| {
            let replaced = match record.replaced {
                None => older_until,
                Some(end) if now < end => Timestamp::MIN,
                Some(end) => end,
            };
            SecretRecord { replaced: Some(replaced), ..record }
        };
        let newest =
            SecretRecord { create_time: stored.update_time, replaced: None, last_use: None };
        let secrets = std::iter::once(newest).chain(replaced.into_iter().map(ended)).collect();
        let record = KeyRecord { key: stored, secrets, rotation_due: None };
        let record = record.due_after(policy.document().rotation.due_after);
        Ok(Issued {
            changed: Changed::new(record),
            secret: (!intent.validate_only).then_some(secret),
        })
    }

    /// A new secret for a key, and what is stored of it.
    fn mint(
        &self,
        policy: &CompiledPolicy,
        key: &Key,
        grace: Duration,
    ) -> Result<(NewSecret, Secret), AdminError> {
        let prefix =
            policy.key_type(&key.key_type).and_then(|kind| Prefix::parse(&kind.prefix).ok());
        let prefix = prefix.ok_or_else(|| AdminError::Invalid(vec![orphaned_type(key)]))?;
        let minted =
            self.keyring.mint(&prefix, self.entropy.as_ref()).map_err(|_| AdminError::NoEntropy)?;
        let Minted { secret, digest } = minted;
        let older_until = match grace {
            Duration::ZERO => Timestamp::MIN,
            grace => self.now().after(grace).unwrap_or(Timestamp::MAX),
        };
        let version = self.keyring.current().version();
        Ok((NewSecret { digest, version, older_until }, secret))
    }

    async fn write_key(
        &self,
        actor: Actor<'_>,
        intent: &Intent,
        plan: KeyPlan,
        after: Key,
        secret: Option<NewSecret>,
    ) -> Result<Stored<Key>, AdminError> {
        let (stamp, plan) = plan.planned(&after, secret)?;
        self.write(actor, intent, stamp, plan, after).await
    }
}

/// A change of a key about to be made.
pub(super) struct KeyPlan {
    kind: Kind,
    guards: Vec<(Guard, Revision)>,
    before: Option<Stored<Key>>,
    replaced: Vec<SecretRecord>,
    /// How long the secret that is replaced still works.
    grace: Duration,
}

impl KeyPlan {
    /// The making of a key.
    pub(super) fn new(kind: Kind, guards: Vec<(Guard, Revision)>) -> Self {
        Self { kind, guards, before: None, replaced: Vec::new(), grace: Duration::ZERO }
    }

    /// The writing of the key as it is to be.
    fn planned(self, after: &Key, secret: Option<NewSecret>) -> Result<Planned, AdminError> {
        let Self { kind, guards, before, replaced: _, grace: _ } = self;
        let stamp = before.as_ref().map(Stored::stamp);
        let plan = Plan {
            guards,
            kind,
            subject: after.name.to_string(),
            workspace: after.name.workspace.to_string(),
            before: before.map(|before| json(&before.value)).transpose()?.unwrap_or_default(),
            after: json(after)?,
            write: Write::Key(after.clone(), stamp.as_ref().map(|stamp| stamp.revision), secret),
        };
        Ok((stamp, plan))
    }
}

impl Site {
    /// After what time the secret of a key is to be replaced. None: it need not be.
    fn due_after(&self) -> Option<Duration> {
        self.policy.document().rotation.due_after
    }

    /// The key as decisions would see it here.
    fn live(&self, key: Stored<Key>, principal: Option<Stored<Principal>>) -> LiveKey {
        let policy = (self.workspace.value.policy.clone(), self.policy_revision);
        let (workspace, principal) = (self.workspace.clone().into(), principal.map(Arc::new));
        let facts = Facts { key, replaced: None, workspace, principal, policy };
        LiveKey::new(facts, Arc::clone(&self.policy))
    }
}

/// A key that is not stored yet.
fn fresh(key: Key, now: Timestamp) -> Stored<Key> {
    Stored { value: key, revision: Revision::default(), create_time: now, update_time: now }
}

/// The answer to a repeated request: the key as it is, and no secret.
fn unissued(record: KeyRecord) -> Issued<KeyRecord> {
    Issued { changed: Changed::new(record), secret: None }
}

fn orphaned_type(key: &Key) -> crate::domain::fault::Fault {
    crate::domain::fault::Fault {
        field: "key.type".to_owned(),
        description: format!("the policy no longer has the key type {:?}", key.key_type),
    }
}

/// What is legal but risky in a key.
fn risks(live: &LiveKey) -> Vec<Warning> {
    let (key, policy) = (live.key(), live.policy());
    let mut warnings = Vec::new();
    let mut warn = |code, field: String, description: String| {
        warnings.push(Warning { code, field, description });
    };
    for network in key.allowed_cidrs.wildcards() {
        let description = format!("{network} admits every address of its family");
        warn(WarningCode::WildcardCidr, "key.allowed_cidrs".to_owned(), description);
    }
    if key.expire_time.is_none() {
        let description = "the key never expires; give it an expire_time or ttl".to_owned();
        warn(WarningCode::NoExpiry, "key.expire_time".to_owned(), description);
    }
    for (place, grant) in key.grants.iter().enumerate() {
        let Some(scope) = policy.scope(&grant.scope) else { continue };
        let field = || format!("key.grants[{place}].scope");
        if policy.is_isolated(scope) {
            let description =
                format!("the policy isolates {:?}: grant it only on purpose", grant.scope);
            warn(WarningCode::IsolatedScope, field(), description);
        }
        if policy.leads_to_isolated(scope) {
            let description = format!("{:?} implies a scope that is isolated", grant.scope);
            warn(WarningCode::IsolatedScope, field(), description);
        }
        if policy.is_admin_like(scope) {
            let description = format!("{:?} implies every scope that is not isolated", grant.scope);
            warn(WarningCode::AdminLikeScope, field(), description);
        }
    }
    warnings
}
