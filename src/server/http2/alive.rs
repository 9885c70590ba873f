//! Whether a client is still there (RFC 9113, section 6.7).

use std::{future::Future as _, mem::take, pin::Pin, task::Context, time::Duration};

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep};

/// How it is found out.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Pace {
    /// A client that has sent no call for so long is pinged.
    pub(in crate::server) interval: Duration,
    /// And is gone if it says nothing to that for so long.
    pub(in crate::server) timeout: Duration,
}

/// Pings a client.
pub(super) struct Alive {
    pace: Pace,
    pings: PingPong,
    next: Pin<Box<Sleep>>,
    is_asked: bool,
    /// Whether it has sent anything since the last look.
    was_heard: bool,
}

impl Alive {
    pub(super) fn new(pace: Pace, pings: PingPong) -> Self {
        let next = Box::pin(sleep(pace.interval));
        Self { pace, pings, next, is_asked: false, was_heard: false }
    }

    /// Whether the client is gone. `is_heard`: it has just sent a call. Wakes the task when there is something to do.
    pub(super) fn is_silent(&mut self, is_heard: bool, context: &mut Context<'_>) -> bool {
        self.was_heard |= is_heard;
        loop {
            if self.is_asked && self.pings.poll_pong(context).is_ready() {
                self.is_asked = false;
                self.wait(self.pace.interval);
            }
            if self.next.as_mut().poll(context).is_pending() {
                return false;
            }
            if take(&mut self.was_heard) {
                self.wait(self.pace.interval);
            } else if self.is_asked {
                return true;
            } else {
                // An error says that the connection ends.
                self.is_asked = self.pings.send_ping(Ping::opaque()).is_ok();
                self.wait(self.pace.timeout);
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.next.as_mut().reset(Instant::now() + time);
    }
}
