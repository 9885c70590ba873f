//! What a policy can say, and how it is told what is wrong with it.

use keyward::proto::{self, CreatePolicyRequest, DenyReason, ResourceGrammar, ResourceType};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use super::{acme, effects::change, full, plan, preset};
use crate::support::{Caller, Server, grants, policy, reader, refused, strings, wrong_fields};

fn rule(scope: &str, implies: &[&str]) -> proto::Implication {
    proto::Implication { scope: scope.into(), implies: strings(implies) }
}

fn request(policy: proto::Policy) -> CreatePolicyRequest {
    CreatePolicyRequest { policy_id: "acme".into(), policy: Some(policy), ..Default::default() }
}

/// The wrong fields, each with what is said of it.
#[track_caller]
fn told<T: std::fmt::Debug>(outcome: Result<Response<T>, Status>) -> Vec<(String, String)> {
    let status = refused(outcome, Code::InvalidArgument, "INVALID_FIELDS");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|fault| (fault.field, fault.description)).collect()
}

/// Sees to it that of a changed policy this alone is wrong.
async fn wrong(root: &mut Caller, edit: fn(&mut proto::Policy), field: &str, part: &str) {
    let mut policy = policy();
    edit(&mut policy);
    let faults = told(root.admin.create_policy(request(policy)).await);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].0, field, "{faults:?}");
    assert!(faults[0].1.contains(part), "{faults:?}");
}

/// A server with the resource types of a product whose workspace is `acme`.
async fn with_types() -> (Server, Caller) {
    let segment = |name: &str, values: &[&str]| proto::ResourceSegment {
        name: name.into(),
        values: strings(values),
    };
    let types = vec![
        ResourceType {
            name: "PLACE".into(),
            segments: vec![segment("placeType", &["Site", "Fleet"]), segment("placeId", &[])],
        },
        ResourceType { name: "SHOP".into(), segments: vec![] },
    ];
    let server = Server::start().await;
    let mut root = server.root().await;
    let resources = Some(ResourceGrammar { separator: "/".into(), wildcard: "#".into(), types });
    root.create_policy("acme", proto::Policy { resources, ..policy() }).await;
    root.create_workspace("acme", "policies/acme").await;
    (server, root)
}

#[tokio::test]
async fn a_rule_with_a_hole_gives_what_it_says_where_it_exists() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let mut ruled = policy();
    for name in ["jobs:write", "logs:write", "exec:write"] {
        ruled.scopes.push(proto::Scope { name: name.into(), ..Default::default() });
    }
    ruled.implications = vec![rule("{x}:write", &["{x}:read", "{x}:raw"])];
    root.create_policy("acme", ruled.clone()).await;
    root.create_workspace("acme", "policies/acme").await;
    for (held, expected) in [
        ("jobs:write", &["jobs:read", "jobs:write"][..]),
        ("logs:write", &["logs:write"]),
        ("sites:admin", &["sites:admin", "sites:read", "sites:write"]),
        ("exec:write", &["exec:write"]),
    ] {
        let key = proto::Key { grants: grants(&[held]), ..reader() };
        let secret = root.create_key("acme", "", key).await.secret;
        let effective = root.ask(&secret, &[], "").await.effective_scopes;
        assert_eq!(effective, expected, "{held}: a rule reaches no isolated scope");
    }
    let key = proto::Key { grants: grants(&["logs:write"]), ..reader() };
    let secret = root.create_key("acme", "", key).await.secret;
    ruled.scopes.push(proto::Scope { name: "logs:read".into(), ..Default::default() });
    let ruled = proto::Policy { name: "policies/acme".into(), ..ruled };
    change(&mut root, ruled, [false, false]).await.unwrap();
    let effective = root.ask(&secret, &[], "").await.effective_scopes;
    assert_eq!(effective, ["logs:read", "logs:write"], "it exists from now on");
}

