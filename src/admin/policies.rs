//! Policies: make, read, change.

use super::{
    Actor, Admin, AdminError, Changed, CreateResource, Mask, Paged, Paging, PolicyDraft,
    UpdateResource, check_etag,
    error::{invalid, settle},
    record::{NamedPolicy, reached, reached_name},
    size,
};
use crate::domain::{
    caller::Caller,
    event::Kind,
    fault::Faults,
    live::Stored,
    name::{Id, PolicyName},
    policy::{CompiledPolicy, Policy},
    system::{self, SystemScope},
};

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
    /// The policy that is meant, checked: the named fields of the draft over `base`.
    fn read(&self, mask: &Mask, base: &Policy, faults: &mut Faults) -> Option<Policy> {
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
        if mask.names("roles", !draft.roles.is_empty()) {
            policy.roles.clone_from(&draft.roles);
        }
        if mask.names("resources", draft.resources != Policy::default().resources) {
            policy.resources = draft.resources;
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
        CompiledPolicy::compile(policy.clone(), "policy", faults)?;
        Some(policy)
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
        const SCOPE: SystemScope = SystemScope::PoliciesWrite;
        let CreateResource { id, draft, intent } = request;
        caller.require(SCOPE)?;
        let mut faults = Faults::new();
        let name = faults.take("policy_id", id.parse::<Id>()).map(|policy| PolicyName { policy });
        if let Some(name) = &name {
            caller.reach(SCOPE, name)?;
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
            (name, policy),
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
        const SCOPE: SystemScope = SystemScope::PoliciesRead;
        let name = reached_name(caller, SCOPE, name)?;
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
        const SCOPE: SystemScope = SystemScope::PoliciesRead;
        caller.require(SCOPE)?;
        let mut faults = Faults::new();
        let page = paging.page(&mut faults);
        let page = settle(faults, page)?;
        let paged = paging.filled(
            &page,
            |policy: &Stored<NamedPolicy>| policy.value.0.policy.clone(),
            |policy| size(&policy.value.1),
            |policy| caller.reach(SCOPE, &policy.value.0).is_ok(),
            |page| async move { self.records.policies(&page).await },
        );
        Ok(paged.await?)
    }

    /// Changes a policy. Every key under it follows when this returns.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, not there, built in, another etag.
    pub async fn update_policy(
        &self,
        caller: &Caller,
        request: &UpdateResource<PolicyDraft>,
    ) -> Result<Changed<Stored<NamedPolicy>>, AdminError> {
        self.retry(Actor::Caller(caller), || self.update_policy_once(caller, request)).await
    }

    async fn update_policy_once(
        &self,
        caller: &Caller,
        request: &UpdateResource<PolicyDraft>,
    ) -> Result<Changed<Stored<NamedPolicy>>, AdminError> {
        const SCOPE: SystemScope = SystemScope::PoliciesWrite;
        let UpdateResource { name, etag, draft, mask, intent } = request;
        caller.require(SCOPE)?;
        let mut faults = Faults::new();
        let name = reached(caller, SCOPE, "policy.name", name, &mut faults)?;
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
            return self.policy_now(&name).await.map(Changed::new);
        }
        let policy = draft.read(mask, &stored.value.1, &mut faults);
        let policy = settle(faults, policy)?;
        check_etag(etag, &stored, &name)?;
        self.put(
            Actor::Caller(caller),
            intent,
            Kind::PolicyUpdated,
            Vec::new(),
            Some(stored),
            (name, policy),
        )
        .await
        .map(Changed::new)
    }

    async fn policy_now(&self, name: &PolicyName) -> Result<Stored<NamedPolicy>, AdminError> {
        self.records.policy(name).await?.ok_or_else(|| AdminError::not_found(name))
    }
}
