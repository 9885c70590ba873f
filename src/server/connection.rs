//! One HTTP/2 connection.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, future::BoxFuture};
use h2::server::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::acceptor::Accepted;
use super::age::{Ages, Leaving};
use super::calls::Calls;
use super::granted::Granted;
use super::greeting::{Greeting, greet};
use super::http2::{Http2, Pace};
use super::{Connected, Crowd, Serves};
use crate::config::ServerSettings;
use crate::domain::identity::Presented;
use crate::measure::Gauge;
use crate::tls::Encrypted;

/// Bytes of one call that a client may send before the server has read any, at most.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// And at least, which is what HTTP/2 begins with (RFC 9113, section 6.9.2).
const WINDOW_MIN: u32 = 65_535;

/// Bytes of one frame that a client may send, at most: what HTTP/2 begins with (RFC 9113, section 6.5.2).
const MAX_FRAME_SIZE: u32 = 16_384;

/// So much more may it send in all calls of a connection: the memory that a connection can claim.
const WINDOW_PART: u32 = 4;

/// Bytes of answers kept per call while its client does not read.
const SEND_BUFFER: usize = 256 * 1024;

/// Calls that the server itself resets for a client's errors, in the life of a connection: more is a flood
/// (CVE-2025-8671).
const ERROR_RESETS_MAX: usize = 1_024;

/// What a client showed, and when it no longer counts.
struct Shown {
    presented: Arc<Presented>,
    withdrawn: BoxFuture<'static, ()>,
}

/// Ends when the authorities vouch no more for what was shown: from then on it is nobody's, and streams are ended.
/// Never where nothing was shown.
async fn withdrawn_of(
    withdrawn: Option<BoxFuture<'static, ()>>,
    presented: Option<Arc<Presented>>,
    Leaving(leaving): Leaving,
) {
    let Some((withdrawn, presented)) = withdrawn.zip(presented) else { return pending().await };
    withdrawn.await;
    presented.standing.withdraw();
    leaving.cancel();
}

/// Does this to its end. None: it was told to go before.
async fn unless(
    told: Option<Arc<CancellationToken>>,
    done: impl Future<Output = ()>,
) -> Option<()> {
    match told {
        Some(told) => told.run_until_cancelled(done).await,
        None => {
            done.await;
            Some(())
        }
    }
}

/// How every connection is served.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) stop: CancellationToken,
    pub(super) drain_timeout: Duration,
    ages: Ages,
    settings: Arc<ServerSettings>,
    greeting: Greeting,
    open: Gauge,
}

impl Connections {
    /// Serves within `settings` until `stop`. `open`: how many there are.
    pub(super) fn new(
        settings: &ServerSettings,
        greeting: Greeting,
        open: Gauge,
        stop: CancellationToken,
    ) -> Self {
        let drain_timeout = settings.drain_timeout();
        let ages = Ages::new(settings);
        Self { stop, drain_timeout, ages, settings: Arc::new(settings.clone()), greeting, open }
    }

    /// The same on a thread of its own.
    #[must_use]
    pub(super) fn for_thread(&self) -> Self {
        Self { greeting: self.greeting.for_thread(), ..self.clone() }
    }

    /// The terms of HTTP/2 that a connection begins with.
    fn terms(&self) -> Builder {
        let settings = &self.settings;
        // What takes small messages alone needs no room for large ones.
        let most = u32::try_from(settings.max_message_bytes).unwrap_or(u32::MAX);
        let window = most.clamp(WINDOW_MIN, STREAM_WINDOW);
        let granted = Granted::to_one_of(self.open.read(), settings);
        let mut terms = Builder::new();
        terms
            .max_concurrent_streams(granted.streams)
            .max_header_list_size(settings.max_header_bytes)
            .initial_window_size(window)
            .initial_connection_window_size(WINDOW_PART * window)
            .max_frame_size(MAX_FRAME_SIZE)
            .max_send_buffer_size(SEND_BUFFER)
            .max_pending_accept_reset_streams(granted.pending_resets)
            .max_local_error_reset_streams(Some(ERROR_RESETS_MAX));
        terms
    }

    fn pace(&self) -> Pace {
        let settings = &self.settings;
        Pace { interval: settings.keepalive_interval(), timeout: settings.keepalive_timeout() }
    }

