//! Real processes on a real PostgreSQL: two of them on one database, one whose database is
//! not ready, and one that loses it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "servers/audit.rs"]
mod audit;
#[path = "tls/authority.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod authority;
#[path = "kill/caller.rs"]
mod caller;
#[path = "servers/failover.rs"]
mod failover;
#[path = "postgres/database.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod fresh;
#[path = "servers/healing.rs"]
mod healing;
#[path = "servers/left.rs"]
mod left;
#[path = "servers/limits.rs"]
mod limits;
#[path = "servers/metrics.rs"]
mod metrics;
#[path = "metrics/reader.rs"]
mod metrics_reader;
#[path = "postgres/server.rs"]
mod postgres;
#[path = "kill/process.rs"]
mod process;
#[path = "replicas/proxy.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod proxy;
#[path = "redis/server.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod redis;
#[path = "servers/redis_tls.rs"]
mod redis_tls;
#[path = "servers/replicas.rs"]
mod replicas;
#[path = "servers/rolling.rs"]
mod rolling;
#[path = "servers/tls.rs"]
mod tls;
#[path = "servers/usage.rs"]
mod usage;
#[path = "servers/waiting.rs"]
mod waiting;
#[path = "servers/waits.rs"]
mod waits;
#[path = "replicas/wire.rs"]
mod wire;

use std::time::Duration;

use keyward::proto;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

/// More than anything takes, even on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

/// Sees to it that the database could not be asked, and that the caller is told to come again.
#[track_caller]
fn unavailable<T: std::fmt::Debug>(outcome: Result<Response<T>, Status>) {
    refused(outcome, "STORE_UNAVAILABLE");
}

/// Sees to it that nothing is answered for want of a lease, and that the caller is told so.
#[track_caller]
fn without_lease<T: std::fmt::Debug>(outcome: Result<Response<T>, Status>) {
    refused(outcome, "NO_LEASE");
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<Response<T>, Status>, reason: &str) {
    let status = outcome.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(status.get_details_error_info().unwrap().reason, reason);
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
}

/// Scopes `read` and `write`; the roles `writer` (both) and `reader`; one type of keys.
fn policy() -> proto::Policy {
    let scope = |name: &str| proto::Scope { name: name.to_owned(), ..Default::default() };
    let role = |name: &str, scopes: &[&str]| proto::Role {
        name: name.to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..Default::default()
    };
    proto::Policy {
        display_name: "Web".to_owned(),
        scopes: vec![scope("docs:read"), scope("docs:write")],
        roles: vec![role("writer", &["docs:*"]), role("reader", &["docs:read"])],
        key_types: vec![proto::KeyType {
            name: "live".to_owned(),
            prefix: "web_live".to_owned(),
            is_default: true,
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Makes the policy and a workspace under it, both of this identifier.
async fn furnish(root: &mut caller::Caller, id: &str) {
    furnish_with(root, id, policy(), "").await;
}

/// The same with this policy, and the workspace on this plan.
async fn furnish_with(root: &mut caller::Caller, id: &str, policy: proto::Policy, plan: &str) {
    let request = proto::CreatePolicyRequest {
        policy_id: id.to_owned(),
        policy: Some(policy),
        ..Default::default()
    };
    root.admin.create_policy(request).await.unwrap();
    let workspace = proto::Workspace {
        policy: format!("policies/{id}"),
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
