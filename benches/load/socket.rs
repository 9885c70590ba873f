//! What a connection is made of: TCP, and TLS on it where the server speaks that.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::SocketAddr,
    sync::Arc,
};

use mio::net::TcpStream;
use rustls::{ClientConfig, ClientConnection};

/// A socket that waits for nothing.
pub(crate) struct Socket {
    pub(crate) tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Socket {
    pub(crate) fn connect(address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> Self {
        let tcp = std::net::TcpStream::connect(address).unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp.set_nonblocking(true).unwrap();
        let tls = tls.map(|config| {
            let name = "localhost".try_into().unwrap();
            let mut tls = ClientConnection::new(Arc::clone(config), name).unwrap();
            tls.set_buffer_limit(None);
            Box::new(tls)
        });
        Self { tcp: TcpStream::from_std(tcp), tls }
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Sends of these bytes what can be sent now: how many they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            let written = match &mut self.tls {
                None => self.tcp.write(&bytes[sent..]),
                Some(tls) => tls.writer().write(&bytes[sent..]),
            };
            match written {
                Ok(written) => sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("the server went away: {error}"),
            }
        }
        self.push();
        sent
    }

    /// Sends what TLS has to say.
    fn push(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        while tls.wants_write() {
            match tls.write_tls(&mut self.tcp) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the server went away: {error}"),
            }
        }
    }

    /// Reads what has come: how many bytes. None: nothing has.
    pub(crate) fn receive(&mut self, into: &mut [u8]) -> Option<usize> {
        match self.read(into) {
            Ok(0) => panic!("the server closed a connection"),
            Ok(read) => Some(read),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("the server went away: {error}"),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.read(into) };
        loop {
            match tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            if tls.read_tls(&mut self.tcp)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}
