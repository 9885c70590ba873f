//! Policies: make, read, change.

use std::sync::Arc;

use super::{
    Actor, Admin, AdminError, Changed, CreateResource, Mask, Paged, Paging, PolicyChange,
    PolicyDraft, UpdatePolicy, UpdateResource, check_etag,
    error::{invalid, settle},
    record::{NamedPolicy, reached, reached_name},
    size,
};
use crate::domain::{
    caller::Caller,
    event::{Kind, Revision},
    fault::Faults,
    live::Stored,
    name::{Id, PolicyName},
    policy::{
        CompiledPolicy, Policy,
        effects::{Comparison, Effects},
    },
    ports::{Guard, Page, StoreError},
    system::{self, SystemScope},
};

const READ: SystemScope = SystemScope::PoliciesRead;
const WRITE: SystemScope = SystemScope::PoliciesWrite;

/// How many keys or workspaces under a policy are read at a time: a key may have 128 KiB.
const PART: u64 = 64;
/// How often keys that change meanwhile are looked at, before all begins anew.
const LOOKS_MAX: usize = 32;
/// The fields that an update may name.
const CHANGEABLE: &[&str] = &[
    "display_name",
    "scopes",
    "implications",
    "presets",
    "roles",
    "resources",
    "key_types",
    "expiry",
    "rotation",
    "hide_existence",
    "unmatched_resource",
    "plans",
];

impl PolicyDraft {
    /// The policy that is meant by a draft that stands for itself, compiled.
    pub fn compile(&self, faults: &mut Faults) -> Option<CompiledPolicy> {
        self.read(&Mask::All, &Policy::default(), faults)
    }

    /// The policy that is meant, checked: the named fields of the draft over `base`.
    fn read(&self, mask: &Mask, base: &Policy, faults: &mut Faults) -> Option<CompiledPolicy> {
        let Self { policy: draft, title, unread } = self;
        for (field, description) in unread {
            faults.note(&**field, description);
        }
        let mut policy = base.clone();
        if mask.names("display_name", !title.is_empty()) {
            policy.title = faults.take("policy.display_name", title.parse()).unwrap_or_default();
        }
        if mask.names("scopes", !draft.scopes.is_empty()) {
            policy.scopes.clone_from(&draft.scopes);
        }
        if mask.names("implications", !draft.implications.is_empty()) {
            policy.implications.clone_from(&draft.implications);
        }
        if mask.names("presets", !draft.presets.is_empty()) {
            policy.presets.clone_from(&draft.presets);
        }
        if mask.names("plans", !draft.plans.is_empty()) {
            policy.plans.clone_from(&draft.plans);
        }
        if mask.names("rotation", draft.rotation != Policy::default().rotation) {
            policy.rotation = draft.rotation.clone();
        }
        if mask.names("roles", !draft.roles.is_empty()) {
            policy.roles.clone_from(&draft.roles);
        }
        let resources = draft.resources != Policy::default().resources;
        if mask.names("resources", resources || !draft.resource_types.is_empty()) {
            policy.resources = draft.resources;
            policy.resource_types.clone_from(&draft.resource_types);
        }
        if mask.names("key_types", !draft.key_types.is_empty()) {
            policy.key_types.clone_from(&draft.key_types);
        }
        if mask.names("expiry", draft.expiry != Policy::default().expiry) {
            policy.expiry = draft.expiry.clone();
        }
        if mask.names("hide_existence", draft.hide_existence) {
            policy.hide_existence = draft.hide_existence;
        }
        if mask.names(
            "unmatched_resource",
            draft.unmatched_resource != Policy::default().unmatched_resource,
        ) {
            policy.unmatched_resource = draft.unmatched_resource;
        }
        CompiledPolicy::compile(policy, "policy", faults)
    }
}

impl Admin {
    /// Makes a policy.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, the name taken.
    pub async fn create_policy(
        &self,
        caller: &Caller,
        request: &CreateResource<PolicyDraft>,
    ) -> Result<Changed<Stored<NamedPolicy>>, AdminError> {
        self.retry(Actor::Caller(caller), || self.create_policy_once(caller, request)).await
    }

