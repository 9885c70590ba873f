//! How much an answer says.

use keyward::proto::{
    self, Decision, DenyReason, HttpAdvice, IntrospectRequest, IntrospectResponse, IntrospectView,
};

use super::{answer, grant, question};
use crate::support::{Server, labels, reader, strings};

#[tokio::test]
async fn the_full_view_says_everything() {
    let (_server, mut root) = Server::with_workspaces().await;
    let owner = root.create_principal("acme", "ada", "owner").await;
    let end = prost_types::Timestamp { seconds: 4_000_000_000, nanos: 123_456_000 };
    let key = proto::Key {
        display_name: "Ada's laptop".to_owned(),
        r#type: "personal".to_owned(),
        principal: owner.name.clone(),
        grants: vec![grant("sites:write", "sites/*"), grant("jobs:read", "")],
        constraint: strings(&["sites"]),
        labels: labels(&[("team", "web"), ("env", "prod")]),
        expiration: Some(proto::key::Expiration::ExpireTime(end)),
        ..Default::default()
    };
    let made = root.create_key("acme", "laptop", key).await;
    let record = made.key.unwrap();
    let expected = IntrospectResponse {
        active: true,
        decision: Decision::Allow.into(),
        reason: DenyReason::Unspecified.into(),
        revision: record.revision,
        key: "workspaces/acme/keys/laptop".to_owned(),
        key_display_name: "Ada's laptop".to_owned(),
        key_type: "personal".to_owned(),
        key_labels: labels(&[("team", "web"), ("env", "prod")]),
        workspace: "workspaces/acme".to_owned(),
        principal: "workspaces/acme/principals/ada".to_owned(),
        grants: vec![grant("sites:write", "sites/*"), grant("jobs:read", "")],
        effective_scopes: strings(&["jobs:read", "sites:read", "sites:write"]),
        missing_scopes: vec![],
        constraint: strings(&["sites"]),
        expire_time: Some(end),
        http: Some(HttpAdvice { status: 200, headers: vec![] }),
        limits: vec![],
        max_age: Some(prost_types::Duration { seconds: 0, nanos: 0 }),
        stale_since: None,
        retry_after: None,
    };
    for view in [0, IntrospectView::Full.into()] {
        let asked = IntrospectRequest {
            view,
            resource: "sites/a".to_owned(),
            ..question(&made.secret, &["sites:read"])
        };
        assert_eq!(answer(&mut root, asked).await, expected, "view {view}");
    }
}

#[tokio::test]
async fn what_a_key_does_not_have_is_left_out() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "", reader()).await;
    let answer = root.ask(&made.secret, &[], "").await;
    assert_eq!(answer.key, made.key.unwrap().name);
    assert_eq!(answer.key_type, "live");
    let left_out = (answer.principal.as_str(), answer.expire_time, answer.stale_since);
    assert_eq!(left_out, ("", None, None));
    assert!(answer.key_labels.is_empty() && answer.constraint.is_empty());
}

#[tokio::test]
async fn the_decision_view_says_the_decision_alone() {
    let (_server, mut root) = Server::with_workspaces().await;
    let bound = proto::Key { constraint: strings(&["a"]), ..reader() };
    let secrets = [
        root.create_key("acme", "", reader()).await.secret,
        root.create_key("acme", "", bound).await.secret,
        "x".to_owned(),
    ];
    for secret in secrets {
        for required in [&["sites:read"][..], &["jobs:read"]] {
            let full = answer(&mut root, question(&secret, required)).await;
            let asked = IntrospectRequest {
                view: IntrospectView::Decision.into(),
                ..question(&secret, required)
            };
            let expected = IntrospectResponse {
                active: full.active,
                decision: full.decision,
                reason: full.reason,
                revision: full.revision,
                ..Default::default()
            };
            assert_eq!(answer(&mut root, asked).await, expected);
        }
    }
}

#[tokio::test]
async fn an_ended_key_is_named_but_nothing_is_said_of_what_it_may_do() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    crate::callers::minted::revoke(&mut root, "workspaces/acme/keys/ci").await;
    let answer = root.ask(&made.secret, &["jobs:read"], "").await;
    assert_eq!(
        (answer.key.as_str(), answer.workspace.as_str()),
        ("workspaces/acme/keys/ci", "workspaces/acme")
    );
    assert!(answer.effective_scopes.is_empty() && answer.missing_scopes.is_empty());
}

#[tokio::test]
async fn the_revision_is_that_of_the_newest_change_of_all_that_the_answer_rests_on() {
    let (_server, mut root) = Server::with_workspaces().await;
    let owner = root.create_principal("acme", "ada", "owner").await.name;
    let key = proto::Key { principal: owner.clone(), ..reader() };
    let made = root.create_key("acme", "ci", key).await;
    let revision = made.key.unwrap().revision;
    root.create_key("acme", "unrelated", reader()).await;
    assert_eq!(root.ask(&made.secret, &[], "").await.revision, revision);

    let renamed = |name: &str| name.to_owned();
    let principal =
        proto::Principal { name: owner, display_name: renamed("Ada"), ..Default::default() };
    let request =
        proto::UpdatePrincipalRequest { principal: Some(principal), ..Default::default() };
    let changed = root.admin.update_principal(request).await.unwrap().into_inner();
    let asked = root.ask(&made.secret, &[], "").await.revision;
    assert_eq!(asked, changed.principal.unwrap().revision);

    let workspace = proto::Workspace {
        name: "workspaces/acme".to_owned(),
        display_name: renamed("Acme"),
        ..Default::default()
    };
    let request =
        proto::UpdateWorkspaceRequest { workspace: Some(workspace), ..Default::default() };
    let changed = root.admin.update_workspace(request).await.unwrap().into_inner();
    let asked = root.ask(&made.secret, &[], "").await.revision;
    assert_eq!(asked, changed.workspace.unwrap().revision);

    let policy = proto::Policy {
        name: "policies/acme".to_owned(),
        display_name: renamed("Acme's"),
        ..Default::default()
    };
    let request = proto::UpdatePolicyRequest { policy: Some(policy), ..Default::default() };
    let changed = root.admin.update_policy(request).await.unwrap().into_inner();
    let asked = root.ask(&made.secret, &[], "").await.revision;
    assert_eq!(asked, changed.policy.unwrap().revision);
}
