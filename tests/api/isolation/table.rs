//! How each RPC is told which workspace it is about.

use keyward::proto;
use prost::Message;

use crate::{
    callers::raw::covers_every_rpc,
    support::{grants, reader, strings},
};

/// What an RPC is about. The functions make a request about the workspace, and about the
/// principal or key of this id in it.
pub(crate) enum About {
    /// A workspace, or something new in it.
    Workspace(fn(&str) -> Vec<u8>),
    /// Something that is in a workspace.
    Child(fn(&str, &str) -> Vec<u8>),
    /// A secret; tried by a test of its own.
    Secret,
    /// No workspace: policies, which all share, and the list of workspaces.
    NoWorkspace,
}
use About::{Child, NoWorkspace, Secret, Workspace};

fn workspace(id: &str) -> String {
    format!("workspaces/{id}")
}

fn principal(workspace: &str, id: &str) -> String {
    format!("workspaces/{workspace}/principals/{id}")
}

fn key(workspace: &str, id: &str) -> String {
    format!("workspaces/{workspace}/keys/{id}")
}

/// A message with the fields that are given.
macro_rules! message {
    ($name:ident { $($field:ident: $value:expr),* $(,)? }) => {
        proto::$name { $($field: $value,)* ..Default::default() }.encode_to_vec()
    };
}

/// Every RPC. What is asked for is good: it is carried out for whoever may.
pub(crate) const TABLE: &[(&str, About)] = &[
    ("CreatePolicy", NoWorkspace),
    ("GetPolicy", NoWorkspace),
    ("ListPolicies", NoWorkspace),
    ("UpdatePolicy", NoWorkspace),
    (
        "CreateWorkspace",
        Workspace(|w| {
            let policy = "policies/acme".to_owned();
            let made = proto::Workspace { policy, ..Default::default() };
            message!(CreateWorkspaceRequest { workspace_id: w.to_owned(), workspace: Some(made) })
        }),
    ),
    (
        "GetWorkspace",
        Workspace(|w| proto::GetWorkspaceRequest { name: workspace(w) }.encode_to_vec()),
    ),
    ("ListWorkspaces", NoWorkspace),
    (
        "UpdateWorkspace",
        Workspace(|w| {
            let display_name = "Changed".to_owned();
            let changed =
                proto::Workspace { name: workspace(w), display_name, ..Default::default() };
            message!(UpdateWorkspaceRequest { workspace: Some(changed) })
        }),
    ),
    ("SuspendWorkspace", Workspace(|w| message!(SuspendWorkspaceRequest { name: workspace(w) }))),
    ("ResumeWorkspace", Workspace(|w| message!(ResumeWorkspaceRequest { name: workspace(w) }))),
    (
        "CreatePrincipal",
        Workspace(|w| {
            let kind = proto::PrincipalKind::User.into();
            let made = proto::Principal { kind, role: "owner".to_owned(), ..Default::default() };
            message!(CreatePrincipalRequest {
                parent: workspace(w),
                principal_id: "fresh".to_owned(),
                principal: Some(made),
            })
        }),
    ),
    (
        "GetPrincipal",
        Child(|w, id| proto::GetPrincipalRequest { name: principal(w, id) }.encode_to_vec()),
    ),
    ("ListPrincipals", Workspace(|w| message!(ListPrincipalsRequest { parent: workspace(w) }))),
    (
        "UpdatePrincipal",
        Child(|w, id| {
            let role = "observer".to_owned();
            let changed = proto::Principal { name: principal(w, id), role, ..Default::default() };
            message!(UpdatePrincipalRequest { principal: Some(changed) })
        }),
    ),
    (
        "DisablePrincipal",
        Child(|w, id| message!(DisablePrincipalRequest { name: principal(w, id) })),
    ),
    ("EnablePrincipal", Child(|w, id| message!(EnablePrincipalRequest { name: principal(w, id) }))),
    ("DeletePrincipal", Child(|w, id| message!(DeletePrincipalRequest { name: principal(w, id) }))),
    (
        "CreateKey",
        Workspace(|w| {
            message!(CreateKeyRequest {
                parent: workspace(w),
                key_id: "fresh".to_owned(),
                key: Some(reader()),
            })
        }),
    ),
    (
        "BatchCreateKeys",
        Workspace(|w| {
            let made = proto::CreateKeyRequest {
                key_id: "batched".to_owned(),
                key: Some(reader()),
                ..Default::default()
            };
            message!(BatchCreateKeysRequest { parent: workspace(w), requests: vec![made] })
        }),
    ),
    ("GetKey", Child(|w, id| proto::GetKeyRequest { name: key(w, id) }.encode_to_vec())),
    ("ListKeys", Workspace(|w| message!(ListKeysRequest { parent: workspace(w) }))),
    (
        "UpdateKey",
        Child(|w, id| {
            let changed = proto::Key {
                name: key(w, id),
                grants: grants(&["*"]),
                constraint: strings(&["a"]),
                ..Default::default()
            };
            message!(UpdateKeyRequest { key: Some(changed) })
        }),
    ),
    ("RotateKey", Child(|w, id| message!(RotateKeyRequest { name: key(w, id) }))),
    ("RevokeKey", Child(|w, id| message!(RevokeKeyRequest { name: key(w, id) }))),
    (
        "BatchRevokeKeys",
        Workspace(|w| {
            let names = vec![key(w, super::world::TWIN)];
            message!(BatchRevokeKeysRequest { parent: workspace(w), names: names })
        }),
    ),
    ("IdentifyKey", Secret),
    (
        "GetUsage",
        Workspace(|w| {
            let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
            message!(GetUsageRequest {
                name: workspace(w),
                start_time: at(1_000_000_000),
                end_time: at(1_000_086_400),
            })
        }),
    ),
    ("ListEvents", Workspace(|w| message!(ListEventsRequest { parent: workspace(w) }))),
    ("Introspect", Secret),
    ("BatchIntrospect", Secret),
    ("StreamIntrospect", Secret),
];

pub(crate) fn about(method: &str) -> &'static About {
    &TABLE.iter().find(|(name, _)| *name == method).unwrap().1
}

/// The request of an RPC about this workspace and what has the id in it. None for an RPC
/// that names neither.
pub(crate) fn request(method: &str, workspace: &str, id: &str) -> Option<Vec<u8>> {
    match about(method) {
        Workspace(about) => Some(about(workspace)),
        Child(about) => Some(about(workspace, id)),
        Secret | NoWorkspace => None,
    }
}

#[test]
fn the_table_names_every_rpc() {
    covers_every_rpc(TABLE.iter().map(|(name, _)| *name));
}

#[test]
fn every_rpc_that_names_a_workspace_is_told_one() {
    for rpc in crate::callers::raw::rpcs() {
        let names = |field: &String| {
            let named = ["name", "parent", "names", "workspace", "principal", "key"];
            named.contains(&field.as_str())
        };
        let expected = rpc.fields.iter().any(names) && rpc.method != "GetPolicy";
        let told = request(&rpc.method, "acme", "ci").is_some();
        assert_eq!(told, expected, "{}: {:?}", rpc.method, rpc.fields);
    }
}
