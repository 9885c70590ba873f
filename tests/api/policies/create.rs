//! `CreatePolicy`.

use futures_util::future::join_all;
use keyward::proto::{self, CreatePolicyRequest, UnmatchedResource};
use tonic::Code;

use super::{full, stored};
use crate::support::{
    Server, not_found, policy, refused, request_id, scope_missing, strings, wrong_fields,
};

fn request(id: &str) -> CreatePolicyRequest {
    CreatePolicyRequest { policy_id: id.to_owned(), policy: Some(policy()), ..Default::default() }
}

fn request_of(policy: proto::Policy) -> CreatePolicyRequest {
    CreatePolicyRequest { policy: Some(policy), ..request("acme") }
}

#[tokio::test]
async fn a_policy_is_made_as_it_was_sent_with_the_defaults_spelt_out() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let sent = CreatePolicyRequest {
        policy: Some(proto::Policy { name: "not looked at".into(), ..policy() }),
        ..request("acme")
    };
    let answer = root.admin.create_policy(sent).await.unwrap().into_inner();
    assert_eq!(answer.warnings, []);
    let made = answer.policy.unwrap();
    let revision = root.head().await;
    assert!(made.create_time.is_some());
    assert_eq!(made.create_time, made.update_time);
    let expected = proto::Policy {
        name: "policies/acme".into(),
        resources: Some(proto::ResourceGrammar {
            separator: "/".into(),
            wildcard: "*".into(),
            types: vec![],
        }),
        expiry: Some(proto::ExpiryRule::default()),
        rotation: Some(proto::RotationRule::default()),
        unmatched_resource: UnmatchedResource::InsufficientScope.into(),
        etag: format!("r{revision}"),
        revision,
        create_time: made.create_time,
        update_time: made.update_time,
        ..policy()
    };
    assert_eq!(made, expected);
    assert_eq!(stored(&mut root, "policies/acme").await, made);
}

#[tokio::test]
async fn every_part_is_kept() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let sent = full();
    let made = root.create_policy("acme", sent.clone()).await;
    let expected = proto::Policy {
        name: made.name.clone(),
        etag: made.etag.clone(),
        revision: made.revision,
        create_time: made.create_time,
        update_time: made.update_time,
        ..sent
    };
    assert_eq!(made, expected);
    assert_eq!(stored(&mut root, "policies/acme").await, made);
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let head = root.head().await;
    let mut bad = policy();
    bad.display_name = "x".repeat(101);
    bad.scopes[2].name = "sites write".into();
    bad.scopes[4].name = "sites:read".into();
    bad.scopes[1].implies = strings(&["sites:wirte"]);
    bad.scopes[1].description = "x".repeat(501);
    bad.roles[0].name = String::new();
    bad.roles[1].scopes = strings(&["*:delete"]);
    bad.resources = Some(proto::ResourceGrammar { separator: "//".into(), ..Default::default() });
    bad.key_types[0].is_default = false;
    bad.key_types[1].prefix = "Acme".into();
    bad.expiry = Some(proto::ExpiryRule {
        default_ttl: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        max_ttl: Some(prost_types::Duration::default()),
        required: false,
    });
    bad.unmatched_resource = 77;
    let bad = CreatePolicyRequest {
        policy_id: "Acme".into(),
        policy: Some(bad),
        request_id: "1".into(),
        ..Default::default()
    };
    assert_eq!(
        wrong_fields(root.admin.create_policy(bad).await),
        [
            "policy_id",
            "request_id",
            "policy.resources.separator",
            "policy.expiry.default_ttl",
            "policy.unmatched_resource",
            "policy.display_name",
            "policy.scopes[1].description",
            "policy.scopes[2].name",
            "policy.scopes[4].name",
            "policy.scopes[1].implies[0]",
            "policy.roles[0].name",
            "policy.roles[1].scopes[0]",
            "policy.key_types[1].prefix",
            "policy.key_types",
            "policy.expiry.max_ttl",
        ]
    );
    let nothing = root.admin.create_policy(CreatePolicyRequest::default()).await;
    assert_eq!(wrong_fields(nothing), ["policy_id", "policy.scopes", "policy.key_types"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn an_unknown_scope_is_answered_with_the_nearest_name() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let mut bad = policy();
    bad.roles[1].scopes = strings(&["job:read"]);
    let outcome = root.admin.create_policy(request_of(bad)).await;
    let status = refused(outcome, Code::InvalidArgument, "INVALID_FIELDS");
    assert!(status.message().contains("did you mean \"jobs:read\"?"), "{status:?}");
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_and_the_policy_stays_as_it_was() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let made = root.create_policy("acme", policy()).await;
    let head = root.head().await;
    let other = proto::Policy { display_name: "another".into(), ..policy() };
    let again = root.admin.create_policy(request_of(other)).await;
    refused(again, Code::AlreadyExists, "RESOURCE_EXISTS");
    let checked = CreatePolicyRequest { validate_only: true, ..request("acme") };
    refused(root.admin.create_policy(checked).await, Code::AlreadyExists, "RESOURCE_EXISTS");
    let built_in = root.admin.create_policy(request("system")).await;
    refused(built_in, Code::AlreadyExists, "RESOURCE_EXISTS");
    assert_eq!(stored(&mut root, "policies/acme").await, made);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn of_many_at_once_one_makes_the_policy() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let head = root.head().await;
    let calls = (0..8).map(|_| {
        let mut root = root.clone();
        async move { root.admin.create_policy(request("acme")).await }
    });
    let (made, taken): (Vec<_>, Vec<_>) =
        join_all(calls).await.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for outcome in taken {
        refused(outcome, Code::AlreadyExists, "RESOURCE_EXISTS");
    }
    assert_eq!(root.head().await, head + 1);
}

#[tokio::test]
async fn a_repeated_request_id_answers_the_same_and_another_request_with_it_is_refused() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let request_id = request_id();
    let first = CreatePolicyRequest { request_id: request_id.clone(), ..request("acme") };
    let once = root.admin.create_policy(first.clone()).await.unwrap().into_inner();
    let head = root.head().await;
    assert_eq!(root.admin.create_policy(first.clone()).await.unwrap().into_inner(), once);
    let other = CreatePolicyRequest { request_id, ..request("other") };
    let reused = root.admin.create_policy(other).await;
    refused(reused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    let mut stranger = server.caller(&["policies:write"], &[]).await;
    let theirs = stranger.admin.create_policy(first).await;
    refused(theirs, Code::AlreadyExists, "RESOURCE_EXISTS");
    assert_eq!(root.head().await, head + 1, "only the stranger's key was made");
}

#[tokio::test]
async fn validation_alone_makes_nothing_and_remembers_nothing() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let head = root.head().await;
    let request_id = request_id();
    let checked = CreatePolicyRequest {
        validate_only: true,
        request_id: request_id.clone(),
        ..request("acme")
    };
    let answer = root.admin.create_policy(checked).await.unwrap().into_inner().policy.unwrap();
    assert_eq!((answer.name.as_str(), answer.revision), ("policies/acme", 0));
    let get = proto::GetPolicyRequest { name: "policies/acme".into() };
    not_found(root.admin.get_policy(get).await);
    assert_eq!(root.head().await, head);
    let real = CreatePolicyRequest { request_id, ..request("acme") };
    root.admin.create_policy(real).await.unwrap();
}

