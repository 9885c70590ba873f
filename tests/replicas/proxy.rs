//! What stands between one replica and the database, and can be told to fail.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use crate::wire::{Awaits, Frames, Message, Session};

/// A proxy on a port of its own. It ends with the value, and its connections with it.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What does not come through. What is held goes on when it may again, as what TCP sends
/// again and again does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// What the replica sends.
    pub(crate) up: bool,
    /// What the database sends.
    pub(crate) down: bool,
    /// Of the two above, only what concerns connections that listen.
    pub(crate) only_listeners: bool,
    /// That a transaction which has written is committed.
    pub(crate) commits: bool,
    /// Whose a secret is.
    pub(crate) look_ups: bool,
    /// By how much later the answers come that are not held.
    pub(crate) late: Option<Duration>,
}

struct Shared {
    server: watch::Sender<SocketAddr>,
    held: watch::Sender<Held>,
    /// Counts how often all connections were reset.
    resets: watch::Sender<u64>,
    open: AtomicU64,
    counts: Counts,
    passed: Passed,
}

/// What came through.
#[derive(Default)]
struct Passed {
    connections: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

/// The same at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// How many were ever begun.
    pub(crate) connections: u64,
    /// Bytes to the database.
    pub(crate) sent: u64,
    /// Bytes from it.
    pub(crate) received: u64,
}

/// How many messages were ever held, by why.
#[derive(Default)]
struct Counts {
    all: AtomicU64,
    commits: AtomicU64,
    look_ups: AtomicU64,
}

/// The same at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) all: u64,
    pub(crate) commits: u64,
    pub(crate) look_ups: u64,
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server: watch::Sender::new(server),
            held: watch::Sender::default(),
            resets: watch::Sender::default(),
            open: AtomicU64::new(0),
            counts: Counts::default(),
            passed: Passed::default(),
        });
        let of_connections = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                if let Ok((program, _)) = listener.accept().await {
                    connections.spawn(serve(program, Arc::clone(&of_connections)));
                }
            }
        });
        Self { address, shared, accepting }
    }

    /// The address of a database, through this.
    pub(crate) fn through(&self, url: &str) -> String {
        let server = self.shared.server.borrow().to_string();
        assert!(url.contains(&server), "it leads to {server}, and not to {url}");
        url.replace(&server, &self.address.to_string())
    }

    /// What came through so far.
    pub(crate) fn traffic(&self) -> Traffic {
        let Passed { connections, up, down } = &self.shared.passed;
        let [connections, sent, received] =
            [connections, up, down].map(|count| count.load(Ordering::SeqCst));
        Traffic { connections, sent, received }
    }

    /// From now on this does not come through.
    pub(crate) fn hold(&self, held: Held) {
        self.shared.held.send_replace(held);
    }

    /// Everything comes through, late as it is.
    pub(crate) fn release(&self) {
        self.hold(Held::default());
    }

    /// Ends all connections by a reset: what is held is lost, also where it may go on next.
    pub(crate) fn reset(&self) {
        self.shared.resets.send_modify(|resets| *resets += 1);
    }

    /// From now on it leads to another server: for new connections.
    pub(crate) fn point_at(&self, server: SocketAddr) {
        self.shared.server.send_replace(server);
    }

    /// How many connections there are.
    pub(crate) fn open(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }

    pub(crate) fn counted(&self) -> Counted {
        let Counts { all, commits, look_ups } = &self.shared.counts;
        let [all, commits, look_ups] =
            [all, commits, look_ups].map(|count| count.load(Ordering::SeqCst));
        Counted { all, commits, look_ups }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, from beginning to end.
async fn serve(mut program: TcpStream, shared: Arc<Shared>) {
    let mut resets = shared.resets.subscribe();
    let address = *shared.server.borrow();
    let Ok(mut server) = TcpStream::connect(address).await else { return };
    let _ = (program.set_nodelay(true), server.set_nodelay(true));
    let session = Mutex::new(Session::default());
    shared.open.fetch_add(1, Ordering::SeqCst);
    shared.passed.connections.fetch_add(1, Ordering::SeqCst);
    let is_reset = {
        let ((from_program, to_program), (from_server, to_server)) =
            (program.split(), server.split());
        // A reset comes before what is let go on after it.
        tokio::select! {
            biased;
            _ = resets.changed() => true,
            () = up(from_program, to_server, &session, &shared) => false,
            () = down(from_server, to_program, &session, &shared) => false,
        }
    };
    shared.open.fetch_sub(1, Ordering::SeqCst);
    if is_reset {
        let _ = (program.set_zero_linger(), server.set_zero_linger());
    }
}

/// Reads the next message; none at the end.
async fn next(from: &mut ReadHalf<'_>, frames: &mut Frames) -> Option<Message> {
    loop {
        if let Some(message) = frames.next() {
            return Some(message);
        }
        match from.read_buf(frames.buffer()).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

async fn up(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    session: &Mutex<Session>,
    shared: &Shared,
) {
    let mut frames = Frames::of_program();
    while let Some(message) = next(&mut from, &mut frames).await {
        let is_listener = {
            let mut session = session.lock().unwrap();
            session.sent(&message);
            session.is_listener
        };
        let is_held = |held: &Held| held.up && (is_listener || !held.only_listeners);
        shared.wait(is_held, &shared.counts.all).await;
        // Before anybody can answer it.
        shared.passed.up.fetch_add(message.bytes.len() as u64, Ordering::SeqCst);
        if to.write_all(&message.bytes).await.is_err() {
            return;
        }
    }
}

async fn down(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    session: &Mutex<Session>,
    shared: &Shared,
) {
    let mut frames = Frames::of_server();
    while let Some(message) = next(&mut from, &mut frames).await {
        let (is_listener, awaits) = {
            let session = session.lock().unwrap();
            (session.is_listener, session.awaits)
        };
        let is_held = |held: &Held| held.down && (is_listener || !held.only_listeners);
        shared.wait(is_held, &shared.counts.all).await;
        let late = shared.held.borrow().late;
        // Once for an answer, whose last message this is.
        if let Some(late) = late.filter(|_| message.tag == b'Z') {
            shared.counts.all.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(late).await;
        }
        match awaits {
            Awaits::Anything => {}
            Awaits::Commit => shared.wait(|held| held.commits, &shared.counts.commits).await,
            Awaits::LookUp => shared.wait(|held| held.look_ups, &shared.counts.look_ups).await,
        }
        // Before it is sent: the program may go on at once.
        session.lock().unwrap().received(&message);
        shared.passed.down.fetch_add(message.bytes.len() as u64, Ordering::SeqCst);
        if to.write_all(&message.bytes).await.is_err() {
            return;
        }
    }
}

impl Shared {
    /// Waits while it is held, and counts it where it is.
    async fn wait(&self, is_held: impl Fn(&Held) -> bool, count: &AtomicU64) {
        let mut held = self.held.subscribe();
        if is_held(&held.borrow()) {
            count.fetch_add(1, Ordering::SeqCst);
        }
        // The sender is this value's own.
        let _ = held.wait_for(|held| !is_held(held)).await;
    }
}
