//! Each reason, with all that goes with it: whether the key works, the decision, and what
//! the backend should answer to its own client.

use keyward::proto::{
    self, Decision, DenyReason, IntrospectRequest, IntrospectResponse, UnmatchedResource,
};

use super::{answer, grant, question};
use crate::{
    callers::{
        minted::{disable, revoke, rotate, short_lived},
        raw::descriptors,
    },
    support::{Caller, Server, policy, reader, scope_missing, strings},
};

const INVALID_TOKEN: &str = r#"Bearer error="invalid_token""#;

/// What an answer must be.
struct Expected {
    reason: DenyReason,
    active: bool,
    http: i32,
    challenge: Option<&'static str>,
}

const fn denied(
    reason: DenyReason,
    active: bool,
    http: i32,
    challenge: Option<&'static str>,
) -> Expected {
    Expected { reason, active, http, challenge }
}

#[track_caller]
fn check(answer: &IntrospectResponse, expected: &Expected) {
    let &Expected { reason, active, http, challenge } = expected;
    assert_eq!((answer.reason(), answer.active), (reason, active), "{answer:?}");
    let allowed = reason == DenyReason::Unspecified;
    let decision = if allowed { Decision::Allow } else { Decision::Deny };
    assert_eq!(answer.decision(), decision, "{reason:?}");
    let advice = answer.http.as_ref().unwrap();
    let headers: Vec<_> =
        advice.headers.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
    let expected: Vec<_> = challenge.into_iter().map(|value| ("WWW-Authenticate", value)).collect();
    assert_eq!((advice.status, headers), (http, expected), "{reason:?}");
}

/// A world with a key for each reason, and the question that is answered with it.
async fn questions(root: &mut Caller) -> Vec<(IntrospectRequest, Expected)> {
    let hiding = proto::Policy {
        hide_existence: true,
        unmatched_resource: UnmatchedResource::NotFound.into(),
        ..policy()
    };
    root.create_policy("hiding", hiding).await;
    root.create_workspace("hiding", "policies/hiding").await;
    root.create_workspace("suspended", "policies/acme").await;
    let owner = root.create_principal("acme", "ada", "owner").await.name;
    let bound = proto::Key { constraint: strings(&["mine"]), ..reader() };
    let granted = proto::Key { grants: vec![grant("sites:read", "mine/**")], ..reader() };
    let mut secrets = Vec::new();
    for (workspace, id, key) in [
        ("acme", "plain", reader()),
        ("acme", "rotated", reader()),
        ("acme", "revoked", reader()),
        ("acme", "expired", short_lived(reader())),
        ("suspended", "suspended", reader()),
        ("acme", "disabled", proto::Key { principal: owner.clone(), ..reader() }),
        ("acme", "network", proto::Key { allowed_cidrs: strings(&["192.0.2.0/24"]), ..reader() }),
        ("acme", "bound", bound.clone()),
        ("hiding", "bound", bound),
        ("acme", "granted", granted.clone()),
        ("hiding", "granted", granted),
    ] {
        let secret = root.create_key(workspace, id, key).await.secret;
        let on = |resource: &str| IntrospectRequest {
            resource: resource.to_owned(),
            ..question(&secret, &["sites:read"])
        };
        let invalid = |reason| denied(reason, false, 401, Some(INVALID_TOKEN));
        let missing = r#"Bearer error="insufficient_scope", scope="sites:read""#;
        secrets.push(match (workspace, id) {
            (_, "plain") => (on(""), denied(DenyReason::Unspecified, true, 200, None)),
            (_, "rotated") => (on(""), invalid(DenyReason::InvalidKey)),
            (_, "revoked") => (on(""), invalid(DenyReason::Revoked)),
            (_, "expired") => (on(""), invalid(DenyReason::Expired)),
            (_, "suspended" | "disabled") => (on(""), invalid(DenyReason::Disabled)),
            (_, "network") => (on(""), denied(DenyReason::IpNotAllowed, true, 403, None)),
            ("acme", "bound") => {
                (on("theirs"), denied(DenyReason::OutsideConstraint, true, 403, None))
            }
            ("acme", _) => {
                (on("theirs"), denied(DenyReason::InsufficientScope, true, 403, Some(missing)))
            }
            _ => (on("theirs"), denied(DenyReason::NotFound, true, 404, None)),
        });
    }
    rotate(root, "workspaces/acme/keys/rotated").await;
    revoke(root, "workspaces/acme/keys/revoked").await;
    disable(root, &owner).await;
    let name = "workspaces/suspended".to_owned();
    let request = proto::SuspendWorkspaceRequest { name, ..Default::default() };
    root.admin.suspend_workspace(request).await.unwrap();
    secrets
}

