//! Keys: update, rotate, revoke.

use std::time::Duration;

use super::{KeyPlan, WRITE, risks, unissued};
use crate::{
    admin::{
        Actor, Admin, AdminError, Changed, Issued, KeyDraft, Named, RotateKey, Site, UpdateKey,
        check_etag,
        error::{invalid, settle},
        record::reached,
    },
    domain::{
        caller::Caller,
        event::Kind,
        fault::Faults,
        key::Key,
        live::{LiveKey, Stored},
        name::KeyName,
        policy::RotationRule,
        ports::{Guard, KeyRecord},
        principal::Principal,
        warning::{Warning, WarningCode},
    },
};

/// The fields that an update may name.
const CHANGEABLE: &[&str] = &[
    "display_name",
    "grants",
    "constraint",
    "allowed_cidrs",
    "expire_time",
    "ttl",
    "never_expires",
    "plan",
    "labels",
];
/// The fields that never change.
const FIXED: &[&str] = &["name", "type", "principal"];

/// A key with all that a change of it rests on.
struct Subject {
    name: KeyName,
    record: KeyRecord,
    site: Site,
    principal: Option<Stored<Principal>>,
}

impl Subject {
    fn live(&self, key: Key) -> LiveKey {
        let stored = Stored { value: key, ..self.record.key.clone() };
        self.site.live(stored, self.principal.clone())
    }

    /// The age at which its secret is due for rotation.
    fn due_after(&self) -> Option<Duration> {
        self.site.due_after()
    }

    /// Refuses what would have a key go on that has ended for ever, or whose owner was deleted.
    fn check_goes_on(&self) -> Result<(), AdminError> {
        if self.record.key.value.revoke_time.is_some() {
            return Err(AdminError::KeyRevoked(self.name.to_string()));
        }
        match &self.principal {
            Some(owner) if owner.value.deleted => Err(AdminError::not_found(&owner.value.name)),
            _ => Ok(()),
        }
    }

    /// Of a key that goes on: its owner must not be deleted meanwhile.
    fn plan_to_go_on(&self, kind: Kind) -> KeyPlan {
        let mut plan = self.plan(kind);
        let owner = self.principal.as_ref().map(|owner| (owner.value.name.clone(), owner.revision));
        plan.guards.extend(owner.map(|(name, revision)| (Guard::Principal(name), revision)));
        plan
    }

    fn plan(&self, kind: Kind) -> KeyPlan {
        let replaced = self.record.secrets.clone();
        KeyPlan {
            kind,
            guards: self.site.guards(),
            before: Some(self.record.key.clone()),
            replaced,
            grace: Duration::ZERO,
        }
    }
}

impl Admin {
    /// The key with all that a change of it rests on; the caller must be no less than it.
    async fn subject(&self, caller: &Caller, name: KeyName) -> Result<Subject, AdminError> {
        let record = self.key_now(&name).await?;
        let site = self.site(&name.parent()).await?;
        let principal = match record.key.value.owner() {
            Some(owner) => {
                // Also a deleted one: what is left of its keys can still be revoked.
                let principal = self.records.principal(&owner).await?;
                Some(principal.ok_or_else(|| AdminError::not_found(&owner))?)
            }
            None => None,
        };
        let record = record.due_after(site.due_after());
        let subject = Subject { name, record, site, principal };
        caller.may_handle(&subject.live(subject.record.key.value.clone()))?;
        Ok(subject)
    }

    /// The key as it is by now.
    async fn key_of(&self, subject: &Subject) -> Result<KeyRecord, AdminError> {
        Ok(self.key_now(&subject.name).await?.due_after(subject.due_after()))
    }

    /// The key that a change of state names, where the caller may change it.
    async fn named_subject(
        &self,
        caller: &Caller,
        named: &Named,
        mut faults: Faults,
    ) -> Result<Subject, AdminError> {
        caller.require(WRITE)?;
        let name = reached(caller, WRITE, "name", &named.name, &mut faults)?;
        named.intent.check(&mut faults);
        let name = settle(faults, name)?;
        self.subject(caller, name).await
    }

    /// Changes a key.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, not there, revoked, another etag.
    pub async fn update_key(
        &self,
        caller: &Caller,
        request: &UpdateKey,
    ) -> Result<Changed<KeyRecord>, AdminError> {
        self.retry(Actor::Caller(caller), || self.update_key_once(caller, request)).await
    }

    async fn update_key_once(
        &self,
        caller: &Caller,
        request: &UpdateKey,
    ) -> Result<Changed<KeyRecord>, AdminError> {
        let UpdateKey { name, etag, draft, mask, intent } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let name = reached(caller, WRITE, "key.name", name, &mut faults)?;
        intent.check(&mut faults);
        mask.check(CHANGEABLE, FIXED, &mut faults);
        let Some(name) = name else {
            draft.check_form(&mut faults);
            return Err(invalid(faults));
        };
        let subject = self.subject(caller, name).await?;
        // Before the rules are asked, which may have changed since.
        if faults.is_empty() && self.remembered(caller, intent).await?.is_some() {
            return self.key_of(&subject).await.map(Changed::new);
        }
        let before = &subject.record.key.value;
        check_fixed(draft, before, &mut faults);
        let after = draft.merge(before, mask, &subject.site.policy, self.now(), &mut faults);
        let after = settle(faults, Some(after))?;
        check_etag(etag, &subject.record.key, &subject.name)?;
        subject.check_goes_on()?;
        let live = subject.live(after.clone());
        caller.may_handle(&live)?;
        let mut warnings = risks(&live);
        warnings.extend(changes(&subject.live(before.clone()), &live));
        if after == *before {
            let subject_name = subject.name.to_string();
            self.unchanged(Actor::Caller(caller), intent, subject_name, &subject.record.key)
                .await?;
            return Ok(Changed { record: subject.record, warnings });
        }
        let plan = subject.plan_to_go_on(Kind::KeyUpdated);
        let key = self.write_key(Actor::Caller(caller), intent, plan, after, None).await?;
        Ok(Changed { record: KeyRecord { key, ..subject.record }, warnings })
    }

