//! Rate limits. The windows are so long that nothing comes back while a test runs.

mod together;

use keyward::{
    config::WithoutRedis,
    proto::{
        self, DenyReason, IntrospectRequest, IntrospectResponse, IntrospectView, LimitStatus,
        RateLimit,
    },
};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{answer, question};
use crate::{
    callers::minted::revoke,
    support::{Caller, Server, policy, reader, refused, strings, wrong_fields},
};

const HOUR: i64 = 3_600;

fn limit(name: &str, class: &str, quota: i64) -> RateLimit {
    let window = Some(prost_types::Duration { seconds: HOUR, nanos: 0 });
    RateLimit { name: name.into(), class: class.into(), quota, window, burst: 0 }
}

fn plan(name: &str, key_limits: &[RateLimit], workspace_limits: &[RateLimit]) -> proto::Plan {
    proto::Plan {
        name: name.into(),
        key_limits: key_limits.to_vec(),
        workspace_limits: workspace_limits.to_vec(),
        ..Default::default()
    }
}

/// The policy of the tests; `sites:read` is of the class `read`, `sites:write` of `write`.
fn with(plans: Vec<proto::Plan>) -> proto::Policy {
    let mut policy = proto::Policy { plans, ..policy() };
    for scope in &mut policy.scopes {
        let class = match &*scope.name {
            "sites:read" => "read",
            "sites:write" => "write",
            _ => "",
        };
        scope.class = class.to_owned();
    }
    policy
}

/// A server with the workspace `acme` on the first of these plans.
async fn on(plans: Vec<proto::Plan>) -> (Server, Caller) {
    let server = Server::start().await;
    let mut root = server.root().await;
    furnish(&mut root, plans).await;
    (server, root)
}

async fn furnish(root: &mut Caller, plans: Vec<proto::Plan>) {
    let plan = plans[0].name.clone();
    root.create_policy("acme", with(plans)).await;
    let workspace = proto::Workspace { policy: "policies/acme".into(), plan, ..Default::default() };
    let request = proto::CreateWorkspaceRequest {
        workspace_id: "acme".into(),
        workspace: Some(workspace),
        ..Default::default()
    };
    root.admin.create_workspace(request).await.unwrap();
}

/// A key that may read and write sites.
fn writer() -> proto::Key {
    proto::Key { grants: crate::support::grants(&["sites:write"]), ..reader() }
}

/// The names of the limits with what is left.
fn left(answer: &IntrospectResponse) -> Vec<(&str, i64)> {
    answer.limits.iter().map(|limit| (limit.name.as_str(), limit.remaining)).collect()
}

fn header<'a>(answer: &'a IntrospectResponse, name: &str) -> Option<&'a str> {
    let http = answer.http.as_ref().unwrap();
    http.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
}

async fn passes(root: &mut Caller, question: IntrospectRequest) -> bool {
    answer(root, question).await.reason() == DenyReason::Unspecified
}

#[tokio::test]
async fn every_answer_tells_the_limits_that_applied_and_what_is_left() {
    let plan =
        plan("free", &[limit("read", "read", 3), limit("all", "", 5)], &[limit("team", "", 9)]);
    let (_server, mut root) = on(vec![plan]).await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    for used in 1..=3 {
        let answer = root.ask(&secret, &["sites:read"], "").await;
        assert_eq!(answer.reason(), DenyReason::Unspecified);
        let expected = [("read", 3, false), ("all", 5, false), ("team", 9, true)];
        for (limit, (name, quota, shared)) in answer.limits.iter().zip(expected) {
            let LimitStatus { window, reset, .. } = limit.clone();
            assert_eq!((&*limit.name, limit.quota, limit.shared), (name, quota, shared));
            assert_eq!(limit.remaining, quota - used);
            assert_eq!(window.unwrap().seconds, HOUR);
            let most = HOUR * used / quota;
            assert!((most - 60..=most).contains(&reset.unwrap().seconds), "{reset:?}");
        }
        assert_eq!(answer.limits.len(), 3);
        let http = answer.http.as_ref().unwrap();
        assert_eq!(http.status, 200);
        let policies = r#""read";q=3;w=3600, "all";q=5;w=3600, "team";q=9;w=3600"#;
        assert_eq!(header(&answer, "RateLimit-Policy"), Some(policies));
        let told = header(&answer, "RateLimit").unwrap();
        assert!(told.starts_with(&format!("\"read\";r={};t=", 3 - used)), "{told}");
        assert_eq!((header(&answer, "Retry-After"), answer.retry_after), (None, None));
    }
}