#[tokio::test]
async fn patterns_fit_the_types_of_resource_and_are_told_what_there_is() {
    let (_server, mut root) = with_types().await;
    let on = |resource: &str| proto::Key {
        grants: vec![proto::Grant { scope: "sites:read".into(), resource: resource.into() }],
        ..reader()
    };
    let within = |pattern: &str| proto::Key { constraint: strings(&[pattern]), ..reader() };
    let create = |key| proto::CreateKeyRequest {
        parent: "workspaces/acme".into(),
        key: Some(key),
        ..Default::default()
    };
    let confine = |pattern: &str| proto::CreatePrincipalRequest {
        parent: "workspaces/acme".into(),
        principal_id: "ada".into(),
        principal: Some(proto::Principal {
            kind: proto::PrincipalKind::User.into(),
            role: "owner".into(),
            confined_to: strings(&[pattern]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let head = root.head().await;
    for (pattern, text) in [
        ("PLACES/Site/7", "\"PLACES\" is no type of resource; there are: PLACE, SHOP"),
        ("PLACE/Town/7", "\"Town\" is no placeType of a PLACE; there are: Site, Fleet"),
        ("PLACE/Site", "a PLACE is written PLACE/{placeType}/{placeId}; it ends too early"),
        ("SHOP/7", "\"7\" is no type of resource; there are: PLACE, SHOP"),
    ] {
        let expected = |field: &str| vec![(field.to_owned(), text.to_owned())];
        let granted = root.admin.create_key(create(on(pattern))).await;
        assert_eq!(told(granted), expected("key.grants[0].resource"));
        let bounded = root.admin.create_key(create(within(pattern))).await;
        assert_eq!(told(bounded), expected("key.constraint[0]"));
        let confined = root.admin.create_principal(confine(pattern)).await;
        assert_eq!(told(confined), expected("principal.confined_to[0]"));
    }
    assert_eq!(root.head().await, head);
    for pattern in ["*", "SHOP", "PLACE/#/#", "PLACE/Site/**", "PLACE/Site/7/SHOP", "PLACE/**"] {
        root.create_key("acme", "", on(pattern)).await;
        root.create_key("acme", "", within(pattern)).await;
    }
    let secret = root.create_key("acme", "", within("PLACE/Site/**")).await.secret;
    let inside = root.ask(&secret, &["sites:read"], "PLACE/Site/7/SHOP").await;
    assert_eq!(inside.reason(), DenyReason::Unspecified);
    let outside = root.ask(&secret, &["sites:read"], "PLACE/Fleet/7").await;
    assert_eq!(outside.reason(), DenyReason::OutsideConstraint);
}

#[tokio::test]
async fn a_preset_that_reaches_what_is_isolated_is_refused() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let scopes = "policy.presets[0].scopes[0]";
    let named: fn(&mut proto::Policy) = |p| p.presets = vec![preset("ops", &["exec:raw"])];
    wrong(&mut root, named, scopes, "\"exec:raw\" is isolated: no preset has it").await;
    let glob: fn(&mut proto::Policy) = |p| p.presets = vec![preset("ops", &["exec:*"])];
    wrong(&mut root, glob, scopes, "the policy has no scope \"exec:*\"").await;
    let over: fn(&mut proto::Policy) = |p| {
        p.scopes[4].implies = strings(&["exec:raw"]);
        p.presets = vec![preset("ops", &["jobs:read"])];
    };
    wrong(&mut root, over, scopes, "\"jobs:read\" implies \"exec:raw\", which is isolated").await;
    let presets = vec![preset("all", &["*"])];
    root.create_policy("acme", proto::Policy { presets, ..policy() }).await;
    root.create_workspace("acme", "policies/acme").await;
    let request = proto::CreateKeyRequest {
        parent: "workspaces/acme".into(),
        key: Some(proto::Key { grants: vec![], ..reader() }),
        presets: strings(&["all"]),
        ..Default::default()
    };
    let key = root.admin.create_key(request).await.unwrap().into_inner().key.unwrap();
    assert_eq!(key.grants.len(), 5);
    assert!(key.grants.iter().all(|grant| grant.scope != "exec:raw"), "a glob passes it by");
}

#[tokio::test]
async fn scopes_that_imply_one_another_in_a_circle_are_refused() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let part = "goes in a circle: sites:admin → sites:write → sites:read";
    let field = "policy.scopes[1].implies";
    wrong(&mut root, |p| p.scopes[3].implies = strings(&["sites:admin"]), field, part).await;
    let ruled: fn(&mut proto::Policy) = |p| p.implications = vec![rule("{x}:read", &["{x}:admin"])];
    wrong(&mut root, ruled, field, part).await;
    let own: fn(&mut proto::Policy) = |p| p.scopes[4].implies = strings(&["jobs:read"]);
    wrong(&mut root, own, "policy.scopes[4].implies", "goes in a circle: jobs:read").await;
}

#[tokio::test]
async fn of_two_prefixes_none_begins_with_the_other() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let field = "policy.key_types[1].prefix";
    let part = "one of two prefixes must not begin with the other";
    wrong(&mut root, |p| p.key_types[1].prefix = "acme".into(), field, part).await;
    wrong(&mut root, |p| p.key_types[1].prefix = "acme_live_2".into(), field, part).await;
    let same: fn(&mut proto::Policy) = |p| p.key_types[1].prefix = "acme_live".into();
    wrong(&mut root, same, field, "\"acme_live\" is another type's").await;
}

#[tokio::test]
async fn the_faults_of_plans_and_rotation_are_named() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let span = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let limit = |name: &str, quota, window, burst| proto::RateLimit {
        name: name.into(),
        quota,
        window: span(window),
        burst,
        ..Default::default()
    };
    let mut bad = policy();
    bad.plans = vec![
        proto::Plan {
            key_limits: vec![
                limit("reads", 0, 60, 0),
                limit("reads", 1_000_000_001, 0, 1_000_000_001),
                limit("all", 1, 366 * 24 * 3_600 + 1, 0),
                proto::RateLimit { class: "a b".into(), ..limit("", 1, 1, 0) },
            ],
            workspace_limits: vec![proto::RateLimit { window: None, ..limit("all", 1, 1, 0) }],
            ..plan("pro")
        },
        proto::Plan { description: "x".repeat(501), ..plan("pro") },
        plan("a plan"),
    ];
    bad.rotation = Some(proto::RotationRule {
        due_after: span(0),
        default_grace: span(61),
        max_grace: span(60),
    });
    let expected = [
        "policy.rotation.due_after",
        "policy.rotation.default_grace",
        "policy.plans[0].key_limits[0].quota",
        "policy.plans[0].key_limits[1].name",
        "policy.plans[0].key_limits[1].quota",
        "policy.plans[0].key_limits[1].burst",
        "policy.plans[0].key_limits[1].window",
        "policy.plans[0].key_limits[2].window",
        "policy.plans[0].key_limits[3].name",
        "policy.plans[0].key_limits[3].class",
        "policy.plans[0].workspace_limits[0].window",
        "policy.plans[1].name",
        "policy.plans[1].description",
        "policy.plans[2].name",
    ];
    assert_eq!(wrong_fields(root.admin.create_policy(request(bad)).await), expected);
    let mut negative = policy();
    negative.plans =
        vec![proto::Plan { key_limits: vec![limit("all", -1, -1, -1)], ..plan("pro") }];
    negative.rotation = Some(proto::RotationRule {
        due_after: span(-1),
        default_grace: span(-1),
        max_grace: span(-1),
    });
    let fields = wrong_fields(root.admin.create_policy(request(negative)).await);
    for field in [
        "policy.rotation.due_after",
        "policy.rotation.default_grace",
        "policy.rotation.max_grace",
        "policy.plans[0].key_limits[0].quota",
        "policy.plans[0].key_limits[0].window",
        "policy.plans[0].key_limits[0].burst",
    ] {
        assert!(fields.iter().any(|named| named == field), "{field} is not in {fields:?}");
    }
    let grace: fn(&mut proto::Policy) = |p| {
        let default_grace = Some(prost_types::Duration { seconds: 1, nanos: 0 });
        p.rotation = Some(proto::RotationRule { default_grace, ..Default::default() });
    };
    let field = "policy.rotation.default_grace";
    wrong(&mut root, grace, field, "is longer than max_grace").await;
}

