//! Which scope each call needs, known before its message is read: what a caller sends who may not call is not looked
//! at (AIP-211). The use cases ask for the same scope again, where they know on what; `tests/authorization` compares.

use crate::domain::system::SystemScope;

/// The scope that a caller needs, on whatever resource, to make a call to this path. None: there is no such call.
pub(super) fn scope(path: &str) -> Option<SystemScope> {
    let (service, method) = path.strip_prefix("/keyward.v1.")?.split_once('/')?;
    match service {
        "KeyAdmin" => of_key_admin(method),
        "Introspect" => of_introspect(method),
        _ => None,
    }
}

fn of_key_admin(method: &str) -> Option<SystemScope> {
    Some(match method {
        "CreatePolicy" | "UpdatePolicy" => SystemScope::PoliciesWrite,
        "GetPolicy" | "ListPolicies" => SystemScope::PoliciesRead,
        "CreateWorkspace" | "UpdateWorkspace" | "SuspendWorkspace" | "ResumeWorkspace" => {
            SystemScope::WorkspacesWrite
        }
        "GetWorkspace" | "ListWorkspaces" => SystemScope::WorkspacesRead,
        "CreatePrincipal" | "UpdatePrincipal" | "DisablePrincipal" | "EnablePrincipal"
        | "DeletePrincipal" => SystemScope::PrincipalsWrite,
        "GetPrincipal" | "ListPrincipals" => SystemScope::PrincipalsRead,
        "CreateKey" | "BatchCreateKeys" | "UpdateKey" | "RotateKey" | "RevokeKey"
        | "BatchRevokeKeys" => SystemScope::KeysWrite,
        "GetKey" | "ListKeys" | "IdentifyKey" => SystemScope::KeysRead,
        "GetUsage" => SystemScope::UsageRead,
        "ListEvents" => SystemScope::EventsRead,
        _ => return None,
    })
}

fn of_introspect(method: &str) -> Option<SystemScope> {
    ["Introspect", "BatchIntrospect", "StreamIntrospect"]
        .contains(&method)
        .then_some(SystemScope::Introspect)
}