#[tokio::test]
async fn who_has_used_up_a_limit_is_told_when_to_come_again() {
    let (_server, mut root) = on(vec![plan("free", &[limit("read", "read", 2)], &[])]).await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    assert!(passes(&mut root, question(&secret, &["sites:read"])).await);
    assert!(passes(&mut root, question(&secret, &["sites:read"])).await);
    let denied = root.ask(&secret, &["sites:read"], "").await;
    assert!(denied.active);
    assert_eq!(denied.reason(), DenyReason::RateLimited);
    assert_eq!(left(&denied), [("read", 0)]);
    assert!(denied.effective_scopes.is_empty() && denied.missing_scopes.is_empty());
    let wait = denied.retry_after.unwrap().seconds;
    assert!((HOUR / 2 - 60..=HOUR / 2).contains(&wait), "{wait}");
    assert_eq!(denied.http.as_ref().unwrap().status, 429);
    let told: i64 = header(&denied, "Retry-After").unwrap().parse().unwrap();
    assert!(told == wait || told == wait + 1);
    assert_eq!(header(&denied, "WWW-Authenticate"), None);

    let view = IntrospectView::Decision.into();
    let asked = IntrospectRequest { view, ..question(&secret, &["sites:read"]) };
    let short = answer(&mut root, asked).await;
    assert_eq!(short.reason(), DenyReason::RateLimited);
    assert!(short.retry_after.is_some());
    assert_eq!((short.limits, short.http), (vec![], None));
}

#[tokio::test]
async fn a_class_is_counted_apart_and_is_that_of_the_first_scope_or_the_one_that_is_named() {
    let limits =
        [limit("read", "read", 1), limit("write", "write", 2), limit("create", "create", 1)];
    let (_server, mut root) = on(vec![plan("free", &limits, &[])]).await;
    let secret = root.create_key("acme", "", writer()).await.secret;
    let asked = |required: &[&str], class: &str| IntrospectRequest {
        class: class.to_owned(),
        ..question(&secret, required)
    };
    for (required, class, expected) in [
        (&["sites:read"][..], "", &[("read", 0)][..]),
        (&["sites:write", "sites:read"], "", &[("write", 1)]),
        (&["sites:read"], "write", &[("write", 0)]),
        (&["sites:write"], "create", &[("create", 0)]),
        (&[], "", &[]),
    ] {
        let answer = answer(&mut root, asked(required, class)).await;
        assert_eq!(answer.reason(), DenyReason::Unspecified, "{required:?} {class:?}");
        assert_eq!(left(&answer), expected);
        assert_eq!(header(&answer, "RateLimit").is_some(), !expected.is_empty());
    }
    for (required, class) in [(&["sites:read"][..], ""), (&[], "read"), (&["sites:write"], "")] {
        let answer = answer(&mut root, asked(required, class)).await;
        assert_eq!(answer.reason(), DenyReason::RateLimited, "{required:?} {class:?}");
    }
}

#[tokio::test]
async fn a_class_that_the_policy_does_not_know_is_refused_with_the_nearest_one() {
    let (_server, mut root) = on(vec![plan("free", &[limit("create", "create", 1)], &[])]).await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let asked = IntrospectRequest { class: "creat".into(), ..question(&secret, &[]) };
    let outcome = root.introspect.introspect(asked.clone()).await;
    let status = refused(outcome, Code::InvalidArgument, "INVALID_FIELDS");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let told: Vec<_> =
        violations.iter().map(|fault| (&*fault.field, &*fault.description)).collect();
    assert_eq!(told, [("class", "the policy has no class \"creat\"; did you mean \"create\"?")]);
    revoke(&mut root, "workspaces/acme/keys/ci").await;
    assert_eq!(wrong_fields(root.introspect.introspect(asked).await), ["class"]);
    // `write` is the class of a scope, and has no limit.
    let other = root.create_key("acme", "", reader()).await.secret;
    let asked = IntrospectRequest { class: "write".into(), ..question(&other, &[]) };
    assert_eq!(left(&answer(&mut root, asked).await), []);
}