    async fn create_policy_once(
        &self,
        caller: &Caller,
        request: &CreateResource<PolicyDraft>,
    ) -> Result<Changed<Stored<NamedPolicy>>, AdminError> {
        let CreateResource { id, draft, intent } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let name = faults.take("policy_id", id.parse::<Id>()).map(|policy| PolicyName { policy });
        if let Some(name) = &name {
            caller.reach(WRITE, name)?;
        }
        intent.check(&mut faults);
        let policy = draft.read(&Mask::All, &Policy::default(), &mut faults);
        let (name, policy) = settle(faults, name.zip(policy))?;
        let existing = self.records.policy(&name).await?;
        if self.remembered(caller, intent).await?.is_some() {
            return self.policy_now(&name).await.map(Changed::new);
        }
        if existing.is_some() {
            return Err(AdminError::Exists(name.to_string()));
        }
        self.put(
            Actor::Caller(caller),
            intent,
            Kind::PolicyCreated,
            Vec::new(),
            None,
            (name, policy.into_document()),
        )
        .await
        .map(Changed::new)
    }

    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, no name of a policy, not there.
    pub async fn get_policy(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Stored<NamedPolicy>, AdminError> {
        let name = reached_name(caller, READ, name)?;
        self.policy_now(&name).await
    }

    /// Lists the policies that the caller may know of, by name.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields.
    pub async fn list_policies(
        &self,
        caller: &Caller,
        paging: &Paging,
    ) -> Result<Paged<Stored<NamedPolicy>>, AdminError> {
        caller.require(READ)?;
        let mut faults = Faults::new();
        let page = paging.page(&mut faults);
        let page = settle(faults, page)?;
        let paged = paging.filled(
            &page,
            |policy: &Stored<NamedPolicy>| policy.value.0.policy.clone(),
            |policy| size(&policy.value.1),
            |policy| caller.reach(READ, &policy.value.0).is_ok(),
            |page| async move { self.records.policies(&page).await },
        );
        Ok(paged.await?)
    }

    /// Changes a policy. Every key under it follows when this returns.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, not there, built in, another etag; live
    /// keys would lose something, and that is not forced.
    pub async fn update_policy(
        &self,
        caller: &Caller,
        request: &UpdatePolicy,
    ) -> Result<PolicyChange, AdminError> {
        self.retry(Actor::Caller(caller), || self.update_policy_once(caller, request)).await
    }

    async fn update_policy_once(
        &self,
        caller: &Caller,
        request: &UpdatePolicy,
    ) -> Result<PolicyChange, AdminError> {
        let UpdatePolicy { update, force } = request;
        let UpdateResource { name, etag, draft, mask, intent } = update;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let name = reached(caller, WRITE, "policy.name", name, &mut faults)?;
        intent.check(&mut faults);
        mask.check(CHANGEABLE, &["name"], &mut faults);
        let Some(name) = name else {
            draft.read(mask, &Policy::default(), &mut faults);
            return Err(invalid(faults));
        };
        let stored = self.policy_now(&name).await?;
        if name == system::policy_name() {
            return Err(AdminError::BuiltIn(name.to_string()));
        }
        // Before what depends on the policy as it is, which may have changed since the first time.
        if faults.is_empty() && self.remembered(caller, intent).await?.is_some() {
            let changed = Changed::new(self.policy_now(&name).await?);
            return Ok(PolicyChange { changed, effects: None });
        }
        let policy = draft.read(mask, &stored.value.1, &mut faults);
        let policy = Arc::new(settle(faults, policy)?);
        check_etag(etag, &stored, &name)?;
        let (effects, guard) = self.effects(caller, &stored, &policy).await?;
        if !effects.is_empty() && !force && !intent.validate_only {
            return Err(AdminError::LiveKeysAffected(Box::new(effects)));
        }
        // What was looked at must still be so; where the effects are wanted, no matter.
        let guards = guard.filter(|_| !force).into_iter().collect();
        let after = (name, policy.document().clone());
        let (actor, kind) = (Actor::Caller(caller), Kind::PolicyUpdated);
        let stored = self.put(actor, intent, kind, guards, Some(stored), after).await?;
        Ok(PolicyChange { changed: Changed::new(stored), effects: Some(effects) })
    }

    /// What a change of a policy does to live keys, of which those are named that the caller
    /// may know of; and what must still be so when the change is made, where it rests on keys.
    async fn effects(
        &self,
        caller: &Caller,
        before: &Stored<NamedPolicy>,
        after: &Arc<CompiledPolicy>,
    ) -> Result<(Effects, Option<(Guard, Revision)>), AdminError> {
        let name = &before.value.0;
        let rules = self.records.rules(name).await?.ok_or_else(|| AdminError::not_found(name))?;
        if rules.revision != before.revision {
            // The change was read over another state: it would seem to take back what is new.
            return Err(AdminError::Store(StoreError::Conflict));
        }
        let mut comparison = Comparison::new(rules.value, Arc::clone(after));
        if comparison.is_harmless() {
            return Ok((Effects::default(), None));
        }
        let mut since = Revision::default();
        for _ in 0..LOOKS_MAX {
            let newest = self.records.newest_under(name).await?;
            self.look_at_keys(caller, name, since, &mut comparison).await?;
            self.look_at_plans(name, &mut comparison).await?;
            // What changed while the others were looked at is looked at once more.
            if self.records.newest_under(name).await? == newest {
                return Ok((comparison.finish(), Some((Guard::Under(name.clone()), newest))));
            }
            since = newest;
        }
        Err(AdminError::Store(StoreError::Conflict))
    }

    /// Looks at the live keys under a policy that changed since, or whose owner or
    /// workspace did.
    async fn look_at_keys(
        &self,
        caller: &Caller,
        policy: &PolicyName,
        since: Revision,
        comparison: &mut Comparison,
    ) -> Result<(), AdminError> {
        let mut page = Page { after: None, size: PART };
        loop {
            let part = self.records.live_keys(policy, since, self.now(), &page).await?;
            let Some(last) = part.last() else { return Ok(()) };
            page.after = Some(last.key.value.name.clone());
            for facts in part {
                let is_told = caller.reach(SystemScope::KeysRead, &facts.key.value.name).is_ok();
                comparison.look_at(facts, is_told);
            }
        }
    }

    /// Looks at the plans of all workspaces under a policy, also of those without keys.
    async fn look_at_plans(
        &self,
        policy: &PolicyName,
        comparison: &mut Comparison,
    ) -> Result<(), AdminError> {
        let mut page = Page { after: None, size: PART };
        loop {
            let part = self.records.workspaces_under(policy, &page).await?;
            let Some(last) = part.last() else { return Ok(()) };
            page.after = Some(last.value.name.workspace.clone());
            part.iter().for_each(|workspace| comparison.look_at_plan(&workspace.value.plan));
        }
    }

    async fn policy_now(&self, name: &PolicyName) -> Result<Stored<NamedPolicy>, AdminError> {
        self.records.policy(name).await?.ok_or_else(|| AdminError::not_found(name))
    }
}
