//! HTTP/2 of one connection, by h2 itself.
//!
//! A call that is answered at once is answered by the task of its connection: it costs no task of its own. All calls
//! that came together are taken first and answered then, so that their answers leave together; what waits for
//! something goes on in a task.

mod alive;
mod call;
mod received;

use std::{
    future::Future,
    mem::take,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use h2::{
    RecvStream,
    server::{Builder, Connection, Handshake, SendResponse},
};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Answers, calls::Calls};
use alive::Alive;
pub(super) use alive::Pace;
use call::Call;
pub use received::Received;

/// Calls that are taken before any of them is answered.
const TOGETHER_MAX: usize = 64;
/// Calls whose memory a connection keeps for the next ones.
const KEPT_MAX: usize = 16;

/// Why a connection broke.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// Its client keeps to no protocol, or is gone.
    #[error(transparent)]
    Protocol(#[from] h2::Error),
    /// Its client answers no pings.
    #[error("the client answered no ping in time")]
    Silent,
}

/// A connection, which ends with its client or after [`Http2::leave`].
pub(super) struct Http2<IO, A> {
    state: State<IO>,
    answers: A,
    calls: Calls,
    pace: Pace,
    is_leaving: bool,
    /// Empty between two turns.
    came: Vec<Came>,
}

enum State<IO> {
    Begins(Handshake<IO, Bytes>),
    Serves(Connection<IO, Bytes>, Option<Alive>),
}

type Came = (Request<RecvStream>, SendResponse<Bytes>);

impl<IO: AsyncRead + AsyncWrite + Unpin, A: Answers> Http2<IO, A> {
    /// Serves a connection on these terms. What its calls wait for goes on in `calls`. `pace`: how it is found out that
    /// the client is gone.
    pub(super) fn new((terms, pace): (&Builder, Pace), io: IO, answers: A, calls: Calls) -> Self {
        let state = State::Begins(terms.handshake(io));
        Self { state, answers, calls, pace, is_leaving: false, came: Vec::new() }
    }

    /// Tells the client to open no more calls (GOAWAY); the connection ends with those that are open.
    pub(super) fn leave(&mut self) {
        if !self.is_leaving
            && let State::Serves(connection, _) = &mut self.state
        {
            connection.graceful_shutdown();
        }
        self.is_leaving = true;
    }

    /// Answers calls as far as they can be at once.
    fn answer(&mut self, context: &mut Context<'_>) {
        let arrived = Instant::now();
        let mut came = take(&mut self.came);
        for (request, respond) in came.drain(..) {
            let answer = self.answers.clone().answer(request.map(Received::new), arrived);
            self.calls.begin(Call::new(respond, answer), context);
        }
        came.shrink_to(KEPT_MAX);
        self.came = came;
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, A: Answers> Future for Http2<IO, A> {
    type Output = Result<(), Broken>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        if let State::Begins(handshake) = &mut me.state {
            let mut connection = ready!(Pin::new(handshake).poll(context))?;
            if me.is_leaving {
                connection.graceful_shutdown();
            }
            // There always are, for nobody has taken them.
            let alive = connection.ping_pong().map(|pings| Alive::new(me.pace, pings));
            me.state = State::Serves(connection, alive);
        }
        let State::Serves(connection, alive) = &mut me.state else { return Poll::Pending };
        while me.came.len() < TOGETHER_MAX {
            match connection.poll_accept(context) {
                Poll::Ready(Some(call)) => me.came.push(call?),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        if let Some(alive) = alive
            && alive.is_silent(!me.came.is_empty(), context)
        {
            return Poll::Ready(Err(Broken::Silent));
        }
        if !me.came.is_empty() {
            me.answer(context);
            // The next turn sends what was answered, after that of others.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
