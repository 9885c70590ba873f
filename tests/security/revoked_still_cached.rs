//! Revoked, and still let in from a cache.
//!
//! - NocoDB, CVE-2026-46554: a deleted token was answered from a cache for three days.
//! - WSO2, CVE-2026-3583: a revoked token was good until its entry in a cache had run out.
//!
//! Here every change that takes something away is asked about by the very next question, on each
//! replica, each of which knew the key by heart, in each way in which one can ask. While clients
//! ask without a pause, `tests/servers/replicas.rs` does the same; with faults of all kinds,
//! `tests/replicas.rs`.

use futures_util::future::join_all;
use keyward::proto::{self, DenyReason, IntrospectRequest};
use prost_types::FieldMask;

use crate::{
    support::{Caller, grants, policy, strings},
    ways::{WAYS, Way, Ways, is_allowed, question},
    world::{Replicas, Store},
};

on_each_store!(
    the_next_question_after_a_change_is_answered_by_it_on_every_replica,
    the_next_call_of_a_caller_after_a_change_is_judged_by_it_on_every_replica,
    a_secret_in_its_grace_ends_with_the_next_rotation_and_with_its_key_on_every_replica,
);

/// A change that takes something from a key or from its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Revoke,
    RevokeTogether,
    Rotate,
    Narrow,
    Constrain,
    Networks,
    Suspend,
    Disable,
    Lower,
    Confine,
    Role,
    Implication,
}
use Change::*;

/// What the next question is denied for.
const CHANGES: [(Change, DenyReason); 12] = [
    (Revoke, DenyReason::Revoked),
    (RevokeTogether, DenyReason::Revoked),
    (Rotate, DenyReason::InvalidKey),
    (Narrow, DenyReason::InsufficientScope),
    (Constrain, DenyReason::OutsideConstraint),
    (Networks, DenyReason::IpNotAllowed),
    (Suspend, DenyReason::Disabled),
    (Disable, DenyReason::Disabled),
    (Lower, DenyReason::InsufficientScope),
    (Confine, DenyReason::OutsideConstraint),
    (Role, DenyReason::InsufficientScope),
    (Implication, DenyReason::InsufficientScope),
];

fn mask(path: &str) -> Option<FieldMask> {
    Some(FieldMask { paths: strings(&[path]) })
}

/// Changes one field of a key.
async fn update(root: &mut Caller, key: proto::Key, path: &str) {
    let request =
        proto::UpdateKeyRequest { key: Some(key), update_mask: mask(path), ..Default::default() };
    root.admin.update_key(request).await.unwrap();
}

async fn update_owner(root: &mut Caller, owner: proto::Principal, path: &str) {
    let request = proto::UpdatePrincipalRequest {
        principal: Some(owner),
        update_mask: mask(path),
        ..Default::default()
    };
    root.admin.update_principal(request).await.unwrap();
}

async fn update_policy(root: &mut Caller, policy: proto::Policy, path: &str) {
    let request = proto::UpdatePolicyRequest {
        policy: Some(policy),
        update_mask: mask(path),
        force: true,
        ..Default::default()
    };
    root.admin.update_policy(request).await.unwrap();
}

