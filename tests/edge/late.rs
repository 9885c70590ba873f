//! A call that waited for its turn on its thread.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use keyward::{
    grpc::layers::{EdgeLimits, Watch, edge},
    server::{Connected, Leaving, Serves as _},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, service::Routes};

use crate::support::{CHECK, EMPTY_MESSAGE, LONG};

/// A check that came two seconds ago, of one that waits so long for its answer.
async fn asked(timeout: &str) -> Code {
    let limits = EdgeLimits { deadline_max: LONG, max_in_flight: 1, max_message_bytes: 1_024 };
    let (_, health) = tonic_health::server::health_reporter();
    let stop = CancellationToken::new();
    let leaving = Leaving(Arc::new(stop.clone()));
    let connected = Connected { peer: ([127, 0, 0, 1], 1).into(), leaving, presented: None };
    let line = edge(Routes::new(health), limits, Watch::default()).connection(connected);
    let request = Request::post(CHECK)
        .header("content-type", "application/grpc")
        .header("grpc-timeout", timeout)
        .body(Full::new(Bytes::from_static(EMPTY_MESSAGE)))
        .unwrap();
    let arrived = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
    let response = line.answer_to(request, arrived).await;
    // Without a status in its head it is an answer.
    Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
}

#[tokio::test]
async fn a_call_whose_time_was_over_before_its_turn_came_is_not_begun() {
    assert_eq!(asked("1S").await, Code::DeadlineExceeded);
    assert_eq!(asked("30S").await, Code::Ok);
}
