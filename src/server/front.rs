//! The front threads.

use std::io;
use std::thread;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::acceptor::Accepted;
use super::connection::Connections;
use super::{ServerError, Serves};
use crate::back::Drained;

/// Accepted connections that wait for their front thread.
const QUEUE_LENGTH: usize = 128;

/// The running front threads.
#[derive(Debug)]
pub(super) struct Fronts {
    /// One per thread, dropped unsent when the thread panics.
    ends: FuturesUnordered<oneshot::Receiver<Drained>>,
}

impl Fronts {
    /// Starts `threads` threads; connections put into a queue are served by its thread.
    pub(super) fn start<S: Serves>(
        threads: usize,
        service: &S,
        connections: &Connections,
    ) -> io::Result<(Self, Vec<mpsc::Sender<Accepted>>)> {
        let mut queues = Vec::with_capacity(threads);
        let ends = FuturesUnordered::new();
        for index in 0..threads {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (queue, arrivals) = mpsc::channel(QUEUE_LENGTH);
            let (tell_end, end) = oneshot::channel();
            let front =
                Front { arrivals, service: service.clone(), connections: connections.for_thread() };
            thread::Builder::new().name(format!("front-{index}")).spawn(move || {
                let drained = runtime.block_on(front.serve());
                drop(runtime);
                // Nobody listens any more when `run` was dropped.
                let _ = tell_end.send(drained);
            })?;
            queues.push(queue);
            ends.push(end);
        }
        Ok((Self { ends }, queues))
    }

    /// Resolves when a thread ends, which none does while the server runs unless it panics.
    pub(super) async fn one_dies(&mut self) -> ServerError {
        self.ends.next().await;
        ServerError::FrontDied
    }

    /// Waits for every thread to end.
    pub(super) async fn drained(self) -> Result<Drained, ServerError> {
        self.ends
            .fold(Ok(Drained::All), async |all, end| {
                Ok(all?.and(end.map_err(|_| ServerError::FrontDied)?))
            })
            .await
    }
}

/// What one front thread works on.
struct Front<S> {
    arrivals: mpsc::Receiver<Accepted>,
    service: S,
    connections: Connections,
}

impl<S: Serves> Front<S> {
    /// Serves until told to stop, then waits for what is open. The rest ends with the runtime.
    async fn serve(mut self) -> Drained {
        let open = TaskTracker::new();
        while let Some(Some(accepted)) =
            self.connections.stop.run_until_cancelled(self.arrivals.recv()).await
        {
            open.spawn(self.connections.clone().serve(accepted, self.service.clone()));
        }
        // What still waits in the queue is closed unserved: its clients have been promised nothing.
        drop(self.arrivals);
        open.close();
        match tokio::time::timeout(self.connections.drain_timeout, open.wait()).await {
            Ok(()) => Drained::All,
            Err(_) => Drained::with_left(open.len()),
        }
    }
}
