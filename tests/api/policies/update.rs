//! `UpdatePolicy`.

use futures_util::future::join_all;
use keyward::proto::{self, DenyReason, UnmatchedResource, UpdatePolicyRequest};
use tonic::Code;

use super::{acme, full, stored};
use crate::support::{
    Caller, Server, not_found, policy, reader, refused, request_id, scope_missing, strings,
    wrong_fields,
};

fn request(policy: proto::Policy, paths: &[&str]) -> UpdatePolicyRequest {
    let update_mask = (!paths.is_empty()).then(|| prost_types::FieldMask { paths: strings(paths) });
    UpdatePolicyRequest { policy: Some(policy), update_mask, ..Default::default() }
}

/// A change of the title alone.
fn titled(title: &str) -> proto::Policy {
    proto::Policy { name: "policies/acme".into(), display_name: title.into(), ..Default::default() }
}

async fn update(root: &mut Caller, policy: proto::Policy, paths: &[&str]) -> proto::Policy {
    root.admin.update_policy(request(policy, paths)).await.unwrap().into_inner().policy.unwrap()
}

/// The same, also where live keys lose something.
async fn force(root: &mut Caller, policy: proto::Policy, paths: &[&str]) -> proto::Policy {
    let forced = UpdatePolicyRequest { force: true, ..request(policy, paths) };
    root.admin.update_policy(forced).await.unwrap().into_inner().policy.unwrap()
}

async fn answered(root: &mut Caller, secret: &str, scope: &str, resource: &str) -> DenyReason {
    root.ask(secret, &[scope], resource).await.reason()
}

#[tokio::test]
async fn a_change_is_in_force_from_the_next_call_on_in_every_workspace_under_the_policy() {
    const ALLOWED: DenyReason = DenyReason::Unspecified;
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_policy("apart", policy()).await;
    root.create_workspace("apart", "policies/apart").await;
    let mut secrets = Vec::new();
    for workspace in ["acme", "other", "apart"] {
        let secret = root.create_key(workspace, "ci", reader()).await.secret;
        assert_eq!(answered(&mut root, &secret, "sites:read", "").await, ALLOWED);
        secrets.push(secret);
    }
    let mut wider = acme();
    wider.scopes[3].implies = strings(&["jobs:read"]);
    let changed = update(&mut root, wider, &["scopes"]).await;
    for secret in &secrets[..2] {
        let answer = root.ask(secret, &["jobs:read"], "").await;
        assert_eq!((answer.reason(), answer.revision), (ALLOWED, changed.revision));
    }
    let apart = answered(&mut root, &secrets[2], "jobs:read", "").await;
    assert_eq!(apart, DenyReason::InsufficientScope);
    force(&mut root, acme(), &["scopes"]).await;
    for secret in &secrets {
        let narrowed = answered(&mut root, secret, "jobs:read", "").await;
        assert_eq!(narrowed, DenyReason::InsufficientScope);
    }
}

#[tokio::test]
async fn a_role_that_loses_scopes_or_is_gone_lowers_every_key_under_it() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "observer").await;
    let principal = "workspaces/acme/principals/ada".to_owned();
    let key = proto::Key { principal, ..reader() };
    let secret = root.create_key("acme", "ci", key).await.secret;
    assert_eq!(root.ask(&secret, &["sites:read"], "").await.reason(), DenyReason::Unspecified);
    let mut lower = acme();
    lower.roles[1].scopes = strings(&["jobs:read"]);
    force(&mut root, lower, &["roles"]).await;
    let lowered = answered(&mut root, &secret, "sites:read", "").await;
    assert_eq!(lowered, DenyReason::InsufficientScope);
    update(&mut root, acme(), &["roles"]).await;
    assert_eq!(root.ask(&secret, &["sites:read"], "").await.reason(), DenyReason::Unspecified);
    let mut gone = acme();
    gone.roles.pop();
    force(&mut root, gone, &["roles"]).await;
    let orphaned = answered(&mut root, &secret, "sites:read", "").await;
    assert_eq!(orphaned, DenyReason::InsufficientScope);
}

