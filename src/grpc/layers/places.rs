//! How many calls of each kind are in flight at once.
//!
//! Whoever reaches the port may ask for health and for reflection. Such calls have places of their own, or strangers
//! could take those of all others.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    grpc::status::{info, with_details},
    measure::KINDS,
    proto::ErrorReason,
    server::Oldest,
};

/// Streams of reflection in flight at once, which need no caller. Each lasts as long as its client likes.
pub const OPEN_STREAMS_MAX: usize = 100;

/// Watches of health in flight at once, which need no caller either: each client has one on each connection, for as
/// long as that is open. An idle one is a task that waits and little else.
pub const WATCHES_MAX: usize = 10_000;

/// Streams of questions in flight at once. Each lasts as long as its caller likes, and takes no place of a call.
pub const QUESTION_STREAMS_MAX: usize = 1_000;

/// Checks of health in flight at once. Many more than anybody needs; one more takes the place of the oldest, which waits
/// for its client: else a stranger who leaves so many open would have the server thought ill.
pub(super) const CHECKS_MAX: usize = 1_000;

/// When a caller should try again that met TOO_MANY_IN_FLIGHT: most calls take less.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// What a call is to those who count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A call of a service that asks who calls, or of none.
    Usual,
    /// A call of `KeyAdmin`: many may wait for the database, and questions must not wait behind them.
    Admin,
    /// A stream of questions, of a caller that is known.
    QuestionStream,
    /// A check of health: short, and open to everybody.
    Check,
    /// Anything else that is open to everybody, which may go on for ever.
    OpenStream,
    /// A watch of health, which does.
    Watch,
}

impl Kind {
    /// The kind of calls to `path`.
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/grpc.health.v1.Health/Check" => Self::Check,
            "/grpc.health.v1.Health/Watch" => Self::Watch,
            "/keyward.v1.Introspect/StreamIntrospect" => Self::QuestionStream,
            _ if path.starts_with("/grpc.health.v1.Health/")
                || path.starts_with("/grpc.reflection.") =>
            {
                Self::OpenStream
            }
            _ if path.starts_with("/keyward.v1.KeyAdmin/") => Self::Admin,
            _ => Self::Usual,
        }
    }
}

/// The places of all kinds; none takes those of another.
#[derive(Debug)]
pub(super) struct Places {
    usual: Bounded,
    admin: Bounded,
    question_streams: Bounded,
    checks: Bounded,
    /// Checks that may have to go.
    oldest_checks: Mutex<Oldest>,
    open_streams: Bounded,
    watches: Bounded,
}

impl Places {
    /// Places for `max_in_flight` usual calls, as many of `KeyAdmin`, and those for the others.
    pub(super) fn new(max_in_flight: usize) -> Self {
        Self {
            usual: Bounded::new(max_in_flight),
            admin: Bounded::new(max_in_flight),
            question_streams: Bounded::new(QUESTION_STREAMS_MAX),
            checks: Bounded::new(CHECKS_MAX),
            oldest_checks: Mutex::new(Oldest::new(CHECKS_MAX)),
            open_streams: Bounded::new(OPEN_STREAMS_MAX),
            watches: Bounded::new(WATCHES_MAX),
        }
    }

    fn of(&self, kind: Kind) -> &Bounded {
        match kind {
            Kind::Usual => &self.usual,
            Kind::Admin => &self.admin,
            Kind::QuestionStream => &self.question_streams,
            Kind::Check => &self.checks,
            Kind::OpenStream => &self.open_streams,
            Kind::Watch => &self.watches,
        }
    }

    /// How many places are taken, in the order of [`KINDS`].
    pub(super) fn taken(&self) -> [u64; KINDS.len()] {
        let Self { usual, admin, question_streams, checks, open_streams, watches, .. } = self;
        [usual, admin, question_streams, checks, open_streams, watches].map(Bounded::taken)
    }
}

#[derive(Debug)]
#[repr(align(128))]
struct Bounded {
    taken: AtomicUsize,
    max: usize,
}

