//! Presets, whose scopes become grants when a key is made.

use keyward::proto::{self, CreateKeyRequest, CreateKeyResponse};
use tonic_types::StatusExt as _;

use crate::{
    keys::{creation, explained, read, under},
    support::{Caller, Server, grants, policy, reader, refused, request_id, strings, wrong_fields},
};

fn preset(name: &str, scopes: &[&str]) -> proto::Preset {
    proto::Preset { name: name.into(), scopes: strings(scopes), ..Default::default() }
}

/// `jobs` (one scope), `sites` (a glob after a name that it has too, out of order) and
/// `admin` (a scope that implies others).
fn presets() -> Vec<proto::Preset> {
    vec![
        preset("jobs", &["jobs:read"]),
        preset("sites", &["sites:read", "sites:*"]),
        preset("admin", &["sites:admin"]),
    ]
}

async fn with_presets() -> (Server, Caller) {
    under(|policy| policy.presets = presets()).await
}

/// A key of these presets and nothing else.
fn of(presets: &[&str]) -> CreateKeyRequest {
    let key = proto::Key { grants: vec![], ..reader() };
    CreateKeyRequest { presets: strings(presets), ..creation(key) }
}

async fn made(root: &mut Caller, request: CreateKeyRequest) -> CreateKeyResponse {
    root.admin.create_key(request).await.unwrap().into_inner()
}

fn held(answer: &CreateKeyResponse) -> Vec<proto::Grant> {
    answer.key.as_ref().unwrap().grants.clone()
}

/// Changes what the preset `jobs` lists.
async fn change(root: &mut Caller, scopes: &[&str]) {
    let mut presets = presets();
    presets[0].scopes = strings(scopes);
    let policy = proto::Policy { name: "policies/acme".into(), presets, ..Default::default() };
    let request = proto::UpdatePolicyRequest { policy: Some(policy), ..Default::default() };
    root.admin.update_policy(request).await.unwrap();
}

#[tokio::test]
async fn each_scope_of_a_preset_is_granted_once_in_the_order_of_the_policy() {
    let (_server, mut root) = with_presets().await;
    let answer = made(&mut root, of(&["sites"])).await;
    assert_eq!(held(&answer), grants(&["sites:admin", "sites:write", "sites:read"]));
    let stored = read(&mut root, &answer.key.unwrap().name).await;
    assert_eq!(stored.grants, grants(&["sites:admin", "sites:write", "sites:read"]));
    let admin = made(&mut root, of(&["admin"])).await;
    assert_eq!(held(&admin), grants(&["sites:admin"]), "what a scope implies is not granted");
    let effective = root.ask(&admin.secret, &[], "").await.effective_scopes;
    assert_eq!(effective, ["sites:admin", "sites:read", "sites:write"]);
}

#[tokio::test]
async fn presets_are_added_to_grants_and_to_one_another() {
    let (_server, mut root) = with_presets().await;
    let all = ["jobs:read", "sites:admin", "sites:write", "sites:read"];
    let twice = made(&mut root, of(&["jobs", "sites", "jobs", "admin"])).await;
    assert_eq!(held(&twice), grants(&all));
    let mut both = of(&["sites"]);
    let on_some = proto::Grant { scope: "sites:write".into(), resource: "sites/1".into() };
    let own = [grants(&["sites:read", "exec:raw"]), vec![on_some]].concat();
    both.key.as_mut().unwrap().grants = own.clone();
    let answer = made(&mut root, both).await;
    assert_eq!(held(&answer), [own, grants(&["sites:admin", "sites:write"])].concat());
}

#[tokio::test]
async fn a_key_without_grants_needs_a_preset() {
    let (_server, mut root) = with_presets().await;
    let head = root.head().await;
    assert_eq!(wrong_fields(root.admin.create_key(of(&[])).await), ["key.grants"]);
    assert_eq!(root.head().await, head);
    made(&mut root, of(&["jobs"])).await;
}

#[tokio::test]
async fn only_what_the_role_of_the_owner_allows_is_granted() {
    let (_server, mut root) = with_presets().await;
    let owner = root.create_principal("acme", "eve", "observer").await.name;
    let owned = |presets: &[&str]| {
        let mut request = of(presets);
        request.key.as_mut().unwrap().principal = owner.clone();
        request
    };
    let answer = made(&mut root, owned(&["sites", "jobs"])).await;
    assert_eq!(held(&answer), grants(&["sites:read", "jobs:read"]));
    let head = root.head().await;
    let faults = explained(root.admin.create_key(owned(&["jobs", "admin"])).await);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].0, "presets[1]");
    assert_eq!(faults[0].1, "the role \"observer\" allows nothing of the preset \"admin\"");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_role_that_the_policy_lost_allows_nothing_of_a_preset() {
    let (_server, mut root) = with_presets().await;
    let owner = root.create_principal("acme", "eve", "observer").await.name;
    let owned = || {
        let mut request = of(&["jobs"]);
        request.key.as_mut().unwrap().principal = owner.clone();
        request
    };
    made(&mut root, owned()).await;
    let mut lost = proto::Policy { name: "policies/acme".into(), ..policy() };
    for left in [1, 0] {
        lost.roles.truncate(left);
        let mask = prost_types::FieldMask { paths: strings(&["roles"]) };
        let update = proto::UpdatePolicyRequest {
            policy: Some(lost.clone()),
            update_mask: Some(mask),
            force: true,
            ..Default::default()
        };
        root.admin.update_policy(update).await.unwrap();
        let head = root.head().await;
        assert_eq!(wrong_fields(root.admin.create_key(owned()).await), ["presets[0]"], "{left}");
        assert_eq!(root.head().await, head);
    }
}