#[tokio::test]
async fn a_caller_bound_to_a_workspace_is_told_that_there_is_no_such_policy() {
    let (server, mut root) = Server::with_workspaces().await;
    let mut bound = server.caller(&["policies:write"], &["workspaces/acme"]).await;
    let head = root.head().await;
    not_found(bound.admin.create_policy(request("acme")).await);
    not_found(bound.admin.create_policy(request("new")).await);
    assert_eq!(root.head().await, head);
    let mut own = server.caller(&["policies:write"], &["policies/mine"]).await;
    own.admin.create_policy(request("mine")).await.unwrap();
    not_found(own.admin.create_policy(request("mine2")).await);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let server = Server::start().await;
    let mut other =
        server.caller(&["policies:read", "workspaces:write", "principals:write"], &[]).await;
    scope_missing(other.admin.create_policy(CreatePolicyRequest::default()).await);
    scope_missing(other.admin.create_policy(request("system")).await);
}

#[tokio::test]
async fn a_title_is_kept_in_one_form_and_misleading_ones_are_refused() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let titled = |title: &str| proto::Policy { display_name: title.into(), ..policy() };
    let made = root.create_policy("nfc", titled("  Cafe\u{301} \u{1F511} ")).await;
    assert_eq!(made.display_name, "Caf\u{e9} \u{1F511}");
    let huge = "x".repeat(1 << 20);
    for title in ["a\u{0}b", "a\nb", "a\u{202E}b", "a\u{2066}b", "a\u{200B}b", &huge] {
        let outcome = root.admin.create_policy(request_of(titled(title))).await;
        assert_eq!(wrong_fields(outcome), ["policy.display_name"]);
    }
}

#[tokio::test]
async fn names_that_are_all_unknown_are_refused_within_the_deadline() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let name = |kind: &str, number: usize| format!("{kind}{}{number:04}", "x".repeat(90));
    let scope = |number| proto::Scope { name: name("known", number), ..Default::default() };
    let unknown: Vec<_> = (0..1_000).map(|number| name("other", number)).collect();
    let role = |number| proto::Role {
        name: format!("role-{number}"),
        scopes: unknown.clone(),
        ..Default::default()
    };
    let bad = proto::Policy {
        scopes: (0..1_000).map(scope).collect(),
        roles: (0..10).map(role).collect(),
        ..policy()
    };
    let fields = wrong_fields(root.admin.create_policy(request_of(bad)).await);
    assert_eq!(fields[0], "policy.roles[0].scopes[0]");
}

#[tokio::test]
async fn what_all_roles_hold_together_is_bounded_and_a_glob_is_no_longer_than_a_name() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let role = |number, scope: &str, count| proto::Role {
        name: format!("role-{number}"),
        scopes: vec![scope.to_owned(); count],
        ..Default::default()
    };
    let with = |roles| request_of(proto::Policy { roles, ..policy() });
    let many = with((0..11).map(|number| role(number, "*", 1_000)).collect());
    assert_eq!(wrong_fields(root.admin.create_policy(many).await), ["policy.roles[*].scopes"]);
    let huge = with(vec![role(0, &"*".repeat(101), 1)]);
    assert_eq!(wrong_fields(root.admin.create_policy(huge).await), ["policy.roles[0].scopes[0]"]);
    let stars = with(vec![role(0, "**", 1)]);
    assert_eq!(wrong_fields(root.admin.create_policy(stars).await), ["policy.roles[0].scopes[0]"]);
    let most = with((0..10).map(|number| role(number, "*", 1_000)).collect());
    root.admin.create_policy(most).await.unwrap();
}
