//! The beginning of an encrypted connection, and when it must end for what its client showed.

use std::{future::pending, io, sync::Arc};

use rustls::{
    pki_types::{CertificateDer, UnixTime},
    server::danger::ClientCertVerifier,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::watch};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{H2, held::Begun, shown};
use crate::domain::identity::Presented;

/// The most bytes of what is said of a handshake that failed: what it quotes comes from a stranger.
const SAID_BYTES_MAX: usize = 200;

/// A connection that is encrypted, and what its client showed.
pub struct Encrypted {
    /// The connection.
    pub stream: TlsStream<TcpStream>,
    /// The client's certificate, which was verified. None: it showed none.
    pub presented: Option<Arc<Presented>>,
    /// What the authorities in force say of it later.
    pub vouched: Vouched,
}

/// Begins connections with the certificate and the authorities that are in force. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handshakes(pub(super) watch::Receiver<Arc<Begun>>);

impl Handshakes {
    /// Agrees with the client on encryption, and on HTTP/2 (ALPN). The caller bounds how long it may take.
    ///
    /// # Errors
    ///
    /// Where client and server do not agree; the text tells nothing of the client but what it did wrong, in at most
    /// some 200 bytes.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<Encrypted> {
        let mut changes = self.0.clone();
        // What changes from here on is seen by the watch.
        let begun = Arc::clone(&changes.borrow_and_update());
        let acceptor = TlsAcceptor::from(Arc::clone(&begun.config));
        let mut stream = acceptor.accept(stream).await.map_err(shortened)?;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(H2) {
            // So that the client learns that it was understood, and not served.
            _ = stream.shutdown().await;
            let said = "the client does not say that it speaks HTTP/2 (ALPN h2)";
            return Err(io::Error::new(io::ErrorKind::InvalidData, said));
        }
        let chain = session.peer_certificates();
        let chain: Vec<_> =
            chain.into_iter().flatten().map(|one| one.clone().into_owned()).collect();
        let presented = shown::presented(&chain).map(Arc::new);
        let vouched = Vouched { chain, by: begun.clients.clone(), changes };
        Ok(Encrypted { stream, presented, vouched })
    }
}

fn shortened(error: io::Error) -> io::Error {
    let said = error.to_string();
    if said.len() <= SAID_BYTES_MAX {
        return error;
    }
    let short: String = said.chars().take(SAID_BYTES_MAX / 4).collect();
    io::Error::new(error.kind(), format!("{short}…"))
}

/// What a client showed, beside the authorities by which it was verified.
pub struct Vouched {
    /// Its own certificate first. Empty: it showed none.
    chain: Vec<CertificateDer<'static>>,
    by: Option<Arc<dyn ClientCertVerifier>>,
    changes: watch::Receiver<Arc<Begun>>,
}

impl Vouched {
    /// Waits until the authorities of clients are others, by which what was shown is not verified. What has merely
    /// ended is no concern of theirs. Nothing is lost where the future is dropped and another made.
    pub async fn withdrawn(&mut self) {
        let Self { chain, by, changes } = self;
        let Some((own, others)) = chain.split_first() else { return pending().await };
        while changes.changed().await.is_ok() {
            let now = changes.borrow_and_update().clients.clone();
            let is_same = match (&now, &*by) {
                (Some(now), Some(before)) => Arc::ptr_eq(now, before),
                (now, before) => now.is_none() && before.is_none(),
            };
            if is_same {
                continue;
            }
            let verified =
                now.as_ref().map(|now| now.verify_client_cert(own, others, UnixTime::now()));
            *by = now;
            if !matches!(verified, Some(Ok(_))) {
                return;
            }
        }
        // Nothing changes any more.
        pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_stranger_is_short() {
        for said in ["a".repeat(100_000), "\u{1f600}".repeat(1_000)] {
            let error = io::Error::new(io::ErrorKind::InvalidData, said);
            assert!(shortened(error).to_string().len() <= SAID_BYTES_MAX + 3);
        }
        let error = shortened(io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof"));
        assert_eq!(
            (error.kind(), &*error.to_string()),
            (io::ErrorKind::UnexpectedEof, "tls handshake eof")
        );
    }
}
