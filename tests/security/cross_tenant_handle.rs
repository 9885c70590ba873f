//! A handle of one tenant that opens something of another.
//!
//! - OpenBao, CVE-2026-40264, CVE-2026-45808: an accessor or identifier of one namespace worked in
//!   another, and one that was deleted worked again when its name was given away anew.
//!
//! Every RPC with the names of another workspace, by callers who are bound: also, in more ways and
//! on a file alone, `tests/api/isolation`. Here on both stores, with each handle that there is:
//! names, request ids, page tokens, etags, minting keys, owners; and after an end for ever.

mod parts;

use keyward::proto;
use tonic::Code;

use crate::{
    callers::raw::{call, rpcs},
    support::{Caller, not_found, reader, refused, request_id, wrong_fields},
    world::Store,
};
use parts::{
    table::request,
    world::{ONLY, TWIN, World},
};

on_each_store!(
    every_rpc_with_a_name_of_another_workspace_finds_nothing_and_changes_nothing,
    no_handle_of_one_workspace_is_one_of_another,
    what_has_ended_for_ever_gives_its_name_and_its_keys_to_nobody,
    a_repeated_request_tells_nothing_of_what_its_caller_reaches_no_more,
);

async fn world(store: Store) -> World {
    let (server, mut root) = store.with_workspaces().await;
    root.create_workspace("acme2", "policies/acme").await;
    for (workspace, id) in [("acme", TWIN), ("other", TWIN), ("other", ONLY)] {
        root.create_principal(workspace, id, "owner").await;
    }
    let ours = root.create_key("acme", TWIN, reader()).await.secret;
    let theirs = root.create_key("other", TWIN, reader()).await.secret;
    root.create_key("other", ONLY, reader()).await;
    World { server, root, ours, theirs }
}