impl Bounded {
    const fn new(max: usize) -> Self {
        Self { taken: AtomicUsize::new(0), max }
    }

    fn taken(&self) -> u64 {
        self.taken.load(Relaxed).try_into().unwrap_or(u64::MAX)
    }

    fn take(&self) -> bool {
        let one_more = |taken: usize| (taken < self.max).then(|| taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, one_more).is_ok()
    }

    /// Takes one also where there is none, for one that will be free at once.
    fn take_all_the_same(&self) {
        self.taken.fetch_add(1, Relaxed);
    }
}

/// The place of a call among those of its kind, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<W: AsRef<Places>> {
    /// Who has the places. Who serves one connection is shared by its calls alone: no line of memory is written by
    /// all threads but that of the count.
    of: Arc<W>,
    kind: Kind,
    /// By which a check is told to go.
    goes: Option<Arc<CancellationToken>>,
}

impl<W: AsRef<Places>> Place<W> {
    /// Takes a place for a call.
    ///
    /// # Errors
    ///
    /// RESOURCE_EXHAUSTED when all places for its kind are taken, but never of checks, the oldest of which goes; of watches UNIMPLEMENTED, by which clients do without
    /// one. At any other status they would call a server ill that is well, so that a stranger who takes all places
    /// could turn everybody away (gRPC's `doc/health-checking.md`, "Client Behavior").
    pub(super) fn take(of: &Arc<W>, kind: Kind) -> Result<Self, Status> {
        let places = W::as_ref(of).of(kind);
        if kind == Kind::Check {
            return Ok(Self::of_check(of));
        }
        if places.take() {
            return Ok(Self { of: Arc::clone(of), kind, goes: None });
        }
        Err(match kind {
            Kind::Watch => do_without(WATCHES_MAX),
            _ => too_many_in_flight(places.max),
        })
    }
}

impl<W: AsRef<Places>> Place<W> {
    /// That of a check, which there always is.
    fn of_check(of: &Arc<W>) -> Self {
        let places: &Places = W::as_ref(of);
        let mut oldest = places.oldest_checks.lock().unwrap_or_else(PoisonError::into_inner);
        if !places.checks.take() {
            oldest.oust();
            places.checks.take_all_the_same();
        }
        let goes = Some(oldest.enter());
        drop(oldest);
        Self { of: Arc::clone(of), kind: Kind::Check, goes }
    }

    /// Cancelled when the call must go for another. None: it never must.
    pub(super) fn goes(&self) -> Option<CancellationToken> {
        self.goes.as_ref().map(|goes| CancellationToken::clone(goes))
    }
}

impl<W: AsRef<Places>> Drop for Place<W> {
    fn drop(&mut self) {
        W::as_ref(&self.of).of(self.kind).taken.fetch_sub(1, Relaxed);
    }
}

