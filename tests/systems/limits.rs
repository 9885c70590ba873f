//! What the systems say of rate limits. So much is asked for at once that nothing which comes back
//! meanwhile makes a difference.

use keyward::proto::{self, DenyReason, IntrospectRequest, IntrospectResponse, PrincipalKind};

use crate::{
    harness::{Caller, grants},
    support::{SYSTEMS, all_systems},
};

/// A workspace of a system on a plan.
async fn workspace(root: &mut Caller, id: &str, system: &str, plan: &str) {
    let workspace = proto::Workspace {
        policy: format!("policies/{system}"),
        plan: plan.to_owned(),
        ..Default::default()
    };
    let request = proto::CreateWorkspaceRequest {
        workspace_id: id.to_owned(),
        workspace: Some(workspace),
        ..Default::default()
    };
    root.admin.create_workspace(request).await.unwrap();
}

/// The secret of a key that may do this; in the workspace `team` it is the team's.
async fn key(root: &mut Caller, workspace: &str, scope: &str) -> String {
    let of_team = workspace == "team";
    let key = proto::Key {
        display_name: "a key".to_owned(),
        grants: grants(&[scope]),
        r#type: if of_team { "service" } else { "" }.to_owned(),
        principal: if of_team { "workspaces/team/principals/web" } else { "" }.to_owned(),
        ..Default::default()
    };
    root.create_key(workspace, "", key).await.secret
}

async fn ask(
    root: &mut Caller,
    secret: &str,
    (scope, class): (&str, &str),
    cost: i64,
) -> IntrospectResponse {
    let request = IntrospectRequest {
        secret: secret.to_owned(),
        required_scopes: vec![scope.to_owned()],
        class: class.to_owned(),
        cost,
        ..Default::default()
    };
    root.introspect.introspect(request).await.unwrap().into_inner()
}

fn status(answer: &IntrospectResponse) -> u32 {
    answer.http.as_ref().unwrap().status.try_into().unwrap()
}

fn header<'a>(answer: &'a IntrospectResponse, name: &str) -> Option<&'a str> {
    let headers = &answer.http.as_ref().unwrap().headers;
    headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
}

/// 429, with the seconds to wait, which are not more than so many.
#[track_caller]
fn is_too_much(answer: &IntrospectResponse, seconds: i64) {
    assert_eq!((answer.reason(), status(answer)), (DenyReason::RateLimited, 429));
    let wait: i64 = header(answer, "Retry-After").unwrap().parse().unwrap();
    assert!((1..=seconds).contains(&wait), "{wait}");
}

#[tokio::test]
async fn newport_answers_429_with_retry_after_once_a_key_has_used_up_its_plan() {
    let (_server, mut root) = all_systems().await;
    for (plan, quota, burst) in [("free", 60, 60), ("pro", 600, 600), ("enterprise", 6_000, 1_000)]
    {
        workspace(&mut root, plan, "newport", plan).await;
        let secret = key(&mut root, plan, "read:all").await;
        let passed = ask(&mut root, &secret, ("read:all", ""), burst).await;
        assert_eq!(status(&passed), 200);
        assert_eq!(passed.limits[0].quota, quota);
        is_too_much(&ask(&mut root, &secret, ("read:all", ""), burst).await, 60);
        // The limit is the key's: another has its own.
        let other = key(&mut root, plan, "read:all").await;
        assert_eq!(status(&ask(&mut root, &other, ("read:all", ""), burst).await), 200);
    }
}

/// The workspace `team` of managed.dev.
async fn team(root: &mut Caller) {
    workspace(root, "team", "managed-dev", "standard").await;
    let principal = proto::Principal {
        kind: PrincipalKind::Team.into(),
        role: "service".to_owned(),
        ..Default::default()
    };
    let request = proto::CreatePrincipalRequest {
        parent: "workspaces/team".to_owned(),
        principal_id: "web".to_owned(),
        principal: Some(principal),
        ..Default::default()
    };
    root.admin.create_principal(request).await.unwrap();
}

#[tokio::test]
async fn managed_dev_has_a_bucket_for_each_class_of_action_and_tells_of_it_in_every_answer() {
    let (_server, mut root) = all_systems().await;
    team(&mut root).await;
    let secret = key(&mut root, "team", "sites:write").await;
    for (scope, class, name, quota) in [
        ("sites:read", "", "read", 1_000),
        ("sites:write", "", "write", 100),
        ("sites:write", "create", "create", 5),
    ] {
        let passed = ask(&mut root, &secret, (scope, class), quota).await;
        assert_eq!(status(&passed), 200, "{name}");
        let told: Vec<_> = passed.limits.iter().map(|limit| (&*limit.name, limit.quota)).collect();
        assert_eq!(told, [(name, quota), ("team", 5_000)]);
        assert_eq!(passed.limits[0].remaining, 0);
        let told = header(&passed, "RateLimit").unwrap();
        assert!(told.starts_with(&format!("\"{name}\";r=0;t=60, \"team\";r=")), "{told}");
        let told = header(&passed, "RateLimit-Policy").unwrap();
        assert_eq!(told, format!("\"{name}\";q={quota};w=60, \"team\";q=5000;w=60"));
        is_too_much(&ask(&mut root, &secret, (scope, class), quota).await, 60);
    }
}

#[tokio::test]
async fn managed_dev_has_a_ceiling_for_all_keys_of_a_team() {
    let (_server, mut root) = all_systems().await;
    team(&mut root).await;
    for _ in 0..5 {
        let secret = key(&mut root, "team", "sites:read").await;
        let passed = ask(&mut root, &secret, ("sites:read", ""), 1_000).await;
        assert_eq!(status(&passed), 200);
    }
    let secret = key(&mut root, "team", "sites:read").await;
    let refused = ask(&mut root, &secret, ("sites:read", ""), 1_000).await;
    is_too_much(&refused, 12);
    let left: Vec<_> = refused.limits.iter().map(|limit| (&*limit.name, limit.shared)).collect();
    assert_eq!((left, refused.limits[0].remaining), (vec![("read", false), ("team", true)], 1_000));
}

#[tokio::test]
async fn the_systems_that_say_nothing_of_limits_have_none() {
    let (_server, mut root) = all_systems().await;
    for (system, scope) in [("fsckmsft", "read:projects"), ("aerovy", "read")] {
        assert!(SYSTEMS.contains(&system));
        let secret = key(&mut root, system, scope).await;
        for _ in 0..3 {
            let answer = ask(&mut root, &secret, (scope, ""), i64::MAX).await;
            assert_eq!((status(&answer), &*answer.limits), (200, &[][..]));
            assert_eq!(header(&answer, "RateLimit"), None);
        }
    }
}
