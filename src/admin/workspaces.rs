//! Workspaces: make, read, change, suspend, resume.

use super::{
    Actor, Admin, AdminError, Changed, CreateResource, Named, Paged, Paging, UpdateResource,
    WorkspaceDraft, check_etag,
    error::{invalid, settle},
    record::{reached, reached_name},
    size,
};
use crate::domain::{
    caller::Caller,
    event::Kind,
    fault::{Faults, nearest},
    live::Stored,
    name::{Id, PolicyName, Title, WorkspaceName},
    policy::{Policy, compiled::unknown},
    ports::Guard,
    system::{self, SystemScope},
    workspace::Workspace,
};

const READ: SystemScope = SystemScope::WorkspacesRead;
const WRITE: SystemScope = SystemScope::WorkspacesWrite;

impl WorkspaceDraft {
    fn title(&self, faults: &mut Faults) -> Option<Title> {
        faults.take("workspace.display_name", self.title.parse())
    }

    /// Notes a plan that the policy does not have. To who may not read the policy, none of
    /// its plans is named.
    fn check_plan(&self, caller: &Caller, name: &PolicyName, policy: &Policy, faults: &mut Faults) {
        if caller.reach(SystemScope::PoliciesRead, name).is_ok() {
            check_plan(&self.plan, policy, "workspace.plan", faults);
        } else if !self.plan.is_empty() && policy.plan(&self.plan).is_none() {
            faults.note("workspace.plan", unknown("plan", &self.plan, None));
        }
    }
}

/// Notes a plan that the policy does not have; no plan is one.
pub(super) fn check_plan(plan: &str, policy: &Policy, field: &str, faults: &mut Faults) {
    if !plan.is_empty() && policy.plan(plan).is_none() {
        let plans = policy.plans.iter().map(|known| known.name.as_str());
        faults.note(field, unknown("plan", plan, nearest(plan, plans)));
    }
}

impl Admin {
    /// Makes a workspace: the one-time set-up of a tenant.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, no such policy, the name taken.
    pub async fn create_workspace(
        &self,
        caller: &Caller,
        request: &CreateResource<WorkspaceDraft>,
    ) -> Result<Changed<Stored<Workspace>>, AdminError> {
        self.retry(Actor::Caller(caller), || self.create_workspace_once(caller, request)).await
    }

    async fn create_workspace_once(
        &self,
        caller: &Caller,
        request: &CreateResource<WorkspaceDraft>,
    ) -> Result<Changed<Stored<Workspace>>, AdminError> {
        let CreateResource { id, draft, intent } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let name = faults
            .take("workspace_id", id.parse::<Id>())
            .map(|workspace| WorkspaceName { workspace });
        if let Some(name) = &name {
            caller.reach(WRITE, name)?;
        }
        intent.check(&mut faults);
        let title = draft.title(&mut faults);
        let policy = faults.take("workspace.policy", draft.policy.parse::<PolicyName>());
        if policy.as_ref() == Some(&system::policy_name()) {
            faults.note(
                "workspace.policy",
                "policies/system is for Keyward's own callers; make a policy of your own",
            );
        }
        // Before what depends on the policy, which may have changed since the first time.
        let is_repeated = faults.is_empty() && self.remembered(caller, intent).await?.is_some();
        let rules = match policy.as_ref().filter(|_| !is_repeated) {
            Some(policy) => self.records.policy(policy).await?,
            None => None,
        };
        if let Some(rules) = &rules {
            draft.check_plan(caller, &rules.value.0, &rules.value.1, &mut faults);
        }
        let ((name, title), policy) = settle(faults, name.zip(title).zip(policy))?;
        let existing = self.records.workspace(&name).await?;
        if is_repeated || self.remembered(caller, intent).await?.is_some() {
            return self.workspace_now(&name).await.map(Changed::new);
        }
        if existing.is_some() {
            return Err(AdminError::Exists(name.to_string()));
        }
        let rules = rules.ok_or_else(|| AdminError::not_found(&policy))?;
        let guards = vec![(Guard::Policy(policy.clone()), rules.revision)];
        let plan = draft.plan.clone();
        let workspace = Workspace { name, title, policy, plan, suspended: false };
        let kind = Kind::WorkspaceCreated;
        self.put(Actor::Caller(caller), intent, kind, guards, None, workspace)
            .await
            .map(Changed::new)
    }

