//! A Redis that speaks TLS.

use std::{path::Path, process::Command};

use keyward::proto;
use tempfile::TempDir;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::{
    authority::Authority, caller::Caller, fresh::Fresh, furnish_with, metrics::until,
    metrics_reader::Metrics, policy, process::Deployment, refused,
};

/// A server with the certificate in its directory, which ends with the value.
struct Redis(TempDir);

impl Redis {
    /// Does what the script does by this name, and gives what it says.
    fn ctl(&self, command: &str) -> String {
        let ctl = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redis/ctl");
        let mut run = Command::new(ctl);
        let output = run.env("KEYWARD_REDIS_TLS", self.0.path()).arg(command).arg(self.0.path());
        let output = output.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.ctl("stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_counted_by_a_redis_whose_certificate_is_trusted_and_by_no_other() {
    let authority = Authority::new("redis");
    let issued = authority.server();
    let redis = Redis(tempfile::tempdir().unwrap());
    for (name, text) in
        [("ca.crt", &authority.pem), ("tls.crt", &issued.certificate), ("tls.key", &issued.key)]
    {
        std::fs::write(redis.0.path().join(name), text).unwrap();
    }
    let url = redis.ctl("start");
    assert!(url.starts_with("rediss://"), "{url}");
    let database = Fresh::new().await;
    let deployment = Deployment::new(&[
        ("database.url", &database.url()),
        ("database.migrate_on_start", "true"),
        ("limits.redis_url", &url),
        ("limits.redis_timeout_ms", "5000"),
        ("limits.without_redis", "refuse"),
    ]);
    let root = deployment.bootstrap();
    // The authorities of the system are in this file.
    let trusts =
        [("SSL_CERT_FILE".to_owned(), redis.0.path().join("ca.crt").display().to_string())];
    let trusting = deployment.start_with(ServingStatus::Serving, &trusts).await;
    let distrustful = deployment.serve().await;
    let up = |of| Metrics::of(of).value("keyward_limits_redis_up");
    until(trusting.metrics, |_| up(trusting.metrics) > 0.5).await;
    let mut caller = Caller::connect(trusting.address, &root).await;
    let limit = proto::RateLimit {
        name: "all".to_owned(),
        quota: 100,
        window: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
        ..Default::default()
    };
    let plan =
        proto::Plan { name: "limited".to_owned(), key_limits: vec![limit], ..Default::default() };
    let policy = proto::Policy { plans: vec![plan], ..policy() };
    furnish_with(&mut caller, "web", policy, "limited").await;
    let key = proto::CreateKeyRequest {
        parent: "workspaces/web".to_owned(),
        key: Some(proto::Key {
            display_name: "limited".to_owned(),
            grants: vec![proto::Grant { scope: "docs:read".to_owned(), ..Default::default() }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let secret = caller.admin.create_key(key).await.unwrap().into_inner().secret;
    let question = proto::IntrospectRequest { secret, cost: 1, ..Default::default() };
    assert!(caller.introspect.introspect(question.clone()).await.unwrap().into_inner().active);
    assert!(up(distrustful.metrics) < 0.5);
    let mut caller = Caller::connect(distrustful.address, &root).await;
    refused(caller.introspect.introspect(question).await, "LIMITS_UNAVAILABLE");
}