    /// Gives a key a new secret. The old one stops when this returns, or works for a grace;
    /// one that was in its grace stops.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, not there, revoked, another etag.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        request: &RotateKey,
    ) -> Result<Issued<KeyRecord>, AdminError> {
        self.retry(Actor::Caller(caller), || self.rotate_key_once(caller, request)).await
    }

    async fn rotate_key_once(
        &self,
        caller: &Caller,
        request: &RotateKey,
    ) -> Result<Issued<KeyRecord>, AdminError> {
        let RotateKey { named, grace, unread } = request;
        let mut faults = Faults::new();
        for (field, description) in unread {
            faults.note(&**field, description);
        }
        let subject = self.named_subject(caller, named, faults).await?;
        if self.remembered(caller, &named.intent).await?.is_some() {
            return self.key_of(&subject).await.map(unissued);
        }
        check_etag(&named.etag, &subject.record.key, &subject.name)?;
        let key = subject.record.key.value.clone();
        subject.check_goes_on()?;
        let rule = &subject.site.policy.document().rotation;
        let grace = grace_under(rule, *grace)?;
        let plan = KeyPlan { grace, ..subject.plan_to_go_on(Kind::KeyRotated) };
        self.issue(Actor::Caller(caller), &named.intent, &subject.site.policy, plan, key).await
    }

    /// Ends a key, for ever. One that has ended is not an error, and no change.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, not there, another etag.
    pub async fn revoke_key(
        &self,
        caller: &Caller,
        request: &Named,
    ) -> Result<KeyRecord, AdminError> {
        self.retry(Actor::Caller(caller), || self.revoke_key_once(caller, request)).await
    }

    async fn revoke_key_once(
        &self,
        caller: &Caller,
        request: &Named,
    ) -> Result<KeyRecord, AdminError> {
        let subject = self.named_subject(caller, request, Faults::new()).await?;
        if self.remembered(caller, &request.intent).await?.is_some() {
            return self.key_of(&subject).await;
        }
        check_etag(&request.etag, &subject.record.key, &subject.name)?;
        let before = &subject.record.key.value;
        if before.revoke_time.is_some() {
            let name = subject.name.to_string();
            let intent = &request.intent;
            self.unchanged(Actor::Caller(caller), intent, name, &subject.record.key).await?;
            return Ok(subject.record);
        }
        let after = Key { revoke_time: Some(self.now()), ..before.clone() };
        let plan = subject.plan(Kind::KeyRevoked);
        let key = self.write_key(Actor::Caller(caller), &request.intent, plan, after, None).await?;
        let due_after = subject.due_after();
        Ok(KeyRecord { key, ..subject.record }.due_after(due_after))
    }
}

/// How long the old secret goes on: as long as is asked for, else as the policy says.
fn grace_under(rule: &RotationRule, asked: Option<Duration>) -> Result<Duration, AdminError> {
    let most = rule.max_grace.unwrap_or_default();
    let grace = asked.or(rule.default_grace).unwrap_or_default();
    if grace <= most {
        return Ok(grace);
    }
    let mut faults = Faults::new();
    let fault = match most {
        Duration::ZERO => "the policy allows no grace: leave it out".to_owned(),
        most => format!("is longer than the policy allows: at most {} seconds", most.as_secs_f64()),
    };
    faults.note("grace", fault);
    Err(invalid(faults))
}

/// Notes fields that never change and are given another value.
fn check_fixed(draft: &KeyDraft, key: &Key, faults: &mut Faults) {
    if !draft.key_type.is_empty() && draft.key_type != key.key_type {
        faults.note("key.type", "is fixed once the key is made");
    }
    let owner = key.owner().map(|owner| owner.to_string()).unwrap_or_default();
    if !draft.principal.is_empty() && draft.principal != owner {
        faults.note("key.principal", "is fixed once the key is made");
    }
}

/// What an update takes away that clients may be using, and which bounds it lifts.
fn changes(before: &LiveKey, after: &LiveKey) -> Vec<Warning> {
    let narrowed = after.shortfall(before).into_iter().map(|field| Warning {
        code: WarningCode::Narrowed,
        field: format!("key.{field}"),
        description: format!(
            "clients that use the key may lose access: {field} allows less than before"
        ),
    });
    let (old, new) = (before.key(), after.key());
    let lifted = [
        ("constraint", !old.constraint.is_empty() && new.constraint.is_empty()),
        ("allowed_cidrs", !old.allowed_cidrs.is_empty() && new.allowed_cidrs.is_empty()),
    ];
    let lifted = lifted.into_iter().filter(|(_, lifted)| *lifted).map(|(field, _)| Warning {
        code: WarningCode::BoundLifted,
        field: format!("key.{field}"),
        description: format!("{field} is empty now: the key has no such bound any more"),
    });
    narrowed.chain(lifted).collect()
}
