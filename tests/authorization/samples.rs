//! Requests that are carried out for whoever may.

use keyward::proto::*;
use prost::Message;

use crate::{
    rows::Row,
    support::{policy, reader},
};

/// What a request is about.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// The identifiers of a workspace and of its policy.
    pub(crate) workspace: String,
    pub(crate) policy: String,
    /// What a new workspace, a new policy and something new in the workspace are to be called.
    pub(crate) new_workspace: String,
    pub(crate) new_policy: String,
    pub(crate) new: String,
    /// The identifier of the principal or key.
    pub(crate) id: String,
    pub(crate) secret: String,
    /// To be told from other requests by.
    pub(crate) title: String,
}

impl About {
    /// What is in this workspace under the policy of the same identifier, also where new things are asked for.
    pub(crate) fn there(workspace: &str, id: &str, secret: &str) -> Self {
        Self {
            workspace: workspace.to_owned(),
            policy: workspace.to_owned(),
            new_workspace: workspace.to_owned(),
            new_policy: workspace.to_owned(),
            new: id.to_owned(),
            id: id.to_owned(),
            secret: secret.to_owned(),
            title: "Changed".to_owned(),
        }
    }

    pub(crate) fn example() -> Self {
        Self::there("acme", "twin", "x")
    }

    fn parent(&self) -> String {
        format!("workspaces/{}", self.workspace)
    }

    fn principal(&self) -> String {
        format!("workspaces/{}/principals/{}", self.workspace, self.id)
    }

    fn key(&self) -> String {
        format!("workspaces/{}/keys/{}", self.workspace, self.id)
    }

    fn question(&self) -> IntrospectRequest {
        IntrospectRequest { secret: self.secret.clone(), ..Default::default() }
    }

    /// What stands in an answer that tells of it, where it is the answer that shows what is told.
    pub(crate) fn mark(&self, row: &Row) -> Option<String> {
        match (row.method(), row.about) {
            ("ListPolicies", _) => Some(format!("policies/{}", self.policy)),
            ("ListWorkspaces", _) => Some(self.parent()),
            (_, "secret") => Some(format!("workspaces/{}/keys/", self.workspace)),
            _ => None,
        }
    }
}

/// A message with the fields that are given.
macro_rules! message {
    ($name:ident { $($field:ident: $value:expr),* $(,)? }) => {
        $name { $($field: $value,)* ..Default::default() }.encode_to_vec()
    };
}

/// As many as a page has.
const ALL: i32 = 1_000;

/// The request of a row. None: there is none yet.
pub(crate) fn request(row: &Row, about: &About) -> Option<Vec<u8>> {
    of_tenants(row, about).or_else(|| of_keys(row, about)).or_else(|| of_questions(row, about))
}

