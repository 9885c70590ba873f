//! Names that mix two workspaces, sent by a caller that may do everything.

use keyward::proto;
use tonic::Code;

use super::{
    table::{About, about},
    world::{ONLY, TWIN, World},
};
use crate::{
    callers::raw::{call, rpcs},
    support::{not_found, reader},
};

#[tokio::test]
async fn an_id_of_one_workspace_is_not_found_in_another() {
    let mut world = World::new().await;
    let secret = world.server.root_secret.clone();
    let channel = world.server.channel().await;
    let before = world.record().await;
    let mut tried = 0;
    for rpc in rpcs() {
        let About::Child(about) = about(&rpc.method) else { continue };
        let reply = call(&channel, &rpc, &secret, &about("acme", ONLY)).await;
        let answer = (reply.status().code(), reply.reason());
        assert_eq!(answer, (Code::NotFound, "RESOURCE_NOT_FOUND".to_owned()), "{}", rpc.method);
        tried += 1;
    }
    assert!(tried > 5);
    assert_eq!(world.record().await, before);
}

#[tokio::test]
async fn the_same_id_in_two_workspaces_is_two_resources() {
    let mut world = World::new().await;
    let secret = world.server.root_secret.clone();
    let channel = world.server.channel().await;
    let (mut admin, both) = (world.root.admin.clone(), ["acme", "other"]);
    for rpc in rpcs() {
        let About::Child(about) = about(&rpc.method) else { continue };
        let key = proto::GetKeyRequest { name: format!("workspaces/other/keys/{TWIN}") };
        let owner =
            proto::GetPrincipalRequest { name: format!("workspaces/other/principals/{TWIN}") };
        let before = (
            admin.get_key(key.clone()).await.unwrap().into_inner(),
            admin.get_principal(owner.clone()).await.unwrap().into_inner(),
        );
        let reply = call(&channel, &rpc, &secret, &about(both[0], TWIN)).await;
        assert_eq!(reply.status().code(), Code::Ok, "{}", rpc.method);
        let after = (
            admin.get_key(key).await.unwrap().into_inner(),
            admin.get_principal(owner).await.unwrap().into_inner(),
        );
        assert_eq!(after, before, "{}", rpc.method);
    }
    assert!(!world.root.ask(&world.ours, &[], "").await.active);
    assert!(world.root.ask(&world.theirs, &[], "").await.active);
}

#[tokio::test]
async fn a_suspended_workspace_stops_no_other() {
    let mut world = World::new().await;
    let request =
        proto::SuspendWorkspaceRequest { name: "workspaces/acme".into(), ..Default::default() };
    world.root.admin.suspend_workspace(request).await.unwrap();
    assert!(!world.root.ask(&world.ours, &[], "").await.active);
    assert!(world.root.ask(&world.theirs, &[], "").await.active);
}

#[tokio::test]
async fn a_key_gets_no_owner_of_another_workspace() {
    let mut world = World::new().await;
    let before = world.record().await;
    for (owner, parent) in [(TWIN, "acme"), (ONLY, "acme"), ("none", "acme")] {
        let key =
            proto::Key { principal: format!("workspaces/other/principals/{owner}"), ..reader() };
        let request = proto::CreateKeyRequest {
            parent: format!("workspaces/{parent}"),
            key: Some(key),
            ..Default::default()
        };
        not_found(world.root.admin.create_key(request).await);
    }
    assert_eq!(world.record().await, before);
}

#[tokio::test]
async fn keys_are_not_listed_by_an_owner_of_another_workspace() {
    let mut world = World::new().await;
    for owner in [TWIN, ONLY, "none"] {
        let request = proto::ListKeysRequest {
            parent: "workspaces/acme".to_owned(),
            principal: format!("workspaces/other/principals/{owner}"),
            ..Default::default()
        };
        not_found(world.root.admin.list_keys(request).await);
    }
}