#[tokio::test]
async fn what_is_hidden_and_how_resources_are_written_changes_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let bound = proto::Key { constraint: strings(&["sites/*"]), ..reader() };
    let bound = root.create_key("acme", "bound", bound).await.secret;
    let mut partly = reader();
    partly.grants[0].resource = "sites/1".into();
    let partly = root.create_key("acme", "partly", partly).await.secret;
    let outside = answered(&mut root, &bound, "sites:read", "jobs/1").await;
    assert_eq!(outside, DenyReason::OutsideConstraint);
    let unmatched = answered(&mut root, &partly, "sites:read", "sites/2").await;
    assert_eq!(unmatched, DenyReason::InsufficientScope);
    let hiding = proto::Policy {
        hide_existence: true,
        unmatched_resource: UnmatchedResource::NotFound.into(),
        ..titled("")
    };
    update(&mut root, hiding, &[]).await;
    assert_eq!(answered(&mut root, &bound, "sites:read", "jobs/1").await, DenyReason::NotFound);
    assert_eq!(answered(&mut root, &partly, "sites:read", "sites/2").await, DenyReason::NotFound);
    let inside = answered(&mut root, &bound, "sites:read", "sites/1").await;
    assert_eq!(inside, DenyReason::Unspecified);
    let written = proto::ResourceGrammar { wildcard: "#".into(), ..Default::default() };
    force(&mut root, proto::Policy { resources: Some(written), ..titled("") }, &[]).await;
    let unreadable = answered(&mut root, &bound, "sites:read", "sites/1").await;
    assert_eq!(unreadable, DenyReason::NotFound, "a pattern of the past must not reach anything");
}

#[tokio::test]
async fn without_a_mask_the_fields_that_are_given_change_and_no_others() {
    let (_server, mut root) = Server::with_workspaces().await;
    let before = stored(&mut root, "policies/acme").await;
    let after = update(&mut root, titled("Acme Ltd"), &[]).await;
    assert_eq!(after.revision, root.head().await);
    assert_eq!(after.etag, format!("r{}", after.revision));
    assert!(after.revision > before.revision);
    let expected = proto::Policy {
        display_name: "Acme Ltd".into(),
        etag: after.etag.clone(),
        revision: after.revision,
        update_time: after.update_time,
        ..before
    };
    assert_eq!(after, expected);
    assert_eq!(stored(&mut root, "policies/acme").await, after);
}

