//! The beginning of an encrypted connection.

use std::{io, sync::Arc};

use rustls::ServerConfig;
use tokio::{net::TcpStream, sync::watch};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{H2, shown};
use crate::domain::identity::Presented;

/// A connection that is encrypted, and what its client showed.
pub struct Encrypted {
    /// The connection.
    pub stream: TlsStream<TcpStream>,
    /// The client's certificate, which was verified. None: it showed none.
    pub presented: Option<Arc<Presented>>,
}

/// Begins connections with the certificate and the authorities that are in force. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handshakes(pub(super) watch::Receiver<Arc<ServerConfig>>);

impl Handshakes {
    /// Agrees with the client on encryption, and on HTTP/2 (ALPN). The caller bounds how long it may take.
    ///
    /// # Errors
    ///
    /// Where client and server do not agree; the text tells nothing of the client but what it did wrong.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<Encrypted> {
        let config = Arc::clone(&self.0.borrow());
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(H2) {
            let said = "the client does not say that it speaks HTTP/2 (ALPN h2)";
            return Err(io::Error::new(io::ErrorKind::InvalidData, said));
        }
        let presented = session.peer_certificates().and_then(shown::presented).map(Arc::new);
        Ok(Encrypted { stream, presented })
    }
}
