//! `UpdatePrincipal`.

use keyward::proto::{self, DenyReason, PrincipalKind, UpdatePrincipalRequest};
use tonic::Code;

use super::{ADA, key_of, operator, stored};
use crate::support::{
    Caller, Server, grants, not_found, policy, refused, request_id, scope_missing, strings,
    wrong_fields,
};

fn request(principal: proto::Principal, paths: &[&str]) -> UpdatePrincipalRequest {
    let update_mask = (!paths.is_empty()).then(|| prost_types::FieldMask { paths: strings(paths) });
    UpdatePrincipalRequest { principal: Some(principal), update_mask, ..Default::default() }
}

fn titled(title: &str) -> proto::Principal {
    proto::Principal { name: ADA.into(), display_name: title.into(), ..Default::default() }
}

fn with_role(role: &str) -> proto::Principal {
    proto::Principal { role: role.into(), ..titled("") }
}

fn confined(patterns: &[&str]) -> proto::Principal {
    proto::Principal { confined_to: strings(patterns), ..titled("") }
}

async fn update(
    root: &mut Caller,
    principal: proto::Principal,
    paths: &[&str],
) -> proto::Principal {
    let answer = root.admin.update_principal(request(principal, paths)).await.unwrap();
    answer.into_inner().principal.unwrap()
}

/// A server with `ada`, an owner.
async fn with_ada() -> (Server, Caller, proto::Principal) {
    let (server, mut root) = Server::with_workspaces().await;
    let ada = root.create_principal("acme", "ada", "owner").await;
    (server, root, ada)
}

#[tokio::test]
async fn a_lowered_role_lowers_every_key_from_the_next_call_on() {
    let (_server, mut root, _) = with_ada().await;
    root.create_principal("acme", "bob", "owner").await;
    let all = |principal: &str| proto::Key {
        display_name: "all".into(),
        grants: grants(&["sites:admin"]),
        principal: principal.into(),
        ..Default::default()
    };
    let ada = root.create_key("acme", "ada", all(ADA)).await.secret;
    let bob = root.create_key("acme", "bob", all("workspaces/acme/principals/bob")).await.secret;
    assert_eq!(root.ask(&ada, &["sites:write"], "").await.reason(), DenyReason::Unspecified);
    let lowered = update(&mut root, with_role("observer"), &[]).await;
    let answer = root.ask(&ada, &["sites:write"], "").await;
    assert_eq!(answer.reason(), DenyReason::InsufficientScope);
    assert_eq!(answer.revision, lowered.revision);
    assert_eq!(answer.effective_scopes, ["sites:read"]);
    assert_eq!(root.ask(&bob, &["sites:write"], "").await.reason(), DenyReason::Unspecified);
    update(&mut root, with_role("owner"), &[]).await;
    assert_eq!(root.ask(&ada, &["sites:write"], "").await.reason(), DenyReason::Unspecified);
}

#[tokio::test]
async fn a_bound_that_is_set_moved_or_lifted_is_in_force_at_once() {
    let (_server, mut root, _) = with_ada().await;
    let secret = key_of(&mut root, ADA, "ci").await;
    let outside = DenyReason::OutsideConstraint;
    let inside = DenyReason::Unspecified;
    for (patterns, first, second) in [
        (&["sites/1"][..], inside, outside),
        (&["sites/2/**"], outside, inside),
        (&["sites/*"], inside, inside),
        (&["jobs", "site"], outside, outside),
        (&[], inside, inside),
    ] {
        update(&mut root, confined(patterns), &["confined_to"]).await;
        let answer = root.ask(&secret, &["sites:read"], "sites/1").await;
        assert_eq!(answer.reason(), first, "{patterns:?}");
        let answer = root.ask(&secret, &["sites:read"], "sites/2").await;
        assert_eq!(answer.reason(), second, "{patterns:?}");
    }
}

