//! Keys: make, read, list, change, rotate, revoke, identify.

mod change;
mod draft;
mod minting;
mod presets;
mod read;

use std::{sync::Arc, time::Duration};

use super::{
    Actor, Admin, AdminError, Changed, CreateKey, Intent, Issued, Plan, Site,
    error::{invalid, settle},
    json,
    record::reached,
};
use crate::domain::{
    caller::Caller,
    event::{Kind, Revision},
    fault::Faults,
    key::Key,
    live::{Facts, LiveKey, Stored},
    name::{Id, KeyName, PrincipalName, WorkspaceName},
    policy::{CompiledPolicy, KeyType},
    ports::{Guard, KeyRecord, NewSecret, SecretRecord, Write},
    principal::Principal,
    secret::{Minted, Prefix},
    system::SystemScope,
    time::Timestamp,
    warning::{Warning, WarningCode},
};

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
        let CreateKey { parent, id, draft, presets, minting_key, intent } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let parent: Option<WorkspaceName> = reached(caller, WRITE, "parent", parent, &mut faults)?;
        intent.check(&mut faults);
        let id = match id.as_str() {
            "" => None,
            id => Some(faults.take("key_id", id.parse::<Id>())),
        };
        let minting_key = minting::named(caller, minting_key, &mut faults)?;
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
        presets::check(presets, &site.policy, &mut faults);
        let parsed = draft.read(&parent, &site.policy, !presets.is_empty(), now, &mut faults);
        let parsed = settle(faults, parsed)?;
        let id = id.flatten().map_or_else(|| self.new_id(), Ok)?;
        let name = KeyName { workspace: parent.workspace.clone(), key: id };
        caller.reach(WRITE, &name)?;
        if self.records.key(&name).await?.is_some() {
            // It may be there by this very request, which came twice at once.
            let repeated = self.repeated(caller, intent).await?;
            return repeated.ok_or_else(|| AdminError::Exists(name.to_string()));
        }
        let kind = site.policy.named_key_type(&parsed.key_type);
        let principal = self.owner(&parent, draft, kind).await?;
        let mut key = Key { name, ..parsed };
        let role = principal.as_ref().map(|owner| owner.value.role.as_str());
        presets::expand(presets, &site.policy, role, &mut key)?;
        let mut guards = site.guards();
        if let Some(name) = minting_key {
            let minter = self.minter(&name, &parent, &site, now).await?;
            minter.check(&key, &site, now)?;
            guards.extend(minter.guards());
            key.minting_key = Some(name.key);
        }
        let live = site.live(fresh(key.clone(), now), principal.clone());
        caller.may_handle(&live)?;
        let warnings = risks(&live);
        guards.extend(principal.map(|owner| (Guard::Principal(owner.value.name), owner.revision)));
        let plan = KeyPlan::new(Kind::KeyCreated, guards);
        let mut issued = self.issue(Actor::Caller(caller), intent, &site.policy, plan, key).await?;
        issued.changed.warnings = warnings;
        Ok(issued)
    }

    /// The key that the caller's earlier request of this id made, if there was one, as it
    /// is now and without its secret.
    async fn repeated(
        &self,
        caller: &Caller,
        intent: &Intent,
    ) -> Result<Option<Issued<KeyRecord>>, AdminError> {
        let Some(earlier) = self.remembered(caller, intent).await? else { return Ok(None) };
        let name = earlier.subject.parse::<KeyName>();
        let name = name.map_err(|_| AdminError::not_found(&earlier.subject))?;
        self.key_now(&name).await.map(unissued).map(Some)
    }

    /// The owner of a key about to be made, who must be of the same workspace, of a kind
    /// that keys of its type are for, and enabled.
    async fn owner(
        &self,
        parent: &WorkspaceName,
        draft: &super::KeyDraft,
        kind: Option<&KeyType>,
    ) -> Result<Option<Stored<Principal>>, AdminError> {
        let Ok(name) = draft.principal.parse::<PrincipalName>() else { return Ok(None) };
        if name.parent() != *parent {
            return Err(AdminError::not_found(&name));
        }
        let owner = self.principal_now(&name).await?;
        if let Some(kind) = kind
            && let Err(wrong) = owner.value.kind.is_among(&kind.principal_kinds)
        {
            let mut faults = Faults::new();
            faults.note("key.principal", format_args!("the key type {:?} {wrong}", kind.name));
            return Err(invalid(faults));
        }
        if owner.value.disabled {
            return Err(AdminError::PrincipalDisabled(name.to_string()));
        }
        Ok(Some(owner))
    }

    async fn key_now(&self, name: &KeyName) -> Result<KeyRecord, AdminError> {
        self.records.key(name).await?.ok_or_else(|| AdminError::not_found(name))
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
        let prefix =
            policy.key_type(&key.key_type).and_then(|kind| Prefix::parse(&kind.prefix).ok());
        let prefix = prefix.ok_or_else(|| AdminError::Invalid(vec![orphaned_type(&key)]))?;
        let minted =
            self.keyring.mint(&prefix, self.entropy.as_ref()).map_err(|_| AdminError::NoEntropy)?;
        let Minted { secret, digest } = minted;
        let older_until = match plan.grace {
            Duration::ZERO => Timestamp::MIN,
            grace => self.now().after(grace).unwrap_or(Timestamp::MAX),
        };
        let new = NewSecret { digest, version: self.keyring.current().version(), older_until };
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
        let newest = SecretRecord { create_time: stored.update_time, replaced: None };
        let secrets = std::iter::once(newest).chain(replaced.into_iter().map(ended)).collect();
        let record = KeyRecord { key: stored, secrets };
        Ok(Issued {
            changed: Changed::new(record),
            secret: (!intent.validate_only).then_some(secret),
        })
    }

    async fn write_key(
        &self,
        actor: Actor<'_>,
        intent: &Intent,
        plan: KeyPlan,
        after: Key,
        secret: Option<NewSecret>,
    ) -> Result<Stored<Key>, AdminError> {
        let KeyPlan { kind, guards, before, replaced: _, grace: _ } = plan;
        let stamp = before.as_ref().map(Stored::stamp);
        let plan = Plan {
            guards,
            kind,
            subject: after.name.to_string(),
            workspace: after.name.workspace.to_string(),
            before: before.map(|before| json(&before.value)).transpose()?.unwrap_or_default(),
            after: json(&after)?,
            write: Write::Key(after.clone(), stamp.as_ref().map(|stamp| stamp.revision), secret),
        };
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
}

impl Site {
    /// The key as decisions would see it here.
    fn live(&self, key: Stored<Key>, principal: Option<Stored<Principal>>) -> LiveKey {
        let policy = (self.workspace.value.policy.clone(), self.policy_revision);
        let facts =
            Facts { key, replaced: None, workspace: self.workspace.clone(), principal, policy };
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
