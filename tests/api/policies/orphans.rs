//! What a change of a policy leaves without meaning: scopes, prefixes, plans.

use keyward::proto::{self, PolicyEffects};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{
    acme,
    effects::{change, effects},
    plan,
};
use crate::support::{Caller, Server, grants, policy, reader, refused, strings};

/// The most bytes of HTTP/2 trailers that many clients take.
const TRAILERS_BYTES_MAX: usize = 8 * 1024;

/// The fixture with plans.
fn planned(plans: &[&str]) -> proto::Policy {
    proto::Policy { plans: plans.iter().map(|name| plan(name)).collect(), ..acme() }
}

async fn with_plans() -> (Server, Caller) {
    let server = Server::start().await;
    let mut root = server.root().await;
    root.create_policy("acme", planned(&["basic", "pro"])).await;
    root.create_workspace("acme", "policies/acme").await;
    (server, root)
}

/// Sees to it that a change is refused with this in its metadata, that nothing is changed,
/// and that it is made with force.
async fn needs_force(root: &mut Caller, policy: proto::Policy, key: &str, value: &str) {
    let head = root.head().await;
    let outcome = change(root, policy.clone(), [false, false]).await;
    let status = refused(outcome, Code::FailedPrecondition, "LIVE_KEYS_AFFECTED");
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata.get(key).unwrap(), value, "{key}");
    assert!(status.message().contains(value), "{status:?}");
    let told = effects(root, policy.clone()).await;
    assert_eq!(root.head().await, head);
    let done = change(root, policy, [true, false]).await.unwrap().into_inner();
    assert_eq!(done.effects, Some(told));
    assert_eq!(root.head().await, head + 1);
}

#[tokio::test]
async fn a_scope_that_a_live_key_holds_literally_and_that_is_gone() {
    let (_server, mut root) = Server::with_workspaces().await;
    let holder = proto::Key { grants: grants(&["jobs:read", "sites:read"]), ..reader() };
    root.create_key("acme", "ci", holder).await;
    let wildcard = proto::Key { grants: grants(&["*"]), ..reader() };
    let wildcard = root.create_key("acme", "all", wildcard).await;
    let mut without = acme();
    without.scopes.remove(4);
    let expected = PolicyEffects {
        keys_losing_scopes: 2,
        sample_keys: strings(&["workspaces/acme/keys/all", "workspaces/acme/keys/ci"]),
        orphaned_scopes: strings(&["jobs:read"]),
        ..Default::default()
    };
    assert_eq!(effects(&mut root, without.clone()).await, expected);
    needs_force(&mut root, without, "scopes", "jobs:read").await;
    assert!(root.ask(&wildcard.secret, &["sites:read"], "").await.active);
}

#[tokio::test]
async fn a_scope_is_orphaned_also_where_a_role_kept_it_from_its_holder() {
    let (_server, mut root) = Server::with_workspaces().await;
    let principal = root.create_principal("acme", "eve", "observer").await.name;
    let key = proto::Key { principal, grants: grants(&["exec:raw"]), ..reader() };
    root.create_key("acme", "ci", key).await;
    let mut without = acme();
    without.scopes.remove(5);
    without.roles[0].scopes.pop();
    let expected = PolicyEffects { orphaned_scopes: strings(&["exec:raw"]), ..Default::default() };
    assert_eq!(effects(&mut root, without.clone()).await, expected);
    needs_force(&mut root, without, "scopes", "exec:raw").await;
}

