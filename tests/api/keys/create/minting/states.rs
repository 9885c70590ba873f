//! Which key may be named as the minting one, and where it is told of afterwards.

use futures_util::future::join;
use keyward::proto::{self, CreateKeyRequest, DisablePrincipalRequest, RevokeKeyRequest};
use serde_json::Value;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{broader, holder, minted, on_behalf, principal};
use crate::{
    keys::{creation, explained, instant, metadata, read},
    support::{
        Caller, Server, not_found, reader, refused, request_id, scope_missing, strings,
        wrong_fields,
    },
};

const ROUNDS: usize = 32;

async fn revoke(root: &mut Caller, name: &str) -> proto::Key {
    let request = RevokeKeyRequest { name: name.into(), ..Default::default() };
    root.admin.revoke_key(request).await.unwrap().into_inner()
}

/// Sees to it that this key of `acme` mints nothing.
async fn is_stopped(root: &mut Caller, minter: &str) {
    let head = root.head().await;
    for validate_only in [false, true] {
        let request = CreateKeyRequest { validate_only, ..on_behalf(minter, reader()) };
        let outcome = root.admin.create_key(request).await;
        let status = refused(outcome, Code::FailedPrecondition, "MINTING_KEY_NOT_ACTIVE");
        assert_eq!(metadata(&status, "resource"), format!("workspaces/acme/keys/{minter}"));
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_key_that_does_not_work_mints_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let revoked = root.create_key("acme", "revoked", reader()).await.key.unwrap().name;
    revoke(&mut root, &revoked).await;
    is_stopped(&mut root, "revoked").await;
    root.create_key("acme", "expired", proto::Key { expiration: instant(), ..reader() }).await;
    is_stopped(&mut root, "expired").await;
    let ada = principal(&mut root, "ada", "owner", &[]).await;
    let owned = proto::Key { principal: ada.clone(), ..reader() };
    root.create_key("acme", "owned", owned).await;
    minted(&mut root, "owned", reader()).await;
    let disable = DisablePrincipalRequest { name: ada.clone(), ..Default::default() };
    root.admin.disable_principal(disable).await.unwrap();
    is_stopped(&mut root, "owned").await;
    let enable = proto::EnablePrincipalRequest { name: ada, ..Default::default() };
    root.admin.enable_principal(enable).await.unwrap();
    minted(&mut root, "owned", reader()).await;
    let name = "workspaces/acme".to_owned();
    let suspend = proto::SuspendWorkspaceRequest { name, ..Default::default() };
    root.admin.suspend_workspace(suspend).await.unwrap();
    is_stopped(&mut root, "owned").await;
}

#[tokio::test]
async fn a_key_that_is_replaced_or_narrowed_mints_by_what_it_is_now() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "minter", holder(&["sites:write"])).await.key.unwrap();
    let rotate = proto::RotateKeyRequest { name: made.name.clone(), ..Default::default() };
    root.admin.rotate_key(rotate).await.unwrap();
    minted(&mut root, "minter", holder(&["sites:write"])).await;
    let key = proto::Key { name: made.name, ..reader() };
    let update = proto::UpdateKeyRequest { key: Some(key), ..Default::default() };
    root.admin.update_key(update).await.unwrap();
    let outcome = root.admin.create_key(on_behalf("minter", holder(&["sites:write"]))).await;
    broader(outcome, "grants", "narrowed");
}

/// How the naming of a minting key is refused, to the byte.
async fn refusal(caller: &mut Caller, minter: &str) -> (Code, String, Vec<u8>) {
    let request = CreateKeyRequest { minting_key: minter.into(), ..creation(reader()) };
    let status = caller.admin.create_key(request).await.unwrap_err();
    assert_eq!(metadata(&status, "resource"), minter);
    (status.code(), status.message().to_owned(), status.details().to_vec())
}

#[tokio::test]
async fn a_key_of_another_workspace_is_as_one_that_does_not_exist() {
    let (server, mut root) = Server::with_workspaces().await;
    let mut bound = server.caller(&["keys:write"], &["workspaces/acme"]).await;
    for (workspace, key) in [("other", reader()), ("system", holder(&["keys:read"]))] {
        let name = format!("workspaces/{workspace}/keys/ci");
        let absent = refusal(&mut root, &name).await;
        assert_eq!(absent.0, Code::NotFound);
        assert_eq!(refusal(&mut bound, &name).await, absent);
        root.create_key(workspace, "ci", key).await;
        let head = root.head().await;
        assert_eq!(refusal(&mut root, &name).await, absent);
        assert_eq!(refusal(&mut bound, &name).await, absent);
        assert_eq!(root.head().await, head);
        revoke(&mut root, &name).await;
        assert_eq!(refusal(&mut root, &name).await, absent);
        assert_eq!(refusal(&mut bound, &name).await, absent);
    }
    for absent in ["workspaces/acme/keys/none", "workspaces/nobody/keys/ci"] {
        let request = CreateKeyRequest { minting_key: absent.into(), ..creation(reader()) };
        not_found(root.admin.create_key(request).await);
    }
}