/// Makes the change of the key `id` of the workspace `workspace`, or takes it back.
async fn make(root: &mut Caller, change: Change, workspace: &str, id: &str, back: bool) {
    let name = format!("workspaces/{workspace}");
    let key = format!("{name}/keys/{id}");
    let of_key = || proto::Key { name: key.clone(), ..Default::default() };
    let of_owner = || proto::Principal {
        name: format!("{name}/principals/{id}"),
        role: if workspace == "system" { String::new() } else { "owner".to_owned() },
        ..Default::default()
    };
    let of_policy = || proto::Policy { name: format!("policies/{id}"), ..policy() };
    let unless = |texts: &[&str]| if back { Vec::new() } else { strings(texts) };
    let admin = &mut root.admin;
    match change {
        Revoke => {
            let request = proto::RevokeKeyRequest { name: key, ..Default::default() };
            admin.revoke_key(request).await.unwrap();
        }
        RevokeTogether => {
            let names = vec![key];
            let request =
                proto::BatchRevokeKeysRequest { parent: name, names, ..Default::default() };
            admin.batch_revoke_keys(request).await.unwrap();
        }
        Rotate => {
            let request = proto::RotateKeyRequest { name: key, ..Default::default() };
            admin.rotate_key(request).await.unwrap();
        }
        Narrow => {
            let scope = match (workspace, back) {
                ("system", _) => "usage:read",
                (_, true) => "sites:write",
                (_, false) => "jobs:read",
            };
            update(root, proto::Key { grants: grants(&[scope]), ..of_key() }, "grants").await;
        }
        Constrain => {
            let elsewhere = if workspace == "system" { "workspaces/other" } else { "sites/2" };
            let constraint = unless(&[elsewhere]);
            update(root, proto::Key { constraint, ..of_key() }, "constraint").await;
        }
        Networks => {
            let allowed_cidrs = unless(&["198.51.100.0/24"]);
            update(root, proto::Key { allowed_cidrs, ..of_key() }, "allowed_cidrs").await;
        }
        Suspend if back => {
            let request = proto::ResumeWorkspaceRequest { name, ..Default::default() };
            admin.resume_workspace(request).await.unwrap();
        }
        Suspend => {
            let request = proto::SuspendWorkspaceRequest { name, ..Default::default() };
            admin.suspend_workspace(request).await.unwrap();
        }
        Disable if back => {
            let request =
                proto::EnablePrincipalRequest { name: of_owner().name, ..Default::default() };
            admin.enable_principal(request).await.unwrap();
        }
        Disable => {
            let request =
                proto::DisablePrincipalRequest { name: of_owner().name, ..Default::default() };
            admin.disable_principal(request).await.unwrap();
        }
        Lower => {
            let role = if back { "owner" } else { "observer" }.to_owned();
            update_owner(root, proto::Principal { role, ..of_owner() }, "role").await;
        }
        Confine => {
            let elsewhere = if workspace == "system" { "workspaces/other" } else { "sites/2" };
            let confined_to = unless(&[elsewhere]);
            let owner = proto::Principal { confined_to, ..of_owner() };
            update_owner(root, owner, "confined_to").await;
        }
        Role => {
            let mut other = of_policy();
            other.roles[0].scopes = strings(if back { &["*"] } else { &["jobs:read"] });
            update_policy(root, other, "roles").await;
        }
        Implication => {
            let mut other = of_policy();
            other.scopes[2].implies = if back { strings(&["sites:read"]) } else { Vec::new() };
            update_policy(root, other, "scopes").await;
        }
    }
}

/// A policy, a workspace, an owner and a key, all of this name; the key's secret.
async fn with_key(root: &mut Caller, id: &str) -> String {
    root.create_policy(id, policy()).await;
    root.create_workspace(id, &format!("policies/{id}")).await;
    let owner = root.create_principal(id, id, "owner").await.name;
    let key = proto::Key {
        display_name: id.to_owned(),
        principal: owner,
        grants: grants(&["sites:write"]),
        ..Default::default()
    };
    root.create_key(id, id, key).await.secret
}

/// A question to which each of the changes matters.
fn asked(secret: &str) -> IntrospectRequest {
    IntrospectRequest {
        client_ip: "192.0.2.1".to_owned(),
        ..question(secret, &["sites:read", "sites:write"], "sites/1/pages")
    }
}

/// Asks each replica at the same time, in each way, of which another is the first each time.
async fn each(
    all: &mut [Ways],
    first: usize,
    secret: &str,
) -> Vec<(usize, Way, Result<proto::IntrospectResponse, (tonic::Code, String)>)> {
    let question = asked(secret);
    let of_one = async |replica: usize, ways: &mut Ways| {
        let mut answers = Vec::new();
        for number in 0..WAYS.len() {
            let way = WAYS[(number + first + replica) % WAYS.len()];
            answers.push((replica, way, ways.ask(way, &question).await));
        }
        answers
    };
    let replicas = all.iter_mut().enumerate().map(|(replica, ways)| of_one(replica, ways));
    join_all(replicas).await.into_iter().flatten().collect()
}

async fn all_allow(all: &mut [Ways], secret: &str, what: &str) {
    for (replica, way, answer) in each(all, 0, secret).await {
        let answer =
            answer.unwrap_or_else(|refusal| panic!("{what}: {replica} {way:?} {refusal:?}"));
        assert!(is_allowed(&answer), "{what}: replica {replica}, {way:?}: {answer:?}");
    }
}

async fn opened(callers: Vec<Caller>) -> Vec<Ways> {
    let mut all = Vec::new();
    for caller in callers {
        all.push(Ways::new(caller).await);
    }
    all
}

async fn the_next_question_after_a_change_is_answered_by_it_on_every_replica(store: Store) {
    let replicas = Replicas::start(store).await;
    let mut roots = replicas.roots().await;
    let mut all = opened(replicas.roots().await).await;
    for (number, (change, reason)) in CHANGES.into_iter().enumerate() {
        let id = format!("c{number}");
        let at = number % replicas.count();
        let secret = with_key(&mut roots[at], &id).await;
        for what in ["is not in memory", "is in memory"] {
            all_allow(&mut all, &secret, what).await;
        }
        make(&mut roots[at], change, &id, &id, false).await;
        for (replica, way, answer) in each(&mut all, number, &secret).await {
            let answer = answer.unwrap();
            let what = format!("{change:?} at {at}: replica {replica}, {way:?}: {answer:?}");
            assert!(!is_allowed(&answer), "{what}");
            assert_eq!(answer.reason(), reason, "{what}");
        }
        if matches!(change, Revoke | RevokeTogether | Rotate) {
            continue;
        }
        // What is over is over as fast.
        let at = (at + 1) % replicas.count();
        make(&mut roots[at], change, &id, &id, true).await;
        all_allow(&mut all, &secret, &format!("{change:?} taken back at {at}")).await;
    }
}

