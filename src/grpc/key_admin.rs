//! The service `KeyAdmin`. Each call is handed to the back of the process: its work
//! goes on when its caller goes away, so that a change is never cut in half.

use std::{future::Future, sync::Arc};

use tonic::{Request, Response, Status};

use super::{
    authenticate::caller,
    convert::{self, intent, mask, named, page, paging, warning::warnings},
    status::{not_served, stopped},
};
use crate::{
    admin::{
        Admin, AdminError, Changed, CreateKey, CreatePrincipal, CreateResource, IdentifiedKey,
        Issued, RotateKey, SecretState, UpdateResource,
    },
    back::Back,
    domain::{caller::Caller, ports::KeyRecord, secret::Secret, time::Timestamp},
    proto::{self, key_admin_server::KeyAdmin},
};

/// The service over the use cases.
pub struct KeyAdminService {
    admin: Arc<Admin>,
    back: Back,
}

impl KeyAdminService {
    /// The service over these use cases, carried out there.
    pub fn new(admin: Arc<Admin>, back: Back) -> Self {
        Self { admin, back }
    }

    /// Carries out a use case in the name of the caller.
    async fn call<M, T, F>(
        &self,
        request: Request<M>,
        act: impl FnOnce(Arc<Admin>, Caller, M) -> F,
    ) -> Result<Response<T>, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, AdminError>> + Send + 'static,
    {
        let caller = caller(&request)?;
        let work = act(Arc::clone(&self.admin), caller, request.into_inner());
        let outcome = self.back.run(work).await.map_err(stopped)?;
        outcome.map(Response::new).map_err(Status::from)
    }
}

/// The one place where a secret leaves.
fn revealed(secret: Option<Secret>) -> String {
    secret.map(Secret::reveal).unwrap_or_default()
}

fn key(record: KeyRecord, now: Timestamp) -> Option<proto::Key> {
    Some(convert::key::key(record, now))
}