#[tokio::test]
async fn a_cost_is_taken_of_every_limit_or_of_none() {
    let plan = plan("free", &[limit("key", "", 10)], &[limit("team", "", 12)]);
    let (_server, mut root) = on(vec![plan]).await;
    let secrets = [
        root.create_key("acme", "", reader()).await.secret,
        root.create_key("acme", "", reader()).await.secret,
    ];
    for (key, cost, reason, expected) in [
        (0, 7, DenyReason::Unspecified, [("key", 3), ("team", 5)]),
        (0, 4, DenyReason::RateLimited, [("key", 3), ("team", 5)]),
        (1, 6, DenyReason::RateLimited, [("key", 10), ("team", 5)]),
        (0, 0, DenyReason::Unspecified, [("key", 2), ("team", 4)]),
        (1, 4, DenyReason::Unspecified, [("key", 6), ("team", 0)]),
    ] {
        let asked = IntrospectRequest { cost, ..question(&secrets[key], &[]) };
        let answer = answer(&mut root, asked).await;
        assert_eq!((answer.reason(), left(&answer)), (reason, expected.to_vec()), "cost {cost}");
    }
    for cost in [11, i64::MAX] {
        let asked = IntrospectRequest { cost, ..question(&secrets[1], &[]) };
        let answer = answer(&mut root, asked).await;
        assert_eq!((answer.reason(), answer.retry_after), (DenyReason::RateLimited, None));
        assert_eq!(header(&answer, "Retry-After"), None);
    }
}

#[tokio::test]
async fn the_ceiling_is_of_all_keys_of_a_workspace_and_of_no_other() {
    let (_server, mut root) = on(vec![plan("free", &[], &[limit("team", "", 2)])]).await;
    let other = proto::Workspace {
        policy: "policies/acme".into(),
        plan: "free".into(),
        ..Default::default()
    };
    let request = proto::CreateWorkspaceRequest {
        workspace_id: "other".into(),
        workspace: Some(other),
        ..Default::default()
    };
    root.admin.create_workspace(request).await.unwrap();
    for (workspace, reason) in [
        ("acme", DenyReason::Unspecified),
        ("acme", DenyReason::Unspecified),
        ("acme", DenyReason::RateLimited),
        ("other", DenyReason::Unspecified),
    ] {
        let secret = root.create_key(workspace, "", reader()).await.secret;
        assert_eq!(root.ask(&secret, &[], "").await.reason(), reason);
    }
}

#[tokio::test]
async fn a_key_of_another_plan_has_its_limits_and_the_ceiling_of_its_workspace() {
    let free = plan("free", &[limit("key", "", 1)], &[limit("team", "", 50)]);
    let pro = plan("pro", &[limit("key", "", 20)], &[limit("team", "", 900)]);
    let (_server, mut root) = on(vec![free.clone(), pro]).await;
    let key = proto::Key { plan: "pro".into(), ..reader() };
    let secret = root.create_key("acme", "ci", key).await.secret;
    assert_eq!(left(&root.ask(&secret, &[], "").await), [("key", 19), ("team", 49)]);
    // A plan that the policy lost is the workspace's, and what was taken stays taken.
    let policy =
        proto::Policy { name: "policies/acme".into(), plans: vec![free], ..Default::default() };
    let lost =
        proto::UpdatePolicyRequest { policy: Some(policy), force: true, ..Default::default() };
    root.admin.update_policy(lost).await.unwrap();
    let answer = root.ask(&secret, &[], "").await;
    assert_eq!(
        (answer.reason(), left(&answer)),
        (DenyReason::RateLimited, vec![("key", 0), ("team", 49)])
    );
}

#[tokio::test]
async fn a_change_of_a_limit_is_in_force_at_once_and_keeps_what_was_taken() {
    let (_server, mut root) = on(vec![plan("free", &[limit("key", "", 2)], &[])]).await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    for _ in 0..2 {
        assert!(passes(&mut root, question(&secret, &[])).await);
    }
    assert!(!passes(&mut root, question(&secret, &[])).await);
    let raised = proto::Policy {
        name: "policies/acme".into(),
        plans: vec![plan("free", &[limit("key", "", 10)], &[])],
        ..Default::default()
    };
    let request = proto::UpdatePolicyRequest { policy: Some(raised), ..Default::default() };
    root.admin.update_policy(request).await.unwrap();
    let answer = root.ask(&secret, &[], "").await;
    assert_eq!((answer.reason(), left(&answer)), (DenyReason::Unspecified, vec![("key", 7)]));
}

