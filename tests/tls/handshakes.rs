//! How connections begin, and that those which do not harm nobody.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use keyward::tls::client::{Connector, Trust};
use rustls::{ProtocolVersion, SupportedProtocolVersion, version};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    LONG,
    client::{Client, handshake, serves},
    place::Place,
    server::Server,
};

#[tokio::test]
async fn clients_of_both_versions_are_served() {
    let place = Place::new();
    let server = Server::encrypted(&place).await;
    static OLDER: [&SupportedProtocolVersion; 1] = [&version::TLS12];
    static NEWER: [&SupportedProtocolVersion; 1] = [&version::TLS13];
    for (versions, expected) in
        [(&OLDER, ProtocolVersion::TLSv1_2), (&NEWER, ProtocolVersion::TLSv1_3)]
    {
        let client = Client { versions, ..Client::new(&place.authority.pem) };
        let stream = handshake(&client.config(), server.address).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
        assert!(client.is_served(server.address).await, "{expected:?}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_say_that_it_speaks_http2_is_refused() {
    let place = Place::new();
    let server = Server::encrypted(&place).await;
    for protocols in [&[][..], &[&b"http/1.1"[..]]] {
        let client = Client { protocols, ..Client::new(&place.authority.pem) };
        assert!(!client.is_served(server.address).await, "{protocols:?}");
    }
    let both: &[&[u8]] = &[b"http/1.1", b"h2"];
    let client = Client { protocols: both, ..Client::new(&place.authority.pem) };
    assert!(client.is_served(server.address).await);
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_authority_is_not_served() {
    let place = Place::new();
    let server = Server::encrypted(&place).await;
    assert!(!Client::new(&place.clients.pem).is_served(server.address).await);
    assert!(Client::new(&place.authority.pem).is_served(server.address).await);
}

#[tokio::test]
async fn who_speaks_no_tls_to_a_port_that_does_harms_nobody() {
    let place = Place::new();
    let server = Server::encrypted(&place).await;
    let good = Client::new(&place.authority.pem).channel(server.address).await.unwrap();
    for said in [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"GET / HTTP/1.1\r\n\r\n", &[0x16; 64]] {
        let mut plain = TcpStream::connect(server.address).await.unwrap();
        plain.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        // It may be an alert of TLS, and no answer to anything.
        let read = tokio::time::timeout(LONG, plain.read_to_end(&mut answer)).await.unwrap();
        assert!(read.is_err() || answer.len() < 16, "{answer:?}");
        assert!(serves(good.clone()).await);
    }
    assert!(Client::new(&place.authority.pem).is_served(server.address).await);
}

#[tokio::test]
async fn who_speaks_tls_to_a_port_that_does_not_harms_nobody() {
    let place = Place::new();
    let server = Server::start(|_| {}).await;
    let plain = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address));
    let good = plain.unwrap().connect().await.unwrap();
    let config = Client::new(&place.authority.pem).config();
    let refused = tokio::time::timeout(LONG, handshake(&config, server.address)).await.unwrap();
    assert!(refused.is_err());
    assert!(serves(good).await);
}

#[tokio::test]
async fn who_says_nothing_in_time_is_hung_up_on() {
    let place = Place::new();
    let server = Server::start(|settings| {
        place.encrypt(settings);
        settings.server.handshake_timeout_ms = 3_000;
    })
    .await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let config = Client::new(&place.authority.pem).config();
    // And who agreed on encryption, and says nothing more.
    let mut encrypted = handshake(&config, server.address).await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(LONG, silent.read_to_end(&mut rest)).await.unwrap();
    assert_eq!((ended.unwrap(), &*rest), (0, &[][..]));
    let ended = tokio::time::timeout(LONG, encrypted.read_to_end(&mut rest)).await;
    assert!(ended.is_ok());
}

/// Makes a key in an older form, and a certificate for it.
fn older(place: &Place, make: &[&str]) {
    let (key, certificate) = (place.text("tls.key"), place.text("tls.crt"));
    let run = |arguments: &[&str]| {
        let ran = Command::new("openssl").args(arguments).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    };
    run(&[make, &["-out", &key]].concat());
    let by = ["req", "-x509", "-days", "2", "-subj", "/CN=localhost", "-key", &key];
    let kind = ["-addext", "basicConstraints=critical,CA:FALSE", "-out", &certificate];
    run(&[&by[..], &kind[..]].concat());
    let text = std::fs::read_to_string(place.file("tls.key")).unwrap();
    place.write("tls.key", &text);
}

#[tokio::test]
async fn keys_are_read_in_each_of_their_forms() {
    for (make, form) in [
        (&["ecparam", "-name", "prime256v1", "-genkey", "-noout"][..], "BEGIN EC PRIVATE KEY"),
        (&["genpkey", "-algorithm", "ED25519"][..], "BEGIN PRIVATE KEY"),
        (
            &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..],
            "BEGIN PRIVATE KEY",
        ),
    ] {
        let place = Place::new();
        older(&place, make);
        assert!(std::fs::read_to_string(place.file("tls.key")).unwrap().contains(form));
        is_trusted_exactly(&place).await;
    }
    let place = Place::new();
    older(&place, &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let key = place.text("tls.key");
    let older = ["rsa", "-traditional", "-in", &key];
    let ran = Command::new("openssl").args(older).output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.contains("BEGIN RSA PRIVATE KEY"), "{text}");
    place.write("tls.key", &text);
    is_trusted_exactly(&place).await;
}

/// Whoever trusts the certificate in the file and no other reaches a server that has it.
async fn is_trusted_exactly(place: &Place) {
    let server = Server::encrypted(place).await;
    let connect = async |file: &str| {
        let connector = Connector::new(&Trust::Exactly(place.file(file)), "any.name", None);
        let stream = TcpStream::connect(server.address).await.unwrap();
        connector.unwrap().connect(stream).await.is_ok()
    };
    assert!(connect("tls.crt").await);
    place.write("other.crt", &place.authority.server().certificate);
    assert!(!connect("other.crt").await);
}

/// Clients that connect without a pause.
const FLOOD: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_answered_while_handshakes_break_or_come_to_nothing_all_the_time() {
    let place = Place::new();
    let server = Server::encrypted(&place).await;
    let address = server.address;
    let good = Client::new(&place.authority.pem).channel(address).await.unwrap();
    let [stranger, idler] =
        [&place.clients.pem, &place.authority.pem].map(|trusts| Client::new(trusts).config());
    let (over, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let flood: Vec<_> = (0..FLOOD)
        .map(|place| {
            let (over, begun) = (Arc::clone(&over), Arc::clone(&begun));
            let config = Arc::clone(if place % 2 == 0 { &stranger } else { &idler });
            tokio::spawn(async move {
                while !over.load(SeqCst) {
                    if place % 4 == 3 {
                        let mut plain = TcpStream::connect(address).await.unwrap();
                        plain.write_all(&[0x16; 64]).await.unwrap();
                        _ = plain.read_u8().await;
                    } else {
                        assert_eq!(handshake(&config, address).await.is_ok(), place % 2 == 1);
                    }
                    begun.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    let mut answered = 0;
    while answered < 100 || begun.load(SeqCst) < 20 * FLOOD {
        let call = tokio::time::timeout(LONG, serves(good.clone()));
        assert!(call.await.unwrap());
        answered += 1;
    }
    over.store(true, SeqCst);
    for one in flood {
        one.await.unwrap();
    }
}
