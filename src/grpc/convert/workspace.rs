//! Workspaces.

use std::mem::take;

use super::{intent, mask, page, paging, timestamp, warning::warnings};
use crate::{
    admin::{Changed, CreateResource, Named, Paged, Paging, UpdateResource, WorkspaceDraft, etag},
    domain::{live::Stored, workspace::Workspace},
    proto,
};

/// The draft, with the name and the etag that the message carries.
pub(in crate::grpc) fn draft(
    workspace: Option<proto::Workspace>,
) -> (String, String, WorkspaceDraft) {
    let proto::Workspace {
        name,
        display_name,
        policy,
        plan,
        state: _,
        etag,
        revision: _,
        create_time: _,
        update_time: _,
    } = workspace.unwrap_or_default();
    (name, etag, WorkspaceDraft { title: display_name, policy, plan })
}

pub(in crate::grpc) fn workspace(stored: Stored<Workspace>) -> proto::Workspace {
    let Stored {
        value: Workspace { name, title, policy, plan, suspended },
        revision,
        create_time,
        update_time,
    } = stored;
    let state =
        if suspended { proto::WorkspaceState::Suspended } else { proto::WorkspaceState::Active };
    proto::Workspace {
        name: name.to_string(),
        display_name: title.as_str().to_owned(),
        policy: policy.to_string(),
        plan,
        state: state.into(),
        etag: etag(revision),
        revision: revision.0,
        create_time: Some(timestamp(create_time)),
        update_time: Some(timestamp(update_time)),
    }
}

pub(in crate::grpc) fn create(
    request: proto::CreateWorkspaceRequest,
) -> CreateResource<WorkspaceDraft> {
    let intent = intent("CreateWorkspace", &request, &request.request_id, request.validate_only);
    let proto::CreateWorkspaceRequest { workspace_id, workspace, request_id: _, validate_only: _ } =
        request;
    let (_, _, draft) = draft(workspace);
    CreateResource { id: workspace_id, draft, intent }
}

pub(in crate::grpc) fn created(
    changed: Changed<Stored<Workspace>>,
) -> proto::CreateWorkspaceResponse {
    let Changed { record, warnings: risks } = changed;
    proto::CreateWorkspaceResponse { workspace: Some(workspace(record)), warnings: warnings(risks) }
}

pub(in crate::grpc) fn list(mut request: proto::ListWorkspacesRequest) -> Paging {
    let (size, token) = (take(&mut request.page_size), take(&mut request.page_token));
    paging("ListWorkspaces", &request, size, token)
}

pub(in crate::grpc) fn listed(paged: Paged<Stored<Workspace>>) -> proto::ListWorkspacesResponse {
    let (workspaces, next_page_token) = page(paged, workspace);
    proto::ListWorkspacesResponse { workspaces, next_page_token }
}

pub(in crate::grpc) fn update(
    request: proto::UpdateWorkspaceRequest,
) -> UpdateResource<WorkspaceDraft> {
    let intent = intent("UpdateWorkspace", &request, &request.request_id, request.validate_only);
    let proto::UpdateWorkspaceRequest { workspace, update_mask, request_id: _, validate_only: _ } =
        request;
    let (name, etag, draft) = draft(workspace);
    UpdateResource { name, etag, draft, mask: mask(update_mask), intent }
}

pub(in crate::grpc) fn updated(
    changed: Changed<Stored<Workspace>>,
) -> proto::UpdateWorkspaceResponse {
    let Changed { record, warnings: risks } = changed;
    proto::UpdateWorkspaceResponse { workspace: Some(workspace(record)), warnings: warnings(risks) }
}

pub(in crate::grpc) fn suspend(request: proto::SuspendWorkspaceRequest) -> Named {
    let intent = intent("SuspendWorkspace", &request, &request.request_id, request.validate_only);
    let proto::SuspendWorkspaceRequest { name, etag, request_id: _, validate_only: _ } = request;
    Named { name, etag, intent }
}

pub(in crate::grpc) fn resume(request: proto::ResumeWorkspaceRequest) -> Named {
    let intent = intent("ResumeWorkspace", &request, &request.request_id, request.validate_only);
    let proto::ResumeWorkspaceRequest { name, etag, request_id: _, validate_only: _ } = request;
    Named { name, etag, intent }
}
