//! The calls of the process: how many of which method ended how, and how long they took.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use super::{Bounds, Counter, Histogram, Snapshot};

/// The methods that are served, as OpenTelemetry has `rpc.method`. The most used one is first.
pub const METHODS: &[&str] = &[
    "keyward.v1.Introspect/Introspect",
    "keyward.v1.Introspect/BatchIntrospect",
    "keyward.v1.Introspect/StreamIntrospect",
    "keyward.v1.KeyAdmin/BatchCreateKeys",
    "keyward.v1.KeyAdmin/BatchRevokeKeys",
    "keyward.v1.KeyAdmin/CreateKey",
    "keyward.v1.KeyAdmin/CreatePolicy",
    "keyward.v1.KeyAdmin/CreatePrincipal",
    "keyward.v1.KeyAdmin/CreateWorkspace",
    "keyward.v1.KeyAdmin/DeletePrincipal",
    "keyward.v1.KeyAdmin/DisablePrincipal",
    "keyward.v1.KeyAdmin/EnablePrincipal",
    "keyward.v1.KeyAdmin/GetKey",
    "keyward.v1.KeyAdmin/GetPolicy",
    "keyward.v1.KeyAdmin/GetPrincipal",
    "keyward.v1.KeyAdmin/GetUsage",
    "keyward.v1.KeyAdmin/GetWorkspace",
    "keyward.v1.KeyAdmin/IdentifyKey",
    "keyward.v1.KeyAdmin/ListEvents",
    "keyward.v1.KeyAdmin/ListKeys",
    "keyward.v1.KeyAdmin/ListPolicies",
    "keyward.v1.KeyAdmin/ListPrincipals",
    "keyward.v1.KeyAdmin/ListWorkspaces",
    "keyward.v1.KeyAdmin/ResumeWorkspace",
    "keyward.v1.KeyAdmin/RevokeKey",
    "keyward.v1.KeyAdmin/RotateKey",
    "keyward.v1.KeyAdmin/SuspendWorkspace",
    "keyward.v1.KeyAdmin/UpdateKey",
    "keyward.v1.KeyAdmin/UpdatePolicy",
    "keyward.v1.KeyAdmin/UpdatePrincipal",
    "keyward.v1.KeyAdmin/UpdateWorkspace",
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// What a method is called that is not served: the names that strangers make up are none of ours.
pub const OTHER: &str = "_OTHER";

/// The status codes of gRPC by their number (gRPC, "Status codes and their use").
pub const STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The number of UNKNOWN.
const UNKNOWN: usize = 2;
/// The number of CANCELLED: the answer was not taken to its end.
const CANCELLED: usize = 1;

/// The kinds of calls, each with places of its own.
pub const KINDS: [&str; 6] = ["usual", "admin", "question_stream", "check", "open_stream", "watch"];

/// What a call of `KeyAdmin` is among those that were refused where it had a place, but waited too
/// long for its turn.
const ADMIN_WAIT: &str = "admin_wait";

/// The classes that OpenTelemetry wants for `rpc.server.call.duration`.
const CONVENTIONAL: Bounds = &[
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000,
    2_500_000, 5_000_000, 7_500_000, 10_000_000,
];

/// Those of an answer from memory, which the others would put into their first class.
const FINE: Bounds = &[
    50, 100, 200, 300, 500, 750, 1_000, 2_000, 3_000, 5_000, 10_000, 25_000, 50_000, 100_000,
    250_000, 1_000_000, 10_000_000,
];

/// The place of `Introspect` among the methods.
const INTROSPECT: usize = 0;

/// The calls of a process.
pub struct Calls {
    /// By the method, and one more for all others.
    methods: Vec<Method>,
    introspect: Histogram,
    refused: [Counter; KINDS.len()],
    waited_too_long: Counter,
    /// Locked by who begins to serve, and by who gathers.
    places: Mutex<Vec<TakenPlaces>>,
}

/// How many places of each of [`KINDS`] are taken.
type TakenPlaces = Box<dyn Fn() -> [u64; KINDS.len()] + Send + Sync>;

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

/// Calls of one method by their status. What never comes up takes no memory.
#[derive(Debug, Default)]
struct Method([OnceLock<Histogram>; STATUSES.len()]);

/// How long the calls of one method took that ended in one way.
#[derive(Debug)]
pub struct Ended {
    /// The method.
    pub method: &'static str,
    /// The status.
    pub status: &'static str,
    /// How long they took.
    pub took: Snapshot,
}

impl Default for Calls {
    fn default() -> Self {
        let methods = std::iter::repeat_with(Method::default).take(METHODS.len() + 1).collect();
        Self {
            methods,
            introspect: Histogram::new(FINE),
            refused: Default::default(),
            waited_too_long: Counter::default(),
            places: Mutex::default(),
        }
    }
}

impl Calls {
    /// How long calls took, by method and status; those that there were.
    pub fn durations(&self) -> Vec<Ended> {
        let names = METHODS.iter().copied().chain([OTHER]);
        let of_one = |(name, method): (&'static str, &Method)| {
            let ended = STATUSES.iter().zip(&method.0);
            let ended = ended.filter_map(|(status, took)| Some((*status, took.get()?.read())));
            ended.map(|(status, took)| Ended { method: name, status, took }).collect::<Vec<_>>()
        };
        names.zip(&self.methods).flat_map(of_one).collect()
    }

    /// How long calls of `Introspect` took, however they ended, in fine classes.
    pub fn introspect(&self) -> Snapshot {
        self.introspect.read()
    }

    /// Has those told as in flight who have these places, too: how many of each of [`KINDS`].
    pub fn watch_places(&self, taken: impl Fn() -> [u64; KINDS.len()] + Send + Sync + 'static) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(taken));
    }

    /// How many calls of each of [`KINDS`] are in flight.
    pub fn in_flight(&self) -> [u64; KINDS.len()] {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let add = |sum: [u64; KINDS.len()], taken: &TakenPlaces| {
            let mut more = taken().into_iter();
            sum.map(|count| count + more.next().unwrap_or_default())
        };
        places.iter().fold([0; KINDS.len()], add)
    }

    /// One more that found no place among those of its kind, by the kind's place in [`KINDS`].
    pub fn count_refused(&self, kind: usize) {
        if let Some(refused) = self.refused.get(kind) {
            refused.count();
        }
    }

    /// One more of `KeyAdmin` that had a place, but waited too long for its turn.
    pub fn count_waited_too_long(&self) {
        self.waited_too_long.count();
    }

    /// How many calls were turned away, by [`KINDS`] those that found no place.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let late = (ADMIN_WAIT, self.waited_too_long.read());
        KINDS.into_iter().zip(self.refused.each_ref().map(Counter::read)).chain([late])
    }
}