/// What the next call of the caller is refused for; nothing where it is answered.
const OF_CALLERS: [(Change, &str); 8] = [
    (Revoke, "CREDENTIALS_INVALID"),
    (RevokeTogether, "CREDENTIALS_INVALID"),
    (Rotate, "CREDENTIALS_INVALID"),
    (Disable, "CREDENTIALS_INVALID"),
    (Narrow, "CALLER_SCOPE_MISSING"),
    (Networks, "CALLER_ADDRESS_NOT_ALLOWED"),
    (Constrain, ""),
    (Confine, ""),
];

async fn the_next_call_of_a_caller_after_a_change_is_judged_by_it_on_every_replica(store: Store) {
    let replicas = Replicas::start(store).await;
    let mut roots = replicas.roots().await;
    let secret = with_key(&mut roots[0], "asked").await;
    for (number, (change, reason)) in OF_CALLERS.into_iter().enumerate() {
        let at = number % replicas.count();
        let id = format!("caller{number}");
        let owner = roots[at].create_principal("system", &id, "").await.name;
        let key = proto::Key {
            display_name: id.clone(),
            principal: owner,
            grants: grants(&["introspect", "keys:read"]),
            ..Default::default()
        };
        let calling = roots[at].create_key("system", &id, key).await.secret;
        let mut callers = Vec::new();
        for replica in 0..replicas.count() {
            callers.push(replicas.caller(replica, &calling).await);
        }
        let mut all = opened(callers).await;
        for what in ["is not in memory", "is in memory"] {
            all_allow(&mut all, &secret, what).await;
        }
        make(&mut roots[at], change, "system", &id, false).await;
        let what = format!("{change:?} at {at}");
        for (replica, way, answer) in each(&mut all, number, &secret).await {
            match (answer, reason) {
                (Ok(answer), "") => {
                    let known = answer.reason();
                    assert_eq!(known, DenyReason::InvalidKey, "{what}: {replica} {way:?}");
                }
                (answer, _) => {
                    let refused = answer.expect_err(&what).1;
                    assert_eq!(refused, reason, "{what}: replica {replica}, {way:?}");
                }
            }
        }
        for ways in &mut all {
            let request = proto::GetKeyRequest { name: "workspaces/asked/keys/asked".to_owned() };
            let admin = &mut ways.caller.admin;
            assert!(admin.get_key(request).await.is_err(), "{what}: a key was read");
        }
    }
}

/// Asks about each secret in each way on each replica: whether it works.
async fn work(all: &mut [Ways], secrets: &[String], expected: &[bool], what: &str) {
    for (number, (secret, expected)) in secrets.iter().zip(expected).enumerate() {
        for (replica, way, answer) in each(all, number, secret).await {
            let is_allowed = is_allowed(&answer.unwrap());
            assert_eq!(is_allowed, *expected, "{what}: secret {number} at {replica}, {way:?}");
        }
    }
}

async fn a_secret_in_its_grace_ends_with_the_next_rotation_and_with_its_key_on_every_replica(
    store: Store,
) {
    let replicas = Replicas::start(store).await;
    let mut roots = replicas.roots().await;
    let mut all = opened(replicas.roots().await).await;
    let hour = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    let rotation = Some(proto::RotationRule { max_grace: hour, ..Default::default() });
    roots[0].create_policy("grace", proto::Policy { rotation, ..policy() }).await;
    roots[0].create_workspace("grace", "policies/grace").await;
    let key = proto::Key { grants: grants(&["sites:write"]), ..crate::support::reader() };
    let mut secrets = vec![roots[0].create_key("grace", "ci", key).await.secret];
    work(&mut all, &secrets, &[true], "made").await;
    let name = "workspaces/grace/keys/ci".to_owned();
    for (number, expected) in [&[true, true][..], &[false, true, true]].into_iter().enumerate() {
        let at = number % roots.len();
        let request =
            proto::RotateKeyRequest { name: name.clone(), grace: hour, ..Default::default() };
        let rotated = roots[at].admin.rotate_key(request).await.unwrap().into_inner();
        secrets.push(rotated.secret);
        work(&mut all, &secrets, expected, "rotated").await;
    }
    let at = 2 % roots.len();
    let request = proto::RevokeKeyRequest { name, ..Default::default() };
    roots[at].admin.revoke_key(request).await.unwrap();
    work(&mut all, &secrets, &[false, false, false], "revoked").await;
}
