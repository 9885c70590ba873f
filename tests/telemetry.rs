//! What the real program tells of itself: traces and metrics to a collector of OpenTelemetry,
//! metrics to Prometheus, and lines to its log.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "tls/authority.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod authority;
#[path = "kill/caller.rs"]
mod caller;
#[path = "telemetry/connection.rs"]
mod connection;
#[path = "telemetry/counts.rs"]
mod counts;
#[path = "postgres/database.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod fresh;
#[path = "telemetry/level.rs"]
mod level;
#[path = "metrics/reader.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod metrics_reader;
#[path = "kill/process.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod process;
#[path = "telemetry/receiver.rs"]
mod receiver;
#[path = "telemetry/strangers.rs"]
mod strangers;
#[path = "telemetry/traces.rs"]
mod traces;
#[path = "telemetry/trouble.rs"]
mod trouble;

use std::time::Duration;

use keyward::proto;
use process::{Deployment, Serving};
use tonic::Request;
use tonic_health::pb::health_check_response::ServingStatus;

use caller::Caller;

/// More than anything takes, even on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

/// A program that serves, with the secret of a caller that may do everything.
struct World {
    deployment: Deployment,
    serving: Serving,
    secret: String,
}

impl World {
    async fn new(settings: &[(&str, &str)]) -> Self {
        Self::with(settings, &[]).await
    }

    /// With these variables beside the settings.
    async fn with(settings: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        let deployment = Deployment::new(settings);
        let secret = deployment.bootstrap();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let serving = deployment.start_with(ServingStatus::Serving, &variables).await;
        Self { deployment, serving, secret }
    }

    async fn caller(&self) -> Caller {
        Caller::connect(self.serving.address, &self.secret).await
    }

    /// Waits until the log has so many lines with this.
    async fn logs(&self, text: &str, count: usize) {
        let coming = async {
            while self.deployment.log().matches(text).count() < count {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(LONG, coming).await;
        assert!(waited.is_ok(), "no {text:?} in {}", self.deployment.log());
    }
}

/// A request of a caller with this to say of its trace.
fn traced<M>(message: M, parent: &str) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    request
}

fn question(secret: &str) -> proto::IntrospectRequest {
    proto::IntrospectRequest { secret: secret.to_owned(), ..Default::default() }
}

fn a_policy(id: &str) -> proto::CreatePolicyRequest {
    let scope = proto::Scope { name: "docs:read".to_owned(), ..Default::default() };
    let key_type = proto::KeyType {
        name: "live".to_owned(),
        prefix: "web_live".to_owned(),
        is_default: true,
        ..Default::default()
    };
    let policy =
        proto::Policy { scopes: vec![scope], key_types: vec![key_type], ..Default::default() };
    proto::CreatePolicyRequest {
        policy_id: id.to_owned(),
        policy: Some(policy),
        ..Default::default()
    }
}