#[tokio::test]
async fn a_name_that_is_none_of_a_key_is_a_wrong_field() {
    let (_server, mut root) = Server::with_workspaces().await;
    for wrong in ["ci", "keys/ci", "workspaces/acme/principals/ci", "workspaces/acme/keys/CI"] {
        let minting_key = wrong.to_owned();
        let request = CreateKeyRequest { minting_key, ..creation(reader()) };
        let faults = explained(root.admin.create_key(request).await);
        assert_eq!((faults.len(), &*faults[0].0), (1, "minting_key"), "{wrong}");
    }
}

#[tokio::test]
async fn a_caller_names_minting_keys_that_it_reaches() {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "minter", reader()).await;
    root.create_key("other", "minter", reader()).await;
    let mut bound = server.caller(&["keys:write"], &["workspaces/acme"]).await;
    minted(&mut bound, "minter", reader()).await;
    let only = ["workspaces/acme/keys/fresh"];
    let mut narrow = server.caller(&["keys:write"], &only).await;
    let own = CreateKeyRequest { key_id: "fresh".into(), ..on_behalf("minter", reader()) };
    not_found(narrow.admin.create_key(own).await);
    let mut reads = server.caller(&["keys:read"], &[]).await;
    scope_missing(reads.admin.create_key(on_behalf("minter", reader())).await);
}

#[tokio::test]
async fn the_new_key_tells_of_the_minting_one_for_ever() {
    let (_server, mut root) = Server::with_workspaces().await;
    let minter = root.create_key("acme", "minter", reader()).await.key.unwrap();
    assert_eq!(minter.minting_key, "");
    let request = CreateKeyRequest {
        key_id: "made".into(),
        request_id: request_id(),
        ..on_behalf("minter", reader())
    };
    let made = root.admin.create_key(request.clone()).await.unwrap().into_inner();
    let key = made.key.unwrap();
    assert_eq!(key.minting_key, minter.name);
    assert_eq!(read(&mut root, &key.name).await, key);
    let list = proto::ListKeysRequest { parent: "workspaces/acme".into(), ..Default::default() };
    let listed = root.admin.list_keys(list).await.unwrap().into_inner().keys;
    assert!(listed.contains(&key));
    let subject = key.name.clone();
    let log = proto::ListEventsRequest { subject, ..Default::default() };
    let log = root.admin.list_events(log).await.unwrap().into_inner().events;
    let after: Value = serde_json::from_str(&log[0].after_json).unwrap();
    assert_eq!(after["minting_key"], "minter");

    revoke(&mut root, &minter.name).await;
    assert!(root.ask(&made.secret, &["sites:read"], "").await.active, "it stands by itself");
    let again = root.admin.create_key(request).await.unwrap().into_inner();
    assert_eq!((again.key, again.secret.as_str()), (Some(key.clone()), ""));
    assert_eq!(read(&mut root, &key.name).await.minting_key, minter.name);
}

#[tokio::test]
async fn an_update_does_not_take_a_minting_key() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "minter", reader()).await;
    let key = minted(&mut root, "minter", reader()).await.key.unwrap();
    let update = |paths: &[&str], minting_key: &str| proto::UpdateKeyRequest {
        key: Some(proto::Key { minting_key: minting_key.into(), ..key.clone() }),
        update_mask: (!paths.is_empty()).then(|| prost_types::FieldMask { paths: strings(paths) }),
        ..Default::default()
    };
    let head = root.head().await;
    let named = root.admin.update_key(update(&["minting_key"], "")).await;
    assert_eq!(wrong_fields(named), ["update_mask.paths[0]"]);
    for minting_key in ["", "workspaces/acme/keys/other"] {
        let answer = root.admin.update_key(update(&[], minting_key)).await.unwrap().into_inner();
        assert_eq!(answer.key.unwrap().minting_key, key.minting_key);
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_minting_key_that_is_revoked_at_the_same_time_mints_before_or_not_at_all() {
    let (_server, root) = Server::with_workspaces().await;
    for round in 0..ROUNDS {
        let (mut one, mut other) = (root.clone(), root.clone());
        let id = format!("minter-{round}");
        let name = one.create_key("acme", &id, reader()).await.key.unwrap().name;
        let (made, revoked) =
            join(one.admin.create_key(on_behalf(&id, reader())), revoke(&mut other, &name)).await;
        match made {
            Ok(made) => {
                let made = made.into_inner().key.unwrap();
                assert!(made.revision < revoked.revision, "round {round}");
            }
            Err(status) => {
                let reason = status.get_details_error_info().unwrap().reason;
                assert_eq!(reason, "MINTING_KEY_NOT_ACTIVE", "round {round}");
            }
        }
    }
}