#[tokio::test]
async fn without_a_mask_the_fields_that_are_given_change_and_no_others() {
    let (_server, mut root, before) = with_ada().await;
    let twin = root.create_principal("other", "ada", "owner").await;
    let after = update(&mut root, titled("Ada"), &[]).await;
    assert_eq!(after.revision, root.head().await);
    assert!(after.revision > before.revision);
    let expected = proto::Principal {
        display_name: "Ada".into(),
        etag: format!("r{}", after.revision),
        revision: after.revision,
        update_time: after.update_time,
        ..before
    };
    assert_eq!(after, expected);
    assert_eq!(stored(&mut root, ADA).await, after);
    assert_eq!(stored(&mut root, &twin.name).await, twin);
}

#[tokio::test]
async fn a_mask_says_what_changes_also_to_nothing() {
    let (_server, mut root, _) = with_ada().await;
    let full = proto::Principal {
        display_name: "Ada".into(),
        role: "observer".into(),
        ..confined(&["sites/1"])
    };
    let title = update(&mut root, full.clone(), &["display_name"]).await;
    assert_eq!((title.role.as_str(), title.confined_to.len()), ("owner", 0));
    let all = update(&mut root, full, &["*"]).await;
    assert_eq!((all.role.as_str(), all.confined_to.len()), ("observer", 1));
    assert_eq!(update(&mut root, confined(&[]), &[]).await, all);
    let lifted = update(&mut root, confined(&[]), &["confined_to", "display_name"]).await;
    assert_eq!((lifted.display_name.as_str(), lifted.confined_to.len()), ("", 0));
    assert_eq!(lifted.role, "observer");
    let emptied = root.admin.update_principal(request(titled("x"), &["*"])).await;
    assert_eq!(wrong_fields(emptied), ["principal.role"]);
    let emptied = root.admin.update_principal(request(titled("x"), &["role"])).await;
    assert_eq!(wrong_fields(emptied), ["principal.role"]);
    assert_eq!(stored(&mut root, ADA).await, lifted);
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root, _) = with_ada().await;
    let head = root.head().await;
    let bad = proto::Principal {
        display_name: "\u{FEFF}ada".into(),
        kind: PrincipalKind::Team.into(),
        role: "owners".into(),
        ..confined(&["sites/1", "a//b"])
    };
    let paths = ["name", "kind", "state", "*", "roles", "display_name", "role", "confined_to"];
    let bad = UpdatePrincipalRequest { request_id: "1".into(), ..request(bad, &paths) };
    let mut expected = strings(&["request_id"]);
    expected.extend((0..5).map(|place| format!("update_mask.paths[{place}]")));
    expected.push("principal.display_name".into());
    let of_the_record = ["principal.kind", "principal.role", "principal.confined_to[1]"];
    let whole: Vec<_> = expected.iter().cloned().chain(strings(&of_the_record)).collect();
    assert_eq!(wrong_fields(root.admin.update_principal(bad.clone()).await), whole);
    let mut nameless = bad;
    nameless.principal.as_mut().unwrap().name = "ada".into();
    expected.insert(0, "principal.name".into());
    assert_eq!(wrong_fields(root.admin.update_principal(nameless).await), expected);
    let nothing = root.admin.update_principal(UpdatePrincipalRequest::default()).await;
    assert_eq!(wrong_fields(nothing), ["principal.name"]);
    let huge = root.admin.update_principal(request(titled(&"x".repeat(1 << 20)), &[])).await;
    assert_eq!(wrong_fields(huge), ["principal.display_name"]);
    let many = root.admin.update_principal(request(confined(&["a"; 101]), &[])).await;
    assert_eq!(wrong_fields(many), ["principal.confined_to"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn an_old_etag_is_refused() {
    let (_server, mut root, ada) = with_ada().await;
    let guarded =
        |title: &str, etag: &str| proto::Principal { etag: etag.to_owned(), ..titled(title) };
    let first = update(&mut root, guarded("first", &ada.etag), &[]).await;
    let stale = root.admin.update_principal(request(guarded("second", &ada.etag), &[])).await;
    refused(stale, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(stored(&mut root, ADA).await, first);
    update(&mut root, guarded("second", &first.etag), &[]).await;
}

#[tokio::test]
async fn the_same_call_twice_changes_nothing_more() {
    let (_server, mut root, _) = with_ada().await;
    let once = update(&mut root, with_role("observer"), &[]).await;
    assert_eq!(update(&mut root, with_role("observer"), &[]).await, once);
    assert_eq!(root.head().await, once.revision);
}

#[tokio::test]
async fn a_repeated_request_id_changes_nothing_again_and_is_refused_for_another_request() {
    let (_server, mut root, _) = with_ada().await;
    let request_id = request_id();
    let first = UpdatePrincipalRequest {
        request_id: request_id.clone(),
        ..request(with_role("observer"), &[])
    };
    let once = root.admin.update_principal(first.clone()).await.unwrap().into_inner();
    assert_eq!(root.admin.update_principal(first.clone()).await.unwrap().into_inner(), once);
    let second = update(&mut root, with_role("owner"), &[]).await;
    let again = root.admin.update_principal(first).await.unwrap().into_inner();
    assert_eq!(again.principal.unwrap(), second, "the first change must not be made again");
    let other = UpdatePrincipalRequest { request_id, ..request(titled("x"), &[]) };
    let reused = root.admin.update_principal(other).await;
    refused(reused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, second.revision);
}

#[tokio::test]
async fn a_repeated_request_id_answers_the_same_also_where_the_role_is_gone_by_now() {
    let (_server, mut root, _) = with_ada().await;
    let first =
        UpdatePrincipalRequest { request_id: request_id(), ..request(with_role("observer"), &[]) };
    let once = root.admin.update_principal(first.clone()).await.unwrap().into_inner();
    let mut without = proto::Policy { name: "policies/acme".into(), ..policy() };
    without.roles.pop();
    let update = proto::UpdatePolicyRequest { policy: Some(without), ..Default::default() };
    root.admin.update_policy(update).await.unwrap();
    assert_eq!(root.admin.update_principal(first).await.unwrap().into_inner(), once);
}

#[tokio::test]
async fn validation_alone_changes_nothing() {
    let (_server, mut root, before) = with_ada().await;
    let secret = key_of(&mut root, ADA, "ci").await;
    let head = root.head().await;
    let checked =
        UpdatePrincipalRequest { validate_only: true, ..request(confined(&["jobs"]), &[]) };
    let answer = root.admin.update_principal(checked).await.unwrap().into_inner();
    assert_eq!(answer.principal.unwrap().confined_to, ["jobs"]);
    let allowed = root.ask(&secret, &["sites:read"], "sites/1").await;
    assert_eq!(allowed.reason(), DenyReason::Unspecified);
    assert_eq!(stored(&mut root, ADA).await, before);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn owners_of_callers_are_changed_by_callers_that_may_do_everything() {
    let (server, mut root, _) = with_ada().await;
    let operator = operator(&mut root).await;
    let changed = || proto::Principal { name: operator.name.clone(), ..titled("x") };
    let mut partly = server.caller(&["principals:write", "keys:write"], &[]).await;
    let mut bound = server.caller(&["*"], &["workspaces/system"]).await;
    for caller in [&mut partly, &mut bound] {
        scope_missing(caller.admin.update_principal(request(changed(), &[])).await);
    }
    assert_eq!(stored(&mut root, &operator.name).await, operator);
    assert_eq!(update(&mut root, changed(), &[]).await.display_name, "x");
}

#[tokio::test]
async fn what_is_not_there_or_not_reached_is_not_found_and_not_touched() {
    let (server, mut root, _) = with_ada().await;
    let named = |name: &str| proto::Principal { name: name.into(), ..titled("x") };
    not_found(
        root.admin.update_principal(request(named("workspaces/other/principals/ada"), &[])).await,
    );
    let mut bound = server.caller(&["*"], &["workspaces/other"]).await;
    let head = root.head().await;
    not_found(bound.admin.update_principal(request(named(ADA), &[])).await);
    not_found(bound.admin.update_principal(request(named(ADA), &["unknown"])).await);
    let system = named("workspaces/system/principals/x");
    not_found(bound.admin.update_principal(request(system, &[])).await);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, ..) = with_ada().await;
    let mut reader = server.caller(&["principals:read", "keys:write"], &[]).await;
    scope_missing(reader.admin.update_principal(UpdatePrincipalRequest::default()).await);
    scope_missing(reader.admin.update_principal(request(titled("x"), &[])).await);
}
