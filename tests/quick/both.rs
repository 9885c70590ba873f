//! Both ways to an answer, each over ports of its own, and what must be alike of them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use keyward::{
    callers::InForce,
    domain::{identity::Presented, secret::Keyring, time::Timestamp},
    grpc::{
        authenticate::{Authenticated, Knows},
        introspect::{IntrospectService, Introspects},
        layers::{Edge, EdgeLimits, Line, Watch, edge},
        quick::Quick,
    },
    introspect::Introspection,
    measure::Calls,
    proto::introspect_server::IntrospectServer,
    server::{Connected, Leaving, Serves as _},
    store::Store,
    telemetry::context::Sampler,
};
use tonic::service::Routes;

use crate::{
    ports::{Keys, Limits, Still, Used, Uses},
    sent::{Call, PEER, Told},
};

/// Bytes of a message at the most.
pub(crate) const MESSAGE_BYTES_MAX: usize = 32 << 10;
/// Calls in flight at once.
pub(crate) const IN_FLIGHT_MAX: usize = 2;
/// What a call may take where its caller says nothing.
pub(crate) const DEADLINE_MAX: Duration = Duration::from_secs(60);

/// A list of callers by certificate.
const CALLERS: &str = r#"
[[callers]]
identity = "dns:ops"
scopes = ["introspect"]
workspaces = "*"

[[callers]]
identity = "dns:shop"
scopes = ["introspect"]
workspaces = ["acme"]

[[callers]]
identity = "dns:reader"
scopes = ["keys:read"]
workspaces = "*"
"#;

/// One way, with what it asks.
pub(crate) struct Way {
    pub(crate) keys: Arc<Keys>,
    pub(crate) uses: Arc<Uses>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) clock: Arc<Still>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) sampler: Sampler,
    pub(crate) introspection: Arc<Introspection>,
    pub(crate) edge: Edge,
}

/// What was taken note of, durations apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) uses: Vec<Used>,
    decisions: Vec<(&'static str, u64)>,
    pub(crate) calls: Vec<(&'static str, &'static str, u64)>,
    introspect: u64,
    in_flight: Vec<u64>,
    refused: Vec<(&'static str, u64)>,
    not_traced: u64,
}

impl Way {
    pub(crate) fn new(
        store: &Arc<Store>,
        keyring: &Arc<Keyring>,
        now: Timestamp,
        is_quick: bool,
    ) -> Self {
        let clock = Arc::new(Still::at(now));
        let keys = Arc::new(Keys::new(Arc::clone(store)));
        let (uses, limits) =
            (Arc::<Uses>::default(), Arc::new(Limits::new(Arc::clone(&clock) as _)));
        let finder = Arc::clone(&keys) as _;
        let keyring = Arc::clone(keyring);
        let (time, limiter) = (Arc::clone(&clock) as _, Arc::clone(&limits) as _);
        let introspection = Introspection::new(keyring, finder, time, limiter);
        let introspection = Arc::new(introspection.counted_by(Arc::clone(&uses) as _));
        let certificates = InForce::new(CALLERS.parse().unwrap(), Arc::clone(&clock) as _);
        let knows =
            Knows { keys: Arc::clone(&introspection), certificates: Some(Arc::new(certificates)) };
        let service = IntrospectService::new(Arc::clone(&introspection));
        let routes = if is_quick {
            let service = Introspects::new(service, MESSAGE_BYTES_MAX);
            Routes::new(Authenticated::new(service, knows.clone()))
        } else {
            let service =
                IntrospectServer::new(service).max_decoding_message_size(MESSAGE_BYTES_MAX);
            Routes::new(Authenticated::new(service, knows.clone()))
        };
        let limits_of_calls = EdgeLimits {
            deadline_max: DEADLINE_MAX,
            max_in_flight: IN_FLIGHT_MAX,
            max_message_bytes: MESSAGE_BYTES_MAX,
        };
        let (calls, sampler) = (Arc::<Calls>::default(), Sampler::new(0.0, 1_000_000));
        let watch = Watch {
            calls: Arc::clone(&calls),
            sampler: sampler.clone(),
            knows: Some(knows.clone()),
        };
        let plain = edge(routes, limits_of_calls, watch);
        let edge = if is_quick { plain.quickened(Quick::new(knows)) } else { plain };
        Self { keys, uses, limits, clock, calls, sampler, introspection, edge }
    }

    /// A connection with who is at this address, and showed this certificate.
    pub(crate) fn connect(&self, peer: SocketAddr, presented: Option<&Arc<Presented>>) -> Line {
        let leaving = Leaving(Arc::default());
        self.edge.connection(Connected { peer, leaving, presented: presented.map(Arc::clone) })
    }

    /// What was taken note of since this was asked last.
    pub(crate) fn noted(&self) -> Noted {
        let ended = self.calls.durations();
        let calls = ended.iter().map(|one| (one.method, one.status, one.took.count()));
        Noted {
            uses: self.uses.take(),
            decisions: self.introspection.decisions().into_iter().collect(),
            calls: calls.collect(),
            introspect: self.calls.introspect().count(),
            in_flight: self.calls.in_flight().to_vec(),
            refused: self.calls.refused().collect(),
            not_traced: self.sampler.refused(),
        }
    }
}

/// The plain way, and the one that may be short.
pub(crate) struct Both {
    pub(crate) plain: Way,
    pub(crate) quick: Way,
}

/// A connection of each.
#[derive(Clone)]
pub(crate) struct Lines {
    pub(crate) plain: Line,
    pub(crate) quick: Line,
}

/// By whom the quick one had a call answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// By itself: it waited for no key.
    Itself,
    /// By the services.
    Services,
    /// By neither: nobody's key was asked for.
    Nobody,
}

impl Both {
    pub(crate) fn each(&self, change: impl Fn(&Way)) {
        change(&self.plain);
        change(&self.quick);
    }

    pub(crate) fn connect(&self) -> Lines {
        self.connect_from(PEER, None)
    }

    pub(crate) fn connect_from(&self, peer: SocketAddr, by: Option<&Arc<Presented>>) -> Lines {
        Lines { plain: self.plain.connect(peer, by), quick: self.quick.connect(peer, by) }
    }

    /// Has a call answered both ways, which must be alike, and so must what was taken note of.
    pub(crate) async fn ask(&self, lines: &Lines, call: &Call) -> (Told, By) {
        let before = self.quick.keys.asked();
        let (request, arrived) = call.request();
        let plain = Told::read(lines.plain.clone().answer_to(request, arrived).await).await;
        let (request, arrived) = call.request();
        let quick = Told::read(lines.quick.clone().answer_to(request, arrived).await).await;
        assert_eq!(quick, plain, "{call:?}");
        self.check_noted(call);
        let (found, handed) = self.quick.keys.asked();
        let by = match (found - before.0, handed - before.1) {
            (0, 0) => By::Nobody,
            (0, _) => By::Itself,
            _ => By::Services,
        };
        (quick, by)
    }

    /// That both took note of the same, and that no call has a place any more.
    pub(crate) fn check_noted(&self, of: &impl std::fmt::Debug) {
        let (plain, quick) = (self.plain.noted(), self.quick.noted());
        assert_eq!(quick, plain, "{of:?}");
        assert_eq!(quick.in_flight, [0; 6], "{of:?}");
        assert_eq!(self.plain.keys.asked().1, 0, "the plain way asks for nothing at hand");
    }
}