#[tokio::test]
async fn an_unknown_preset_is_answered_with_the_nearest_name() {
    let (_server, mut root) = with_presets().await;
    let head = root.head().await;
    let faults = explained(root.admin.create_key(of(&["jobs", "site", "", "whatever"])).await);
    let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["presets[1]", "presets[2]", "presets[3]"]);
    assert_eq!(faults[0].1, "the policy has no preset \"site\"; did you mean \"sites\"?");
    assert_eq!(faults[2].1, "the policy has no preset \"whatever\"");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_hundred_presets_are_taken_and_one_more_is_not() {
    let (_server, mut root) = with_presets().await;
    let answer = made(&mut root, of(&["jobs"; 100])).await;
    assert_eq!(held(&answer), grants(&["jobs:read"]));
    let head = root.head().await;
    assert_eq!(wrong_fields(root.admin.create_key(of(&["jobs"; 101])).await), ["presets"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn what_presets_add_counts_among_the_grants() {
    let scope = |number| proto::Scope { name: format!("s:{number}"), ..Default::default() };
    let (_server, mut root) = under(|policy| {
        policy.scopes.extend((0..1_000).map(scope));
        policy.presets = vec![preset("most", &["s:*"])];
    })
    .await;
    let most = made(&mut root, of(&["most"])).await;
    assert_eq!(held(&most).len(), 1_000);
    let mut more = of(&["most"]);
    more.key.as_mut().unwrap().grants = grants(&["jobs:read"]);
    let head = root.head().await;
    assert_eq!(wrong_fields(root.admin.create_key(more).await), ["key.grants"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_later_change_of_the_preset_does_not_change_the_key() {
    let (_server, mut root) = with_presets().await;
    let answer = made(&mut root, of(&["jobs"])).await;
    change(&mut root, &["sites:read"]).await;
    let stored = read(&mut root, &answer.key.unwrap().name).await;
    assert_eq!(stored.grants, grants(&["jobs:read"]));
    assert!(root.ask(&answer.secret, &["jobs:read"], "").await.active);
    assert_eq!(held(&made(&mut root, of(&["jobs"])).await), grants(&["sites:read"]));
}

#[tokio::test]
async fn a_repeated_request_id_answers_the_same_key_also_when_the_preset_is_another() {
    let (_server, mut root) = with_presets().await;
    let request = CreateKeyRequest { request_id: request_id(), ..of(&["jobs"]) };
    let once = made(&mut root, request.clone()).await;
    change(&mut root, &["sites:read"]).await;
    let head = root.head().await;
    let again = made(&mut root, request.clone()).await;
    assert_eq!((again.key, again.secret.as_str()), (once.key.clone(), ""));
    let policy = proto::Policy { name: "policies/acme".into(), ..Default::default() };
    let mask = prost_types::FieldMask { paths: strings(&["presets"]) };
    let gone = proto::UpdatePolicyRequest {
        policy: Some(policy),
        update_mask: Some(mask),
        ..Default::default()
    };
    root.admin.update_policy(gone).await.unwrap();
    assert_eq!(made(&mut root, request.clone()).await.key, once.key);
    let other = CreateKeyRequest { presets: strings(&["sites"]), ..request };
    let status = refused(
        root.admin.create_key(other).await,
        tonic::Code::InvalidArgument,
        "REQUEST_ID_REUSED",
    );
    assert!(status.get_details_error_info().is_some());
    assert_eq!(root.head().await, head + 1, "only the presets were taken away");
}

#[tokio::test]
async fn validation_alone_shows_what_would_be_granted() {
    let (_server, mut root) = with_presets().await;
    let head = root.head().await;
    let checked = CreateKeyRequest { validate_only: true, ..of(&["jobs", "sites"]) };
    let answer = made(&mut root, checked).await;
    let all = ["jobs:read", "sites:admin", "sites:write", "sites:read"];
    assert_eq!((held(&answer), answer.secret.as_str()), (grants(&all), ""));
    assert_eq!(root.head().await, head);
}
