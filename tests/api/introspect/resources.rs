//! What a key and its principal are bound to, and what is said of the rest.

use keyward::proto::{self, DenyReason, UnmatchedResource};

use super::grant;
use crate::support::{Caller, Server, policy, reader, strings};

#[tokio::test]
async fn a_constraint_bounds_every_grant_and_a_plain_path_means_its_subtree() {
    let (_server, mut root) = Server::with_workspaces().await;
    let key = proto::Key { constraint: strings(&["john", "sites/*", "a/b/**"]), ..reader() };
    let secret = root.create_key("acme", "", key).await.secret;
    for inside in ["john", "john/x/y", "sites/a", "a/b", "a/b/c"] {
        let answer = root.ask(&secret, &["sites:read"], inside).await;
        assert_eq!(answer.reason(), DenyReason::Unspecified, "{inside}");
        assert_eq!(answer.constraint, ["john", "sites/*", "a/b/**"]);
    }
    for outside in
        ["", "johnathan", "joh", "/john", "John", "sites", "sites/a/b", "sites2/a", "a", "a/bb"]
    {
        let answer = root.ask(&secret, &["sites:read"], outside).await;
        assert_eq!(answer.reason(), DenyReason::OutsideConstraint, "{outside}");
        assert_eq!(answer.effective_scopes, [""; 0]);
    }
}

#[tokio::test]
async fn a_constraint_on_everything_admits_a_request_that_names_no_resource() {
    let (_server, mut root) = Server::with_workspaces().await;
    let key = proto::Key { constraint: strings(&["*"]), ..reader() };
    let secret = root.create_key("acme", "", key).await.secret;
    for resource in ["", "a", "a/b/c", "/"] {
        let answer = root.ask(&secret, &["sites:read"], resource).await;
        assert_eq!(answer.reason(), DenyReason::Unspecified, "{resource:?}");
    }
}

/// A key of a principal that is confined to `team`.
async fn confined(root: &mut Caller, constraint: &[&str]) -> String {
    let principal = proto::Principal {
        kind: proto::PrincipalKind::Team.into(),
        role: "owner".to_owned(),
        confined_to: strings(&["team"]),
        ..Default::default()
    };
    let request = proto::CreatePrincipalRequest {
        parent: "workspaces/acme".to_owned(),
        principal_id: "team".to_owned(),
        principal: Some(principal),
        ..Default::default()
    };
    let owner = root.admin.create_principal(request).await.unwrap().into_inner();
    let key = proto::Key {
        principal: owner.principal.unwrap().name,
        constraint: strings(constraint),
        ..reader()
    };
    root.create_key("acme", "", key).await.secret
}

#[tokio::test]
async fn a_confined_principal_confines_its_keys() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = confined(&mut root, &[]).await;
    for (resource, reason) in [
        ("team", DenyReason::Unspecified),
        ("team/a", DenyReason::Unspecified),
        ("teams", DenyReason::OutsideConstraint),
        ("", DenyReason::OutsideConstraint),
    ] {
        let answer = root.ask(&secret, &["sites:read"], resource).await;
        assert_eq!(answer.reason(), reason, "{resource:?}");
        assert_eq!(answer.constraint, [""; 0], "the key's own has none");
    }
}

#[tokio::test]
async fn a_resource_must_be_inside_both_bounds() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = confined(&mut root, &["team/a", "elsewhere"]).await;
    for (resource, reason) in [
        ("team/a", DenyReason::Unspecified),
        ("team/a/b", DenyReason::Unspecified),
        ("team/b", DenyReason::OutsideConstraint),
        ("elsewhere", DenyReason::OutsideConstraint),
    ] {
        let answer = root.ask(&secret, &["sites:read"], resource).await;
        assert_eq!(answer.reason(), reason, "{resource}");
    }
}

#[tokio::test]
async fn a_confinement_is_in_force_when_the_call_that_makes_it_returns() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = confined(&mut root, &[]).await;
    assert!(root.ask(&secret, &["sites:read"], "team").await.missing_scopes.is_empty());
    let moved = proto::Principal {
        name: "workspaces/acme/principals/team".to_owned(),
        confined_to: strings(&["other"]),
        ..Default::default()
    };
    let request = proto::UpdatePrincipalRequest { principal: Some(moved), ..Default::default() };
    root.admin.update_principal(request).await.unwrap();
    let before = root.ask(&secret, &["sites:read"], "team").await;
    assert_eq!(before.reason(), DenyReason::OutsideConstraint);
    let after = root.ask(&secret, &["sites:read"], "other").await;
    assert_eq!(after.reason(), DenyReason::Unspecified);
}

/// What is said of a resource outside the constraint, of one on which the scope is not
/// granted, and of a scope that is granted nowhere.
async fn check(
    hide_existence: bool,
    unmatched: UnmatchedResource,
    outside: DenyReason,
    ungranted: DenyReason,
) {
    let (_server, mut root) = Server::with_workspaces().await;
    let rules = proto::Policy { hide_existence, unmatched_resource: unmatched.into(), ..policy() };
    root.create_policy("rules", rules).await;
    root.create_workspace("rules", "policies/rules").await;
    let key = proto::Key {
        grants: vec![grant("sites:read", "a/b"), grant("jobs:read", "")],
        constraint: strings(&["a"]),
        ..reader()
    };
    let secret = root.create_key("rules", "", key).await.secret;
    for (required, resource, reason) in [
        (&["sites:read"][..], "a/b", DenyReason::Unspecified),
        (&["sites:read"], "b", outside),
        (&["jobs:read"], "b", outside),
        (&[], "b", outside),
        (&[], "", outside),
        (&["sites:read"], "a/c", ungranted),
        (&["jobs:read", "sites:read"], "a/c", ungranted),
        (&["exec:raw"], "a/b", DenyReason::InsufficientScope),
        (&["exec:raw", "sites:read"], "a/c", DenyReason::InsufficientScope),
        (&["jobs:read"], "a/c", DenyReason::Unspecified),
    ] {
        let answer = root.ask(&secret, required, resource).await;
        assert_eq!(answer.reason(), reason, "{required:?} on {resource:?}");
        if reason == DenyReason::NotFound {
            let told = (&answer.missing_scopes, &answer.effective_scopes);
            assert_eq!(told, (&vec![], &vec![]), "{required:?} on {resource:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_hidden_unless_the_policy_says_so() {
    let (outside, missing) = (DenyReason::OutsideConstraint, DenyReason::InsufficientScope);
    check(false, UnmatchedResource::Unspecified, outside, missing).await;
    check(false, UnmatchedResource::InsufficientScope, outside, missing).await;
}

#[tokio::test]
async fn a_policy_that_hides_existence_hides_what_is_outside_a_constraint() {
    let unmatched = UnmatchedResource::InsufficientScope;
    check(true, unmatched, DenyReason::NotFound, DenyReason::InsufficientScope).await;
}

#[tokio::test]
async fn a_policy_may_hide_the_resources_that_no_grant_matches() {
    let unmatched = UnmatchedResource::NotFound;
    check(false, unmatched, DenyReason::OutsideConstraint, DenyReason::NotFound).await;
    check(true, unmatched, DenyReason::NotFound, DenyReason::NotFound).await;
}
