//! What an operator sets up: a policy, a workspace, a principal, a key.

use super::{
    clients::{Clients, refused},
    page,
};
use crate::{
    cli::{Failure, failure},
    proto::{self, PrincipalKind},
};

/// The networks that the key may be used from.
const NETWORK: &str = "203.0.113.0/24";
/// What the key is bound to.
const BOUND: &str = "teams/red";
/// The scope that the key is granted.
const GRANTED: &str = "notes:write";

const POLICY: &str = "policies/notes";
const WORKSPACE: &str = "workspaces/acme";
const PRINCIPAL: &str = "workspaces/acme/principals/ada";
/// The key that is shown.
const KEY: &str = "workspaces/acme/keys/ci";

/// Makes everything, and says so. Returns the name of the key and its secret.
pub(super) async fn set(clients: &mut Clients) -> Result<(String, String), Failure> {
    page::heading("An operator sets up, through the service KeyAdmin");
    policy(clients).await?;
    page::made("CreatePolicy", POLICY, "notes:write implies notes:read");
    workspace(clients).await?;
    page::made("CreateWorkspace", WORKSPACE, "a tenant under that policy");
    principal(clients).await?;
    page::made("CreatePrincipal", PRINCIPAL, "role editor: notes:write, notes:delete");
    let secret = key(clients, KEY).await?;
    page::made("CreateKey", KEY, "owned by ada, and never more than ada may");
    page::detail("scopes", GRANTED, "");
    page::detail("resources", BOUND, "and all beneath; whatever else there is stays hidden");
    page::detail("addresses", NETWORK, "");
    page::secret(&secret);
    Ok((KEY.to_owned(), secret))
}

/// Makes a key like the one shown under another name, and returns its secret.
pub(super) async fn key(clients: &mut Clients, name: &str) -> Result<String, Failure> {
    let key = proto::Key {
        display_name: "deploys notes, in CI".to_owned(),
        principal: PRINCIPAL.to_owned(),
        grants: vec![proto::Grant { scope: GRANTED.to_owned(), resource: String::new() }],
        constraint: vec![BOUND.to_owned()],
        allowed_cidrs: vec![NETWORK.to_owned()],
        ..Default::default()
    };
    let request = proto::CreateKeyRequest {
        parent: WORKSPACE.to_owned(),
        key_id: id(name)?,
        key: Some(key),
        ..Default::default()
    };
    let made = clients.admin.create_key(request).await.map_err(refused("CreateKey"))?;
    Ok(made.into_inner().secret)
}

async fn policy(clients: &mut Clients) -> Result<(), Failure> {
    let scope = |name: &str, implies: &[&str]| proto::Scope {
        name: name.to_owned(),
        implies: implies.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    let role = proto::Role {
        name: "editor".to_owned(),
        scopes: vec!["notes:write".to_owned(), "notes:delete".to_owned()],
        ..Default::default()
    };
    let key_type = proto::KeyType {
        name: "demo".to_owned(),
        prefix: "demo".to_owned(),
        is_default: true,
        ..Default::default()
    };
    let policy = proto::Policy {
        display_name: "Notes".to_owned(),
        scopes: vec![
            scope("notes:read", &[]),
            scope("notes:write", &["notes:read"]),
            scope("notes:delete", &[]),
        ],
        roles: vec![role],
        key_types: vec![key_type],
        hide_existence: true,
        ..Default::default()
    };
    let request = proto::CreatePolicyRequest {
        policy_id: id(POLICY)?,
        policy: Some(policy),
        ..Default::default()
    };
    clients.admin.create_policy(request).await.map_err(refused("CreatePolicy"))?;
    Ok(())
}

async fn workspace(clients: &mut Clients) -> Result<(), Failure> {
    let workspace = proto::Workspace {
        display_name: "Acme".to_owned(),
        policy: POLICY.to_owned(),
        ..Default::default()
    };
    let request = proto::CreateWorkspaceRequest {
        workspace_id: id(WORKSPACE)?,
        workspace: Some(workspace),
        ..Default::default()
    };
    clients.admin.create_workspace(request).await.map_err(refused("CreateWorkspace"))?;
    Ok(())
}

async fn principal(clients: &mut Clients) -> Result<(), Failure> {
    let principal = proto::Principal {
        display_name: "Ada".to_owned(),
        kind: PrincipalKind::User.into(),
        role: "editor".to_owned(),
        ..Default::default()
    };
    let request = proto::CreatePrincipalRequest {
        parent: WORKSPACE.to_owned(),
        principal_id: id(PRINCIPAL)?,
        principal: Some(principal),
        ..Default::default()
    };
    clients.admin.create_principal(request).await.map_err(refused("CreatePrincipal"))?;
    Ok(())
}

/// The last part of a resource name.
fn id(name: &str) -> Result<String, Failure> {
    let id = name.rsplit_once('/').map(|(_, id)| id.to_owned());
    id.ok_or_else(|| failure(format!("{name} is no resource name")))
}
