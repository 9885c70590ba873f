//! Principals: make, read, change, disable, enable, delete.

use super::{
    Actor, Admin, AdminError, Changed, CreatePrincipal, Named, Paged, Paging, PrincipalDraft,
    UpdateResource, check_etag,
    error::{invalid, settle},
    record::{reached, reached_name},
    size,
};
use crate::domain::{
    caller::Caller,
    event::Kind,
    fault::{Faults, nearest},
    key::KeyState,
    live::Stored,
    name::{Id, PrincipalName, WorkspaceName},
    policy::{CompiledPolicy, compiled::unknown},
    ports::{Guard, KeyOrder, KeyQuery, Page},
    principal::{CONFINED_TO_MAX, Principal, PrincipalKind},
    system::{self, SystemScope},
};

const READ: SystemScope = SystemScope::PrincipalsRead;
const WRITE: SystemScope = SystemScope::PrincipalsWrite;

impl PrincipalDraft {
    fn check_role(
        &self,
        kind: Option<PrincipalKind>,
        policy: &CompiledPolicy,
        faults: &mut Faults,
    ) {
        let role = self.role.as_str();
        if policy.has_roles() && role.is_empty() {
            faults.note("principal.role", "is required: the policy has roles");
        } else if !role.is_empty() && policy.role(role).is_none() {
            let roles = policy.document().roles.iter().map(|role| role.name.as_str());
            faults.note("principal.role", unknown("role", role, nearest(role, roles)));
        } else if let Some((kind, role)) = kind.zip(policy.named_role(role))
            && let Err(wrong) = kind.is_among(&role.principal_kinds)
        {
            faults.note("principal.role", format_args!("{:?} {wrong}", role.name));
        }
    }

    fn check_confined_to(&self, policy: &CompiledPolicy, faults: &mut Faults) {
        if !faults.bound("principal.confined_to", self.confined_to.len(), CONFINED_TO_MAX) {
            return;
        }
        for (place, text) in self.confined_to.iter().enumerate() {
            let parsed = policy.constraint(text);
            faults.take(format!("principal.confined_to[{place}]"), parsed);
        }
    }
}

/// Whoever may change the owners of callers may change what callers may do.
fn may_own_callers(caller: &Caller, workspace: &WorkspaceName) -> Result<(), AdminError> {
    if *workspace == system::workspace_name() {
        caller.reach_all(SystemScope::All)?;
    }
    Ok(())
}

impl Admin {
    /// Makes a principal.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, no such workspace, the name taken.
    pub async fn create_principal(
        &self,
        caller: &Caller,
        request: &CreatePrincipal,
    ) -> Result<Changed<Stored<Principal>>, AdminError> {
        self.retry(Actor::Caller(caller), || self.create_principal_once(caller, request)).await
    }

    async fn create_principal_once(
        &self,
        caller: &Caller,
        request: &CreatePrincipal,
    ) -> Result<Changed<Stored<Principal>>, AdminError> {
        let CreatePrincipal { parent, id, draft, intent } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let parent: Option<WorkspaceName> = reached(caller, WRITE, "parent", parent, &mut faults)?;
        if let Some(parent) = &parent {
            may_own_callers(caller, parent)?;
        }
        intent.check(&mut faults);
        let id = faults.take("principal_id", id.parse::<Id>());
        let title = faults.take("principal.display_name", draft.title.parse());
        if draft.kind.is_none() {
            faults.note("principal.kind", "must be USER, TEAM or SERVICE");
        }
        let Some(parent) = parent else { return Err(invalid(faults)) };
        // Before what depends on the policy, which may have changed since the first time.
        let is_repeated = faults.is_empty() && self.remembered(caller, intent).await?.is_some();
        let site = self.site(&parent).await?;
        if !is_repeated {
            draft.check_role(draft.kind, &site.policy, &mut faults);
            draft.check_confined_to(&site.policy, &mut faults);
        }
        let ((id, title), kind) = settle(faults, id.zip(title).zip(draft.kind))?;
        let name = PrincipalName { workspace: parent.workspace, principal: id };
        caller.reach(WRITE, &name)?;
        let existing = self.records.principal(&name).await?;
        if is_repeated || self.remembered(caller, intent).await?.is_some() {
            return self.principal_now(&name).await.map(Changed::new);
        }
        if existing.is_some() {
            return Err(AdminError::Exists(name.to_string()));
        }
        let (role, confined_to) = (draft.role.clone(), draft.confined_to.clone());
        let principal =
            Principal { name, title, kind, role, confined_to, disabled: false, deleted: false };
        let kind = Kind::PrincipalCreated;
        self.put(Actor::Caller(caller), intent, kind, site.guards(), None, principal)
            .await
            .map(Changed::new)
    }

