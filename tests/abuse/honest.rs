//! Callers who do as they should. Each of their calls must go well, in time.

use std::{fmt, net::SocketAddr, time::Duration};

use keyward::proto::{Decision, IntrospectRequest, ListWorkspacesRequest};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::caller::Caller;

/// What each call is given: it is judged by that alone.
const DEADLINE: Duration = Duration::from_secs(20);
/// What an error says of a connection that was closed before it was answered.
const CLOSED: &str = "transport::Error(Transport";

/// What an honest caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Asks about a key.
    Asks,
    /// Reads what is administered.
    Reads,
    /// Asks whether the server is well, without any key.
    Checks,
    /// Comes by a new connection each time, and asks about a key.
    Comes,
}

pub(crate) const KINDS: [Kind; 4] = [Kind::Asks, Kind::Reads, Kind::Checks, Kind::Comes];

/// How many calls there were, and how long they took, in milliseconds: half of them at most, and all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    pub(crate) calls: usize,
    pub(crate) p50_ms: f64,
    pub(crate) max_ms: f64,
}

impl Waits {
    /// Of calls that took so long each.
    pub(crate) fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        // In whole microseconds.
        let ms = |took: Option<&Duration>| took.map_or(0.0, |took| took.as_micros() as f64 / 1e3);
        let half = took.get(took.len() / 2);
        Self { calls: took.len(), p50_ms: ms(half), max_ms: ms(took.last()) }
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, p50_ms, max_ms } = self;
        write!(f, "{calls} (p50 {p50_ms:.1} ms, max {max_ms:.0} ms)")
    }
}

pub(crate) struct Honest {
    pub(crate) kind: Kind,
    address: SocketAddr,
    secret: String,
    channel: Option<Channel>,
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

impl Honest {
    pub(crate) fn new(kind: Kind, address: SocketAddr, secret: &str) -> Self {
        Self { kind, address, secret: secret.to_owned(), channel: None }
    }

    /// One call; an error is what was wrong with its answer.
    pub(crate) async fn call(&mut self) -> Result<(), String> {
        let calling = async {
            loop {
                match self.called().await {
                    // Where more come than there is room for, who has not begun yet may have to go, and
                    // comes again, as clients do. Whatever has begun is to be answered.
                    Err(error) if self.kind == Kind::Comes && error.contains(CLOSED) => {}
                    answered => return answered,
                }
            }
        };
        let calling = tokio::time::timeout(DEADLINE, calling);
        calling.await.map_err(|_| "there was no answer in time".to_owned())?
    }

    async fn called(&mut self) -> Result<(), String> {
        let channel = match self.channel.take().filter(|_| self.kind != Kind::Comes) {
            Some(channel) => channel,
            None => {
                let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
                endpoint.connect().await.map_err(|error| format!("{error:?}"))?
            }
        };
        self.channel = Some(channel.clone());
        let mut caller = Caller::on(channel.clone(), &self.secret);
        match self.kind {
            Kind::Asks | Kind::Comes => {
                let secret = self.secret.clone();
                let question = IntrospectRequest { secret, ..Default::default() };
                let answer = caller.introspect.introspect(timed(question)).await;
                let answer = answer.map_err(|status| format!("{status:?}"))?.into_inner();
                let is_right = answer.active && answer.decision() == Decision::Allow;
                is_right.then_some(()).ok_or_else(|| format!("{answer:?}"))
            }
            Kind::Reads => {
                let request = timed(ListWorkspacesRequest::default());
                let answer = caller.admin.list_workspaces(request).await;
                let answer = answer.map_err(|status| format!("{status:?}"))?.into_inner();
                let is_right = answer.workspaces.len() == 1;
                is_right.then_some(()).ok_or_else(|| format!("{answer:?}"))
            }
            Kind::Checks => {
                let request = timed(HealthCheckRequest::default());
                let answer = HealthClient::new(channel).check(request).await;
                let answer = answer.map_err(|status| format!("{status:?}"))?.into_inner();
                let is_right = answer.status() == ServingStatus::Serving;
                is_right.then_some(()).ok_or_else(|| format!("{answer:?}"))
            }
        }
    }
}
