//! The beginning of a connection: encryption where there is some, and what an HTTP/2 client says first.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::seldom::Seldom;
use crate::tls::{Encrypted, Handshakes};

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How connections begin.
#[derive(Clone)]
pub(super) struct Greeting {
    /// None: connections are not encrypted.
    handshakes: Option<Handshakes>,
    /// Handshakes that failed, of all threads.
    failed: Arc<Mutex<Seldom>>,
}

impl Greeting {
    pub(super) fn new(handshakes: Option<Handshakes>) -> Self {
        Self { handshakes, failed: Arc::default() }
    }

    /// Whether connections are encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.handshakes.is_some()
    }

    /// Agrees on encryption. Who fails is told of seldom, for anybody can: at once, and once a second with how many.
    pub(super) async fn encrypt(&self, stream: TcpStream) -> io::Result<Encrypted> {
        let Some(handshakes) = &self.handshakes else {
            return Err(io::Error::other("connections are not encrypted"));
        };
        let outcome = handshakes.accept(stream).await;
        if let Err(error) = &outcome {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = failed.tell(Instant::now()) {
                tracing::warn!(count, %error, "TLS handshakes failed");
            }
        }
        outcome
    }
}

/// Reads the preface, which hyper would wait for without end. It is put back for hyper to read.
pub(super) async fn greet<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<Greeted<S>> {
    let mut preface = *PREFACE;
    stream.read_exact(&mut preface).await?;
    if preface != *PREFACE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no HTTP/2 preface"));
    }
    Ok(Greeted { unread: PREFACE, stream })
}

/// A connection whose preface is still to be read.
pub(super) struct Greeted<S> {
    unread: &'static [u8],
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let (now, later) = self.unread.split_at(self.unread.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn all_that_came_is_read_in_pieces_of_any_size() {
        for size in [1, 7, 24, 64] {
            let sent = [PREFACE.as_slice(), b"and more"].concat();
            let mut greeted = greet(&*sent).await.unwrap();
            let (mut read, mut piece) = (Vec::new(), vec![0; size]);
            loop {
                match greeted.read(&mut piece).await.unwrap() {
                    0 => break,
                    count => read.extend_from_slice(piece.get(..count).unwrap()),
                }
            }
            assert_eq!(read, sent);
        }
    }

    #[tokio::test]
    async fn who_says_something_else_first_is_refused() {
        for sent in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"PRI * HTTP/2.0", b""] {
            assert!(greet(sent).await.is_err());
        }
    }
}
