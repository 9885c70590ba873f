//! The RPCs of principals.

mod create;
mod delete;
mod disable;
mod enable;
mod get;
mod list;
mod update;

use keyward::proto::{self, PrincipalKind};

use crate::support::{Caller, reader};

const ADA: &str = "workspaces/acme/principals/ada";

async fn stored(root: &mut Caller, name: &str) -> proto::Principal {
    let request = proto::GetPrincipalRequest { name: name.to_owned() };
    root.admin.get_principal(request).await.unwrap().into_inner()
}

/// The secret of a new key that belongs to a principal and may `sites:read`.
async fn key_of(root: &mut Caller, principal: &str, id: &str) -> String {
    let workspace = principal.split('/').nth(1).unwrap();
    let key = proto::Key { principal: principal.to_owned(), ..reader() };
    root.create_key(workspace, id, key).await.secret
}

/// Makes a principal of the workspace `system`, whose policy has no roles.
async fn operator(root: &mut Caller) -> proto::Principal {
    let kind = PrincipalKind::User.into();
    let request = proto::CreatePrincipalRequest {
        parent: "workspaces/system".into(),
        principal_id: "operator".into(),
        principal: Some(proto::Principal { kind, ..Default::default() }),
        ..Default::default()
    };
    root.admin.create_principal(request).await.unwrap().into_inner().principal.unwrap()
}
