//! The database cannot be asked: then nothing is answered, neither yes nor no.

use std::time::Duration;

use keyward::proto;
use tokio::sync::mpsc;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::{
    caller::Caller,
    parts::{Parts, with_parts, with_parts_uncached},
};

/// Tasks that ask while the database goes away.
const ASKING: usize = 8;
/// How many answers they get before it does.
const ANSWERED: usize = 200;

#[track_caller]
fn unavailable<T: std::fmt::Debug>(outcome: Result<Response<T>, Status>) {
    let status = outcome.unwrap_err();
    let info = status.get_details_error_info().unwrap();
    assert_eq!((status.code(), &*info.reason), (Code::Unavailable, "STORE_UNAVAILABLE"));
    let delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(delay > Duration::ZERO);
}

fn introspect(secret: &str) -> proto::IntrospectRequest {
    proto::IntrospectRequest { secret: secret.to_owned(), ..Default::default() }
}

/// A caller, and the secrets of a live and of a revoked key.
async fn prepare(parts: &Parts) -> (Caller, [String; 2]) {
    let address = parts.serve().await;
    let mut caller = Caller::connect(address, &parts.root_secret).await;
    caller.admin.create_policy(policy("acme")).await.unwrap();
    caller.admin.create_workspace(workspace("acme")).await.unwrap();
    caller.admin.create_principal(principal("ada")).await.unwrap();
    let mut secrets = [String::new(), String::new()];
    for (id, secret) in ["live", "ended"].into_iter().zip(&mut secrets) {
        let made = caller.admin.create_key(create(id)).await.unwrap().into_inner();
        *secret = made.secret;
    }
    let name = "workspaces/system/keys/ended".to_owned();
    let request = proto::RevokeKeyRequest { name, ..Default::default() };
    caller.admin.revoke_key(request).await.unwrap();
    (caller, secrets)
}

fn create(id: &str) -> proto::CreateKeyRequest {
    let grants = vec![proto::Grant { scope: "keys:read".into(), resource: String::new() }];
    let key = proto::Key { display_name: id.to_owned(), grants, ..Default::default() };
    proto::CreateKeyRequest {
        parent: "workspaces/system".into(),
        key_id: id.to_owned(),
        key: Some(key),
        ..Default::default()
    }
}

fn policy(id: &str) -> proto::CreatePolicyRequest {
    let key_type = proto::KeyType {
        name: "live".into(),
        prefix: "acme".into(),
        is_default: true,
        ..Default::default()
    };
    let policy = proto::Policy {
        scopes: vec![proto::Scope { name: "read".into(), ..Default::default() }],
        key_types: vec![key_type],
        ..Default::default()
    };
    let policy = Some(policy);
    proto::CreatePolicyRequest { policy_id: id.to_owned(), policy, ..Default::default() }
}

fn workspace(id: &str) -> proto::CreateWorkspaceRequest {
    let workspace = proto::Workspace { policy: "policies/acme".into(), ..Default::default() };
    proto::CreateWorkspaceRequest {
        workspace_id: id.to_owned(),
        workspace: Some(workspace),
        ..Default::default()
    }
}

fn principal(id: &str) -> proto::CreatePrincipalRequest {
    let kind = proto::PrincipalKind::User.into();
    proto::CreatePrincipalRequest {
        parent: "workspaces/acme".into(),
        principal_id: id.to_owned(),
        principal: Some(proto::Principal { kind, ..Default::default() }),
        ..Default::default()
    }
}

