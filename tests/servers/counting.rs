//! Stands between a program and its database, and counts.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

/// Passes everything on. Ends with the value.
pub(crate) struct Proxy {
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

/// What has passed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) connections: u64,
    /// Bytes to the database.
    pub(crate) sent: u64,
    /// Bytes from it.
    pub(crate) received: u64,
}

async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    counts: Arc<Counts>,
    of: fn(&Counts) -> &AtomicU64,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        // Before anybody can answer it.
        of(&counts).fetch_add(count as u64, SeqCst);
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
}

impl Proxy {
    /// Stands before the database of this address; gives the address to use instead.
    pub(crate) async fn before(url: &str) -> (Self, String) {
        let (credentials, rest) = url.split_once('@').unwrap();
        let (database, rest) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (counts, database) = (Arc::new(Counts::default()), database.to_owned());
        let counted = Arc::clone(&counts);
        let task = tokio::spawn(async move {
            loop {
                let (program, _) = listener.accept().await.unwrap();
                counted.connections.fetch_add(1, SeqCst);
                let Ok(database) = TcpStream::connect(&database).await else { continue };
                let ((read, write), (answers, questions)) =
                    (program.into_split(), database.into_split());
                let (to, from) = (Arc::clone(&counted), Arc::clone(&counted));
                tokio::spawn(pass_on(read, questions, to, |counts| &counts.sent));
                tokio::spawn(pass_on(answers, write, from, |counts| &counts.received));
            }
        });
        (Self { counts, task }, format!("{credentials}@{address}/{rest}"))
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let Counts { connections, sent, received } = &*self.counts;
        Traffic {
            connections: connections.load(SeqCst),
            sent: sent.load(SeqCst),
            received: received.load(SeqCst),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
