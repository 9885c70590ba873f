//! The largest policies.

use keyward::proto::{self, CreatePolicyRequest};

use super::{acme, preset, stored};
use crate::support::{Server, grants, policy, reader, strings, wrong_fields};

/// So many scopes with names of thirty characters.
fn scopes(count: usize) -> Vec<proto::Scope> {
    let name = |number| format!("some-product.some-thing:s{number:05}");
    let scope = |number| proto::Scope { name: name(number), ..Default::default() };
    (0..count).map(scope).collect()
}

/// So many roles, with twenty scopes each.
fn roles(count: usize) -> Vec<proto::Role> {
    let role = |number: usize| proto::Role {
        name: format!("role-{number}"),
        scopes: scopes(20).into_iter().map(|scope| scope.name).collect(),
        ..Default::default()
    };
    (0..count).map(role).collect()
}

/// A policy of so many scopes and roles.
fn of(scope_count: usize, role_count: usize) -> proto::Policy {
    proto::Policy { scopes: scopes(scope_count), roles: roles(role_count), ..policy() }
}

fn request(policy: proto::Policy) -> CreatePolicyRequest {
    CreatePolicyRequest { policy_id: "acme".into(), policy: Some(policy), ..Default::default() }
}

#[tokio::test]
async fn five_thousand_scopes_and_five_hundred_roles_are_made_read_listed_changed_and_used() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let sent = of(5_000, 500);
    assert!(sent.scopes.iter().all(|scope| scope.name.len() == 30));
    let made = root.create_policy("acme", sent.clone()).await;
    assert_eq!((&made.scopes, &made.roles), (&sent.scopes, &sent.roles));
    assert_eq!(stored(&mut root, "policies/acme").await, made);
    root.create_policy("before", sent.clone()).await;
    root.create_policy("zeta", sent.clone()).await;
    let mut listed = Vec::new();
    let mut list = proto::ListPoliciesRequest::default();
    loop {
        let page = root.admin.list_policies(list.clone()).await.unwrap().into_inner();
        listed.extend(page.policies);
        if page.next_page_token.is_empty() {
            break;
        }
        list.page_token = page.next_page_token;
    }
    let names: Vec<_> = listed.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["policies/acme", "policies/before", "policies/system", "policies/zeta"]);
    assert_eq!(listed[0], made);

    root.create_workspace("acme", "policies/acme").await;
    let last = &sent.scopes[4_999].name;
    let key = proto::Key { grants: grants(&[last]), ..reader() };
    let secret = root.create_key("acme", "ci", key).await.secret;
    assert!(root.ask(&secret, &[last], "").await.active);
    let titled = proto::Policy {
        name: "policies/acme".into(),
        display_name: "large".into(),
        ..Default::default()
    };
    let titled = proto::UpdatePolicyRequest { policy: Some(titled), ..Default::default() };
    root.admin.update_policy(titled).await.unwrap();
    let subject = "policies/acme".to_owned();
    let log = proto::ListEventsRequest { subject, page_size: 1_000, ..Default::default() };
    let log = root.admin.list_events(log).await.unwrap().into_inner();
    assert_eq!(log.events.len(), 1, "a page holds as much as clients take");
    assert_ne!(log.next_page_token, "");
}

#[tokio::test]
async fn one_more_of_anything_is_refused_by_name() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let head = root.head().await;
    let with = |edit: fn(&mut proto::Policy)| {
        let mut policy = policy();
        edit(&mut policy);
        policy
    };
    let cases: [(proto::Policy, &str); 12] = [
        (proto::Policy { roles: vec![], ..of(5_001, 0) }, "policy.scopes"),
        (proto::Policy { roles: vec![], ..of(10_000, 0) }, "policy.scopes"),
        (proto::Policy { roles: vec![proto::Role::default(); 501], ..policy() }, "policy.roles"),
        (with(|p| p.scopes[0].implies = vec!["*".into(); 101]), "policy.scopes[0].implies"),
        (
            with(|p| p.implications = vec![proto::Implication::default(); 101]),
            "policy.implications",
        ),
        (
            with(|p| {
                let implies = vec!["{x}:read".into(); 201];
                p.implications = vec![proto::Implication { scope: "{x}:write".into(), implies }];
            }),
            "policy.implications[*].implies",
        ),
        (with(|p| p.presets = vec![preset("", &[]); 101]), "policy.presets"),
        (
            with(|p| p.presets = vec![preset("ops", &["jobs:read"; 10_001])]),
            "policy.presets[*].scopes",
        ),
        (with(|p| p.plans = vec![proto::Plan::default(); 101]), "policy.plans"),
        (
            with(|p| {
                let types = vec![proto::ResourceType::default(); 101];
                p.resources = Some(proto::ResourceGrammar { types, ..Default::default() });
            }),
            "policy.resources.types",
        ),
        (
            with(|p| {
                let key_limits = vec![proto::RateLimit::default(); 101];
                p.plans = vec![proto::Plan { key_limits, ..super::plan("pro") }];
            }),
            "policy.plans[0].key_limits",
        ),
        (with(|p| p.key_types = vec![proto::KeyType::default(); 21]), "policy.key_types"),
    ];
    for (policy, field) in cases {
        let fields = wrong_fields(root.admin.create_policy(request(policy)).await);
        assert_eq!(fields[0], field, "{fields:?}");
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_policy_that_is_larger_than_a_mebibyte_as_json_is_refused_as_a_whole() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let described = |length: usize| {
        let mut policy = of(2_500, 0);
        for scope in &mut policy.scopes {
            scope.description = "x".repeat(length);
        }
        policy
    };
    let head = root.head().await;
    let outcome = root.admin.create_policy(request(described(400))).await;
    assert_eq!(wrong_fields(outcome), ["policy"]);
    assert_eq!(root.head().await, head);
    root.create_policy("acme", described(300)).await;
    let larger = proto::UpdatePolicyRequest {
        policy: Some(proto::Policy { name: "policies/acme".into(), ..described(400) }),
        update_mask: Some(prost_types::FieldMask { paths: strings(&["scopes"]) }),
        ..Default::default()
    };
    assert_eq!(wrong_fields(root.admin.update_policy(larger).await), ["policy"]);
    assert_eq!(root.head().await, head + 1);
    assert_ne!(stored(&mut root, "policies/acme").await.scopes, acme().scopes);
}
