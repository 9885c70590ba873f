//! What callers, and who is none, have traced by their word.

use keyward::proto::IntrospectRequest;
use tonic::{Code, Request, transport::Endpoint};

use crate::{Caller, World, counts::comes_to, question, receiver::Receiver, traced};

const CALLS: u32 = 50;

const INTROSPECT: &str = "keyward.v1.Introspect/Introspect";

/// The number of a trace, as the headers have it.
fn parent(number: u32) -> String {
    format!("00-{:032x}-b7ad6b7169203331-01", u64::from(number) + 1)
}

fn refused(times: u32) -> (&'static str, f64) {
    ("keyward_telemetry_spans_total{outcome=\"refused\"}", f64::from(times))
}

/// A question of a caller whose vendor has so much to say.
fn wordy(secret: &str, number: u32, length: usize) -> Request<IntrospectRequest> {
    let mut request = traced(question(secret), &parent(number));
    let state = format!("vendor={}", "x".repeat(length));
    request.metadata_mut().insert("tracestate", state.parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_say_of_traces_makes_no_span_and_takes_nothing_from_callers() {
    let receiver = Receiver::start().await;
    let world = World::new(&[
        ("telemetry.otlp_endpoint", &receiver.url),
        ("telemetry.caller_traces_per_s", "1"),
    ])
    .await;
    // One digit less, and the secret is nobody's.
    let forged = &world.secret[..world.secret.len() - 1];
    let mut stranger = Caller::connect(world.serving.address, forged).await;
    for number in 0..CALLS {
        let told = stranger.introspect.introspect(wordy("", number, 250)).await.unwrap_err();
        assert_eq!(told.code(), Code::Unauthenticated);
    }
    let endpoint = Endpoint::from_shared(format!("http://{}", world.serving.address)).unwrap();
    let mut nobody = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
    for _ in 0..CALLS {
        nobody.ready().await.unwrap();
        let path = "/keyward.v1.Introspect/Nothing".parse().unwrap();
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        nobody.unary(traced((), &parent(CALLS)), path, codec).await.unwrap_err();
    }
    let (refused, times) = refused(2 * CALLS);
    comes_to(world.serving.metrics, refused, times).await;

    let mut caller = world.caller().await;
    caller.introspect.introspect(wordy(&world.secret, 0, 250)).await.unwrap();
    let received =
        receiver.until(|received| received.spans.iter().any(|span| span.name == INTROSPECT)).await;
    let calls = received.spans.iter().filter(|span| span.name == INTROSPECT);
    assert_eq!(calls.count(), 1);
    assert!(!received.spans.iter().any(|span| span.name.contains("_OTHER")));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_have_no_more_traced_than_they_may() {
    let receiver = Receiver::start().await;
    let world = World::new(&[
        ("telemetry.otlp_endpoint", &receiver.url),
        ("telemetry.caller_traces_per_s", "0"),
    ])
    .await;
    let mut caller = world.caller().await;
    for number in 0..CALLS {
        let request = traced(question(&world.secret), &parent(number));
        assert!(caller.introspect.introspect(request).await.unwrap().into_inner().active);
    }
    let (refused, times) = refused(CALLS);
    comes_to(world.serving.metrics, refused, times).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_to_say_of_a_trace_is_not_passed_on() {
    let receiver = Receiver::start().await;
    let world = World::new(&[("telemetry.otlp_endpoint", &receiver.url)]).await;
    let mut caller = world.caller().await;
    let all = 3_usize;
    for (number, length) in (0..).zip([100, 250, 8_000]) {
        // Vendors may say 256 bytes each.
        let mut request = wordy(&world.secret, number, length.min(250));
        let more = length / 250;
        let state = request.metadata().get("tracestate").unwrap().to_str().unwrap().to_owned();
        let state: Vec<_> = (0..more.max(1)).map(|vendor| format!("v{vendor}{state}")).collect();
        request.metadata_mut().insert("tracestate", state.join(",").parse().unwrap());
        caller.introspect.introspect(request).await.unwrap();
    }
    let received = receiver
        .until(|received| {
            let calls = received.spans.iter().filter(|span| span.name == INTROSPECT);
            calls.count() == all
        })
        .await;
    let calls = received.spans.iter().filter(|span| span.name == INTROSPECT);
    let lengths: Vec<_> = calls.map(|span| span.trace_state.len()).collect();
    assert_eq!(lengths, [109, 259, 0]);
}
