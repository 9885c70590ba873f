//! One HTTP/2 connection.

use std::io::{self, Cursor};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::acceptor::Accepted;
use super::calls::Calls;
use super::{Answers, Peer};
use crate::config::ServerSettings;

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of one call that a client may send before the server has read any.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// Bytes of all calls of a connection that a client may send before the server has read any: the memory that a
/// connection can claim.
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;

/// Bytes of answers kept per call while its client does not read.
const SEND_BUFFER: usize = 256 * 1024;

/// Calls that a client may open and reset before the server has seen them: more is a flood (CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 20;

/// Calls that the server itself resets for a client's errors, in the life of a connection: more is a flood
/// (CVE-2025-8671).
const ERROR_RESETS_MAX: usize = 1_024;

/// How every connection is served.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    pub(super) stop: CancellationToken,
    pub(super) drain_timeout: Duration,
    settings: Arc<ServerSettings>,
}

impl Connections {
    /// Serves within `settings` until `stop`.
    pub(super) fn new(settings: &ServerSettings, stop: CancellationToken) -> Self {
        let drain_timeout = settings.drain_timeout();
        Self { stop, drain_timeout, settings: Arc::new(settings.clone()) }
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

    /// Serves one connection to its end. After `stop` it takes no more calls, and ends with the last one in flight,
    /// whether or not the client reads.
    pub(super) async fn serve<S: Answers>(self, accepted: Accepted, service: S) {
        let Accepted { stream, peer, place: _until_the_end } = accepted;
        let greeted = tokio::time::timeout(self.settings.handshake_timeout(), greet(stream));
        let io = match self.stop.run_until_cancelled(greeted).await {
            Some(Ok(Ok(io))) => io,
            Some(Ok(Err(error))) => {
                return tracing::debug!(%peer, %error, "connection is not HTTP/2");
            }
            Some(Err(_)) => return tracing::debug!(%peer, "connection said nothing in time"),
            None => return,
        };
        let service = service_fn(move |mut request| {
            request.extensions_mut().insert(Peer(peer));
            service.clone().oneshot(request)
        });
        let calls = Calls::default();
        let http = self.http(calls.clone());
        let mut connection = pin!(http.serve_connection(TokioIo::new(io), service));
        let end = match self.stop.run_until_cancelled(connection.as_mut()).await {
            Some(end) => end,
            None => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    end = connection => end,
                    () = calls.over() => return tracing::debug!(%peer, "answers were not read"),
                }
            }
        };
        if let Err(error) = end {
            tracing::debug!(%peer, %error, "connection broke");
        }
    }
}

/// Moves `stream` to this thread's runtime and reads the preface, which hyper would wait for without end. The preface is
/// put back for hyper to read.
async fn greet(stream: std::net::TcpStream) -> io::Result<impl AsyncRead + AsyncWrite + Unpin> {
    let (mut read, write) = TcpStream::from_std(stream)?.into_split();
    let mut preface = *PREFACE;
    read.read_exact(&mut preface).await?;
    if preface != *PREFACE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no HTTP/2 preface"));
    }
    Ok(tokio::io::join(Cursor::new(preface).chain(read), write))
}
