//! What stands between one replica and Redis, and can be told to fail.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// A relay on a port of its own. It ends with the value, and its connections with it.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    held: watch::Sender<bool>,
    /// Counts how often all connections were reset.
    resets: watch::Sender<u64>,
    accepting: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (held, resets) = (watch::Sender::new(false), watch::Sender::new(0));
        let (of_held, of_resets) = (held.subscribe(), resets.subscribe());
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                if let Ok((program, _)) = listener.accept().await {
                    let mut resets = of_resets.clone();
                    resets.mark_unchanged();
                    connections.spawn(serve(program, server, of_held.clone(), resets));
                }
            }
        });
        Self { address, held, resets, accepting }
    }

    /// Whether nothing comes through, in either direction.
    pub(crate) fn hold(&self, is_held: bool) {
        self.held.send_replace(is_held);
    }

    /// Whether there is a connection.
    pub(crate) fn is_used(&self) -> bool {
        // One receiver is the listener's.
        self.resets.receiver_count() > 1
    }

    /// Ends all connections.
    pub(crate) fn reset(&self) {
        self.resets.send_modify(|resets| *resets += 1);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, from beginning to end.
async fn serve(
    mut program: TcpStream,
    server: SocketAddr,
    held: watch::Receiver<bool>,
    mut resets: watch::Receiver<u64>,
) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let _ = (program.set_nodelay(true), server.set_nodelay(true));
    let ((from_program, to_program), (from_server, to_server)) = (program.split(), server.split());
    tokio::select! {
        _ = resets.changed() => {}
        () = pass(from_program, to_server, held.clone()) => {}
        () = pass(from_server, to_program, held) => {}
    }
}

async fn pass(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut held: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut bytes).await else { return };
        // The sender outlives every connection.
        let _ = held.wait_for(|is_held| !is_held).await;
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
