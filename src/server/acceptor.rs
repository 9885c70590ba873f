//! Accepts connections and hands them out.

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::seldom::Seldom;
use super::{Crowd, Oldest};
use crate::measure::{Gauge, Present};

/// How long accepting rests when the system refuses, for want of descriptors above all.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Which part of all places those may have that have not begun, before the oldest of them must make room.
const BEGINNING_PART: u64 = 16;

/// How long a new connection waits for the room of the oldest, which is told to end at once, and for a front thread that
/// has room for it.
const ROOM_WITHIN: Duration = Duration::from_secs(1);

/// The same where the oldest has not begun: others wait to be accepted meanwhile, and the next one may have its room.
const ROOM_WITHIN_SHORT: Duration = Duration::from_millis(200);

/// A connection on its way to a front thread: no part of any runtime yet.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    /// One of `max_connections`, given back when the connection ends.
    pub(super) place: OwnedSemaphorePermit,
    /// One of those that are open.
    pub(super) present: Present,
    /// Cancelled when it must make room for another, which it must no longer once this is dropped.
    pub(super) ousted: Arc<CancellationToken>,
    /// One of those that have not begun, until this is dropped.
    pub(super) beginning: Present,
    /// Who must make room.
    pub(super) crowd: Crowd,
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
    crowd: Crowd,
    /// Those that may have to go.
    oldest: Oldest,
    /// Those that have not begun.
    beginning: Gauge,
    max_connections: u64,
}

impl Acceptor {
    pub(super) fn new(
        max_connections: usize,
        queues: Vec<mpsc::Sender<Accepted>>,
        open: Gauge,
        crowd: Crowd,
    ) -> Self {
        Self {
            crowd,
            oldest: Oldest::new(max_connections),
            beginning: Gauge::default(),
            max_connections: u64::try_from(max_connections).unwrap_or(u64::MAX),
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
                    if let Err(reason) = self.admit(stream, peer).await
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

    /// A place for one more. None: there is none.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        let free = Arc::clone(&self.places).try_acquire_owned().ok();
        if free.is_some() {
            return free;
        }
        let is_due = self.crowd == Crowd::OldestLeaves || self.too_many_are_beginning();
        let is_ousted = is_due && self.oldest.oust();
        if !is_ousted && self.crowd == Crowd::NewestIsTurnedAway {
            return None;
        }
        let waiting = Arc::clone(&self.places).acquire_owned();
        let within = match self.crowd {
            Crowd::NewestIsTurnedAway => ROOM_WITHIN_SHORT,
            Crowd::OldestLeaves => ROOM_WITHIN,
        };
        tokio::time::timeout(within, waiting).await.ok()?.ok()
    }

    /// Whether those that have not begun have more places than a crowd that begins in time. Fewer are left alone: where
    /// each that comes ousted the one before it, none would ever have begun.
    fn too_many_are_beginning(&self) -> bool {
        self.beginning.read().saturating_mul(BEGINNING_PART) >= self.max_connections
    }

    /// Hands the connection to the next front thread that has room, or to the first that has some. An error closes it and
    /// says why.
    async fn admit(&mut self, stream: TcpStream, peer: SocketAddr) -> Result<(), &'static str> {
        let place = self.place().await.ok_or("server.max_connections are open")?;
        let stream = ready_to_move(stream).map_err(|_| "the connection broke at once")?;
        let (ousted, beginning) = (self.oldest.enter(), self.beginning.enter());
        let present = self.open.enter();
        let mut accepted =
            Accepted { stream, peer, place, present, ousted, beginning, crowd: self.crowd };
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
        // A burst of connections is no reason to fail some: who comes next waits to be accepted meanwhile.
        let rooms: FuturesUnordered<_> = self.queues.iter().map(mpsc::Sender::reserve).collect();
        let mut rooms = rooms.filter_map(|room| ready(room.ok()));
        match tokio::time::timeout(ROOM_WITHIN, rooms.next()).await {
            Ok(Some(room)) => {
                room.send(accepted);
                Ok(())
            }
            Ok(None) | Err(_) => Err("every front thread is behind"),
        }
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tokio::io::AsyncReadExt as _;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// Clients in the order in which they came, an acceptor whose only front thread has room for one, and where that
    /// thread takes them.
    async fn scene<const CLIENTS: usize>()
    -> ([TcpStream; CLIENTS], TcpListener, Acceptor, mpsc::Receiver<Accepted>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let (queue, arrivals) = mpsc::channel(1);
        let acceptor = Acceptor::new(10, vec![queue], Gauge::default(), Crowd::NewestIsTurnedAway);
        (clients.try_into().unwrap(), listener, acceptor, arrivals)
    }

    #[tokio::test]
    async fn who_comes_while_the_front_threads_are_behind_waits_for_room() {
        let (clients, listener, mut acceptor, mut arrivals) = scene::<5>().await;
        let open = acceptor.open.clone();
        let arriving = async {
            // The second finds no room: nobody has been taken yet.
            while open.read() < 2 {
                tokio::task::yield_now().await;
            }
            let mut arrived = Vec::new();
            for _ in &clients {
                arrived.push(arrivals.recv().await.unwrap().peer);
            }
            arrived
        };
        let arrived = tokio::select! {
            arrived = tokio::time::timeout(LONG, arriving) => arrived.unwrap(),
            () = acceptor.accept_from(&listener) => Vec::new(),
        };
        let all: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        assert_eq!(arrived.len(), all.len());
        assert!(all.iter().all(|client| arrived.contains(client)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_in_time_is_turned_away() {
        let ([_, mut second], listener, mut acceptor, _arrivals) = scene::<2>().await;
        let mut nothing = [0];
        let begun = tokio::time::Instant::now();
        let told = tokio::select! {
            read = second.read(&mut nothing) => read,
            () = acceptor.accept_from(&listener) => Ok(1),
        };
        assert!(matches!(told, Ok(0) | Err(_)), "{told:?}");
        assert!(begun.elapsed() >= ROOM_WITHIN);
        assert_eq!(acceptor.open.read(), 1);
    }
}