/// What has the counts of calls, and lives as long as each of them: with one more count of who
/// holds it, all threads would write to one line of memory at each call.
pub trait Counting {
    /// The counts.
    fn calls(&self) -> &Calls;
}

impl Counting for Calls {
    fn calls(&self) -> &Calls {
        self
    }
}

/// A call. It has ended when this is dropped.
pub struct Call<C: Counting> {
    counting: Arc<C>,
    method: usize,
    begun: Instant,
    status: usize,
}

impl<C: Counting> fmt::Debug for Call<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method()).finish_non_exhaustive()
    }
}

impl<C: Counting> Call<C> {
    /// A call to this path, from this moment until it is dropped.
    pub fn begin(counting: Arc<C>, path: &str, begun: Instant) -> Self {
        let name = path.strip_prefix('/').unwrap_or(path);
        let method = METHODS.iter().position(|method| *method == name).unwrap_or(METHODS.len());
        Self { counting, method, begun, status: CANCELLED }
    }

    /// What counts it.
    pub fn counting(&self) -> &C {
        &self.counting
    }

    /// Its method, [`OTHER`] where that is not served.
    pub fn method(&self) -> &'static str {
        METHODS.get(self.method).copied().unwrap_or(OTHER)
    }

    /// It ends with this status, by its number; one that gRPC does not know is UNKNOWN. Gives the
    /// name of the status.
    pub fn told(&mut self, status: usize) -> &'static str {
        let known = STATUSES.get(status).map_or(UNKNOWN, |_| status);
        self.status = known;
        STATUSES.get(known).copied().unwrap_or_default()
    }
}

impl<C: Counting> Drop for Call<C> {
    fn drop(&mut self) {
        let (took, calls) = (self.begun.elapsed(), self.counting.calls());
        let method = calls.methods.get(self.method);
        if let Some(ended) = method.and_then(|method| method.0.get(self.status)) {
            ended.get_or_init(|| Histogram::new(CONVENTIONAL)).record(took);
        }
        if self.method == INTROSPECT {
            calls.introspect.record(took);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_method_and_status() {
        let calls = Arc::new(Calls::default());
        let begin = |path| Call::begin(Arc::clone(&calls), path, Instant::now());
        for _ in 0..17 {
            assert_eq!(begin("/keyward.v1.Introspect/Introspect").told(0), "OK");
        }
        begin("/keyward.v1.KeyAdmin/GetKey").told(5);
        for stranger in ["/keyward.v1.Introspect/Introspect/", "/x", ""] {
            assert_eq!(begin(stranger).told(12), "UNIMPLEMENTED");
        }
        assert_eq!(begin("/x").told(99), "UNKNOWN");
        drop(begin("/grpc.health.v1.Health/Watch"));
        let told: Vec<_> = calls.durations();
        let mut told: Vec<_> =
            told.iter().map(|one| (one.method, one.status, one.took.count())).collect();
        told.sort_unstable();
        let expected = [
            (OTHER, "UNIMPLEMENTED", 3),
            (OTHER, "UNKNOWN", 1),
            ("grpc.health.v1.Health/Watch", "CANCELLED", 1),
            ("keyward.v1.Introspect/Introspect", "OK", 17),
            ("keyward.v1.KeyAdmin/GetKey", "NOT_FOUND", 1),
        ];
        assert_eq!(told, expected);
        assert_eq!(calls.introspect().count(), 17);
    }

    #[test]
    fn places_of_all_who_serve_are_taken_together() {
        let calls = Calls::default();
        assert_eq!(calls.in_flight(), [0; KINDS.len()]);
        calls.watch_places(|| [1, 0, 2, 0, 0, 0]);
        calls.watch_places(|| [4, 3, 0, 0, 0, 0]);
        assert_eq!(calls.in_flight(), [5, 3, 2, 0, 0, 0]);
    }

    #[test]
    fn what_is_turned_away_is_told_by_why() {
        let calls = Calls::default();
        calls.count_refused(2);
        (0..3).for_each(|_| calls.count_waited_too_long());
        let told: Vec<_> = calls.refused().filter(|(_, count)| *count > 0).collect();
        assert_eq!(told, [("question_stream", 1), ("admin_wait", 3)]);
    }
}
