//! Authorization: every RPC with every scope of the policy `system`.

use keyward::domain::system::SystemScope;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::raw::{Reply, call, covers_every_rpc, rpcs};
use crate::support::{Server, grants};

/// What an RPC needs.
#[derive(Clone, Copy, PartialEq)]
enum Needs {
    /// This scope, or one that implies it.
    Scope(&'static str),
    /// The same, in a later version; none now.
    NotServed(&'static str),
}
use Needs::{NotServed, Scope};

/// Every RPC.
const RPCS: &[(&str, Needs)] = &[
    ("CreatePolicy", Scope("policies:write")),
    ("GetPolicy", Scope("policies:read")),
    ("ListPolicies", Scope("policies:read")),
    ("UpdatePolicy", Scope("policies:write")),
    ("CreateWorkspace", Scope("workspaces:write")),
    ("GetWorkspace", Scope("workspaces:read")),
    ("ListWorkspaces", Scope("workspaces:read")),
    ("UpdateWorkspace", Scope("workspaces:write")),
    ("SuspendWorkspace", Scope("workspaces:write")),
    ("ResumeWorkspace", Scope("workspaces:write")),
    ("CreatePrincipal", Scope("principals:write")),
    ("GetPrincipal", Scope("principals:read")),
    ("ListPrincipals", Scope("principals:read")),
    ("UpdatePrincipal", Scope("principals:write")),
    ("DisablePrincipal", Scope("principals:write")),
    ("EnablePrincipal", Scope("principals:write")),
    ("DeletePrincipal", NotServed("principals:write")),
    ("CreateKey", Scope("keys:write")),
    ("BatchCreateKeys", NotServed("keys:write")),
    ("GetKey", Scope("keys:read")),
    ("ListKeys", Scope("keys:read")),
    ("UpdateKey", Scope("keys:write")),
    ("RotateKey", Scope("keys:write")),
    ("RevokeKey", Scope("keys:write")),
    ("BatchRevokeKeys", NotServed("keys:write")),
    ("IdentifyKey", Scope("keys:read")),
    ("GetUsage", NotServed("usage:read")),
    ("ListEvents", Scope("events:read")),
    ("Introspect", Scope("introspect")),
    ("BatchIntrospect", NotServed("introspect")),
    ("StreamIntrospect", NotServed("introspect")),
];

/// Every scope, with all that it lets through.
const SCOPES: &[(&str, &[&str])] = &[
    ("introspect", &["introspect"]),
    ("keys:read", &["keys:read", "policies:read", "workspaces:read", "principals:read"]),
    (
        "keys:write",
        &["keys:write", "keys:read", "policies:read", "workspaces:read", "principals:read"],
    ),
    ("policies:read", &["policies:read"]),
    ("policies:write", &["policies:write", "policies:read"]),
    ("workspaces:read", &["workspaces:read"]),
    ("workspaces:write", &["workspaces:write", "workspaces:read"]),
    ("principals:read", &["principals:read"]),
    ("principals:write", &["principals:write", "principals:read"]),
    ("usage:read", &["usage:read"]),
    ("events:read", &["events:read"]),
    (
        "*",
        &[
            "introspect",
            "keys:read",
            "keys:write",
            "policies:read",
            "policies:write",
            "workspaces:read",
            "workspaces:write",
            "principals:read",
            "principals:write",
            "usage:read",
            "events:read",
        ],
    ),
];

fn needs(method: &str) -> Needs {
    RPCS.iter().find(|(name, _)| *name == method).unwrap().1
}

#[test]
fn the_tables_name_every_rpc_and_every_scope() {
    covers_every_rpc(RPCS.iter().map(|(name, _)| *name));
    let scopes: Vec<&str> = SCOPES.iter().map(|(name, _)| *name).collect();
    let declared: Vec<&str> = SystemScope::ALL.iter().map(|scope| scope.as_str()).collect();
    assert_eq!(scopes, declared);
}

#[test]
fn the_proto_files_say_which_scope_each_rpc_needs() {
    for rpc in rpcs() {
        let (Scope(scope) | NotServed(scope)) = needs(&rpc.method);
        assert!(rpc.comment.contains(&format!("`{scope}`")), "{}: {}", rpc.method, rpc.comment);
    }
}

#[track_caller]
fn check(reply: &Reply, method: &str, held: &str, let_through: bool) {
    let status = reply.status();
    match needs(method) {
        NotServed(_) => {
            let refused = (status.code(), reply.reason());
            assert_eq!(refused, (Code::Unimplemented, "RPC_NOT_SERVED".to_owned()), "{method}");
        }
        Scope(_) if let_through => {
            assert_ne!(reply.reason(), "CALLER_SCOPE_MISSING", "{method} with {held}");
            assert_ne!(status.code(), Code::PermissionDenied, "{method} with {held}");
        }
        Scope(needed) => {
            assert_eq!(reply.reason(), "CALLER_SCOPE_MISSING", "{method} with {held}");
            assert_eq!(status.code(), Code::PermissionDenied, "{method} with {held}");
            let named = status.get_details_error_info().unwrap().metadata.remove("scope");
            assert_eq!(named.as_deref(), Some(needed), "{method} with {held}");
        }
    }
}

fn opens(held: &str, method: &str) -> bool {
    let (Scope(needed) | NotServed(needed)) = needs(method);
    let (_, open) = SCOPES.iter().find(|(name, _)| *name == held).unwrap();
    open.contains(&needed)
}

#[tokio::test]
async fn every_rpc_is_open_to_exactly_the_scopes_of_the_table() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let channel = server.channel().await;
    for (held, _) in SCOPES {
        let key = keyward::proto::Key {
            display_name: (*held).to_owned(),
            grants: grants(&[held]),
            ..Default::default()
        };
        let secret = root.create_key("system", "", key).await.secret;
        for rpc in rpcs() {
            let reply = call(&channel, &rpc, &secret, &[]).await;
            check(&reply, &rpc.method, held, opens(held, &rpc.method));
        }
    }
}

#[tokio::test]
async fn the_scope_is_asked_for_before_anything_of_the_request_is_looked_at() {
    let (server, mut root) = Server::with_workspaces().await;
    let key = keyward::proto::Key {
        display_name: "usage".to_owned(),
        grants: grants(&["usage:read"]),
        ..Default::default()
    };
    let secret = root.create_key("system", "", key).await.secret;
    let channel = server.channel().await;
    // Field 1, a text: a good name, one of nothing, and no name. Which of them it is does
    // not show in the answer.
    let there = b"\x0a\x0fworkspaces/acme".to_vec();
    let nowhere = b"\x0a\x0fworkspaces/none".to_vec();
    let no_name = b"\x0a\x01!".to_vec();
    for rpc in rpcs() {
        let empty = call(&channel, &rpc, &secret, &[]).await;
        if rpc.method.starts_with("Update") || matches!(needs(&rpc.method), NotServed(_)) {
            // Field 1 is a message there.
            continue;
        }
        if matches!(rpc.method.as_str(), "ListPolicies" | "ListWorkspaces") {
            // Field 1 is a number there.
            continue;
        }
        check(&empty, &rpc.method, "usage:read", false);
        for message in [&there, &nowhere, &no_name] {
            assert_eq!(call(&channel, &rpc, &secret, message).await, empty, "{}", rpc.method);
        }
    }
}
