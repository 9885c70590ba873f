//! What happens to a call before and after the services: [`edge`].
//!
//! | what | answer | reason |
//! |---|---|---|
//! | not POST; not `application/grpc` | HTTP 405; HTTP 415 | – |
//! | more calls of its kind in flight than the process takes | RESOURCE_EXHAUSTED, RetryInfo | TOO_MANY_IN_FLIGHT |
//! | a `grpc-timeout` that is none | INVALID_ARGUMENT | MALFORMED_REQUEST |
//! | the deadline passes | DEADLINE_EXCEEDED | DEADLINE_EXCEEDED |
//! | no message, or bytes that are no message | INVALID_ARGUMENT | MALFORMED_REQUEST |
//! | a compressed message | UNIMPLEMENTED | MALFORMED_REQUEST |
//! | a message too large | RESOURCE_EXHAUSTED | MESSAGE_TOO_LARGE |
//! | no such method | UNIMPLEMENTED | UNKNOWN_METHOD |
//! | a panic | INTERNAL | INTERNAL |
//! | the server ends during a stream, or its connection is too old | UNAVAILABLE | SHUTTING_DOWN |
//!
//! Calls of `Introspect` that can be answered from memory are answered before they come to the services, within the same
//! bounds ([`Edge::quickened`]); one of a caller who is at hand, whose message is not here yet, waits for it in its place.
//!
//! Calls are of six kinds, and none takes the places of another, so that strangers keep nobody out:
//!
//! | kind | which | in flight at once |
//! |---|---|---|
//! | usual | `Introspect`, and methods that do not exist | [`EdgeLimits::max_in_flight`] |
//! | admin | `KeyAdmin` | as many |
//! | stream of questions | `StreamIntrospect`: as long as its caller likes | [`QUESTION_STREAMS_MAX`] |
//! | check | `Health/Check`: short, and open to everybody; one more takes the place of the oldest | 1,000 |
//! | open stream | reflection: as long as clients like, and open to everybody | [`OPEN_STREAMS_MAX`] |
//! | watch | `Health/Watch`: the same; one too many is answered UNIMPLEMENTED, by which clients do without | [`WATCHES_MAX`] |

mod at_once;
mod body;
mod deadline;
mod ending;
mod explain;
mod line;
mod places;
mod protocol;
mod rest;
mod resumed;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::quick::Quick;
use crate::server::{Connected, Serves};
pub(super) use deadline::exceeded;
pub use line::{Answering, Line, Read};
use places::Places;
pub(super) use places::too_many_in_flight;
pub use places::{OPEN_STREAMS_MAX, QUESTION_STREAMS_MAX, WATCHES_MAX};
use rest::Rests;
pub use watch::Watch;

/// When a call ends, whether or not there is an answer; in its extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends(pub(super) Instant);

/// How long a stream of questions goes on; in its extensions.
#[derive(Debug, Clone)]
pub(super) struct StreamTerms {
    /// All of it. None: as long as its caller likes.
    pub(super) whole: Option<Duration>,
    /// Each of its questions.
    pub(super) question: Duration,
    /// Cancelled when the server ends, or the connection for its age: no more questions are read.
    pub(super) stop: CancellationToken,
    /// To be cancelled when the stream is over, also where its caller has not read all of it.
    pub(super) over: CancellationToken,
}

/// What the caller of a stream may take to read its end, which otherwise would keep its place for as long as it likes.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// The bounds of every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeLimits {
    /// What a call may take at most, and when its caller names no deadline.
    pub deadline_max: Duration,
    /// Usual calls in flight at once, and calls of `KeyAdmin`.
    pub max_in_flight: usize,
    /// Bytes of one request message, as told to callers. The generated services enforce it
    /// (`max_decoding_message_size`) and must have been given the same number.
    pub max_message_bytes: usize,
}

/// Puts `routes` behind the checks above. All clones share one count of calls in flight.
///
/// The deadline bounds a call, also where its caller does not read the answer, but no stream: an open one ends with its
/// caller, and when its connection is to end. A stream of questions bounds itself, by the time that its caller gives it
/// and by that, so that the questions it has taken are answered. A call is in flight until its response's body has ended,
/// streams too; one whose end is not read within [`READ_WITHIN`] is cut. What is left unread of a request is read after
/// the answer.
#[must_use]
pub fn edge(routes: Routes, limits: EdgeLimits, watch: Watch) -> Edge {
    let places = Arc::new(Places::new(limits.max_in_flight));
    let taken = Arc::clone(&places);
    watch.calls.watch_places(move || taken.taken());
    let rests = Rests::new(limits.max_message_bytes);
    Edge(Arc::new(Parts { routes, quick: None, places, rests, limits, watch }))
}

/// What is served behind the checks above.
#[derive(Clone)]
pub struct Edge(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    routes: Routes,
    quick: Option<Quick>,
    places: Arc<Places>,
    rests: Rests,
    limits: EdgeLimits,
    watch: Watch,
}

impl Edge {
    /// The same, where this answers what it can, and the services the rest: nobody can tell by the answers.
    #[must_use]
    pub fn quickened(self, quick: Quick) -> Self {
        Self(Arc::new(Parts { quick: Some(quick), ..Parts::clone(&self.0) }))
    }
}

impl Serves for Edge {
    type Calls = Line;

    fn connection(&self, connected: Connected) -> Line {
        Line::new(Arc::clone(&self.0), connected)
    }
}
