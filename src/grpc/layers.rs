//! What happens to a call before and after the services: [`edge`].
//!
//! | what | answer | reason |
//! |---|---|---|
//! | not POST; not `application/grpc` | HTTP 405; HTTP 415 | – |
//! | more calls in flight than the process takes | RESOURCE_EXHAUSTED, RetryInfo | TOO_MANY_IN_FLIGHT |
//! | a `grpc-timeout` that is none | INVALID_ARGUMENT | MALFORMED_REQUEST |
//! | the deadline passes | DEADLINE_EXCEEDED | DEADLINE_EXCEEDED |
//! | no message, or bytes that are no message | INVALID_ARGUMENT | MALFORMED_REQUEST |
//! | a compressed message | UNIMPLEMENTED | MALFORMED_REQUEST |
//! | a message too large | RESOURCE_EXHAUSTED | MESSAGE_TOO_LARGE |
//! | no such method | UNIMPLEMENTED | UNKNOWN_METHOD |
//! | a panic | INTERNAL | INTERNAL |

mod deadline;
mod explain;
mod protocol;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::{Service, ServiceExt as _};

use super::status::{info, panicked, with_details};
use crate::proto::ErrorReason;

/// When a caller should try again that met TOO_MANY_IN_FLIGHT: most calls take less.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// The bounds of every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeLimits {
    /// What a call may take at most, and when its caller names no deadline.
    pub deadline_max: Duration,
    /// Calls in flight at once.
    pub max_in_flight: usize,
    /// Bytes of one request message, as told to callers. The generated services enforce it
    /// (`max_decoding_message_size`) and must have been given the same number.
    pub max_message_bytes: usize,
}

/// Puts `routes` behind the checks above. All clones share one count of calls in flight.
///
/// The deadline bounds the time to the response's head: all of a unary call, but not the messages of a server stream,
/// which ends with its caller. A call is in flight until its response's body has ended, streams too.
pub fn edge<B>(
    routes: Routes,
    limits: EdgeLimits,
) -> impl Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static
where
    B: hyper::body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.max_in_flight.min(Semaphore::MAX_PERMITS)));
    tower::service_fn(move |request| {
        let (routes, places) = (routes.clone(), Arc::clone(&places));
        async move { Ok(answer(routes, places, limits, request).await) }
    })
}

async fn answer<B>(
    routes: Routes,
    places: Arc<Semaphore>,
    limits: EdgeLimits,
    request: Request<B>,
) -> Response<Body>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + 'static,
{
    if let Some(response) = protocol::refuse(&request) {
        return response;
    }
    let Ok(place) = places.try_acquire_owned() else {
        return too_many_in_flight(limits.max_in_flight).into_http();
    };
    let deadline = match deadline::of(request.headers(), limits.deadline_max) {
        Ok(deadline) => deadline,
        Err(status) => return status.into_http(),
    };
    let answer = AssertUnwindSafe(routes.oneshot(request)).catch_unwind();
    match tokio::time::timeout(deadline, answer).await {
        Ok(Ok(Ok(response))) => finish(response, place, limits.max_message_bytes),
        Ok(Err(_)) => panicked().into_http(),
        Err(_) => deadline::exceeded(deadline).into_http(),
    }
}

/// Explains the errors that tonic does not, and keeps `place` until the body has ended.
fn finish(
    response: Response<Body>,
    place: OwnedSemaphorePermit,
    max_message_bytes: usize,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    explain::explain(&mut head.headers, max_message_bytes);
    let body = body.map_frame(move |mut frame| {
        let _until_the_end = &place;
        if let Some(trailers) = frame.trailers_mut() {
            explain::explain(trailers, max_message_bytes);
        }
        frame
    });
    Response::from_parts(head, Body::new(body))
}

fn too_many_in_flight(max_in_flight: usize) -> Status {
    let mut details =
        info(ErrorReason::TooManyInFlight, [("max_in_flight", max_in_flight.to_string())]);
    details.set_retry_info(Some(RETRY_DELAY));
    with_details(
        &Status::resource_exhausted(
            "the server has as many calls in flight as it takes; try again",
        ),
        details,
    )
}