    /// Serves one connection to its end. After `stop`, when it is old, and when no authority vouches for its client any
    /// more, it takes no more calls (GOAWAY), and ends with the last one in flight, whether or not the client reads.
    /// Where it is to make room for another it ends at once; where only those must that have not begun, it no longer
    /// must once it has.
    pub(super) async fn serve<S: Serves>(self, accepted: Accepted, service: S) {
        let Accepted { stream, peer, place, present, ousted, beginning, crowd } = accepted;
        let _until_the_end = (place, present);
        // As who leaves a ping unanswered.
        let patience = self.settings.keepalive_interval() + self.settings.keepalive_timeout();
        // Until it has begun each may have to go; then only where the oldest do.
        let begun = |ousted| {
            drop(beginning);
            (crowd == Crowd::OldestLeaves).then_some(ousted)
        };
        // Each kind of connection has a code of its own: one that is not encrypted pays nothing for those that are.
        let is_over = if self.greeting.is_encrypted() {
            let greeted = async {
                let encrypted = self.greeting.encrypt(TcpStream::from_std(stream)?).await?;
                let Encrypted { stream, presented, mut vouched } = encrypted;
                let shown = presented.map(|presented| Shown {
                    presented,
                    withdrawn: Box::pin(async move { vouched.withdrawn().await }),
                });
                Ok((greet(stream, patience).await?, shown))
            };
            match ousted.run_until_cancelled(self.in_time(peer, greeted)).await {
                Some(Some((io, shown))) => {
                    unless(begun(ousted), self.serve_calls(io, peer, shown, service)).await
                }
                greeted => greeted.map(drop),
            }
        } else {
            let greeted = async { greet(TcpStream::from_std(stream)?, patience).await };
            match ousted.run_until_cancelled(self.in_time(peer, greeted)).await {
                Some(Some(io)) => {
                    unless(begun(ousted), self.serve_calls(io, peer, None, service)).await
                }
                greeted => greeted.map(drop),
            }
        };
        if is_over.is_none() {
            tracing::debug!(%peer, "connection made room for another");
        }
    }

    /// What a connection begins with, where it comes in time.
    async fn in_time<T>(
        &self,
        peer: SocketAddr,
        greeted: impl Future<Output = io::Result<T>>,
    ) -> Option<T> {
        let greeted = tokio::time::timeout(self.settings.handshake_timeout(), greeted);
        match self.stop.run_until_cancelled(greeted).await? {
            Ok(Ok(greeted)) => return Some(greeted),
            Ok(Err(error)) => tracing::debug!(%peer, %error, "connection is not HTTP/2"),
            Err(_) => tracing::debug!(%peer, "connection said nothing in time"),
        }
        None
    }

    /// Serves the calls of a connection that began well.
    async fn serve_calls<S: Serves>(
        &self,
        io: impl AsyncRead + AsyncWrite + Unpin,
        peer: SocketAddr,
        shown: Option<Shown>,
        service: S,
    ) {
        let life = self.ages.begin(&self.stop);
        let leaving = life.leaving();
        let (presented, withdrawn) = shown.map(|shown| (shown.presented, shown.withdrawn)).unzip();
        let mut withdrawn =
            pin!(withdrawn_of(withdrawn, presented.clone(), leaving.clone()).fuse());
        let answers = service.connection(Connected { peer, leaving, presented });
        let calls = Calls::default();
        let terms = self.terms();
        let mut connection = Http2::new((&terms, self.pace()), io, answers, calls.clone());
        let end = match life.of(&mut connection, withdrawn.as_mut()).await {
            Some(end) => end,
            None => {
                connection.leave();
                tokio::select! {
                    biased;
                    // Also of what is still in flight, nobody is known any more by an authority that is gone.
                    () = async { withdrawn.await; pending::<()>().await } => return,
                    end = connection => end,
                    () = calls.over() => return tracing::debug!(%peer, "answers were not read"),
                    () = life.spent() => return tracing::debug!(%peer, "calls went on for too long"),
                }
            }
        };
        if let Err(error) = end {
            tracing::debug!(%peer, %error, "connection broke");
        }
    }
}