#[tokio::test]
async fn a_mask_says_what_changes_also_to_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let both = proto::Policy { hide_existence: true, ..titled("Acme Ltd") };
    let hidden = update(&mut root, both, &["hide_existence"]).await;
    assert_eq!((hidden.display_name.as_str(), hidden.hide_existence), ("Acme", true));
    let cleared = update(&mut root, titled(""), &["display_name", "roles"]).await;
    assert_eq!((cleared.display_name.as_str(), cleared.roles.len()), ("", 0));
    assert!(cleared.hide_existence && cleared.scopes.len() == 6);
    let all = update(&mut root, acme(), &["*"]).await;
    assert_eq!((all.display_name.as_str(), all.roles.len()), ("Acme", 2));
    assert!(!all.hide_existence);
    let emptied = root.admin.update_policy(request(titled("x"), &["*"])).await;
    assert_eq!(wrong_fields(emptied), ["policy.scopes", "policy.key_types"]);
    assert_eq!(stored(&mut root, "policies/acme").await, all);
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let paths = ["titel", "name", "*", "display_name", "etag", "scopes[0]"];
    let bad =
        UpdatePolicyRequest { request_id: "1".into(), ..request(titled("a\u{202E}b"), &paths) };
    let masked = [
        "update_mask.paths[0]",
        "update_mask.paths[1]",
        "update_mask.paths[2]",
        "update_mask.paths[4]",
        "update_mask.paths[5]",
    ];
    let expected: Vec<_> =
        ["request_id"].into_iter().chain(masked).chain(["policy.display_name"]).collect();
    assert_eq!(wrong_fields(root.admin.update_policy(bad.clone()).await), expected);
    let mut nameless = bad;
    nameless.policy = Some(proto::Policy { name: "acme".into(), ..titled("a\u{202E}b") });
    let fields = wrong_fields(root.admin.update_policy(nameless).await);
    assert!(fields.starts_with(&strings(&["policy.name", "request_id"])), "{fields:?}");
    assert!(fields.contains(&"policy.display_name".to_owned()), "{fields:?}");
    let nothing = root.admin.update_policy(UpdatePolicyRequest::default()).await;
    assert!(wrong_fields(nothing).contains(&"policy.name".to_owned()));
    let many = root.admin.update_policy(request(titled("x"), &["display_name"; 101])).await;
    assert_eq!(wrong_fields(many), ["update_mask"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_policy_that_would_have_faults_is_refused_as_a_whole() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let mut without = acme();
    without.scopes.remove(3);
    let outcome = root.admin.update_policy(request(without, &["scopes", "display_name"])).await;
    assert_eq!(wrong_fields(outcome), ["policy.scopes[2].implies[0]"]);
    let many = vec![proto::Scope::default(); 10_000];
    let many = proto::Policy { scopes: many, ..titled("") };
    let outcome = root.admin.update_policy(request(many, &[])).await;
    assert_eq!(wrong_fields(outcome), ["policy.scopes"]);
    let huge = root.admin.update_policy(request(titled(&"x".repeat(1 << 20)), &[])).await;
    assert_eq!(wrong_fields(huge), ["policy.display_name"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn every_part_is_changed_and_cleared_by_its_name() {
    let (_server, mut root) = Server::with_workspaces().await;
    let plain = stored(&mut root, "policies/acme").await;
    let full = proto::Policy { name: "policies/acme".into(), ..full() };
    let parts = ["scopes", "implications", "presets", "resources", "rotation", "plans"];
    let changed = update(&mut root, full.clone(), &parts).await;
    let expected = proto::Policy {
        scopes: full.scopes.clone(),
        implications: full.implications.clone(),
        presets: full.presets.clone(),
        resources: full.resources.clone(),
        rotation: full.rotation,
        plans: full.plans.clone(),
        etag: changed.etag.clone(),
        revision: changed.revision,
        update_time: changed.update_time,
        ..plain.clone()
    };
    assert_eq!(changed, expected);
    assert_eq!(update(&mut root, titled(""), &[]).await, changed);
    let cleared = update(&mut root, acme(), &parts).await;
    let expected = proto::Policy {
        etag: cleared.etag.clone(),
        revision: cleared.revision,
        update_time: cleared.update_time,
        ..plain
    };
    assert_eq!(cleared, expected);
}

#[tokio::test]
async fn an_old_etag_is_refused_and_of_many_changes_of_one_state_one_is_made() {
    let (_server, mut root) = Server::with_workspaces().await;
    let etag = stored(&mut root, "policies/acme").await.etag;
    let head = root.head().await;
    let calls = (0..8).map(|number| {
        let policy = proto::Policy { etag: etag.clone(), ..titled(&format!("{number}")) };
        let mut root = root.clone();
        async move { root.admin.update_policy(request(policy, &[])).await }
    });
    let (made, stale): (Vec<_>, Vec<_>) =
        join_all(calls).await.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for outcome in stale {
        refused(outcome, Code::Aborted, "ETAG_MISMATCH");
    }
    assert_eq!(root.head().await, head + 1);
    let fresh = stored(&mut root, "policies/acme").await;
    assert_ne!(fresh.etag, etag);
    let with_fresh = proto::Policy { etag: fresh.etag, ..titled("fresh") };
    assert_eq!(update(&mut root, with_fresh, &[]).await.display_name, "fresh");
}

#[tokio::test]
async fn the_same_call_twice_changes_nothing_more() {
    let (_server, mut root) = Server::with_workspaces().await;
    let once = update(&mut root, titled("Acme Ltd"), &[]).await;
    let head = root.head().await;
    assert_eq!(update(&mut root, titled("Acme Ltd"), &[]).await, once);
    assert_eq!(update(&mut root, titled(""), &[]).await, once);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_repeated_request_id_changes_nothing_again_and_is_refused_for_another_request() {
    let (_server, mut root) = Server::with_workspaces().await;
    let etag = stored(&mut root, "policies/acme").await.etag;
    let request_id = request_id();
    let first = UpdatePolicyRequest {
        request_id: request_id.clone(),
        ..request(proto::Policy { etag, ..titled("first") }, &[])
    };
    let once = root.admin.update_policy(first.clone()).await.unwrap().into_inner();
    let without_effects = proto::UpdatePolicyResponse { effects: None, ..once };
    let again = root.admin.update_policy(first.clone()).await.unwrap().into_inner();
    assert_eq!(again, without_effects);
    let second = update(&mut root, titled("second"), &[]).await;
    let again = root.admin.update_policy(first).await.unwrap().into_inner();
    assert_eq!(again.policy.unwrap(), second, "the first change must not be made again");
    let other = UpdatePolicyRequest { request_id, ..request(titled("third"), &[]) };
    refused(root.admin.update_policy(other).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, second.revision);
}

#[tokio::test]
async fn a_repeated_request_id_answers_the_same_also_where_it_would_not_fit_any_more() {
    let (_server, mut root) = Server::with_workspaces().await;
    let mut wider = titled("");
    wider.roles = acme().roles;
    wider.roles[1].scopes = strings(&["jobs:read"]);
    let first = UpdatePolicyRequest { request_id: request_id(), ..request(wider, &["roles"]) };
    root.admin.update_policy(first.clone()).await.unwrap();
    let mut narrow = acme();
    narrow.scopes.remove(4);
    let now = update(&mut root, narrow, &["*"]).await;
    let again = root.admin.update_policy(first).await.unwrap().into_inner();
    assert_eq!(again.policy.unwrap(), now);
}

#[tokio::test]
async fn validation_alone_changes_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let before = stored(&mut root, "policies/acme").await;
    let head = root.head().await;
    let mut wider = acme();
    wider.scopes[3].implies = strings(&["jobs:read"]);
    let checked = UpdatePolicyRequest { validate_only: true, ..request(wider.clone(), &[]) };
    let would_be = root.admin.update_policy(checked).await.unwrap().into_inner().policy.unwrap();
    assert_eq!(would_be.scopes, wider.scopes);
    assert_eq!(would_be.etag, before.etag);
    let denied = answered(&mut root, &secret, "jobs:read", "").await;
    assert_eq!(denied, DenyReason::InsufficientScope);
    assert_eq!(stored(&mut root, "policies/acme").await, before);
    let stale = proto::Policy { etag: "r1".into(), ..titled("x") };
    let stale = UpdatePolicyRequest { validate_only: true, ..request(stale, &[]) };
    refused(root.admin.update_policy(stale).await, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn the_built_in_policy_is_not_changed() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let head = root.head().await;
    for policy in [titled("mine"), proto::Policy { hide_existence: false, ..policy() }] {
        let policy = proto::Policy { name: "policies/system".into(), ..policy };
        let outcome = root.admin.update_policy(request(policy, &[])).await;
        refused(outcome, Code::FailedPrecondition, "BUILT_IN");
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn what_is_not_there_or_not_reached_is_not_found_and_not_touched() {
    let (server, mut root) = Server::with_workspaces().await;
    let nothing = proto::Policy { name: "policies/nothing".into(), ..titled("x") };
    not_found(root.admin.update_policy(request(nothing, &[])).await);
    let mut bound = server.caller(&["*"], &["workspaces/acme", "policies/other"]).await;
    let mut other = server.caller(&["policies:write"], &["policies/acme2"]).await;
    let head = root.head().await;
    for caller in [&mut bound, &mut other] {
        not_found(caller.admin.update_policy(request(titled("x"), &[])).await);
        let system = proto::Policy { name: "policies/system".into(), ..titled("x") };
        not_found(caller.admin.update_policy(request(system, &[])).await);
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut reader = server.caller(&["policies:read", "workspaces:write"], &[]).await;
    scope_missing(reader.admin.update_policy(UpdatePolicyRequest::default()).await);
    scope_missing(reader.admin.update_policy(request(titled("x"), &[])).await);
}
