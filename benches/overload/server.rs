//! The server, and where it runs.

use std::{net::SocketAddr, process::Command};

use keyward::proto;
use prost::Message as _;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::{
    caller::Caller,
    process::{Deployment, Serving},
};

const WORKSPACE: &str = "workspaces/bench";
/// Keys that are made together.
const TOGETHER: usize = 100;

pub(crate) struct Server {
    serving: Serving,
    pub(crate) secret: String,
    /// Whether it has a processor of its own.
    pub(crate) is_alone: bool,
    _deployment: Deployment,
}

impl Server {
    /// One with a policy and a workspace, and with so many keys.
    pub(crate) async fn start(keys: usize, settings: &[(&str, &str)]) -> (Self, Vec<String>) {
        let mut all = vec![("log.level", "error")];
        all.extend(settings);
        let deployment = Deployment::new(&all);
        let secret = deployment.bootstrap();
        let serving = deployment.start(ServingStatus::Serving).await;
        let is_alone = pin(serving.id(), 0) && pin(std::process::id(), 1);
        let mut root = Caller::connect(serving.address, &secret).await;
        let policy = proto::Policy {
            display_name: "Bench".to_owned(),
            scopes: vec![proto::Scope { name: "docs:read".to_owned(), ..Default::default() }],
            key_types: vec![proto::KeyType {
                name: "live".to_owned(),
                prefix: "bench_live".to_owned(),
                is_default: true,
                ..Default::default()
            }],
            ..Default::default()
        };
        let request = proto::CreatePolicyRequest {
            policy_id: "bench".to_owned(),
            policy: Some(policy),
            ..Default::default()
        };
        root.admin.create_policy(request).await.unwrap();
        let workspace =
            proto::Workspace { policy: "policies/bench".to_owned(), ..Default::default() };
        let request = proto::CreateWorkspaceRequest {
            workspace_id: "bench".to_owned(),
            workspace: Some(workspace),
            ..Default::default()
        };
        root.admin.create_workspace(request).await.unwrap();
        let mut secrets = Vec::with_capacity(keys);
        while secrets.len() < keys {
            let request = proto::BatchCreateKeysRequest {
                parent: WORKSPACE.to_owned(),
                requests: vec![creation(); TOGETHER.min(keys - secrets.len())],
                ..Default::default()
            };
            let made = root.admin.batch_create_keys(request).await.unwrap().into_inner();
            secrets.extend(made.responses.into_iter().map(|made| made.secret));
        }
        (Self { serving, secret, is_alone, _deployment: deployment }, secrets)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.serving.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.serving.id()
    }
}

fn creation() -> proto::CreateKeyRequest {
    proto::CreateKeyRequest {
        parent: WORKSPACE.to_owned(),
        key: Some(proto::Key {
            display_name: "bench".to_owned(),
            grants: vec![proto::Grant { scope: "docs:read".to_owned(), ..Default::default() }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The message that asks for another key.
pub(crate) fn create() -> Vec<u8> {
    creation().encode_to_vec()
}

/// The message that asks about a key.
pub(crate) fn question(secret: &str) -> Vec<u8> {
    let required_scopes = vec!["docs:read".to_owned()];
    let secret = secret.to_owned();
    proto::IntrospectRequest { secret, required_scopes, ..Default::default() }.encode_to_vec()
}

/// The message that asks how the server is.
pub(crate) fn check() -> Vec<u8> {
    HealthCheckRequest::default().encode_to_vec()
}

/// Has all threads of a process run on this processor; not, where there is no such thing.
fn pin(process: u32, processor: u32) -> bool {
    let (processor, process) = (processor.to_string(), process.to_string());
    let pinned = Command::new("taskset").args(["-a", "-c", "-p", &processor, &process]).output();
    pinned.is_ok_and(|output| output.status.success())
}

/// What a process has in memory, in MiB.
pub(crate) fn memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
