//! Callers that are bound to one workspace.

use keyward::proto::{self, DenyReason};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{
    table::request,
    world::{ONLY, TWIN, World},
};
use crate::{
    callers::raw::{Reply, call, rpcs},
    support::{Server, not_found, reader, refused},
};

/// All that an answer says, with another workspace's id in the place of its own.
fn said(reply: &Reply, from: &str, to: &str) -> (Code, String, String, Vec<(String, String)>) {
    let status = reply.status();
    let info = status.get_details_error_info().unwrap();
    let other = |text: &str| text.replace(from, to);
    let mut metadata: Vec<_> =
        info.metadata.iter().map(|(key, value)| (key.clone(), other(value))).collect();
    metadata.sort();
    (status.code(), info.reason, other(status.message()), metadata)
}

#[tokio::test]
async fn every_rpc_answers_not_found_for_another_workspace_and_changes_nothing() {
    let mut world = World::new().await;
    let secret = world.bound(&["workspaces/acme"]).await;
    let before = world.record().await;
    let channel = world.server.channel().await;
    for rpc in rpcs() {
        for workspace in ["other", "acme2", "system"] {
            for id in [TWIN, ONLY] {
                let Some(message) = request(&rpc.method, workspace, id) else { continue };
                let reply = call(&channel, &rpc, &secret, &message).await;
                let answer = (reply.status().code(), reply.reason());
                let expected = (Code::NotFound, "RESOURCE_NOT_FOUND".to_owned());
                assert_eq!(answer, expected, "{} of {workspace}", rpc.method);
            }
        }
    }
    assert_eq!(world.record().await, before);
    assert!(world.root.ask(&world.theirs, &["sites:read"], "").await.active);
}

/// What makes the test above able to fail: the same requests about its own workspace.
#[tokio::test]
async fn every_rpc_of_the_table_is_carried_out_in_the_callers_own_workspace() {
    let mut world = World::new().await;
    let secret = world.bound(&["workspaces/acme", "workspaces/fresh"]).await;
    let channel = world.server.channel().await;
    for rpc in rpcs() {
        let own = if rpc.method == "CreateWorkspace" { "fresh" } else { "acme" };
        let Some(message) = request(&rpc.method, own, TWIN) else { continue };
        let reply = call(&channel, &rpc, &secret, &message).await;
        assert_eq!(reply.status().code(), Code::Ok, "{}: {:?}", rpc.method, reply.status());
    }
    let answer = world.root.ask(&world.theirs, &["sites:read"], "").await;
    assert!(answer.active, "and nothing of it reached the other workspace");
    assert_eq!(answer.grants, reader().grants);
}

#[tokio::test]
async fn what_is_hidden_and_what_is_not_there_are_answered_alike() {
    let mut world = World::new().await;
    let bound = world.bound(&["workspaces/acme"]).await;
    let unbound = world.server.root_secret.clone();
    let channel = world.server.channel().await;
    for rpc in rpcs() {
        let Some(hidden) = request(&rpc.method, "other", TWIN) else { continue };
        let absent = request(&rpc.method, "none", TWIN).unwrap();
        let hidden = said(&call(&channel, &rpc, &bound, &hidden).await, "other", "none");
        let reply = call(&channel, &rpc, &bound, &absent).await;
        assert_eq!(said(&reply, "none", "none"), hidden, "{}", rpc.method);
        if rpc.method != "CreateWorkspace" {
            let reply = call(&channel, &rpc, &unbound, &absent).await;
            // For a child, the workspace or the child itself may be what is missing.
            let (code, reason, ..) = said(&reply, "none", "none");
            assert_eq!((code, &reason), (hidden.0, &hidden.1), "{}", rpc.method);
        }
    }
}

#[tokio::test]
async fn a_child_that_is_hidden_is_answered_as_one_that_is_not_there() {
    let mut world = World::new().await;
    let bound = world.bound(&["workspaces/acme"]).await;
    let unbound = world.server.root_secret.clone();
    let channel = world.server.channel().await;
    let mut tried = 0;
    for rpc in rpcs() {
        let super::table::About::Child(about) = super::table::about(&rpc.method) else { continue };
        let hidden = call(&channel, &rpc, &bound, &about("other", ONLY)).await;
        let absent = call(&channel, &rpc, &unbound, &about("acme", ONLY)).await;
        assert_eq!(said(&hidden, "other", "acme"), said(&absent, "acme", "acme"), "{}", rpc.method);
        tried += 1;
    }
    assert!(tried > 5);
}