async fn every_change_is_unavailable(caller: &mut Caller) {
    let admin = &mut caller.admin;
    let name = || "workspaces/system/keys/live".to_owned();
    let title = || "another".to_owned();
    unavailable(admin.create_key(create("new")).await);
    let checked = proto::CreateKeyRequest { validate_only: true, ..create("new") };
    unavailable(admin.create_key(checked).await);
    let key = proto::Key { name: name(), display_name: title(), ..Default::default() };
    let request = proto::UpdateKeyRequest { key: Some(key), ..Default::default() };
    unavailable(admin.update_key(request).await);
    let request = proto::RotateKeyRequest { name: name(), ..Default::default() };
    unavailable(admin.rotate_key(request).await);
    let request = proto::RevokeKeyRequest { name: name(), ..Default::default() };
    unavailable(admin.revoke_key(request).await);
    unavailable(admin.create_policy(policy("other")).await);
    let renamed =
        proto::Policy { name: "policies/acme".into(), display_name: title(), ..Default::default() };
    let request = proto::UpdatePolicyRequest { policy: Some(renamed), ..Default::default() };
    unavailable(admin.update_policy(request).await);
    unavailable(admin.create_workspace(workspace("other")).await);
    let name = || "workspaces/acme".to_owned();
    let request = proto::SuspendWorkspaceRequest { name: name(), ..Default::default() };
    unavailable(admin.suspend_workspace(request).await);
    let request = proto::ResumeWorkspaceRequest { name: name(), ..Default::default() };
    unavailable(admin.resume_workspace(request).await);
    unavailable(admin.create_principal(principal("bob")).await);
    let name = || "workspaces/acme/principals/ada".to_owned();
    let request = proto::DisablePrincipalRequest { name: name(), ..Default::default() };
    unavailable(admin.disable_principal(request).await);
    let request = proto::EnablePrincipalRequest { name: name(), ..Default::default() };
    unavailable(admin.enable_principal(request).await);
}

/// Once with a caller that has to be looked up itself, once with one that need not.
fn check_closed(is_caller_known: bool) {
    with_parts_uncached(async |parts| {
        let (mut caller, secrets) = prepare(&parts).await;
        if is_caller_known {
            parts.know_root_by_heart().await;
        }
        let count = parts.store.verify_events().await.unwrap().count;
        parts.store.close().await;
        for secret in secrets.iter().chain([&parts.root_secret]) {
            if is_caller_known && *secret == parts.root_secret {
                continue;
            }
            unavailable(caller.introspect.introspect(introspect(secret)).await);
            let request = proto::IdentifyKeyRequest { secret: secret.clone() };
            unavailable(caller.admin.identify_key(request).await);
        }
        every_change_is_unavailable(&mut caller).await;
        assert_eq!(parts.count_events_in_copy().await, count, "nothing was changed");
    });
}

#[test]
fn without_a_database_no_caller_is_let_in_and_none_is_called_invalid() {
    check_closed(false);
}

#[test]
fn without_a_database_nothing_is_decided_and_nothing_changed_for_a_known_caller() {
    check_closed(true);
}

#[test]
fn without_a_database_what_is_in_memory_is_answered_and_nothing_else() {
    with_parts(async |parts| {
        let (mut caller, [live, ended]) = prepare(&parts).await;
        let mut other = caller.clone();
        let mut ask = async |secret: &str| caller.introspect.introspect(introspect(secret)).await;
        ask(&live).await.unwrap();
        parts.store.close().await;
        let asked = parts.keys.asked();
        for _ in 0..3 {
            let answer = ask(&live).await.unwrap();
            assert_eq!(answer.get_ref().decision(), proto::Decision::Allow);
        }
        assert_eq!(parts.keys.asked(), asked);
        unavailable(ask(&ended).await);
        every_change_is_unavailable(&mut other).await;
        assert_eq!(ask(&live).await.unwrap().get_ref().decision(), proto::Decision::Allow);
    });
}

#[test]
fn calls_in_flight_while_the_database_goes_are_allowed_or_unavailable() {
    with_parts_uncached(async |parts| {
        let (caller, [live, _]) = prepare(&parts).await;
        let (told, mut answers) = mpsc::unbounded_channel();
        let asking: Vec<_> = (0..ASKING)
            .map(|_| {
                let (mut caller, secret, told) = (caller.clone(), live.clone(), told.clone());
                tokio::spawn(async move {
                    loop {
                        match caller.introspect.introspect(introspect(&secret)).await {
                            Ok(answer) => {
                                assert_eq!(answer.get_ref().decision(), proto::Decision::Allow);
                                told.send(()).unwrap();
                            }
                            refused => return unavailable(refused),
                        }
                    }
                })
            })
            .collect();
        for _ in 0..ANSWERED {
            answers.recv().await.unwrap();
        }
        parts.store.close().await;
        for task in asking {
            task.await.unwrap();
        }
    });
}
