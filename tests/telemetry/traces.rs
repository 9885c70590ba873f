//! Traces: which spans there are, and how they hang together.

use std::collections::HashMap;

use futures_util::future::join_all;
use keyward::proto::UpdatePolicyRequest;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};

use crate::{
    World, a_policy,
    fresh::Fresh,
    question,
    receiver::{Received, Receiver, text},
    traced,
};

const CLIENT: &str = "b7ad6b7169203331";

/// The number of a trace, as the headers have it.
fn trace(number: u32) -> String {
    format!("{:032x}", 0x0af7_0000_u64 + u64::from(number))
}

/// What a caller says of it whose span is [`CLIENT`].
fn parent(number: u32, flags: &str) -> String {
    format!("00-{}-{CLIENT}-{flags}", trace(number))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_trace<'a>(received: &'a Received, trace: &str) -> Vec<&'a Span> {
    received.spans.iter().filter(|span| hex(&span.trace_id) == trace).collect()
}

fn ended(received: &Received, trace: &str, name: &str) -> bool {
    of_trace(received, trace).iter().any(|span| span.name == name)
}

/// Sees to it that the client's span, the server's and all beneath it are one tree; gives the
/// server's.
#[track_caller]
fn is_one_tree<'a>(spans: &[&'a Span], method: &str) -> &'a Span {
    let by_id: HashMap<_, _> = spans.iter().map(|span| (hex(&span.span_id), *span)).collect();
    assert_eq!(by_id.len(), spans.len());
    let servers: Vec<_> = spans.iter().filter(|span| hex(&span.parent_span_id) == CLIENT).collect();
    let [server] = &servers[..] else { panic!("{servers:?}") };
    assert_eq!((server.name.as_str(), server.kind()), (method, SpanKind::Server));
    for span in spans {
        let mut above = *span;
        while above.span_id != server.span_id {
            let next = by_id.get(&hex(&above.parent_span_id));
            above = next.unwrap_or_else(|| panic!("{} hangs on nothing", above.name));
        }
    }
    server
}

