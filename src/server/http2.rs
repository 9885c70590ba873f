//! HTTP/2 of one connection, by h2 itself.
//!
//! A call that is answered at once is answered by the task of its connection: it costs no task of its own. All calls
//! that came together are taken first and answered then, so that their answers leave together; what waits for
//! something goes on in a task.

mod alive;
mod call;
mod received;

use std::{
    collections::VecDeque,
    future::Future,
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

/// Calls that are answered in one turn, before other connections have theirs.
const TOGETHER_MAX: usize = 64;
/// Calls that wait for their turn here, at most: more wait in h2, which bounds those that were reset meanwhile.
const CAME_MAX: usize = 1_024;
/// Calls whose memory a connection keeps for the next ones.
const KEPT_MAX: usize = 32;

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
    /// Calls that wait for their turn.
    came: VecDeque<Came>,
}

enum State<IO> {
    Begins(Handshake<IO, Bytes>),
    Serves(Connection<IO, Bytes>, Option<Alive>),
}

/// A call, and when it came.
type Came = (Request<RecvStream>, SendResponse<Bytes>, Instant);

impl<IO: AsyncRead + AsyncWrite + Unpin, A: Answers> Http2<IO, A> {
    /// Serves a connection on these terms. What its calls wait for goes on in `calls`. `pace`: how it is found out that
    /// the client is gone.
    pub(super) fn new((terms, pace): (&Builder, Pace), io: IO, answers: A, calls: Calls) -> Self {
        let state = State::Begins(terms.handshake(io));
        Self { state, answers, calls, pace, is_leaving: false, came: VecDeque::new() }
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

    /// Begins the calls whose turn it is, and answers those that can be answered at once.
    fn answer(&mut self, context: &mut Context<'_>) {
        for _ in 0..TOGETHER_MAX {
            let Some((request, respond, arrived)) = self.came.pop_front() else { break };
            let answer = self.answers.clone().answer(request.map(Received::new), arrived);
            self.calls.begin(Call::new(respond, answer), context);
        }
        if self.came.is_empty() {
            self.came.shrink_to(KEPT_MAX);
        }
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
        // All that came is taken, whenever its turn is: what it waits here, its caller waits.
        let (before, mut arrived) = (me.came.len(), None);
        while me.came.len() < CAME_MAX {
            match connection.poll_accept(context) {
                Poll::Ready(Some(call)) => {
                    let (request, respond) = call?;
                    let arrived = *arrived.get_or_insert_with(Instant::now);
                    me.came.push_back((request, respond, arrived));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        if let Some(alive) = alive
            && alive.is_silent(me.came.len() > before, context)
        {
            return Poll::Ready(Err(Broken::Silent));
        }
        if !me.came.is_empty() {
            me.answer(context);
            // What was answered is sent in the next turn, which comes after that of others.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
