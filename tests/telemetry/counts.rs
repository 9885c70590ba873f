//! Metrics: that there are all that are documented, and that they agree with what was done.

use std::{collections::BTreeMap, net::SocketAddr};

use keyward::{measure, proto, telemetry};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point::Value};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;

use crate::{
    LONG, World,
    fresh::Fresh,
    metrics_reader::{Metrics, get},
    question,
    receiver::{Received, Receiver, text},
};

/// `/metrics`: the type of each metric.
fn kinds(address: SocketAddr) -> BTreeMap<String, String> {
    let (_, body) = get(address, "/metrics");
    let told = body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    told.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// Waits until a series has this value.
pub(crate) async fn comes_to(address: SocketAddr, series: &str, value: f64) {
    let coming = async {
        while Metrics::of(address).0.get(series) != Some(&value) {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(LONG, coming).await;
    assert!(waited.is_ok(), "{series} is not {value}: {:#?}", Metrics::of(address));
}

fn ended(method: &str, status: &str) -> String {
    format!(
        "rpc_server_call_duration_seconds_count{{rpc_method=\"{method}\",rpc_response_status_code=\"{status}\",rpc_system_name=\"grpc\"}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_are_those_of_the_calls() {
    let world = World::new(&[]).await;
    let mut caller = world.caller().await;
    for _ in 0..17 {
        caller.introspect.introspect(question(&world.secret)).await.unwrap();
    }
    let requests = vec![question("no secret"), question(&world.secret), question("")];
    let batch = proto::BatchIntrospectRequest { requests };
    caller.introspect.batch_introspect(batch).await.unwrap();
    let items = [question(&world.secret), question("no secret")]
        .map(|request| proto::StreamIntrospectRequest { id: 1, request: Some(request) });
    let items = tonic::codegen::tokio_stream::iter(items);
    let mut answers = caller.introspect.stream_introspect(items).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    for _ in 0..3 {
        let name = "workspaces/system/keys/none".to_owned();
        let refused = caller.admin.get_key(proto::GetKeyRequest { name }).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
    }
    let mut stranger = crate::Caller::connect(world.serving.address, "no secret").await;
    stranger.introspect.introspect(question("")).await.unwrap_err();
    // As it is told to the caller, and not as libraries have it.
    let huge = question(&"x".repeat(5 << 20));
    let refused = caller.introspect.introspect(huge).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let address = world.serving.metrics;
    for (method, status, count) in [
        ("keyward.v1.Introspect/Introspect", "OK", 17.0),
        ("keyward.v1.Introspect/Introspect", "UNAUTHENTICATED", 1.0),
        ("keyward.v1.Introspect/Introspect", "RESOURCE_EXHAUSTED", 1.0),
        ("keyward.v1.Introspect/BatchIntrospect", "OK", 1.0),
        ("keyward.v1.Introspect/StreamIntrospect", "OK", 1.0),
        ("keyward.v1.KeyAdmin/GetKey", "NOT_FOUND", 3.0),
    ] {
        comes_to(address, &ended(method, status), count).await;
    }
    comes_to(address, "keyward_introspect_duration_seconds_count", 19.0).await;
    comes_to(address, "keyward_decisions_total{reason=\"ALLOWED\"}", 19.0).await;
    comes_to(address, "keyward_decisions_total{reason=\"INVALID_KEY\"}", 3.0).await;
    comes_to(address, "keyward_calls_in_flight{kind=\"usual\"}", 0.0).await;
    comes_to(address, "keyward_calls_in_flight{kind=\"question_stream\"}", 0.0).await;
    let open = Metrics::of(address).value("keyward_connections_open");
    assert!(open >= 2.0, "{open}");
    drop((caller, stranger, answers));
    comes_to(address, "keyward_connections_open", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_has_all_that_took_no_longer() {
    let world = World::new(&[]).await;
    let mut caller = world.caller().await;
    for _ in 0..5 {
        caller.introspect.introspect(question(&world.secret)).await.unwrap();
    }
    let name = "keyward_introspect_duration_seconds";
    comes_to(world.serving.metrics, &format!("{name}_bucket{{le=\"+Inf\"}}"), 5.0).await;
    let metrics = Metrics::of(world.serving.metrics);
    let mut buckets: Vec<(f64, f64)> = metrics
        .0
        .iter()
        .filter_map(|(series, count)| {
            let end = series.strip_prefix(&format!("{name}_bucket{{le=\""))?;
            Some((end.strip_suffix("\"}")?.parse().unwrap(), *count))
        })
        .collect();
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    assert_eq!(buckets[0].0, 0.000_05);
    assert!(buckets.is_sorted_by_key(|(_, count)| *count), "{buckets:?}");
    let sum = metrics.value(&format!("{name}_sum"));
    assert!(sum > 0.0 && sum < LONG.as_secs_f64(), "{sum}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_make_no_labels() {
    let world = World::new(&[]).await;
    let mut caller = world.caller().await;
    for stranger in ["hunter1", "hunter2"] {
        let path = format!("/keyward.v1.Introspect/{stranger}").parse().unwrap();
        let endpoint = format!("http://{}", world.serving.address);
        let channel = tonic::transport::Endpoint::from_shared(endpoint).unwrap();
        let mut client = tonic::client::Grpc::new(channel.connect().await.unwrap());
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        client.unary(tonic::Request::new(()), path, codec).await.unwrap_err();
    }
    caller.introspect.introspect(question(&world.secret)).await.unwrap();
    let told = Metrics::of(world.serving.metrics);
    let others = told.0.keys().filter(|series| series.contains("_count{rpc_method=\"_OTHER\""));
    let strangers = told.0.keys().filter(|series| series.contains("hunter"));
    assert_eq!((others.count(), strangers.count()), (1, 0), "{told:#?}");
}

/// A tenant all of whose names begin with `tenant`, with a key that is used, refused, limited and revoked. Gives its
/// secret.
async fn tenant(caller: &mut crate::Caller) -> String {
    let mut request = crate::a_policy("tenant-policy");
    let policy = request.policy.as_mut().unwrap();
    policy.scopes[0].name = "tenant:read".to_owned();
    policy.roles = vec![proto::Role {
        name: "tenant-role".to_owned(),
        scopes: vec!["tenant:read".to_owned()],
        ..Default::default()
    }];
    policy.key_types[0].prefix = "tenant_live".to_owned();
    let window = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    let limit =
        proto::RateLimit { name: "tenant-limit".into(), quota: 2, window, ..Default::default() };
    policy.plans = vec![proto::Plan {
        name: "tenant-plan".into(),
        key_limits: vec![limit],
        ..Default::default()
    }];
    caller.admin.create_policy(request).await.unwrap();
    let request = proto::CreateWorkspaceRequest {
        workspace_id: "tenant-workspace".to_owned(),
        workspace: Some(proto::Workspace {
            policy: "policies/tenant-policy".to_owned(),
            plan: "tenant-plan".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    caller.admin.create_workspace(request).await.unwrap();
    let parent = "workspaces/tenant-workspace".to_owned();
    let request = proto::CreatePrincipalRequest {
        parent: parent.clone(),
        principal_id: "tenant-owner".to_owned(),
        principal: Some(proto::Principal {
            display_name: "tenant".into(),
            kind: proto::PrincipalKind::User.into(),
            role: "tenant-role".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    caller.admin.create_principal(request).await.unwrap();
    let request = proto::CreateKeyRequest {
        parent: parent.clone(),
        key_id: "tenant-key".to_owned(),
        key: Some(proto::Key {
            display_name: "tenant".to_owned(),
            principal: format!("{parent}/principals/tenant-owner"),
            grants: vec![proto::Grant { scope: "tenant:read".into(), ..Default::default() }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let secret = caller.admin.create_key(request).await.unwrap().into_inner().secret;
    for (scope, resource) in [("", ""), ("", ""), ("", ""), ("tenant:read", "tenant/resource")] {
        let asked = proto::IntrospectRequest {
            required_scopes: Vec::from_iter(Some(scope.to_owned()).filter(|one| !one.is_empty())),
            resource: resource.to_owned(),
            ..question(&secret)
        };
        caller.introspect.introspect(asked).await.unwrap();
    }
    let request =
        proto::RevokeKeyRequest { name: format!("{parent}/keys/tenant-key"), ..Default::default() };
    caller.admin.revoke_key(request).await.unwrap();
    caller.introspect.introspect(question(&secret)).await.unwrap();
    secret
}

#[tokio::test(flavor = "multi_thread")]
async fn no_metric_tells_the_name_of_a_key_an_owner_or_a_workspace_or_a_secret() {
    let receiver = Receiver::start().await;
    let world = World::new(&[
        ("telemetry.otlp_endpoint", &receiver.url),
        ("telemetry.metrics_interval_ms", "100"),
    ])
    .await;
    let secret = tenant(&mut world.caller().await).await;
    let address = world.serving.metrics;
    comes_to(address, "keyward_introspect_duration_seconds_count", 5.0).await;
    for (reason, times) in [("ALLOWED", 2.0), ("RATE_LIMITED", 2.0), ("REVOKED", 1.0)] {
        let series = format!("keyward_decisions_total{{reason=\"{reason}\"}}");
        comes_to(address, &series, times).await;
    }
    let (_, told) = get(address, "/metrics");
    // As of a message that has the last decision.
    let has_it = |metric: &Metric| {
        let Some(Data::Sum(sum)) = &metric.data else { return false };
        metric.name == "keyward.decisions"
            && sum.data_points.iter().any(|point| {
                let is_one = matches!(point.value, Some(Value::AsInt(1)));
                is_one && text(&point.attributes, "reason") == "REVOKED"
            })
    };
    let received = receiver.until(|received| received.metrics.iter().any(has_it)).await;
    let sent = format!("{:?}", received.metrics);
    assert!(told.contains("reason=\"REVOKED\""), "{told}");
    let marks = ["tenant", "bootstrap", "workspaces/", "policies/", "127.0.0.1"];
    let secrets = [&secret[12..28], &secret[30..46], &world.secret[8..24]];
    for needle in marks.into_iter().chain(secrets) {
        assert!(!told.contains(needle), "{needle}: {told}");
        assert!(!sent.contains(needle), "{needle}: {sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_is_documented_is_told_by_its_type_to_both() {
    let database = Fresh::new().await;
    let (receiver, url) = (Receiver::start().await, database.url());
    let world = World::new(&[
        ("database.url", &url),
        ("database.migrate_on_start", "true"),
        ("telemetry.otlp_endpoint", &receiver.url),
        ("telemetry.metrics_interval_ms", "100"),
        ("telemetry.service_instance_id", "pod-7"),
    ])
    .await;
    let mut caller = world.caller().await;
    caller.admin.create_policy(crate::a_policy("one")).await.unwrap();
    caller.introspect.introspect(question(&world.secret)).await.unwrap();
    // Where there is no Redis nothing is told of it, and of certificates nothing where there is no TLS.
    let documented = || {
        let of_redis = ["keyward.limits.orders", "keyward.limits.redis_up"];
        telemetry::metrics().filter(move |metric| {
            !of_redis.contains(&metric.name) && !metric.name.starts_with("keyward.tls.")
        })
    };
    comes_to(world.serving.metrics, "keyward_barrier_wait_seconds_count", 1.0).await;
    let told = kinds(world.serving.metrics);
    for metric in documented() {
        let name = metric.prometheus_name();
        assert_eq!(told.get(&name).map(String::as_str), Some(metric.kind()), "{name}: {told:#?}");
    }
    // And nothing else.
    assert_eq!(told.len(), documented().count() + 1, "{told:#?}");
    let is_whole = |received: &Received| {
        documented().all(|metric| received.metrics.iter().any(|sent| sent.name == metric.name))
    };
    let received = receiver.until(is_whole).await;
    assert_eq!(text(&received.resource, "service.name"), "keyward");
    assert_eq!(text(&received.resource, "service.instance.id"), "pod-7");
    for metric in documented() {
        let sent = received.metrics.iter().find(|sent| sent.name == metric.name).unwrap();
        let kind = match sent.data.as_ref().unwrap() {
            Data::Gauge(_) => "gauge",
            Data::Sum(sum) if sum.is_monotonic => "counter",
            Data::Histogram(histogram) => {
                for point in &histogram.data_points {
                    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                }
                "histogram"
            }
            other => panic!("{}: {other:?}", metric.name),
        };
        assert_eq!((kind, sent.unit.as_str()), (metric.kind(), metric.unit), "{}", metric.name);
        assert_eq!(sent.description, metric.meaning);
    }
}

fn methods(descriptors: &[u8]) -> Vec<String> {
    let set = FileDescriptorSet::decode(descriptors).unwrap();
    let services = set.file.iter().flat_map(|file| {
        file.service.iter().map(|service| (file.package().to_owned(), service.clone()))
    });
    services
        .flat_map(|(package, service)| {
            let name = format!("{package}.{}", service.name());
            service.method.into_iter().map(move |method| format!("{name}/{}", method.name()))
        })
        .collect()
}

#[test]
fn every_method_that_is_served_is_known_and_no_other() {
    let mut served = methods(proto::DESCRIPTOR_SET);
    served.extend(methods(tonic_health::pb::FILE_DESCRIPTOR_SET));
    for version in ["v1", "v1alpha"] {
        let service = format!("grpc.reflection.{version}.ServerReflection");
        served.push(format!("{service}/ServerReflectionInfo"));
    }
    served.sort_unstable();
    let mut known = measure::METHODS.to_vec();
    known.sort_unstable();
    assert_eq!(known, served);
    assert_eq!(measure::METHODS.first(), Some(&"keyward.v1.Introspect/Introspect"));
}