async fn joins(database: &[(&str, &str)], system: &str) {
    let receiver = Receiver::start().await;
    let mut settings = vec![("telemetry.otlp_endpoint", receiver.url.as_str())];
    settings.extend(database);
    let world = World::new(&settings).await;
    let mut caller = world.caller().await;

    // What makes a change waits for the database, and on PostgreSQL for the replicas.
    let method = "keyward.v1.KeyAdmin/CreatePolicy";
    let mut request = traced(a_policy("one"), &parent(1, "01"));
    request.metadata_mut().insert("tracestate", "vendor=value".parse().unwrap());
    caller.admin.create_policy(request).await.unwrap();
    let received = receiver.until(|received| ended(received, &trace(1), method)).await;
    let spans = of_trace(&received, &trace(1));
    let server = is_one_tree(&spans, method);
    assert_eq!(server.trace_state, "vendor=value");
    for (name, value) in [
        ("rpc.system.name", "grpc"),
        ("rpc.method", method),
        ("rpc.response.status_code", "OK"),
        ("error.type", ""),
    ] {
        assert_eq!(text(&server.attributes, name), value, "{name}");
    }
    let statements: Vec<_> =
        spans.iter().filter(|span| !text(&span.attributes, "db.system.name").is_empty()).collect();
    for span in &statements {
        assert_eq!(span.kind(), SpanKind::Client, "{}", span.name);
        assert_eq!(text(&span.attributes, "db.system.name"), system);
        assert_eq!(text(&span.attributes, "db.query.summary"), span.name);
        assert!(!span.name.contains(['\'', '"', '?', '$']), "{}", span.name);
    }
    for name in ["BEGIN", "INSERT policies", "INSERT events", "COMMIT"] {
        assert!(statements.iter().any(|span| span.name == name), "{name}: {statements:?}");
    }

    // Of what was made anew nobody has an older state; of what is changed others may.
    let method = "keyward.v1.KeyAdmin/UpdatePolicy";
    let mut policy = a_policy("one").policy.unwrap();
    (policy.name, policy.display_name) = ("policies/one".to_owned(), "One".to_owned());
    let update = UpdatePolicyRequest { policy: Some(policy), ..Default::default() };
    caller.admin.update_policy(traced(update, &parent(3, "01"))).await.unwrap();
    let received = receiver.until(|received| ended(received, &trace(3), method)).await;
    let spans = of_trace(&received, &trace(3));
    is_one_tree(&spans, method);
    let waits = spans.iter().filter(|span| span.name == "barrier.wait").count();
    assert_eq!(waits, usize::from(system == "postgresql"));

    // A question that is answered from memory is one, too.
    let method = "keyward.v1.Introspect/Introspect";
    let request = traced(question(&world.secret), &parent(2, "01"));
    assert!(caller.introspect.introspect(request).await.unwrap().into_inner().active);
    let received = receiver.until(|received| ended(received, &trace(2), method)).await;
    is_one_tree(&of_trace(&received, &trace(2)), method);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_joins_client_server_and_statements_on_sqlite() {
    joins(&[], "sqlite").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_joins_client_server_and_statements_on_postgresql() {
    let database = Fresh::new().await;
    let url = database.url();
    joins(&[("database.url", &url), ("database.migrate_on_start", "true")], "postgresql").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_of_a_key_is_part_of_the_trace_of_who_asked() {
    let receiver = Receiver::start().await;
    let world = World::new(&[("telemetry.otlp_endpoint", &receiver.url)]).await;
    let mut caller = world.caller().await;
    // The first call of a process finds nothing in memory, not even its caller.
    let request = traced(question(&world.secret), &parent(1, "01"));
    caller.introspect.introspect(request).await.unwrap();
    let method = "keyward.v1.Introspect/Introspect";
    let received = receiver.until(|received| ended(received, &trace(1), method)).await;
    let spans = of_trace(&received, &trace(1));
    is_one_tree(&spans, method);
    for name in ["cache.load", "cache.wait", "SELECT keys"] {
        assert!(spans.iter().any(|span| span.name == name), "{name}: {spans:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_wants_recorded_is_not() {
    let receiver = Receiver::start().await;
    let world = World::new(&[("telemetry.otlp_endpoint", &receiver.url)]).await;
    let mut caller = world.caller().await;
    for number in 1..=3 {
        let request = traced(question(&world.secret), &parent(number, "00"));
        caller.introspect.introspect(request).await.unwrap();
        caller.admin.create_policy(a_policy(&format!("policy-{number}"))).await.unwrap();
        let broken = traced(question(&world.secret), "00-hunter2-01");
        caller.introspect.introspect(broken).await.unwrap();
    }
    // Spans are sent in the order in which they end.
    let method = "keyward.v1.Introspect/Introspect";
    let request = traced(question(&world.secret), &parent(7, "01"));
    caller.introspect.introspect(request).await.unwrap();
    let received = receiver.until(|received| ended(received, &trace(7), method)).await;
    assert_eq!(of_trace(&received, &trace(7)).len(), received.spans.len(), "{:?}", received.spans);
    // Of a question that is answered from memory there is one span.
    assert_eq!(received.spans.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ratio_begins_traces_and_a_callers_no_is_a_no() {
    let receiver = Receiver::start().await;
    let settings =
        [("telemetry.otlp_endpoint", receiver.url.as_str()), ("telemetry.sample_ratio", "1")];
    let world = World::new(&settings).await;
    let mut caller = world.caller().await;
    let request = traced(question(&world.secret), &parent(1, "00"));
    caller.introspect.introspect(request).await.unwrap();
    let unknown = keyward::proto::GetKeyRequest { name: "workspaces/a/keys/b".to_owned() };
    caller.admin.get_key(unknown).await.unwrap_err();
    let method = "keyward.v1.KeyAdmin/GetKey";
    let by_name = |received: &Received| received.spans.iter().any(|span| span.name == method);
    let received = receiver.until(by_name).await;
    assert!(of_trace(&received, &trace(1)).is_empty());
    let root = received.spans.iter().find(|span| span.name == method).unwrap();
    assert!(root.parent_span_id.is_empty(), "{root:?}");
    // That something is not there is no fault of the server's.
    assert_eq!(text(&root.attributes, "rpc.response.status_code"), "NOT_FOUND");
    assert!(root.status.as_ref().is_none_or(|status| status.code() == StatusCode::Unset));
}

/// What is sampled is decided by the settings alone.
#[tokio::test(flavor = "multi_thread")]
async fn variables_of_libraries_change_nothing() {
    let receiver = Receiver::start().await;
    let settings =
        [("telemetry.otlp_endpoint", receiver.url.as_str()), ("telemetry.sample_ratio", "1")];
    let variables = [
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
    ];
    let world = World::with(&settings, &variables).await;
    world.caller().await.introspect.introspect(question(&world.secret)).await.unwrap();
    let method = "keyward.v1.Introspect/Introspect";
    let by_name = |received: &Received| received.spans.iter().any(|span| span.name == method);
    let received = receiver.until(by_name).await;
    let span = received.spans.iter().find(|span| span.name == method).unwrap();
    assert_eq!(text(&span.attributes, "rpc.response.status_code"), "OK");
}

/// Changes of several callers at once.
const AT_ONCE: u32 = 16;
/// How often they try to meet.
const ROUNDS: u32 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_serves_many_is_linked_to_all_of_them() {
    let receiver = Receiver::start().await;
    let world = World::new(&[
        ("telemetry.otlp_endpoint", &receiver.url),
        ("telemetry.caller_traces_per_s", "1000"),
    ])
    .await;
    let caller = world.caller().await;
    for round in 0..ROUNDS {
        let numbers = (0..AT_ONCE).map(|number| round * AT_ONCE + number + 1);
        join_all(numbers.clone().map(|number| {
            let mut caller = caller.clone();
            let request = traced(a_policy(&format!("policy-{number}")), &parent(number, "01"));
            async move { caller.admin.create_policy(request).await.unwrap() }
        }))
        .await;
        let method = "keyward.v1.KeyAdmin/CreatePolicy";
        let all = |received: &Received| {
            numbers.clone().all(|number| ended(received, &trace(number), method))
        };
        let received = receiver.until(all).await;
        for number in numbers.clone() {
            is_one_tree(&of_trace(&received, &trace(number)), method);
        }
        let by_id: HashMap<_, _> =
            received.spans.iter().map(|span| (span.span_id.clone(), span)).collect();
        let group = received
            .spans
            .iter()
            .find(|span| span.name == "commit.group" && !span.links.is_empty());
        let Some(group) = group else { continue };
        for link in &group.links {
            let other = by_id[&link.span_id];
            assert_eq!((other.name.as_str(), &other.trace_id), ("commit", &link.trace_id));
            assert_ne!(other.trace_id, group.trace_id);
            let back = other.links.iter().any(|link| link.span_id == group.span_id);
            assert!(back, "{other:?}");
        }
        return;
    }
    panic!("{ROUNDS} rounds of {AT_ONCE} changes at once, and none met another");
}