#[tonic::async_trait]
impl KeyAdmin for KeyAdminService {
    async fn create_policy(
        &self,
        request: Request<proto::CreatePolicyRequest>,
    ) -> Result<Response<proto::CreatePolicyResponse>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent =
                intent("CreatePolicy", &message, &message.request_id, message.validate_only);
            let proto::CreatePolicyRequest { policy_id, policy, request_id: _, validate_only: _ } =
                message;
            let (_, _, draft) = convert::policy::draft(policy);
            let request = CreateResource { id: policy_id, draft, intent };
            let Changed { record, warnings: risks } =
                admin.create_policy(&caller, &request).await?;
            let policy = Some(convert::policy::policy(record));
            Ok(proto::CreatePolicyResponse { policy, warnings: warnings(risks) })
        })
        .await
    }

    async fn get_policy(
        &self,
        request: Request<proto::GetPolicyRequest>,
    ) -> Result<Response<proto::Policy>, Status> {
        self.call(request, |admin, caller, message| async move {
            let stored = admin.get_policy(&caller, &message.name).await?;
            Ok(convert::policy::policy(stored))
        })
        .await
    }

    async fn list_policies(
        &self,
        request: Request<proto::ListPoliciesRequest>,
    ) -> Result<Response<proto::ListPoliciesResponse>, Status> {
        self.call(request, |admin, caller, mut message| async move {
            let (size, token) =
                (std::mem::take(&mut message.page_size), std::mem::take(&mut message.page_token));
            let paging = paging("ListPolicies", &message, size, token);
            let paged = admin.list_policies(&caller, &paging).await?;
            let (policies, next_page_token) = page(paged, convert::policy::policy);
            Ok(proto::ListPoliciesResponse { policies, next_page_token })
        })
        .await
    }

    async fn update_policy(
        &self,
        request: Request<proto::UpdatePolicyRequest>,
    ) -> Result<Response<proto::UpdatePolicyResponse>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent =
                intent("UpdatePolicy", &message, &message.request_id, message.validate_only);
            let proto::UpdatePolicyRequest {
                policy,
                update_mask,
                request_id: _,
                validate_only: _,
                force,
            } = message;
            let (name, etag, mut draft) = convert::policy::draft(policy);
            draft.unread.extend(force.then(|| convert::unserved("force")));
            let request = UpdateResource { name, etag, draft, mask: mask(update_mask), intent };
            let Changed { record, warnings: risks } =
                admin.update_policy(&caller, &request).await?;
            let policy = Some(convert::policy::policy(record));
            Ok(proto::UpdatePolicyResponse { policy, warnings: warnings(risks), effects: None })
        })
        .await
    }

    async fn create_workspace(
        &self,
        request: Request<proto::CreateWorkspaceRequest>,
    ) -> Result<Response<proto::CreateWorkspaceResponse>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent =
                intent("CreateWorkspace", &message, &message.request_id, message.validate_only);
            let proto::CreateWorkspaceRequest {
                workspace_id,
                workspace,
                request_id: _,
                validate_only: _,
            } = message;
            let (_, _, draft) = convert::workspace::draft(workspace);
            let request = CreateResource { id: workspace_id, draft, intent };
            let Changed { record, warnings: risks } =
                admin.create_workspace(&caller, &request).await?;
            let workspace = Some(convert::workspace::workspace(record));
            Ok(proto::CreateWorkspaceResponse { workspace, warnings: warnings(risks) })
        })
        .await
    }

    async fn get_workspace(
        &self,
        request: Request<proto::GetWorkspaceRequest>,
    ) -> Result<Response<proto::Workspace>, Status> {
        self.call(request, |admin, caller, message| async move {
            let stored = admin.get_workspace(&caller, &message.name).await?;
            Ok(convert::workspace::workspace(stored))
        })
        .await
    }

    async fn list_workspaces(
        &self,
        request: Request<proto::ListWorkspacesRequest>,
    ) -> Result<Response<proto::ListWorkspacesResponse>, Status> {
        self.call(request, |admin, caller, mut message| async move {
            let (size, token) =
                (std::mem::take(&mut message.page_size), std::mem::take(&mut message.page_token));
            let paging = paging("ListWorkspaces", &message, size, token);
            let paged = admin.list_workspaces(&caller, &paging).await?;
            let (workspaces, next_page_token) = page(paged, convert::workspace::workspace);
            Ok(proto::ListWorkspacesResponse { workspaces, next_page_token })
        })
        .await
    }

    async fn update_workspace(
        &self,
        request: Request<proto::UpdateWorkspaceRequest>,
    ) -> Result<Response<proto::UpdateWorkspaceResponse>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent =
                intent("UpdateWorkspace", &message, &message.request_id, message.validate_only);
            let proto::UpdateWorkspaceRequest {
                workspace,
                update_mask,
                request_id: _,
                validate_only: _,
            } = message;
            let (name, etag, draft) = convert::workspace::draft(workspace);
            let request = UpdateResource { name, etag, draft, mask: mask(update_mask), intent };
            let Changed { record, warnings: risks } =
                admin.update_workspace(&caller, &request).await?;
            let workspace = Some(convert::workspace::workspace(record));
            Ok(proto::UpdateWorkspaceResponse { workspace, warnings: warnings(risks) })
        })
        .await
    }

    async fn suspend_workspace(
        &self,
        request: Request<proto::SuspendWorkspaceRequest>,
    ) -> Result<Response<proto::Workspace>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent =
                intent("SuspendWorkspace", &message, &message.request_id, message.validate_only);
            let proto::SuspendWorkspaceRequest { name, etag, request_id: _, validate_only: _ } =
                message;
            let stored = admin.suspend_workspace(&caller, &named(intent, name, etag), true).await?;
            Ok(convert::workspace::workspace(stored))
        })
        .await
    }

    async fn resume_workspace(
        &self,
        request: Request<proto::ResumeWorkspaceRequest>,
    ) -> Result<Response<proto::Workspace>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent =
                intent("ResumeWorkspace", &message, &message.request_id, message.validate_only);
            let proto::ResumeWorkspaceRequest { name, etag, request_id: _, validate_only: _ } =
                message;
            let stored =
                admin.suspend_workspace(&caller, &named(intent, name, etag), false).await?;
            Ok(convert::workspace::workspace(stored))
        })
        .await
    }

    async fn create_principal(
        &self,
        request: Request<proto::CreatePrincipalRequest>,
    ) -> Result<Response<proto::CreatePrincipalResponse>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent =
                intent("CreatePrincipal", &message, &message.request_id, message.validate_only);
            let proto::CreatePrincipalRequest {
                parent,
                principal_id,
                principal,
                request_id: _,
                validate_only: _,
            } = message;
            let (_, _, draft) = convert::principal::draft(principal);
            let request = CreatePrincipal { parent, id: principal_id, draft, intent };
            let Changed { record, warnings: risks } =
                admin.create_principal(&caller, &request).await?;
            let principal = Some(convert::principal::principal(record));
            Ok(proto::CreatePrincipalResponse { principal, warnings: warnings(risks) })
        })
        .await
    }

    async fn get_principal(
        &self,
        request: Request<proto::GetPrincipalRequest>,
    ) -> Result<Response<proto::Principal>, Status> {
        self.call(request, |admin, caller, message| async move {
            let stored = admin.get_principal(&caller, &message.name).await?;
            Ok(convert::principal::principal(stored))
        })
        .await
    }

    async fn list_principals(
        &self,
        request: Request<proto::ListPrincipalsRequest>,
    ) -> Result<Response<proto::ListPrincipalsResponse>, Status> {
        self.call(request, |admin, caller, mut message| async move {
            let (size, token) =
                (std::mem::take(&mut message.page_size), std::mem::take(&mut message.page_token));
            let paging = paging("ListPrincipals", &message, size, token);
            let paged = admin.list_principals(&caller, &message.parent, &paging).await?;
            let (principals, next_page_token) = page(paged, convert::principal::principal);
            Ok(proto::ListPrincipalsResponse { principals, next_page_token })
        })
        .await
    }

    async fn update_principal(
        &self,
        request: Request<proto::UpdatePrincipalRequest>,
    ) -> Result<Response<proto::UpdatePrincipalResponse>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent =
                intent("UpdatePrincipal", &message, &message.request_id, message.validate_only);
            let proto::UpdatePrincipalRequest {
                principal,
                update_mask,
                request_id: _,
                validate_only: _,
            } = message;
            let (name, etag, draft) = convert::principal::draft(principal);
            let request = UpdateResource { name, etag, draft, mask: mask(update_mask), intent };
            let Changed { record, warnings: risks } =
                admin.update_principal(&caller, &request).await?;
            let principal = Some(convert::principal::principal(record));
            Ok(proto::UpdatePrincipalResponse { principal, warnings: warnings(risks) })
        })
        .await
    }

    async fn disable_principal(
        &self,
        request: Request<proto::DisablePrincipalRequest>,
    ) -> Result<Response<proto::Principal>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent =
                intent("DisablePrincipal", &message, &message.request_id, message.validate_only);
            let proto::DisablePrincipalRequest { name, etag, request_id: _, validate_only: _ } =
                message;
            let stored = admin.disable_principal(&caller, &named(intent, name, etag), true).await?;
            Ok(convert::principal::principal(stored))
        })
        .await
    }

    async fn enable_principal(
        &self,
        request: Request<proto::EnablePrincipalRequest>,
    ) -> Result<Response<proto::Principal>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent =
                intent("EnablePrincipal", &message, &message.request_id, message.validate_only);
            let proto::EnablePrincipalRequest { name, etag, request_id: _, validate_only: _ } =
                message;
            let stored =
                admin.disable_principal(&caller, &named(intent, name, etag), false).await?;
            Ok(convert::principal::principal(stored))
        })
        .await
    }

    async fn delete_principal(
        &self,
        _: Request<proto::DeletePrincipalRequest>,
    ) -> Result<Response<proto::DeletePrincipalResponse>, Status> {
        Err(not_served("keyward.v1.KeyAdmin/DeletePrincipal"))
    }

    async fn create_key(
        &self,
        request: Request<proto::CreateKeyRequest>,
    ) -> Result<Response<proto::CreateKeyResponse>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent = intent("CreateKey", &message, &message.request_id, message.validate_only);
            let proto::CreateKeyRequest {
                parent,
                key_id,
                key: sent,
                presets,
                minting_key,
                request_id: _,
                validate_only: _,
            } = message;
            let (_, _, draft) = convert::key::draft(sent);
            let request = CreateKey { parent, id: key_id, draft, presets, minting_key, intent };
            let Issued { changed: Changed { record, warnings: risks }, secret } =
                admin.create_key(&caller, &request).await?;
            let key = key(record, admin.now());
            Ok(proto::CreateKeyResponse {
                key,
                secret: revealed(secret),
                warnings: warnings(risks),
            })
        })
        .await
    }

    async fn batch_create_keys(
        &self,
        _: Request<proto::BatchCreateKeysRequest>,
    ) -> Result<Response<proto::BatchCreateKeysResponse>, Status> {
        Err(not_served("keyward.v1.KeyAdmin/BatchCreateKeys"))
    }

    async fn get_key(
        &self,
        request: Request<proto::GetKeyRequest>,
    ) -> Result<Response<proto::Key>, Status> {
        self.call(request, |admin, caller, message| async move {
            let record = admin.get_key(&caller, &message.name).await?;
            Ok(convert::key::key(record, admin.now()))
        })
        .await
    }

    async fn list_keys(
        &self,
        request: Request<proto::ListKeysRequest>,
    ) -> Result<Response<proto::ListKeysResponse>, Status> {
        self.call(request, |admin, caller, mut message| async move {
            let (size, token) =
                (std::mem::take(&mut message.page_size), std::mem::take(&mut message.page_token));
            let paging = paging("ListKeys", &message, size, token);
            let paged = admin.list_keys(&caller, &convert::key::filter(message, paging)).await?;
            let now = admin.now();
            let (keys, next_page_token) = page(paged, |record| convert::key::key(record, now));
            Ok(proto::ListKeysResponse { keys, next_page_token })
        })
        .await
    }

    async fn update_key(
        &self,
        request: Request<proto::UpdateKeyRequest>,
    ) -> Result<Response<proto::UpdateKeyResponse>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent = intent("UpdateKey", &message, &message.request_id, message.validate_only);
            let proto::UpdateKeyRequest { key: sent, update_mask, request_id: _, validate_only: _ } = message;
            let (name, etag, draft) = convert::key::draft(sent);
            let request = UpdateResource { name, etag, draft, mask: mask(update_mask), intent };
            let Changed { record, warnings: risks } = admin.update_key(&caller, &request).await?;
            Ok(proto::UpdateKeyResponse { key: key(record, admin.now()), warnings: warnings(risks) })
        })
        .await
    }

    async fn rotate_key(
        &self,
        request: Request<proto::RotateKeyRequest>,
    ) -> Result<Response<proto::RotateKeyResponse>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent = intent("RotateKey", &message, &message.request_id, message.validate_only);
            let proto::RotateKeyRequest { name, etag, grace, request_id: _, validate_only: _ } =
                message;
            let request =
                RotateKey { named: named(intent, name, etag), grace: convert::key::grace(grace) };
            let Issued { changed: Changed { record, warnings: risks }, secret } =
                admin.rotate_key(&caller, &request).await?;
            let key = key(record, admin.now());
            Ok(proto::RotateKeyResponse {
                key,
                secret: revealed(secret),
                warnings: warnings(risks),
            })
        })
        .await
    }

    async fn revoke_key(
        &self,
        request: Request<proto::RevokeKeyRequest>,
    ) -> Result<Response<proto::Key>, Status> {
        self.call(request, |admin, caller, message| async move {
            let intent = intent("RevokeKey", &message, &message.request_id, message.validate_only);
            let proto::RevokeKeyRequest { name, etag, request_id: _, validate_only: _ } = message;
            let record = admin.revoke_key(&caller, &named(intent, name, etag)).await?;
            Ok(convert::key::key(record, admin.now()))
        })
        .await
    }

    async fn batch_revoke_keys(
        &self,
        _: Request<proto::BatchRevokeKeysRequest>,
    ) -> Result<Response<proto::BatchRevokeKeysResponse>, Status> {
        Err(not_served("keyward.v1.KeyAdmin/BatchRevokeKeys"))
    }

    async fn identify_key(
        &self,
        request: Request<proto::IdentifyKeyRequest>,
    ) -> Result<Response<proto::IdentifyKeyResponse>, Status> {
        self.call(request, |admin, caller, message| async move {
            let IdentifiedKey { record, state } =
                admin.identify_key(&caller, &message.secret).await?;
            let secret_state = match state {
                SecretState::Current => proto::SecretState::Current,
                SecretState::Grace => proto::SecretState::Grace,
                SecretState::Replaced => proto::SecretState::Replaced,
            };
            Ok(proto::IdentifyKeyResponse {
                key: key(record, admin.now()),
                secret_state: secret_state.into(),
            })
        })
        .await
    }

    async fn get_usage(
        &self,
        _: Request<proto::GetUsageRequest>,
    ) -> Result<Response<proto::GetUsageResponse>, Status> {
        Err(not_served("keyward.v1.KeyAdmin/GetUsage"))
    }

    async fn list_events(
        &self,
        request: Request<proto::ListEventsRequest>,
    ) -> Result<Response<proto::ListEventsResponse>, Status> {
        self.call(request, |admin, caller, mut message| async move {
            let (size, token) =
                (std::mem::take(&mut message.page_size), std::mem::take(&mut message.page_token));
            let paging = paging("ListEvents", &message, size, token);
            let paged =
                admin.list_events(&caller, &convert::event::filter(message, paging)).await?;
            let (events, next_page_token) = page(paged, convert::event::event);
            Ok(proto::ListEventsResponse { events, next_page_token })
        })
        .await
    }
}
