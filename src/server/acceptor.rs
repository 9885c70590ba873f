//! Accepts connections and hands them out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::seldom::Seldom;
use crate::measure::{Gauge, Present};

/// How long accepting rests when the system refuses, for want of descriptors above all.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection on its way to a front thread: no part of any runtime yet.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    /// One of `max_connections`, given back when the connection ends.
    pub(super) place: OwnedSemaphorePermit,
    /// One of those that are open.
    pub(super) present: Present,
}

/// Accepts connections for the front threads, in turn.
#[derive(Debug)]
pub(super) struct Acceptor {
    places: Arc<Semaphore>,
    open: Gauge,
    queues: Vec<mpsc::Sender<Accepted>>,
    next: usize,
    turned_away: Seldom,
    accept_failed: Seldom,
}

impl Acceptor {
    pub(super) fn new(
        max_connections: usize,
        queues: Vec<mpsc::Sender<Accepted>>,
        open: Gauge,
    ) -> Self {
        Self {
            open,
            places: Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS))),
            queues,
            next: 0,
            turned_away: Seldom::default(),
            accept_failed: Seldom::default(),
        }
    }

    /// Accepts for ever.
    pub(super) async fn accept_from(&mut self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if let Err(reason) = self.admit(stream, peer)
                        && let Some(count) = self.turned_away.tell(Instant::now())
                    {
                        tracing::warn!(count, reason, "connections turned away");
                    }
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    if let Some(count) = self.accept_failed.tell(Instant::now()) {
                        tracing::error!(count, %error, "connections cannot be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Hands the connection to the next front thread that has room. An error closes it and says why.
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) -> Result<(), &'static str> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| "server.max_connections are open")?;
        let stream = ready_to_move(stream).map_err(|_| "the connection broke at once")?;
        let mut accepted = Accepted { stream, peer, place, present: self.open.enter() };
        for _ in 0..self.queues.len() {
            self.next = (self.next + 1) % self.queues.len();
            let Some(queue) = self.queues.get(self.next) else {
                break;
            };
            match queue.try_send(accepted) {
                Ok(()) => return Ok(()),
                Err(
                    mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back),
                ) => accepted = back,
            }
        }
        Err("every front thread is behind")
    }
}

fn ready_to_move(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    // Small answers must not wait for the acknowledgement of the ones before them (Nagle's algorithm).
    stream.set_nodelay(true)?;
    stream.into_std()
}

fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