#[tokio::test]
async fn nothing_but_the_name_matters_where_the_name_is_hidden() {
    let mut world = World::new().await;
    let secret = world.bound(&["workspaces/acme"]).await;
    let mut bound = world.server.caller_with(Some(&secret)).await;
    for workspace in ["other", "none"] {
        let bad = proto::CreateKeyRequest {
            parent: format!("workspaces/{workspace}"),
            key_id: "No Id".to_owned(),
            request_id: "no uuid".to_owned(),
            ..Default::default()
        };
        not_found(bound.admin.create_key(bad).await);
        let bad = proto::ListKeysRequest {
            parent: format!("workspaces/{workspace}"),
            page_size: -1,
            ..Default::default()
        };
        not_found(bound.admin.list_keys(bad).await);
        let stale = proto::RevokeKeyRequest {
            name: format!("workspaces/{workspace}/keys/{TWIN}"),
            etag: "r1".to_owned(),
            ..Default::default()
        };
        not_found(bound.admin.revoke_key(stale).await);
    }
}

#[tokio::test]
async fn a_secret_of_another_workspace_is_none_that_a_bound_caller_may_identify() {
    let mut world = World::new().await;
    let secret = world.bound(&["workspaces/acme"]).await;
    let mut bound = world.server.caller_with(Some(&secret)).await;
    let request = |secret: &str| proto::IdentifyKeyRequest { secret: secret.to_owned() };
    let hidden = bound.admin.identify_key(request(&world.theirs)).await;
    let hidden = refused(hidden, Code::NotFound, "RESOURCE_NOT_FOUND");
    let malformed = bound.admin.identify_key(request("x")).await;
    let malformed = refused(malformed, Code::NotFound, "RESOURCE_NOT_FOUND");
    assert_eq!((hidden.message(), hidden.details()), (malformed.message(), malformed.details()));
    let own = bound.admin.identify_key(request(&world.ours)).await.unwrap().into_inner();
    assert_eq!(own.key.unwrap().name, "workspaces/acme/keys/twin");
}

#[tokio::test]
async fn a_secret_of_another_workspace_is_no_key_to_a_bound_caller() {
    let mut world = World::new().await;
    let secret = world.bound(&["workspaces/acme"]).await;
    let mut bound = world.server.caller_with(Some(&secret)).await;
    assert_eq!(bound.ask(&world.theirs, &[], "").await.reason(), DenyReason::InvalidKey);
    assert!(bound.ask(&world.ours, &[], "").await.active);
    assert!(world.root.ask(&world.theirs, &[], "").await.active);
}

#[tokio::test]
async fn a_caller_bound_to_a_workspace_makes_no_caller_and_no_policy() {
    let mut world = World::new().await;
    let secret = world.bound(&["workspaces/acme"]).await;
    let mut bound = world.server.caller_with(Some(&secret)).await;
    let head = world.root.head().await;
    let request = proto::CreateKeyRequest {
        parent: "workspaces/system".to_owned(),
        key: Some(crate::callers::minted::operator()),
        ..Default::default()
    };
    not_found(bound.admin.create_key(request).await);
    let request = proto::CreatePolicyRequest {
        policy_id: "mine".to_owned(),
        policy: Some(crate::support::policy()),
        ..Default::default()
    };
    not_found(bound.admin.create_policy(request).await);
    let get = proto::GetPolicyRequest { name: "policies/acme".to_owned() };
    not_found(bound.admin.get_policy(get).await);
    let changed = proto::Policy {
        name: "policies/acme".to_owned(),
        hide_existence: true,
        ..Default::default()
    };
    let update = proto::UpdatePolicyRequest { policy: Some(changed), ..Default::default() };
    not_found(bound.admin.update_policy(update).await);
    assert_eq!(world.root.head().await, head);
}

#[tokio::test]
async fn a_caller_granted_one_workspace_is_bound_to_it_as_well() {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_key("other", TWIN, reader()).await;
    let granted = proto::Key {
        grants: vec![proto::Grant {
            scope: "*".to_owned(),
            resource: "workspaces/acme/**".to_owned(),
        }],
        ..crate::callers::minted::operator()
    };
    let secret = root.create_key("system", "", granted).await.secret;
    let channel = server.channel().await;
    let head = root.head().await;
    for rpc in rpcs() {
        let Some(message) = request(&rpc.method, "other", TWIN) else { continue };
        let reply = call(&channel, &rpc, &secret, &message).await;
        assert_eq!(reply.reason(), "RESOURCE_NOT_FOUND", "{}", rpc.method);
    }
    assert_eq!(root.head().await, head);
}