#[tokio::test]
async fn each_reason_has_its_decision_its_status_and_its_challenge() {
    let (_server, mut root) = Server::with_workspaces().await;
    let questions = questions(&mut root).await;
    for (question, expected) in &questions {
        check(&answer(&mut root, question.clone()).await, expected);
    }
    let mut tried: Vec<i32> =
        questions.iter().map(|(_, expected)| expected.reason.into()).collect();
    tried.sort_unstable();
    tried.dedup();
    let reasons = descriptors().file.into_iter().flat_map(|file| file.enum_type);
    let reasons = reasons.into_iter().find(|it| it.name() == "DenyReason").unwrap().value;
    // No limits are served by this version.
    let limited = i32::from(DenyReason::RateLimited);
    let declared = reasons
        .iter()
        .map(prost_types::EnumValueDescriptorProto::number)
        .filter(|it| *it != limited);
    assert_eq!(tried, declared.collect::<Vec<_>>(), "every reason is tried");
}

#[tokio::test]
async fn the_same_call_twice_is_answered_the_same_and_changes_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let questions = questions(&mut root).await;
    let head = root.head().await;
    for (question, _) in questions {
        let once = answer(&mut root, question.clone()).await;
        assert_eq!(answer(&mut root, question).await, once);
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn what_ended_a_key_is_over_from_the_next_call_on_when_it_is_lifted() {
    let (_server, mut root) = Server::with_workspaces().await;
    let owner = root.create_principal("acme", "ada", "owner").await.name;
    let key = proto::Key { principal: owner.clone(), ..reader() };
    let secret = root.create_key("acme", "", key).await.secret;
    let workspace = "workspaces/acme".to_owned();
    disable(&mut root, &owner).await;
    assert_eq!(root.ask(&secret, &[], "").await.reason(), DenyReason::Disabled);
    let suspend = proto::SuspendWorkspaceRequest { name: workspace.clone(), ..Default::default() };
    root.admin.suspend_workspace(suspend).await.unwrap();
    let enable = proto::EnablePrincipalRequest { name: owner, ..Default::default() };
    root.admin.enable_principal(enable).await.unwrap();
    assert_eq!(root.ask(&secret, &[], "").await.reason(), DenyReason::Disabled);
    let resume = proto::ResumeWorkspaceRequest { name: workspace, ..Default::default() };
    root.admin.resume_workspace(resume).await.unwrap();
    assert!(root.ask(&secret, &["sites:read"], "").await.active);
}

#[tokio::test]
async fn a_key_that_is_given_more_time_works_again() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", short_lived(reader())).await.secret;
    assert_eq!(root.ask(&secret, &[], "").await.reason(), DenyReason::Expired);
    let longer = proto::Key {
        name: "workspaces/acme/keys/ci".to_owned(),
        expiration: Some(proto::key::Expiration::NeverExpires(true)),
        ..Default::default()
    };
    let request = proto::UpdateKeyRequest { key: Some(longer), ..Default::default() };
    root.admin.update_key(request).await.unwrap();
    assert!(root.ask(&secret, &["sites:read"], "").await.active);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_whatever_it_asks() {
    let (server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    let scopes = ["keys:read", "keys:write", "policies:write", "events:read", "usage:read"];
    let mut other = server.caller(&scopes, &[]).await;
    let bad = IntrospectRequest { cost: -1, client_ip: "?".to_owned(), ..Default::default() };
    for question in [question(&secret, &[]), question("x", &[]), bad] {
        scope_missing(other.introspect.introspect(question).await);
    }
    let mut backend = server.caller(&["introspect"], &[]).await;
    assert!(answer(&mut backend, question(&secret, &["sites:read"])).await.active);
}
