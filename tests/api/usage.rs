//! What is counted of the use of keys, and how it is told.

mod get;
mod last_used;
mod rotation_due;
mod together;

use keyward::proto::{self, GetUsageRequest, GetUsageResponse};
use prost_types::Timestamp;

use crate::support::{Caller, Server, policy};

/// A server with the workspaces `acme` and `other` that writes what it counts at once.
async fn counting() -> (Server, Caller) {
    counting_under(policy()).await
}

async fn counting_under(policy: proto::Policy) -> (Server, Caller) {
    let server = Server::start_with(|settings| settings.usage.flush_interval_ms = 10).await;
    let mut root = server.root().await;
    root.create_policy("acme", policy).await;
    root.create_workspace("acme", "policies/acme").await;
    root.create_workspace("other", "policies/acme").await;
    (server, root)
}

/// A moment so many seconds from now.
fn in_seconds(seconds: i64) -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp { seconds: i64::try_from(now.as_secs()).unwrap() + seconds, nanos: 0 }
}

/// The usage of the last hours and the one to come.
fn request(name: &str) -> GetUsageRequest {
    GetUsageRequest {
        name: name.to_owned(),
        start_time: Some(in_seconds(-7_200)),
        end_time: Some(in_seconds(3_600)),
        ..GetUsageRequest::default()
    }
}

async fn usage(caller: &mut Caller, request: GetUsageRequest) -> GetUsageResponse {
    caller.admin.get_usage(request).await.unwrap().into_inner()
}

/// All calls that an answer tells of.
fn calls(usage: &GetUsageResponse) -> i64 {
    usage.points.iter().flat_map(|point| &point.counts).map(|count| count.calls).sum()
}

/// The usage, once it has so many calls. It never has more.
async fn with_calls(caller: &mut Caller, name: &str, expected: i64) -> GetUsageResponse {
    let told = async {
        loop {
            let usage = usage(caller, request(name)).await;
            assert!(calls(&usage) <= expected, "{usage:?}");
            if calls(&usage) == expected {
                return usage;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), told).await.unwrap()
}
