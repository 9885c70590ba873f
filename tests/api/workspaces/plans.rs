//! Plans of workspaces and keys.

use keyward::proto::{self, CreateKeyRequest, CreateWorkspaceRequest, UpdateWorkspaceRequest};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use super::stored;
use crate::support::{Caller, Server, policy, reader, refused, request_id, strings};

/// A server whose workspace `acme` is under a policy with the plans `basic` and `pro`, and
/// `plain` under one without.
async fn with_plans() -> (Server, Caller) {
    let server = Server::start().await;
    let mut root = server.root().await;
    let plan = |name: &str| proto::Plan { name: name.into(), ..Default::default() };
    let plans = vec![plan("basic"), plan("pro")];
    root.create_policy("acme", proto::Policy { plans, ..policy() }).await;
    root.create_workspace("acme", "policies/acme").await;
    root.create_policy("plain", policy()).await;
    root.create_workspace("plain", "policies/plain").await;
    (server, root)
}

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    (!paths.is_empty()).then(|| prost_types::FieldMask { paths: strings(paths) })
}

async fn of_workspace(
    root: &mut Caller,
    id: &str,
    plan: &str,
    paths: &[&str],
) -> Result<Response<proto::UpdateWorkspaceResponse>, Status> {
    let name = format!("workspaces/{id}");
    let workspace = proto::Workspace { name, plan: plan.into(), ..Default::default() };
    let (workspace, update_mask) = (Some(workspace), mask(paths));
    let request = UpdateWorkspaceRequest { workspace, update_mask, ..Default::default() };
    root.admin.update_workspace(request).await
}

async fn of_key(
    root: &mut Caller,
    name: &str,
    plan: &str,
    paths: &[&str],
) -> Result<Response<proto::UpdateKeyResponse>, Status> {
    let key = proto::Key { name: name.into(), plan: plan.into(), ..Default::default() };
    let (key, update_mask) = (Some(key), mask(paths));
    root.admin.update_key(proto::UpdateKeyRequest { key, update_mask, ..Default::default() }).await
}

fn key(parent: &str, plan: &str) -> CreateKeyRequest {
    CreateKeyRequest {
        parent: format!("workspaces/{parent}"),
        key: Some(proto::Key { plan: plan.into(), ..reader() }),
        ..Default::default()
    }
}

/// Sees to it that nothing but the plan was wrong, and that this was said of it.
#[track_caller]
fn wrong<T: std::fmt::Debug>(outcome: Result<Response<T>, Status>, field: &str, text: &str) {
    let status = refused(outcome, Code::InvalidArgument, "INVALID_FIELDS");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let told: Vec<_> =
        violations.iter().map(|fault| (fault.field.as_str(), fault.description.as_str())).collect();
    assert_eq!(told, [(field, text)]);
}

const NEAR: &str = "the policy has no plan \"por\"; did you mean \"pro\"?";
const NONE: &str = "the policy has no plan \"pro\"";

#[tokio::test]
async fn a_workspace_is_made_with_a_plan_that_is_changed_and_cleared() {
    let (_server, mut root) = with_plans().await;
    let workspace = proto::Workspace {
        policy: "policies/acme".into(),
        plan: "basic".into(),
        ..Default::default()
    };
    let request = CreateWorkspaceRequest {
        workspace_id: "new".into(),
        workspace: Some(workspace),
        ..Default::default()
    };
    let made = root.admin.create_workspace(request).await.unwrap().into_inner().workspace.unwrap();
    assert_eq!(made.plan, "basic");
    assert_eq!(stored(&mut root, "workspaces/new").await, made);
    for (plan, paths, expected) in [
        ("pro", &[][..], "pro"),
        ("basic", &["plan"], "basic"),
        ("", &[], "basic"),
        ("pro", &["display_name"], "basic"),
        ("", &["plan"], ""),
        ("pro", &["*"], "pro"),
        ("", &["*"], ""),
    ] {
        of_workspace(&mut root, "new", plan, paths).await.unwrap();
        let plan_now = stored(&mut root, "workspaces/new").await.plan;
        assert_eq!(plan_now, expected, "{plan:?} {paths:?}");
    }
}

