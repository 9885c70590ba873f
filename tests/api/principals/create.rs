//! `CreatePrincipal`.

use futures_util::future::join_all;
use keyward::proto::{self, CreatePrincipalRequest, PrincipalKind, PrincipalState};
use tonic::Code;

use super::{ADA, key_of, operator, stored};
use crate::support::{
    Server, not_found, policy, refused, request_id, scope_missing, strings, wrong_fields,
};

fn request(parent: &str, id: &str) -> CreatePrincipalRequest {
    CreatePrincipalRequest {
        parent: parent.to_owned(),
        principal_id: id.to_owned(),
        principal: Some(observer()),
        ..Default::default()
    }
}

fn observer() -> proto::Principal {
    proto::Principal {
        kind: PrincipalKind::User.into(),
        role: "observer".into(),
        ..Default::default()
    }
}

fn ada(principal: proto::Principal) -> CreatePrincipalRequest {
    CreatePrincipalRequest { principal: Some(principal), ..request("workspaces/acme", "ada") }
}

#[tokio::test]
async fn a_principal_is_made_as_it_was_sent() {
    let (_server, mut root) = Server::with_workspaces().await;
    for (id, kind) in [
        ("ada", PrincipalKind::User),
        ("team", PrincipalKind::Team),
        ("bot", PrincipalKind::Service),
    ] {
        let sent = proto::Principal {
            name: "not looked at".into(),
            display_name: " Ame\u{301}lie ".into(),
            kind: kind.into(),
            confined_to: strings(&["sites/*", "jobs/1/**", "jobs/2"]),
            state: PrincipalState::Disabled.into(),
            ..observer()
        };
        let sent = CreatePrincipalRequest { principal_id: id.into(), ..ada(sent) };
        let answer = root.admin.create_principal(sent).await.unwrap().into_inner();
        assert_eq!(answer.warnings, []);
        let made = answer.principal.unwrap();
        let revision = root.head().await;
        assert!(made.create_time.is_some());
        assert_eq!(made.create_time, made.update_time);
        let expected = proto::Principal {
            name: format!("workspaces/acme/principals/{id}"),
            display_name: "Am\u{e9}lie".into(),
            kind: kind.into(),
            role: "observer".into(),
            confined_to: strings(&["sites/*", "jobs/1/**", "jobs/2"]),
            state: PrincipalState::Active.into(),
            etag: format!("r{revision}"),
            revision,
            create_time: made.create_time,
            update_time: made.update_time,
        };
        assert_eq!(made, expected);
        assert_eq!(stored(&mut root, &made.name).await, made);
    }
}