fn of_tenants(row: &Row, about: &About) -> Option<Vec<u8>> {
    let title = || about.title.clone();
    let kind = || PrincipalKind::User.into();
    Some(match row.method() {
        "CreatePolicy" => message!(CreatePolicyRequest {
            policy_id: about.new_policy.clone(),
            policy: Some(policy()),
        }),
        "GetPolicy" => {
            GetPolicyRequest { name: format!("policies/{}", about.policy) }.encode_to_vec()
        }
        "ListPolicies" => message!(ListPoliciesRequest { page_size: ALL }),
        "UpdatePolicy" => {
            let name = format!("policies/{}", about.policy);
            let policy = Policy { name, display_name: title(), ..Default::default() };
            message!(UpdatePolicyRequest { policy: Some(policy) })
        }
        "CreateWorkspace" => {
            let policy = format!("policies/{}", about.policy);
            let workspace = Workspace { policy, ..Default::default() };
            message!(CreateWorkspaceRequest {
                workspace_id: about.new_workspace.clone(),
                workspace: Some(workspace),
            })
        }
        "GetWorkspace" => GetWorkspaceRequest { name: about.parent() }.encode_to_vec(),
        "ListWorkspaces" => message!(ListWorkspacesRequest { page_size: ALL }),
        "UpdateWorkspace" => {
            let (name, display_name) = (about.parent(), title());
            let workspace = Workspace { name, display_name, ..Default::default() };
            message!(UpdateWorkspaceRequest { workspace: Some(workspace) })
        }
        "SuspendWorkspace" => message!(SuspendWorkspaceRequest { name: about.parent() }),
        "ResumeWorkspace" => message!(ResumeWorkspaceRequest { name: about.parent() }),
        "CreatePrincipal" => {
            let role = "owner".to_owned();
            message!(CreatePrincipalRequest {
                parent: about.parent(),
                principal_id: about.new.clone(),
                principal: Some(Principal { kind: kind(), role, ..Default::default() }),
            })
        }
        "GetPrincipal" => GetPrincipalRequest { name: about.principal() }.encode_to_vec(),
        "ListPrincipals" => {
            message!(ListPrincipalsRequest { parent: about.parent(), page_size: ALL })
        }
        "UpdatePrincipal" => {
            let (name, display_name) = (about.principal(), title());
            let principal = Principal { name, display_name, ..Default::default() };
            message!(UpdatePrincipalRequest { principal: Some(principal) })
        }
        "DisablePrincipal" => message!(DisablePrincipalRequest { name: about.principal() }),
        "EnablePrincipal" => message!(EnablePrincipalRequest { name: about.principal() }),
        "DeletePrincipal" => message!(DeletePrincipalRequest { name: about.principal() }),
        _ => return None,
    })
}

fn of_keys(row: &Row, about: &About) -> Option<Vec<u8>> {
    let parent = || about.parent();
    Some(match row.method() {
        "CreateKey" => message!(CreateKeyRequest {
            parent: parent(),
            key_id: about.new.clone(),
            key: Some(reader()),
        }),
        "BatchCreateKeys" => {
            let key_id = format!("{}-batched", about.new);
            let one = CreateKeyRequest { key_id, key: Some(reader()), ..Default::default() };
            message!(BatchCreateKeysRequest { parent: parent(), requests: vec![one] })
        }
        "GetKey" => GetKeyRequest { name: about.key() }.encode_to_vec(),
        "ListKeys" => message!(ListKeysRequest { parent: parent() }),
        "UpdateKey" => {
            let (name, display_name) = (about.key(), about.title.clone());
            let key = Key { name, display_name, ..Default::default() };
            message!(UpdateKeyRequest { key: Some(key) })
        }
        "RotateKey" => message!(RotateKeyRequest { name: about.key() }),
        "RevokeKey" => message!(RevokeKeyRequest { name: about.key() }),
        "BatchRevokeKeys" => {
            message!(BatchRevokeKeysRequest { parent: parent(), names: vec![about.key()] })
        }
        "IdentifyKey" => IdentifyKeyRequest { secret: about.secret.clone() }.encode_to_vec(),
        _ => return None,
    })
}

fn of_questions(row: &Row, about: &About) -> Option<Vec<u8>> {
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let (start_time, end_time) = (at(1_000_000_000), at(1_000_086_400));
    Some(match (row.method(), row.about) {
        ("GetUsage", what) => {
            let name = if what == "key" { about.key() } else { about.parent() };
            message!(GetUsageRequest { name: name, start_time: start_time, end_time: end_time })
        }
        ("ListEvents", "workspace") => message!(ListEventsRequest { parent: about.parent() }),
        ("ListEvents", "nothing") => message!(ListEventsRequest { page_size: 1 }),
        ("Introspect", _) => about.question().encode_to_vec(),
        ("BatchIntrospect", _) => {
            BatchIntrospectRequest { requests: vec![about.question()] }.encode_to_vec()
        }
        ("StreamIntrospect", _) => {
            StreamIntrospectRequest { id: 7, request: Some(about.question()) }.encode_to_vec()
        }
        _ => return None,
    })
}