impl AsRef<Self> for Places {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// The answer when `max` of a kind are in flight.
pub(in crate::grpc) fn too_many_in_flight(max: usize) -> Status {
    let mut details = info(ErrorReason::TooManyInFlight, [("max_in_flight", max.to_string())]);
    details.set_retry_info(Some(RETRY_DELAY));
    with_details(
        &Status::resource_exhausted(
            "the server has as many calls of this kind in flight as it takes; try again",
        ),
        details,
    )
}

/// The answer to a watch of health when `max` are in flight.
fn do_without(max: usize) -> Status {
    let details = info(ErrorReason::TooManyInFlight, [("max_in_flight", max.to_string())]);
    with_details(
        &Status::unimplemented(
            "the server has as many watches of health as it takes; go by the answers to your calls",
        ),
        details,
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Kind) {
        assert_eq!(Kind::of(path), expected, "{path}");
    }

    #[test]
    fn what_is_open_to_everybody_is_known_by_its_service() {
        check("/grpc.health.v1.Health/Check", Kind::Check);
        check("/grpc.health.v1.Health/Watch", Kind::Watch);
        check("/grpc.health.v1.Health/Check/", Kind::OpenStream);
        for version in ["v1", "v1alpha"] {
            let service = format!("/grpc.reflection.{version}.ServerReflection");
            check(&format!("{service}/ServerReflectionInfo"), Kind::OpenStream);
        }
    }

    #[test]
    fn a_stream_of_questions_takes_no_place_of_a_call() {
        let stream = "/keyward.v1.Introspect/StreamIntrospect";
        check(stream, Kind::QuestionStream);
        check(&format!("{stream}/"), Kind::Usual);
        let places = Arc::new(Places::new(1));
        let taken: Vec<_> = (0..QUESTION_STREAMS_MAX)
            .map_while(|_| Place::take(&places, Kind::of(stream)).ok())
            .collect();
        assert_eq!(taken.len(), QUESTION_STREAMS_MAX);
        assert!(Place::take(&places, Kind::of(stream)).is_err());
        assert!(Place::take(&places, Kind::Usual).is_ok());
    }

    #[test]
    fn a_watch_too_many_is_told_to_do_without_and_nobody_loses_a_place() {
        let places = Arc::new(Places::new(1));
        let mut taken = Vec::new();
        for _ in 0..WATCHES_MAX {
            taken.push(Place::take(&places, Kind::Watch).unwrap());
        }
        let status = Place::take(&places, Kind::Watch).unwrap_err();
        assert_eq!(status.code(), Status::unimplemented("").code());
        for kind in [Kind::Usual, Kind::Admin, Kind::QuestionStream, Kind::Check, Kind::OpenStream]
        {
            assert!(Place::take(&places, kind).is_ok(), "{kind:?}");
        }
        drop(taken);
        assert!(Place::take(&places, Kind::Watch).is_ok());
    }

    #[test]
    fn a_check_too_many_takes_the_place_of_the_oldest() {
        let places = Arc::new(Places::new(1));
        let take = || Place::take(&places, Kind::Check).unwrap();
        let mut taken: Vec<_> = (0..CHECKS_MAX).map(|_| take()).collect();
        let is_to_go = |place: &Place<Places>| place.goes().unwrap().is_cancelled();
        assert!(!taken.iter().any(is_to_go));
        taken.push(take());
        let going: Vec<_> = taken.iter().map(is_to_go).collect();
        assert_eq!(going.iter().position(|goes| *goes), Some(0));
        assert_eq!(going.iter().filter(|goes| **goes).count(), 1);
        drop(taken);
        assert_eq!(places.checks.taken(), 0);
    }

    #[test]
    fn places_are_taken_until_they_are_dropped() {
        let places = Arc::new(Places::new(usize::MAX));
        let kinds = [
            Kind::Usual,
            Kind::Admin,
            Kind::QuestionStream,
            Kind::Check,
            Kind::OpenStream,
            Kind::Watch,
            Kind::Watch,
        ];
        let taken = kinds.map(|kind| Place::take(&places, kind));
        assert_eq!(places.taken(), [1, 1, 1, 1, 1, 2]);
        drop(taken);
        assert_eq!(places.taken(), [0; KINDS.len()]);
    }

    #[test]
    fn questions_are_usual_and_so_is_what_does_not_exist() {
        for path in ["/keyward.v1.Introspect/Introspect", "/keyward.v1.KeyAdmin", "/", ""] {
            check(path, Kind::Usual);
        }
    }

    #[test]
    fn neither_questions_nor_calls_of_key_admin_take_the_places_of_the_other() {
        check("/keyward.v1.KeyAdmin/ListKeys", Kind::Admin);
        let places = Arc::new(Places::new(1));
        for (kind, other) in [(Kind::Admin, Kind::Usual), (Kind::Usual, Kind::Admin)] {
            let _taken = Place::take(&places, kind);
            assert!(Place::take(&places, kind).is_err());
            assert!(Place::take(&places, other).is_ok());
        }
    }
}