#[tokio::test]
async fn its_keys_reach_no_further_than_its_role_and_its_bounds() {
    let (_server, mut root) = Server::with_workspaces().await;
    let confined = proto::Principal { confined_to: strings(&["sites/1"]), ..observer() };
    root.admin.create_principal(ada(confined)).await.unwrap();
    let secret = key_of(&mut root, ADA, "ci").await;
    let allowed = root.ask(&secret, &["sites:read"], "sites/1/pages").await;
    assert_eq!(allowed.decision(), proto::Decision::Allow);
    assert_eq!(allowed.principal, ADA);
    for resource in ["sites/2", "sites/12", "sites", ""] {
        let outside = root.ask(&secret, &["sites:read"], resource).await;
        assert_eq!(outside.decision(), proto::Decision::Deny, "{resource}");
    }
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let bad = proto::Principal {
        display_name: "a\tb".into(),
        kind: 77,
        role: "observers".into(),
        confined_to: strings(&["sites/1", "a//b", "", "sites/**/x", "a\0"]),
        ..Default::default()
    };
    let bad =
        CreatePrincipalRequest { principal_id: "Ada".into(), request_id: "1".into(), ..ada(bad) };
    let always = ["request_id", "principal_id", "principal.display_name", "principal.kind"];
    let mut expected = strings(&always);
    expected.push("principal.role".into());
    expected.extend((1..5).map(|place| format!("principal.confined_to[{place}]")));
    assert_eq!(wrong_fields(root.admin.create_principal(bad.clone()).await), expected);
    let homeless = CreatePrincipalRequest { parent: "acme".into(), ..bad };
    let mut expected = strings(&["parent"]);
    expected.extend(strings(&always));
    assert_eq!(wrong_fields(root.admin.create_principal(homeless).await), expected);
    let nothing = CreatePrincipalRequest { principal: None, ..ada(observer()) };
    let fields = wrong_fields(root.admin.create_principal(nothing).await);
    assert_eq!(fields, ["principal.kind", "principal.role"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_role_is_one_of_the_policy_and_required_where_it_has_roles() {
    let (_server, mut root) = Server::with_workspaces().await;
    let role = |role: &str| proto::Principal { role: role.into(), ..observer() };
    for wrong in ["", "Observer", "observer ", "*"] {
        let outcome = root.admin.create_principal(ada(role(wrong))).await;
        assert_eq!(wrong_fields(outcome), ["principal.role"], "{wrong}");
    }
    let mut near = root.admin.create_principal(ada(role("observe"))).await;
    let status = refused(near, Code::InvalidArgument, "INVALID_FIELDS");
    assert!(status.message().contains("did you mean \"observer\"?"), "{status:?}");
    root.create_policy("free", proto::Policy { roles: vec![], ..policy() }).await;
    root.create_workspace("free", "policies/free").await;
    let parent = "workspaces/free".to_owned();
    let any = CreatePrincipalRequest { parent: parent.clone(), ..ada(role("observer")) };
    near = root.admin.create_principal(any).await;
    assert_eq!(wrong_fields(near), ["principal.role"]);
    let none = CreatePrincipalRequest { parent, ..ada(role("")) };
    root.admin.create_principal(none).await.unwrap();
}

#[tokio::test]
async fn what_is_huge_is_refused_in_the_field_that_is_huge() {
    let (_server, mut root) = Server::with_workspaces().await;
    let huge = "x".repeat(1 << 20);
    let titled = proto::Principal { display_name: huge.clone(), ..observer() };
    let outcome = root.admin.create_principal(ada(titled)).await;
    assert_eq!(wrong_fields(outcome), ["principal.display_name"]);
    let role = proto::Principal { role: huge.clone(), ..observer() };
    let outcome = root.admin.create_principal(ada(role)).await;
    assert_eq!(wrong_fields(outcome), ["principal.role"]);
    let pattern = proto::Principal { confined_to: vec![huge.clone()], ..observer() };
    let outcome = root.admin.create_principal(ada(pattern)).await;
    assert_eq!(wrong_fields(outcome), ["principal.confined_to[0]"]);
    let outcome = root.admin.create_principal(request("workspaces/acme", &huge)).await;
    assert_eq!(wrong_fields(outcome), ["principal_id"]);
    let confined = |count| {
        let confined_to = (0..count).map(|number| format!("sites/{number}")).collect();
        ada(proto::Principal { confined_to, ..observer() })
    };
    for count in [101, 10_000] {
        let outcome = root.admin.create_principal(confined(count)).await;
        assert_eq!(wrong_fields(outcome), ["principal.confined_to"]);
    }
    root.admin.create_principal(confined(100)).await.unwrap();
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_and_the_principal_stays_as_it_was() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_principal("acme", "ada", "owner").await;
    let head = root.head().await;
    for validate_only in [false, true] {
        let again = CreatePrincipalRequest { validate_only, ..ada(observer()) };
        let outcome = root.admin.create_principal(again).await;
        refused(outcome, Code::AlreadyExists, "RESOURCE_EXISTS");
    }
    assert_eq!(stored(&mut root, ADA).await, made);
    assert_eq!(root.head().await, head);
    let elsewhere = root.create_principal("other", "ada", "observer").await;
    assert_eq!(elsewhere.name, "workspaces/other/principals/ada");
    assert_eq!(stored(&mut root, ADA).await, made);
}

#[tokio::test]
async fn a_repeated_request_id_answers_the_same_and_another_request_with_it_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let request_id = request_id();
    let first = CreatePrincipalRequest { request_id: request_id.clone(), ..ada(observer()) };
    let once = root.admin.create_principal(first.clone()).await.unwrap().into_inner();
    let head = root.head().await;
    assert_eq!(root.admin.create_principal(first).await.unwrap().into_inner(), once);
    let other = CreatePrincipalRequest { request_id, ..request("workspaces/other", "ada") };
    let reused = root.admin.create_principal(other).await;
    refused(reused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn of_many_at_once_with_one_request_id_all_are_answered_and_one_is_made() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let same = CreatePrincipalRequest { request_id: request_id(), ..ada(observer()) };
    let calls = (0..8).map(|_| {
        let (mut root, same) = (root.clone(), same.clone());
        async move { root.admin.create_principal(same).await.unwrap().into_inner() }
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(root.head().await, head + 1);
}

#[tokio::test]
async fn a_repeated_request_id_answers_the_same_also_where_the_role_is_gone_by_now() {
    let (_server, mut root) = Server::with_workspaces().await;
    let first = CreatePrincipalRequest { request_id: request_id(), ..ada(observer()) };
    let once = root.admin.create_principal(first.clone()).await.unwrap().into_inner();
    let mut without = proto::Policy { name: "policies/acme".into(), ..policy() };
    without.roles.pop();
    let update = proto::UpdatePolicyRequest { policy: Some(without), ..Default::default() };
    root.admin.update_policy(update).await.unwrap();
    assert_eq!(root.admin.create_principal(first).await.unwrap().into_inner(), once);
}

#[tokio::test]
async fn validation_alone_makes_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let checked = CreatePrincipalRequest { validate_only: true, ..ada(observer()) };
    let answer = root.admin.create_principal(checked).await.unwrap().into_inner();
    let would_be = answer.principal.unwrap();
    assert_eq!((would_be.name.as_str(), would_be.revision), (ADA, 0));
    not_found(root.admin.get_principal(proto::GetPrincipalRequest { name: ADA.into() }).await);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_workspace_that_is_not_there_or_not_reached_is_not_found() {
    let (server, mut root) = Server::with_workspaces().await;
    not_found(root.admin.create_principal(request("workspaces/nothing", "ada")).await);
    let mut bound = server.caller(&["principals:write"], &["workspaces/other"]).await;
    let head = root.head().await;
    for parent in ["workspaces/acme", "workspaces/other2", "workspaces/system"] {
        not_found(bound.admin.create_principal(request(parent, "ada")).await);
        not_found(bound.admin.create_principal(request(parent, "No Id")).await);
    }
    assert_eq!(root.head().await, head);
    bound.admin.create_principal(request("workspaces/other", "ada")).await.unwrap();
}

#[tokio::test]
async fn owners_of_callers_are_made_by_callers_that_may_do_everything() {
    let (server, mut root) = Server::with_workspaces().await;
    let mut partly = server.caller(&["principals:write", "keys:write"], &[]).await;
    let mut bound = server.caller(&["*"], &["workspaces/system"]).await;
    let head = root.head().await;
    for caller in [&mut partly, &mut bound] {
        scope_missing(caller.admin.create_principal(request("workspaces/system", "me")).await);
    }
    assert_eq!(root.head().await, head);
    let made = operator(&mut root).await;
    assert_eq!(made.name, "workspaces/system/principals/operator");
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut other = server.caller(&["principals:read", "keys:write"], &[]).await;
    scope_missing(other.admin.create_principal(CreatePrincipalRequest::default()).await);
    scope_missing(other.admin.create_principal(ada(observer())).await);
}
