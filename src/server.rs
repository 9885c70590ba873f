//! The front: accepts connections and serves HTTP/2 on threads that each run a runtime of their own.
//!
//! One acceptor hands connections to the front threads in turn. A connection stays on its thread, so a call costs no
//! wake-up of another thread and no lock.

mod acceptor;
mod age;
mod calls;
mod connection;
mod front;
mod granted;
mod greeting;
mod http2;
mod oldest;
mod seldom;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{Request, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::{Service, ServiceExt as _};

use crate::back::Drained;
use crate::config::ServerSettings;
use crate::domain::identity::Presented;
use crate::measure::Gauge;
use crate::tls::Handshakes;
use acceptor::Acceptor;
pub use age::Leaving;
pub use calls::{Cut, cut};
use connection::Connections;
use front::Fronts;
use greeting::Greeting;
pub use http2::Received;
pub use oldest::Oldest;

/// The address at the other end of the connection that a request came by, among the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The front cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The system refuses threads or descriptors.
    #[error("a front thread cannot be started")]
    Start(#[from] io::Error),
    /// A front thread ended while the server ran, and its connections with it. The other threads drain; the process
    /// should end, so that whoever supervises it starts it anew.
    #[error("a front thread died")]
    FrontDied,
}

/// A connection, as whoever answers its calls knows it.
#[derive(Debug, Clone)]
pub struct Connected {
    /// The address at its other end.
    pub peer: SocketAddr,
    /// When its streams must end.
    pub leaving: Leaving,
    /// What its client showed. None: nothing.
    pub presented: Option<Arc<Presented>>,
}

/// What the front serves: gives each connection who answers its calls. Each front thread has a clone.
pub trait Serves: Clone + Send + 'static {
    /// Who answers the calls of one connection.
    type Calls: Answers;

    /// For a connection that begins.
    fn connection(&self, connected: Connected) -> Self::Calls;
}

/// Answers the calls of one connection, each in the name of a clone.
pub trait Answers: Clone + Send + Unpin + 'static {
    /// Answers a call that came at this moment: what it waited since is time that its caller has waited. Nothing is
    /// done until it is polled. It is moved several times on its way there: it should be small.
    fn answer(
        self,
        request: Request<Received>,
        arrived: Instant,
    ) -> impl Future<Output = Response<Body>> + Send + Unpin + 'static;
}

/// A service that finds out of the extensions of its requests what connection they came by.
impl<S> Serves for S
where
    S: Service<
            Request<Received>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + Unpin
        + 'static,
{
    type Calls = OfConnection<S>;

    fn connection(&self, connected: Connected) -> OfConnection<S> {
        OfConnection { service: self.clone(), connected }
    }
}

/// A service, with the connection that its requests come by.
#[derive(Debug, Clone)]
pub struct OfConnection<S> {
    service: S,
    connected: Connected,
}

impl<S> Answers for OfConnection<S>
where
    S: Service<
            Request<Received>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + Unpin
        + 'static,
{
    fn answer(
        self,
        mut request: Request<Received>,
        _: Instant,
    ) -> impl Future<Output = Response<Body>> + Send + Unpin + 'static {
        self.connected.tell(&mut request);
        let answered = self.service.oneshot(request);
        Box::pin(async move {
            let Ok(response) = answered.await;
            response
        })
    }
}

impl Connected {
    /// Puts what is known of the connection of a request among its extensions.
    pub fn tell<B>(&self, request: &mut Request<B>) {
        let extensions = request.extensions_mut();
        extensions.insert(Peer(self.peer));
        if let Some(presented) = &self.presented {
            extensions.insert(Arc::clone(presented));
        }
    }
}

/// What becomes of a connection that is one too many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Crowd {
    /// It is closed: those that are there have work to do. But one that has not begun has none: the oldest of these is
    /// closed in its place, if there is one.
    #[default]
    NewestIsTurnedAway,
    /// The oldest is closed in its place: none that is there has work for long.
    OldestLeaves,
}

/// How connections come in.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// What they begin with, on the thread of each: what clients show in them is among the extensions of their
    /// requests, as `Arc<Presented>`. None: connections are not encrypted.
    pub handshakes: Option<Handshakes>,
    /// Tells how many there are.
    pub open: Gauge,
    /// Where there are `server.max_connections` of them.
    pub crowd: Crowd,
}

/// Serves the connections that arrive at `listener` with `service` until `shutdown` is cancelled. Then it stops
/// listening, tells every client to open no more calls (GOAWAY), waits at most `settings.drain_timeout()` for the calls
/// in flight and closes what is left.
///
/// Must be called from within a runtime, which does the accepting alone. When the future is dropped, the front threads
/// drain by themselves in the same way.
///
/// # Errors
/// [`ServerError::Start`] before anything is accepted, [`ServerError::FrontDied`] at any time.
pub async fn run<S: Serves>(
    listener: TcpListener,
    service: S,
    settings: &ServerSettings,
    entry: Entry,
    shutdown: CancellationToken,
) -> Result<Drained, ServerError> {
    let Entry { handshakes, open, crowd } = entry;
    let stop = shutdown.child_token();
    let _stops_with_this_future = stop.clone().drop_guard();
    let connections =
        Connections::new(settings, Greeting::new(handshakes), open.clone(), stop.clone());
    let (mut fronts, queues) = Fronts::start(settings.front_threads(), &service, &connections)?;
    let mut acceptor = Acceptor::new(settings.max_connections, queues, open, crowd);

    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        died = fronts.one_dies() => return Err(died),
        () = acceptor.accept_from(&listener) => {}
    }
    drop(listener);
    fronts.drained().await
}