#[tokio::test]
async fn both_secrets_of_a_key_are_counted_as_one() {
    let plan = plan("free", &[limit("key", "", 2)], &[]);
    let server = Server::start().await;
    let mut root = server.root().await;
    furnish(&mut root, vec![plan]).await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    assert_eq!(left(&root.ask(&secret, &[], "").await), [("key", 1)]);
    let new = crate::callers::minted::rotate(&mut root, "workspaces/acme/keys/ci").await;
    assert_eq!(left(&root.ask(&new, &[], "").await), [("key", 0)]);
    assert_eq!(root.ask(&new, &[], "").await.reason(), DenyReason::RateLimited);
}

#[tokio::test]
async fn what_is_denied_before_limits_are_looked_at_takes_nothing_and_what_is_denied_after_does() {
    let (_server, mut root) = on(vec![plan("free", &[limit("key", "", 3)], &[])]).await;
    let key = proto::Key {
        allowed_cidrs: strings(&["192.0.2.0/24"]),
        constraint: strings(&["mine"]),
        ..reader()
    };
    let secret = root.create_key("acme", "", key).await.secret;
    let asked = |client: &str, resource: &str, scope: &str| IntrospectRequest {
        client_ip: client.to_owned(),
        resource: resource.to_owned(),
        ..question(&secret, &[scope])
    };
    let (here, there) = ("192.0.2.1", "198.51.100.1");
    for _ in 0..5 {
        let denied = answer(&mut root, asked(there, "mine", "sites:read")).await;
        assert_eq!((denied.reason(), denied.limits), (DenyReason::IpNotAllowed, vec![]));
    }
    let malformed = root.introspect.introspect(asked(here, "a//b", "sites:read")).await;
    assert_eq!(wrong_fields(malformed), ["resource"]);
    for (resource, scope, reason, remaining) in [
        ("theirs", "sites:read", DenyReason::OutsideConstraint, 2),
        ("mine", "jobs:read", DenyReason::InsufficientScope, 1),
        ("mine", "sites:read", DenyReason::Unspecified, 0),
        // Once it is spent, nothing is said any more of what is there.
        ("theirs", "sites:read", DenyReason::RateLimited, 0),
        ("mine", "jobs:read", DenyReason::RateLimited, 0),
    ] {
        let answer = answer(&mut root, asked(here, resource, scope)).await;
        assert_eq!(answer.reason(), reason, "{resource} {scope}");
        assert_eq!(left(&answer), [("key", remaining)]);
        assert!(header(&answer, "RateLimit").is_some());
    }
    // An address that is not allowed goes before a limit that is spent.
    let denied = answer(&mut root, asked(there, "mine", "sites:read")).await;
    assert_eq!(denied.reason(), DenyReason::IpNotAllowed);
}

#[tokio::test]
async fn a_burst_is_what_may_come_at_once() {
    let bursting = RateLimit { burst: 2, ..limit("key", "", 100) };
    let (_server, mut root) = on(vec![plan("free", &[bursting], &[])]).await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    for (passes, remaining) in [(true, 1), (true, 0), (false, 0)] {
        let answer = root.ask(&secret, &[], "").await;
        assert_eq!(answer.reason() == DenyReason::Unspecified, passes);
        let [limit] = &*answer.limits else { panic!("{:?}", answer.limits) };
        assert_eq!((limit.quota, limit.remaining), (100, remaining));
    }
}

#[tokio::test]
async fn a_key_that_has_no_plan_has_no_limits() {
    let (_server, mut root) = on(vec![plan("free", &[limit("key", "", 1)], &[])]).await;
    root.create_workspace("open", "policies/acme").await;
    let secret = root.create_key("open", "", reader()).await.secret;
    for _ in 0..3 {
        let answer = root.ask(&secret, &["sites:read"], "").await;
        assert_eq!((answer.reason(), answer.limits), (DenyReason::Unspecified, vec![]));
        assert_eq!(answer.http.unwrap().headers, vec![]);
    }
}

#[tokio::test]
async fn of_an_sqlite_file_there_is_one_replica_which_never_refuses_to_count() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    let server = Server::start_with(|settings| {
        settings.limits.without_redis = WithoutRedis::Refuse;
        settings.database = keyward::config::DatabaseSettings { path, ..Default::default() };
    })
    .await;
    let mut root = server.root().await;
    furnish(&mut root, vec![plan("free", &[limit("key", "", 1)], &[])]).await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    assert!(passes(&mut root, question(&secret, &[])).await);
    assert!(!passes(&mut root, question(&secret, &[])).await);
}
