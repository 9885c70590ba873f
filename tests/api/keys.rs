//! The RPCs about keys.

mod batch_create;
mod batch_revoke;
mod create;
mod get;
mod idempotency;
mod identify;
mod list;
mod own_keys;
mod revoke;
mod rotate;
mod update;

use std::time::{SystemTime, UNIX_EPOCH};

use keyward::proto::{
    self, CreateKeyRequest, IntrospectRequest, IntrospectResponse, WarningCode, key::Expiration,
};
use prost_types::{Duration, Timestamp};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::support::{Caller, Server, policy, refused};

/// Asks for a key in the workspace `acme`.
fn creation(key: proto::Key) -> CreateKeyRequest {
    CreateKeyRequest {
        parent: "workspaces/acme".to_owned(),
        key: Some(key),
        ..CreateKeyRequest::default()
    }
}

/// A server whose workspace `acme` is under a changed policy.
async fn under(change: impl FnOnce(&mut proto::Policy)) -> (Server, Caller) {
    let server = Server::start().await;
    let mut root = server.root().await;
    let mut policy = policy();
    change(&mut policy);
    root.create_policy("acme", policy).await;
    root.create_workspace("acme", "policies/acme").await;
    (server, root)
}

/// The key as it is on record.
async fn read(caller: &mut Caller, name: &str) -> proto::Key {
    let request = proto::GetKeyRequest { name: name.to_owned() };
    caller.admin.get_key(request).await.unwrap().into_inner()
}

/// What a request from this address is answered.
async fn ask_from(caller: &mut Caller, secret: &str, client_ip: &str) -> IntrospectResponse {
    let request = IntrospectRequest {
        secret: secret.to_owned(),
        client_ip: client_ip.to_owned(),
        ..IntrospectRequest::default()
    };
    caller.introspect.introspect(request).await.unwrap().into_inner()
}

/// The moment so many seconds from now.
fn in_seconds(seconds: i64) -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp { seconds: i64::try_from(now.as_secs()).unwrap() + seconds, nanos: 0 }
}

fn ttl(seconds: i64) -> Option<Expiration> {
    Some(Expiration::Ttl(Duration { seconds, nanos: 0 }))
}

/// The shortest time to live, over when the call that set it is answered.
fn instant() -> Option<Expiration> {
    Some(Expiration::Ttl(Duration { seconds: 0, nanos: 1_000 }))
}

/// The seconds of the moment at which a key ends.
#[track_caller]
fn end_of(key: &proto::Key) -> i64 {
    match &key.expiration {
        Some(Expiration::ExpireTime(end)) => end.seconds,
        other => panic!("no end but {other:?}"),
    }
}

/// The codes and fields of warnings.
fn told(warnings: &[proto::Warning]) -> Vec<(WarningCode, &str)> {
    warnings.iter().map(|warning| (warning.code(), warning.field.as_str())).collect()
}

/// The fields that a refused call names as wrong, each with what is said of it.
#[track_caller]
fn explained<T: std::fmt::Debug>(outcome: Result<Response<T>, Status>) -> Vec<(String, String)> {
    let status = refused(outcome, Code::InvalidArgument, "INVALID_FIELDS");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| (violation.field, violation.description)).collect()
}

/// One value of the metadata that a refusal carries.
#[track_caller]
fn metadata(status: &Status, key: &str) -> String {
    status.get_details_error_info().unwrap().metadata.get(key).unwrap().clone()
}
