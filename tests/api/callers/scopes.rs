//! Authorization: every RPC with every scope of the policy `system`.

use keyward::domain::system::SystemScope;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::raw::{Reply, call, covers_every_rpc, rpcs};
use crate::support::{Server, grants};

/// Every RPC, and the scope that it needs, or one that implies it.
const RPCS: &[(&str, &str)] = &[
    ("CreatePolicy", "policies:write"),
    ("GetPolicy", "policies:read"),
    ("ListPolicies", "policies:read"),
    ("UpdatePolicy", "policies:write"),
    ("CreateWorkspace", "workspaces:write"),
    ("GetWorkspace", "workspaces:read"),
    ("ListWorkspaces", "workspaces:read"),
    ("UpdateWorkspace", "workspaces:write"),
    ("SuspendWorkspace", "workspaces:write"),
    ("ResumeWorkspace", "workspaces:write"),
    ("CreatePrincipal", "principals:write"),
    ("GetPrincipal", "principals:read"),
    ("ListPrincipals", "principals:read"),
    ("UpdatePrincipal", "principals:write"),
    ("DisablePrincipal", "principals:write"),
    ("EnablePrincipal", "principals:write"),
    ("DeletePrincipal", "principals:write"),
    ("CreateKey", "keys:write"),
    ("BatchCreateKeys", "keys:write"),
    ("GetKey", "keys:read"),
    ("ListKeys", "keys:read"),
    ("UpdateKey", "keys:write"),
    ("RotateKey", "keys:write"),
    ("RevokeKey", "keys:write"),
    ("BatchRevokeKeys", "keys:write"),
    ("IdentifyKey", "keys:read"),
    ("GetUsage", "usage:read"),
    ("ListEvents", "events:read"),
    ("Introspect", "introspect"),
    ("BatchIntrospect", "introspect"),
    ("StreamIntrospect", "introspect"),
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

fn needs(method: &str) -> &'static str {
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
        let scope = needs(&rpc.method);
        assert!(rpc.comment.contains(&format!("`{scope}`")), "{}: {}", rpc.method, rpc.comment);
    }
}

#[track_caller]
fn check(reply: &Reply, method: &str, held: &str, let_through: bool) {
    let status = reply.status();
    if let_through {
        assert_ne!(reply.reason(), "CALLER_SCOPE_MISSING", "{method} with {held}");
        assert_ne!(status.code(), Code::PermissionDenied, "{method} with {held}");
    } else {
        assert_eq!(reply.reason(), "CALLER_SCOPE_MISSING", "{method} with {held}");
        assert_eq!(status.code(), Code::PermissionDenied, "{method} with {held}");
        let named = status.get_details_error_info().unwrap().metadata.remove("scope");
        assert_eq!(named.as_deref(), Some(needs(method)), "{method} with {held}");
    }
}

fn opens(held: &str, method: &str) -> bool {
    let (_, open) = SCOPES.iter().find(|(name, _)| *name == held).unwrap();
    open.contains(&needs(method))
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
        if rpc.method.starts_with("Update") || rpc.method == "BatchIntrospect" {
            // Field 1 is a message there.
            continue;
        }
        if matches!(rpc.method.as_str(), "ListPolicies" | "ListWorkspaces") {
            // Field 1 is a number there.
            continue;
        }
        if rpc.method == "GetUsage" {
            // It is what the key may do.
            continue;
        }
        check(&empty, &rpc.method, "usage:read", false);
        for message in [&there, &nowhere, &no_name] {
            assert_eq!(call(&channel, &rpc, &secret, message).await, empty, "{}", rpc.method);
        }
    }
}
