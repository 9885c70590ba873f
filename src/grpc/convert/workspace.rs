//! Workspaces.

use super::timestamp;
use crate::{
    admin::{WorkspaceDraft, etag},
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
        value: Workspace { name, title, policy, suspended },
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
        plan: String::new(),
        state: state.into(),
        etag: etag(revision),
        revision: revision.0,
        create_time: Some(timestamp(create_time)),
        update_time: Some(timestamp(update_time)),
    }
}