    /// Reads a principal.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, no name of a principal, not there.
    pub async fn get_principal(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Stored<Principal>, AdminError> {
        let name = reached_name(caller, READ, name)?;
        self.principal_now(&name).await
    }

    /// Lists the principals of a workspace that the caller may know of, by name.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, no such workspace.
    pub async fn list_principals(
        &self,
        caller: &Caller,
        parent: &str,
        paging: &Paging,
    ) -> Result<Paged<Stored<Principal>>, AdminError> {
        caller.require(READ)?;
        let mut faults = Faults::new();
        let parent: Option<WorkspaceName> = reached(caller, READ, "parent", parent, &mut faults)?;
        let page = paging.page(&mut faults);
        let (parent, page) = settle(faults, parent.zip(page))?;
        self.records.workspace(&parent).await?.ok_or_else(|| AdminError::not_found(&parent))?;
        let parent = &parent;
        let paged = paging.filled(
            &page,
            |principal: &Stored<Principal>| principal.value.name.principal.clone(),
            |principal| size(&principal.value),
            |principal| caller.reach(READ, &principal.value.name).is_ok(),
            |page| async move { self.records.principals(parent, &page).await },
        );
        Ok(paged.await?)
    }

    /// Changes a principal. Its keys follow when this returns.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, not there, another etag.
    pub async fn update_principal(
        &self,
        caller: &Caller,
        request: &UpdateResource<PrincipalDraft>,
    ) -> Result<Changed<Stored<Principal>>, AdminError> {
        self.retry(Actor::Caller(caller), || self.update_principal_once(caller, request)).await
    }

    async fn update_principal_once(
        &self,
        caller: &Caller,
        request: &UpdateResource<PrincipalDraft>,
    ) -> Result<Changed<Stored<Principal>>, AdminError> {
        let UpdateResource { name, etag, draft, mask, intent } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let name: Option<PrincipalName> =
            reached(caller, WRITE, "principal.name", name, &mut faults)?;
        if let Some(name) = &name {
            may_own_callers(caller, &name.parent())?;
        }
        intent.check(&mut faults);
        mask.check(&["display_name", "role", "confined_to"], &["name", "kind"], &mut faults);
        let title = mask.names("display_name", !draft.title.is_empty());
        let title = title.then(|| faults.take("principal.display_name", draft.title.parse()));
        let Some(name) = name else { return Err(invalid(faults)) };
        let stored = self.principal_now(&name).await?;
        // Before what depends on the policy, which may have changed since the first time.
        if faults.is_empty() && self.remembered(caller, intent).await?.is_some() {
            return self.principal_now(&name).await.map(Changed::new);
        }
        let site = self.site(&name.parent()).await?;
        if draft.kind.is_some_and(|kind| kind != stored.value.kind) {
            faults.note("principal.kind", "is fixed once the principal is made");
        }
        let mut principal = stored.value.clone();
        if let Some(title) = title {
            principal.title = title.unwrap_or_default();
        }
        if mask.names("role", !draft.role.is_empty()) {
            draft.check_role(Some(stored.value.kind), &site.policy, &mut faults);
            principal.role.clone_from(&draft.role);
        }
        if mask.names("confined_to", !draft.confined_to.is_empty()) {
            draft.check_confined_to(&site.policy, &mut faults);
            principal.confined_to.clone_from(&draft.confined_to);
        }
        let principal = settle(faults, Some(principal))?;
        check_etag(etag, &stored, &name)?;
        let kind = Kind::PrincipalUpdated;
        self.put(Actor::Caller(caller), intent, kind, site.guards(), Some(stored), principal)
            .await
            .map(Changed::new)
    }

    /// Stops all keys of a principal, or lets them work again. What is so already is
    /// not an error, and no change.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, not there, another etag.
    pub async fn disable_principal(
        &self,
        caller: &Caller,
        request: &Named,
        disabled: bool,
    ) -> Result<Stored<Principal>, AdminError> {
        self.retry(Actor::Caller(caller), || self.disable_principal_once(caller, request, disabled))
            .await
    }

    async fn disable_principal_once(
        &self,
        caller: &Caller,
        request: &Named,
        disabled: bool,
    ) -> Result<Stored<Principal>, AdminError> {
        let Named { name, etag, intent } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let name: Option<PrincipalName> = reached(caller, WRITE, "name", name, &mut faults)?;
        if let Some(name) = &name {
            may_own_callers(caller, &name.parent())?;
        }
        intent.check(&mut faults);
        let name = settle(faults, name)?;
        let stored = self.principal_now(&name).await?;
        let site = self.site(&name.parent()).await?;
        if self.remembered(caller, intent).await?.is_some() {
            return self.principal_now(&name).await;
        }
        check_etag(etag, &stored, &name)?;
        let principal = Principal { disabled, ..stored.value.clone() };
        let kind = if disabled { Kind::PrincipalDisabled } else { Kind::PrincipalEnabled };
        self.put(Actor::Caller(caller), intent, kind, site.guards(), Some(stored), principal).await
    }

    /// Deletes a principal that has no live keys, for ever: no other is given its name.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, not there, another etag, live keys.
    pub async fn delete_principal(
        &self,
        caller: &Caller,
        request: &Named,
    ) -> Result<(), AdminError> {
        self.retry(Actor::Caller(caller), || self.delete_principal_once(caller, request)).await
    }

    async fn delete_principal_once(
        &self,
        caller: &Caller,
        request: &Named,
    ) -> Result<(), AdminError> {
        let Named { name, etag, intent } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let name: Option<PrincipalName> = reached(caller, WRITE, "name", name, &mut faults)?;
        if let Some(name) = &name {
            may_own_callers(caller, &name.parent())?;
        }
        intent.check(&mut faults);
        let name = settle(faults, name)?;
        // Before it is looked for, for it is gone then.
        if self.remembered(caller, intent).await?.is_some() {
            return Ok(());
        }
        let stored = self.principal_now(&name).await?;
        let site = self.site(&name.parent()).await?;
        check_etag(etag, &stored, &name)?;
        // Looked at before the keys are: one that is made or prolonged meanwhile is newer.
        let newest = self.records.newest_of(&name).await?;
        if self.has_live_keys(&name).await? {
            return Err(AdminError::PrincipalHasLiveKeys(name.to_string()));
        }
        let mut guards = site.guards();
        guards.push((Guard::KeysOf(name), newest));
        let principal = Principal { disabled: true, deleted: true, ..stored.value.clone() };
        let kind = Kind::PrincipalDeleted;
        self.put(Actor::Caller(caller), intent, kind, guards, Some(stored), principal).await?;
        Ok(())
    }

    async fn has_live_keys(&self, name: &PrincipalName) -> Result<bool, AdminError> {
        let query = KeyQuery {
            workspace: name.parent(),
            states: vec![KeyState::Active],
            now: self.now(),
            title_part: String::new(),
            key_type: None,
            principal: Some(name.principal.clone()),
            scope: None,
            expiring_before: None,
            never_used: false,
            unused_since: None,
            newest_secret_until: None,
            order: KeyOrder::CreateTime,
            descending: false,
        };
        let keys = self.records.keys(&query, &Page { after: None, size: 1 }).await?;
        Ok(!keys.is_empty())
    }

    pub(super) async fn principal_now(
        &self,
        name: &PrincipalName,
    ) -> Result<Stored<Principal>, AdminError> {
        let found = self.records.principal(name).await?;
        found.filter(|found| !found.value.deleted).ok_or_else(|| AdminError::not_found(name))
    }
}