    /// Reads a workspace.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, no name of a workspace, not there.
    pub async fn get_workspace(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Stored<Workspace>, AdminError> {
        let name = reached_name(caller, READ, name)?;
        self.workspace_now(&name).await
    }

    /// Lists the workspaces that the caller may know of, by name.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields.
    pub async fn list_workspaces(
        &self,
        caller: &Caller,
        paging: &Paging,
    ) -> Result<Paged<Stored<Workspace>>, AdminError> {
        caller.require(READ)?;
        let mut faults = Faults::new();
        let page = paging.page(&mut faults);
        let page = settle(faults, page)?;
        let paged = paging.filled(
            &page,
            |workspace: &Stored<Workspace>| workspace.value.name.workspace.clone(),
            |workspace| size(&workspace.value),
            |workspace| caller.reach(READ, &workspace.value.name).is_ok(),
            |page| async move { self.records.workspaces(&page).await },
        );
        Ok(paged.await?)
    }

    /// Changes a workspace.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, not there, built in, another etag.
    pub async fn update_workspace(
        &self,
        caller: &Caller,
        request: &UpdateResource<WorkspaceDraft>,
    ) -> Result<Changed<Stored<Workspace>>, AdminError> {
        self.retry(Actor::Caller(caller), || self.update_workspace_once(caller, request)).await
    }

    async fn update_workspace_once(
        &self,
        caller: &Caller,
        request: &UpdateResource<WorkspaceDraft>,
    ) -> Result<Changed<Stored<Workspace>>, AdminError> {
        let UpdateResource { name, etag, draft, mask, intent } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let name = reached(caller, WRITE, "workspace.name", name, &mut faults)?;
        intent.check(&mut faults);
        mask.check(&["display_name", "plan"], &["name", "policy"], &mut faults);
        let title =
            mask.names("display_name", !draft.title.is_empty()).then(|| draft.title(&mut faults));
        let Some(name) = name else { return Err(invalid(faults)) };
        let stored = self.workspace_now(&name).await?;
        if name == system::workspace_name() {
            return Err(AdminError::BuiltIn(name.to_string()));
        }
        if !draft.policy.is_empty() && draft.policy != stored.value.policy.to_string() {
            faults.note("workspace.policy", "is fixed once the workspace is made");
        }
        let mut workspace = stored.value.clone();
        if let Some(title) = title {
            workspace.title = title.unwrap_or_default();
        }
        // Before what depends on the policy as it is, which may have changed since the first time.
        if faults.is_empty() && self.remembered(caller, intent).await?.is_some() {
            return self.workspace_now(&name).await.map(Changed::new);
        }
        let mut guards = Vec::new();
        if mask.names("plan", !draft.plan.is_empty()) {
            let policy = &workspace.policy;
            let rules =
                self.records.policy(policy).await?.ok_or_else(|| AdminError::not_found(policy))?;
            draft.check_plan(caller, &rules.value.0, &rules.value.1, &mut faults);
            guards.push((Guard::Policy(policy.clone()), rules.revision));
            workspace.plan.clone_from(&draft.plan);
        }
        let workspace = settle(faults, Some(workspace))?;
        check_etag(etag, &stored, &name)?;
        let kind = Kind::WorkspaceUpdated;
        self.put(Actor::Caller(caller), intent, kind, guards, Some(stored), workspace)
            .await
            .map(Changed::new)
    }

    /// Stops all keys of a workspace, or lets them work again. What is so already is
    /// not an error, and no change.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, not there, built in, another etag.
    pub async fn suspend_workspace(
        &self,
        caller: &Caller,
        request: &Named,
        suspended: bool,
    ) -> Result<Stored<Workspace>, AdminError> {
        self.retry(Actor::Caller(caller), || {
            self.suspend_workspace_once(caller, request, suspended)
        })
        .await
    }

    async fn suspend_workspace_once(
        &self,
        caller: &Caller,
        request: &Named,
        suspended: bool,
    ) -> Result<Stored<Workspace>, AdminError> {
        let Named { name, etag, intent } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let name = reached(caller, WRITE, "name", name, &mut faults)?;
        intent.check(&mut faults);
        let name = settle(faults, name)?;
        let stored = self.workspace_now(&name).await?;
        if name == system::workspace_name() {
            return Err(AdminError::BuiltIn(name.to_string()));
        }
        if self.remembered(caller, intent).await?.is_some() {
            return self.workspace_now(&name).await;
        }
        check_etag(etag, &stored, &name)?;
        let workspace = Workspace { suspended, ..stored.value.clone() };
        let kind = if suspended { Kind::WorkspaceSuspended } else { Kind::WorkspaceResumed };
        self.put(Actor::Caller(caller), intent, kind, Vec::new(), Some(stored), workspace).await
    }

    async fn workspace_now(&self, name: &WorkspaceName) -> Result<Stored<Workspace>, AdminError> {
        self.records.workspace(name).await?.ok_or_else(|| AdminError::not_found(name))
    }
}