/// One fault in each part of the language, with the fields in the order of their finding.
fn with_a_fault_in_each(mut policy: proto::Policy) -> (proto::Policy, Vec<&'static str>) {
    policy.scopes[3].class = "a class".into();
    policy.scopes[4].implies = strings(&["jobs:wirte"]);
    policy.implications = vec![rule("{x}:{x}", &[]), rule("{x}:raed", &["read"])];
    policy.presets = vec![preset("a preset", &["jobs:raed"]), preset("none", &[])];
    policy.roles[1].scopes = strings(&["*:raed"]);
    let types = vec![ResourceType { name: "a/b".into(), ..Default::default() }];
    policy.resources = Some(ResourceGrammar { types, ..Default::default() });
    policy.key_types[1].prefix = "acme".into();
    let max_grace = Some(prost_types::Duration::default());
    policy.rotation = Some(proto::RotationRule { max_grace, ..Default::default() });
    policy.plans = vec![plan("a plan")];
    let fields = vec![
        "policy.scopes[3].class",
        "policy.scopes[4].implies[0]",
        "policy.implications[0].scope",
        "policy.implications[0].implies",
        "policy.implications[1].scope",
        "policy.implications[1].implies[0]",
        "policy.presets[0].name",
        "policy.presets[0].scopes[0]",
        "policy.presets[1].scopes",
        "policy.roles[1].scopes[0]",
        "policy.resources.types[0].name",
        "policy.key_types[1].prefix",
        "policy.rotation.max_grace",
        "policy.plans[0].name",
    ];
    (policy, fields)
}

#[tokio::test]
async fn every_bad_part_is_named_at_once_also_in_an_update() {
    let (_server, mut root) = Server::with_workspaces().await;
    let head = root.head().await;
    let (bad, fields) = with_a_fault_in_each(policy());
    assert_eq!(wrong_fields(root.admin.create_policy(request(bad)).await), fields);
    let (bad, fields) = with_a_fault_in_each(acme());
    for how in [[false, false], [true, false], [false, true], [true, true]] {
        assert_eq!(wrong_fields(change(&mut root, bad.clone(), how).await), fields, "{how:?}");
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_policy_with_every_part_answers_keys_by_it() {
    let server = Server::start().await;
    let mut root = server.root().await;
    root.create_policy("acme", full()).await;
    root.create_workspace("acme", "policies/acme").await;
    let bounded = proto::Key { constraint: strings(&["PLACE:Site:#"]), ..reader() };
    let secret = root.create_key("acme", "ci", bounded).await.secret;
    let inside = root.ask(&secret, &["sites:read"], "PLACE:Site:7").await;
    assert_eq!(inside.reason(), DenyReason::Unspecified);
    let outside = root.ask(&secret, &["sites:read"], "PLACE:Fleet:7").await;
    assert_eq!(outside.reason(), DenyReason::NotFound);
}