async fn every_rpc_with_a_name_of_another_workspace_finds_nothing_and_changes_nothing(
    store: Store,
) {
    let mut world = world(store).await;
    let secret = world.bound(&["workspaces/acme"]).await;
    let before = world.record().await;
    let channel = world.server.channel().await;
    let mut tried = 0;
    for rpc in rpcs() {
        for workspace in ["other", "acme2", "system", "none"] {
            for id in [TWIN, ONLY] {
                let Some(message) = request(&rpc.method, workspace, id) else { continue };
                let reply = call(&channel, &rpc, &secret, &message).await;
                let answer = (reply.status().code(), reply.reason());
                let expected = (Code::NotFound, "RESOURCE_NOT_FOUND".to_owned());
                assert_eq!(answer, expected, "{} of {workspace}", rpc.method);
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried}");
    assert_eq!(world.record().await, before);
    assert!(world.root.ask(&world.theirs, &["sites:read"], "").await.active);
    // And each is carried out in its own: nothing is refused for another reason.
    for rpc in rpcs().iter().filter(|rpc| rpc.method != "CreateWorkspace") {
        let Some(message) = request(&rpc.method, "acme", TWIN) else { continue };
        let reply = call(&channel, rpc, &secret, &message).await;
        assert_eq!(reply.status().code(), Code::Ok, "{}: {:?}", rpc.method, reply.status());
    }
    assert!(world.root.ask(&world.theirs, &["sites:read"], "").await.active);
}

fn creation(workspace: &str, id: &str) -> proto::CreateKeyRequest {
    proto::CreateKeyRequest {
        parent: format!("workspaces/{workspace}"),
        key_id: id.to_owned(),
        key: Some(reader()),
        ..Default::default()
    }
}

async fn etag(root: &mut Caller, workspace: &str) -> String {
    let name = format!("workspaces/{workspace}/keys/{TWIN}");
    let key = root.admin.get_key(proto::GetKeyRequest { name }).await.unwrap();
    key.into_inner().etag
}

async fn no_handle_of_one_workspace_is_one_of_another(store: Store) {
    let World { server, mut root, ours, theirs } = world(store).await;
    let head = root.head().await;
    // The owner and the minting key of another, which are there in this one too, or are not.
    for id in [TWIN, ONLY] {
        let key = proto::Key { principal: format!("workspaces/other/principals/{id}"), ..reader() };
        let foreign = proto::CreateKeyRequest { key: Some(key), ..creation("acme", "") };
        not_found(root.admin.create_key(foreign).await);
        let minting_key = format!("workspaces/other/keys/{id}");
        let foreign = proto::CreateKeyRequest { minting_key, ..creation("acme", "") };
        not_found(root.admin.create_key(foreign.clone()).await);
        let together = proto::BatchCreateKeysRequest {
            parent: "workspaces/acme".to_owned(),
            requests: vec![creation("acme", "before"), foreign],
            ..Default::default()
        };
        not_found(root.admin.batch_create_keys(together).await);
    }
    // A batch whose members are of another.
    let together = proto::BatchCreateKeysRequest {
        parent: "workspaces/acme".to_owned(),
        requests: vec![creation("acme", "one"), creation("other", "two")],
        ..Default::default()
    };
    assert!(root.admin.batch_create_keys(together).await.is_err());
    let names = [format!("workspaces/acme/keys/{TWIN}"), format!("workspaces/other/keys/{TWIN}")];
    let together = proto::BatchRevokeKeysRequest {
        parent: "workspaces/acme".to_owned(),
        names: names.to_vec(),
        ..Default::default()
    };
    assert!(root.admin.batch_revoke_keys(together).await.is_err());
    for secret in [&ours, &theirs] {
        assert!(root.ask(secret, &["sites:read"], "").await.active);
    }
    // A page token.
    let list = |workspace: &str, page_token: String| proto::ListKeysRequest {
        parent: format!("workspaces/{workspace}"),
        page_size: 1,
        page_token,
        ..Default::default()
    };
    let page = root.admin.list_keys(list("other", String::new())).await.unwrap().into_inner();
    let swapped = root.admin.list_keys(list("acme", page.next_page_token)).await;
    assert_eq!(wrong_fields(swapped), ["page_token"]);
    // An etag.
    let [own, foreign] = [etag(&mut root, "acme").await, etag(&mut root, "other").await];
    assert_ne!(own, foreign);
    let name = names[0].clone();
    let revoke = proto::RevokeKeyRequest { name, etag: foreign, ..Default::default() };
    refused(root.admin.revoke_key(revoke).await, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(root.head().await, head);
    // A request id: the same caller, the same id, another workspace.
    let id = request_id();
    let made = proto::CreateKeyRequest { request_id: id.clone(), ..creation("other", "new") };
    assert_ne!(root.admin.create_key(made).await.unwrap().into_inner().secret, "");
    let again = proto::CreateKeyRequest { request_id: id.clone(), ..creation("acme", "new") };
    let again = root.admin.create_key(again).await;
    refused(again, Code::InvalidArgument, "REQUEST_ID_REUSED");
    // And by another caller, who must not learn of the key that the first has made.
    let mut bound = server.caller(&["*"], &["workspaces/acme"]).await;
    let own = proto::CreateKeyRequest { request_id: id, ..creation("acme", "new") };
    let own = bound.admin.create_key(own).await.unwrap().into_inner();
    assert_eq!(own.key.unwrap().name, "workspaces/acme/keys/new");
    assert_ne!(own.secret, "");
}

async fn what_has_ended_for_ever_gives_its_name_and_its_keys_to_nobody(store: Store) {
    let World { server: _server, mut root, ours, theirs } = world(store).await;
    let key = format!("workspaces/acme/keys/{TWIN}");
    let owner = format!("workspaces/acme/principals/{TWIN}");
    let owned = proto::Key { principal: owner.clone(), ..reader() };
    let owned = root.create_key("acme", "owned", owned).await.secret;
    assert!(root.ask(&owned, &["sites:read"], "").await.active);
    for name in [key.clone(), "workspaces/acme/keys/owned".to_owned()] {
        let request = proto::RevokeKeyRequest { name, ..Default::default() };
        root.admin.revoke_key(request).await.unwrap();
    }
    // The key that is made again, its secret and its minted keys.
    for again in [creation("acme", TWIN), creation("acme", "owned")] {
        refused(root.admin.create_key(again).await, Code::AlreadyExists, "RESOURCE_EXISTS");
    }
    let minted = proto::CreateKeyRequest { minting_key: key, ..creation("acme", "") };
    assert!(root.admin.create_key(minted).await.is_err());
    // The owner that is deleted, and made again.
    let request = proto::DeletePrincipalRequest { name: owner.clone(), ..Default::default() };
    root.admin.delete_principal(request.clone()).await.unwrap();
    not_found(root.admin.get_principal(proto::GetPrincipalRequest { name: owner.clone() }).await);
    let again = proto::CreatePrincipalRequest {
        parent: "workspaces/acme".to_owned(),
        principal_id: TWIN.to_owned(),
        principal: Some(proto::Principal {
            kind: proto::PrincipalKind::User.into(),
            role: "owner".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let again = root.admin.create_principal(again).await;
    refused(again, Code::AlreadyExists, "RESOURCE_EXISTS");
    let of_deleted = proto::Key { principal: owner.clone(), ..reader() };
    let of_deleted = proto::CreateKeyRequest { key: Some(of_deleted), ..creation("acme", "") };
    not_found(root.admin.create_key(of_deleted).await);
    let enable = proto::EnablePrincipalRequest { name: owner, ..Default::default() };
    not_found(root.admin.enable_principal(enable).await);
    for secret in [&ours, &owned] {
        let answer = root.ask(secret, &["sites:read"], "").await;
        assert!(!answer.active, "{answer:?}");
    }
    // Of the same names in the other workspace, all is as it was.
    assert!(root.ask(&theirs, &["sites:read"], "").await.active);
    let name = format!("workspaces/other/principals/{TWIN}");
    root.admin.get_principal(proto::GetPrincipalRequest { name }).await.unwrap();
    // A workspace does not go, and is not made again.
    let again = proto::CreateWorkspaceRequest {
        workspace_id: "acme".to_owned(),
        workspace: Some(proto::Workspace {
            policy: "policies/acme".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    refused(root.admin.create_workspace(again).await, Code::AlreadyExists, "RESOURCE_EXISTS");
}

/// The request id of a key that was made is a handle of it, too.
async fn a_repeated_request_tells_nothing_of_what_its_caller_reaches_no_more(store: Store) {
    let (server, mut root) = store.with_workspaces().await;
    let on = |resources: &[&str]| {
        let grant = |resource: &&str| proto::Grant {
            scope: "keys:write".to_owned(),
            resource: (*resource).to_owned(),
        };
        resources.iter().map(grant).collect::<Vec<_>>()
    };
    let grants = on(&["workspaces/acme", "workspaces/acme/keys/*"]);
    let key = proto::Key { grants, ..reader() };
    let secret = root.create_key("system", "maker", key).await.secret;
    let mut maker = server.caller_with(Some(&secret)).await;
    let one = proto::CreateKeyRequest { request_id: request_id(), ..creation("acme", "") };
    let several = proto::BatchCreateKeysRequest {
        parent: "workspaces/acme".to_owned(),
        requests: vec![creation("acme", ""), creation("acme", "ci")],
        request_id: request_id(),
        ..Default::default()
    };
    // The first time, and again as long as it reaches them.
    for is_shown in [true, false] {
        let made = maker.admin.create_key(one.clone()).await.unwrap().into_inner();
        assert_eq!(!made.secret.is_empty(), is_shown);
        let made = maker.admin.batch_create_keys(several.clone()).await.unwrap().into_inner();
        assert!(made.responses.iter().all(|made| made.secret.is_empty() != is_shown));
    }
    let narrowed = proto::Key {
        name: "workspaces/system/keys/maker".to_owned(),
        grants: on(&["workspaces/acme", "workspaces/acme/keys/ci"]),
        ..Default::default()
    };
    let request = proto::UpdateKeyRequest { key: Some(narrowed), ..Default::default() };
    root.admin.update_key(request).await.unwrap();
    not_found(maker.admin.create_key(one).await);
    not_found(maker.admin.batch_create_keys(several).await);
    let own = proto::GetKeyRequest { name: "workspaces/acme/keys/ci".to_owned() };
    maker.admin.get_key(own).await.unwrap();
}
