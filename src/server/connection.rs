//! One HTTP/2 connection.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::acceptor::Accepted;
use super::age::Ages;
use super::calls::Calls;
use super::greeting::{Greeting, greet};
use super::{Answers, Peer};
use crate::config::ServerSettings;
use crate::domain::identity::Presented;

/// Bytes of one call that a client may send before the server has read any.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// Bytes of all calls of a connection that a client may send before the server has read any: the memory that a
/// connection can claim.
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;

/// Bytes of answers kept per call while its client does not read.
const SEND_BUFFER: usize = 256 * 1024;

/// Calls that a client may open and reset before the server has seen them: more is a flood (CVE-2023-44487). But where
/// the server comes late, honest clients give up whatever they had open, a few times over.
const PENDING_RESETS_MAX: usize = 1_000;

/// Calls that the server itself resets for a client's errors, in the life of a connection: more is a flood
/// (CVE-2025-8671).
const ERROR_RESETS_MAX: usize = 1_024;

/// How every connection is served.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) stop: CancellationToken,
    pub(super) drain_timeout: Duration,
    ages: Ages,
    settings: Arc<ServerSettings>,
    greeting: Greeting,
}

impl Connections {
    /// Serves within `settings` until `stop`.
    pub(super) fn new(
        settings: &ServerSettings,
        greeting: Greeting,
        stop: CancellationToken,
    ) -> Self {
        let drain_timeout = settings.drain_timeout();
        let ages = Ages::new(settings);
        Self { stop, drain_timeout, ages, settings: Arc::new(settings.clone()), greeting }
    }

    fn http(&self, calls: Calls) -> Builder<Calls> {
        let settings = &self.settings;
        let mut http = Builder::new(calls);
        http.timer(TokioTimer::new())
            .auto_date_header(false)
            .max_concurrent_streams(settings.max_concurrent_streams)
            .max_header_list_size(settings.max_header_bytes)
            .keep_alive_interval(settings.keepalive_interval())
            .keep_alive_timeout(settings.keepalive_timeout())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
            .max_local_error_reset_streams(ERROR_RESETS_MAX);
        http
    }

    /// Serves one connection to its end. After `stop`, and when it is old, it takes no more calls (GOAWAY), and ends
    /// with the last one in flight, whether or not the client reads.
    pub(super) async fn serve<S: Answers>(self, accepted: Accepted, service: S) {
        let Accepted { stream, peer, place: _until_the_end, present: _so_long } = accepted;
        // Each kind of connection has a code of its own: one that is not encrypted pays nothing for those that are.
        if self.greeting.is_encrypted() {
            let greeted = async {
                let encrypted = self.greeting.encrypt(TcpStream::from_std(stream)?).await?;
                Ok((greet(encrypted.stream).await?, encrypted.presented))
            };
            if let Some((io, presented)) = self.in_time(peer, greeted).await {
                self.serve_calls(io, peer, presented, service).await;
            }
        } else {
            let greeted = async { greet(TcpStream::from_std(stream)?).await };
            if let Some(io) = self.in_time(peer, greeted).await {
                self.serve_calls(io, peer, None, service).await;
            }
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
    async fn serve_calls<S: Answers>(
        &self,
        io: impl AsyncRead + AsyncWrite + Unpin,
        peer: SocketAddr,
        presented: Option<Arc<Presented>>,
        service: S,
    ) {
        let life = self.ages.begin(&self.stop);
        let leaving = life.leaving();
        let service = service_fn(move |mut request| {
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(leaving.clone());
            if let Some(presented) = &presented {
                request.extensions_mut().insert(Arc::clone(presented));
            }
            service.clone().oneshot(request)
        });
        let calls = Calls::default();
        let http = self.http(calls.clone());
        let mut connection = pin!(http.serve_connection(TokioIo::new(io), service));
        let end = match life.of(connection.as_mut()).await {
            Some(end) => end,
            None => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
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
