//! The RPCs of workspaces.

mod create;
mod get;
mod list;
mod plans;
mod resume;
mod suspend;
mod update;

use keyward::proto;

use crate::support::Caller;

async fn stored(root: &mut Caller, name: &str) -> proto::Workspace {
    let request = proto::GetWorkspaceRequest { name: name.to_owned() };
    root.admin.get_workspace(request).await.unwrap().into_inner()
}