#[tokio::test]
async fn a_key_is_made_with_a_plan_that_is_changed_and_cleared() {
    let (_server, mut root) = with_plans().await;
    let made = root.admin.create_key(key("acme", "basic")).await.unwrap().into_inner();
    let made = made.key.unwrap();
    assert_eq!(made.plan, "basic");
    for (plan, paths, expected) in [
        ("pro", &[][..], "pro"),
        ("basic", &["plan"], "basic"),
        ("", &[], "basic"),
        ("pro", &["labels"], "basic"),
        ("", &["plan"], ""),
    ] {
        of_key(&mut root, &made.name, plan, paths).await.unwrap();
        let get = proto::GetKeyRequest { name: made.name.clone() };
        let now = root.admin.get_key(get).await.unwrap().into_inner();
        assert_eq!(now.plan, expected, "{plan:?} {paths:?}");
        assert_eq!(now.grants, made.grants);
    }
}

#[tokio::test]
async fn an_unknown_plan_is_answered_with_the_nearest_name() {
    let (_server, mut root) = with_plans().await;
    let name = root.create_key("acme", "ci", reader()).await.key.unwrap().name;
    let head = root.head().await;
    let workspace = proto::Workspace {
        policy: "policies/acme".into(),
        plan: "por".into(),
        ..Default::default()
    };
    let request = CreateWorkspaceRequest {
        workspace_id: "new".into(),
        workspace: Some(workspace),
        ..Default::default()
    };
    wrong(root.admin.create_workspace(request).await, "workspace.plan", NEAR);
    wrong(of_workspace(&mut root, "acme", "por", &[]).await, "workspace.plan", NEAR);
    wrong(root.admin.create_key(key("acme", "por")).await, "key.plan", NEAR);
    wrong(of_key(&mut root, &name, "por", &["plan"]).await, "key.plan", NEAR);
    wrong(of_workspace(&mut root, "plain", "pro", &[]).await, "workspace.plan", NONE);
    wrong(root.admin.create_key(key("plain", "pro")).await, "key.plan", NONE);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_plan_that_the_policy_lost_stays_on_record_and_is_cleared_or_replaced() {
    let (_server, mut root) = with_plans().await;
    of_workspace(&mut root, "acme", "pro", &[]).await.unwrap();
    let name = root.admin.create_key(key("acme", "pro")).await.unwrap().into_inner();
    let name = name.key.unwrap().name;
    let plans = vec![proto::Plan { name: "basic".into(), ..Default::default() }];
    let policy = proto::Policy { name: "policies/acme".into(), plans, ..Default::default() };
    let policy = Some(policy);
    let lost = proto::UpdatePolicyRequest { policy, force: true, ..Default::default() };
    root.admin.update_policy(lost).await.unwrap();
    assert_eq!(stored(&mut root, "workspaces/acme").await.plan, "pro");
    wrong(of_workspace(&mut root, "acme", "pro", &["plan"]).await, "workspace.plan", NONE);
    wrong(of_key(&mut root, &name, "pro", &["plan"]).await, "key.plan", NONE);
    let titled = proto::Workspace {
        name: "workspaces/acme".into(),
        display_name: "still there".into(),
        ..Default::default()
    };
    let titled = UpdateWorkspaceRequest { workspace: Some(titled), ..Default::default() };
    root.admin.update_workspace(titled).await.unwrap();
    of_workspace(&mut root, "acme", "", &["plan"]).await.unwrap();
    let replaced = of_key(&mut root, &name, "basic", &[]).await.unwrap().into_inner();
    assert_eq!(replaced.key.unwrap().plan, "basic");
}

#[tokio::test]
async fn a_repeated_request_id_answers_the_same_also_when_the_plan_is_gone() {
    let (_server, mut root) = with_plans().await;
    let workspace = proto::Workspace {
        policy: "policies/acme".into(),
        plan: "pro".into(),
        ..Default::default()
    };
    let request = CreateWorkspaceRequest {
        workspace_id: "new".into(),
        workspace: Some(workspace),
        request_id: request_id(),
        ..Default::default()
    };
    let once = root.admin.create_workspace(request.clone()).await.unwrap().into_inner();
    let name = "policies/acme".to_owned();
    let lost = proto::UpdatePolicyRequest {
        policy: Some(proto::Policy { name, ..Default::default() }),
        update_mask: mask(&["plans"]),
        force: true,
        ..Default::default()
    };
    root.admin.update_policy(lost).await.unwrap();
    let head = root.head().await;
    let again = root.admin.create_workspace(request).await.unwrap().into_inner();
    assert_eq!(again, once);
    assert_eq!(root.head().await, head);
}