#[tokio::test]
async fn a_prefix_whose_type_is_gone_or_has_another() {
    let (_server, mut root) = Server::with_workspaces().await;
    let principal = root.create_principal("acme", "ada", "owner").await.name;
    let (mut removed, mut changed, mut swapped) = (acme(), acme(), acme());
    removed.key_types.pop();
    changed.key_types[1].prefix = "acme_mine".into();
    swapped.key_types[0].prefix = "acme_me".into();
    swapped.key_types[1].prefix = "acme_live".into();
    for unused in [&removed, &changed] {
        assert_eq!(effects(&mut root, unused.clone()).await, PolicyEffects::default());
    }
    let personal = proto::Key { r#type: "personal".into(), principal, ..reader() };
    let made = root.create_key("acme", "me", personal).await;
    root.create_key("acme", "ci", reader()).await;
    let told = effects(&mut root, swapped).await;
    assert_eq!(told.orphaned_prefixes, ["acme_live", "acme_me"]);
    assert_eq!(told.keys_losing_scopes, 0);
    needs_force(&mut root, changed, "prefixes", "acme_me").await;
    change(&mut root, acme(), [true, false]).await.unwrap();
    needs_force(&mut root, removed, "prefixes", "acme_me").await;
    assert!(root.ask(&made.secret, &["sites:read"], "").await.active, "its secret goes on");
}

#[tokio::test]
async fn a_plan_that_a_live_key_has_and_that_is_gone() {
    let (_server, mut root) = with_plans().await;
    let key = proto::Key { plan: "pro".into(), ..reader() };
    let name = root.create_key("acme", "ci", key).await.key.unwrap().name;
    assert_eq!(effects(&mut root, planned(&["pro"])).await, PolicyEffects::default());
    needs_force(&mut root, planned(&["basic"]), "plans", "pro").await;
    change(&mut root, planned(&["basic", "pro"]), [false, false]).await.unwrap();
    let revoke = proto::RevokeKeyRequest { name, ..Default::default() };
    root.admin.revoke_key(revoke).await.unwrap();
    change(&mut root, planned(&["basic"]), [false, false]).await.unwrap();
}

#[tokio::test]
async fn a_plan_of_a_workspace_that_has_no_keys_is_orphaned_too() {
    let (_server, mut root) = with_plans().await;
    root.create_policy("apart", planned(&["pro"])).await;
    for (id, policy) in [("apart", "policies/apart"), ("bare", "policies/acme")] {
        let workspace =
            proto::Workspace { policy: policy.into(), plan: "pro".into(), ..Default::default() };
        let request = proto::CreateWorkspaceRequest {
            workspace_id: id.into(),
            workspace: Some(workspace),
            ..Default::default()
        };
        root.admin.create_workspace(request).await.unwrap();
    }
    let expected = PolicyEffects { orphaned_plans: strings(&["pro"]), ..Default::default() };
    assert_eq!(effects(&mut root, planned(&["basic"])).await, expected);
    needs_force(&mut root, planned(&["basic"]), "plans", "pro").await;
}

#[tokio::test]
async fn limits_of_a_plan_change_without_force() {
    let (_server, mut root) = with_plans().await;
    let key = proto::Key { plan: "pro".into(), ..reader() };
    root.create_key("acme", "ci", key).await;
    let mut lower = planned(&["basic", "pro"]);
    lower.plans[1].key_limits = vec![proto::RateLimit {
        name: "all".into(),
        quota: 1,
        window: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    }];
    let done = change(&mut root, lower, [false, false]).await.unwrap().into_inner();
    assert_eq!(done.effects, Some(PolicyEffects::default()));
}

#[tokio::test]
async fn the_error_fits_into_trailers_however_much_is_orphaned() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let long = |kind: &str, number| format!("{kind}:{number:03}:{}", "x".repeat(90));
    let mut large = proto::Policy { name: "policies/acme".into(), ..policy() };
    let scopes: Vec<_> = (0..50).map(|number| long("scope", number)).collect();
    large.scopes.extend(
        scopes.iter().map(|name| proto::Scope { name: name.clone(), ..Default::default() }),
    );
    large.plans = (0..50).map(|number| plan(&long("plan", number))).collect();
    let kind = |number| proto::KeyType {
        name: format!("type-{number}"),
        prefix: format!("prefix_{number}_xxxxxxxxxx"),
        ..Default::default()
    };
    large.key_types.extend((10..20).map(kind));
    root.create_policy("acme", large.clone()).await;
    root.create_workspace("acme", "policies/acme").await;
    for number in 10..20 {
        root.create_key("acme", "", proto::Key { r#type: format!("type-{number}"), ..reader() })
            .await;
    }
    for (number, plan) in large.plans.iter().enumerate() {
        let scope = &scopes[number];
        let key = proto::Key { plan: plan.name.clone(), grants: grants(&[scope]), ..reader() };
        root.create_key("acme", "", key).await;
    }
    let outcome = change(&mut root, acme(), [false, false]).await;
    let status = refused(outcome, Code::FailedPrecondition, "LIVE_KEYS_AFFECTED");
    let trailers = status.details().len() * 4 / 3 + status.message().len();
    assert!(trailers < TRAILERS_BYTES_MAX, "{trailers} bytes");
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert!(metadata.get("scopes").unwrap().starts_with(&scopes[0]), "{metadata:?}");
    let told = effects(&mut root, acme()).await;
    assert_eq!((told.orphaned_scopes, told.orphaned_plans.len()), (scopes, 50));
}
