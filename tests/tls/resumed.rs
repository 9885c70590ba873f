//! Sessions that are resumed, and clients whose certificate is looked at each time because none is.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    LONG,
    authority::Authority,
    client::{Client, handshake},
    place::Place,
    server::Server,
    until,
};

static OLDER: [&SupportedProtocolVersion; 1] = [&version::TLS12];
static NEWER: [&SupportedProtocolVersion; 1] = [&version::TLS13];

/// How a connection began. None: it was refused.
async fn kind(config: &Arc<ClientConfig>, address: SocketAddr) -> Option<HandshakeKind> {
    let mut stream = handshake(config, address).await.ok()?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.ok()?;
    // What the server sends first has the tickets before it, or is its refusal.
    let first = tokio::time::timeout(LONG, stream.read_u8()).await.unwrap();
    first.ok().and_then(|_| stream.get_ref().1.handshake_kind())
}

#[tokio::test]
async fn a_session_is_resumed_and_after_another_certificate_it_is_not() {
    for versions in [&OLDER, &NEWER] {
        let place = Place::new();
        let server = Server::encrypted(&place).await;
        let config = Client { versions, ..Client::new(&place.authority.pem) }.config();
        let kind = async || kind(&config, server.address).await.unwrap();
        assert_eq!(kind().await, HandshakeKind::Full);
        assert_eq!(kind().await, HandshakeKind::Resumed);
        place.swap(&place.authority.server());
        until("the certificate is read", async || server.counted().certificate.applied >= 1).await;
        assert_ne!(kind().await, HandshakeKind::Resumed);
    }
}

#[tokio::test]
async fn who_showed_a_certificate_comes_back_by_no_session_and_not_after_its_authority_is_gone() {
    for versions in [&OLDER, &NEWER] {
        let place = Place::new();
        let server = Server::start(|settings| place.ask_clients(settings)).await;
        let issued = place.clients.client(&["a.example"]);
        // Kept, with all that it would resume.
        let config = Client { versions, ..Client::with(&place.authority.pem, &issued) }.config();
        for _ in 0..3 {
            assert_eq!(kind(&config, server.address).await, Some(HandshakeKind::Full));
        }
        place.write("ca.crt", &Authority::new("newer").pem);
        until("it is read", async || server.counted().client_ca.applied >= 1).await;
        assert_eq!(kind(&config, server.address).await, None);
    }
}

#[tokio::test]
async fn who_showed_a_certificate_does_not_come_back_after_its_end() {
    let place = Place::new();
    let server = Server::start(|settings| place.ask_clients(settings)).await;
    let issued = place.clients.client_for(&["a.example"], Duration::from_secs(10));
    let configs = [&OLDER, &NEWER].map(|versions| {
        Client { versions, ..Client::with(&place.authority.pem, &issued) }.config()
    });
    for config in &configs {
        assert!(kind(config, server.address).await.is_some());
    }
    for config in &configs {
        until("it is let in no more", async || kind(config, server.address).await.is_none()).await;
    }
}
