//! The port for health, the end of a server that speaks TLS, and `keyward health`.

use std::net::SocketAddr;

use keyward::{back::Drained, config::Settings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    LONG,
    client::{Client, ask, serves},
    place::Place,
    refused::program,
    server::Server,
    until,
};

async fn plain(address: SocketAddr) -> tonic::transport::Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// One that has begun to serve.
async fn with_health(place: Option<&Place>) -> Server {
    let server = Server::start(|settings| {
        if let Some(place) = place {
            place.encrypt(settings);
        }
        settings.health.listen.0 = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let channel = plain(server.health.unwrap()).await;
    until("it serves", async || {
        let answer = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await;
        answer.unwrap().into_inner().status() == ServingStatus::Serving
    })
    .await;
    server
}

#[tokio::test]
async fn the_port_for_health_tells_health_in_plain_text_and_nothing_else() {
    let place = Place::new();
    for place in [Some(&place), None] {
        let server = with_health(place).await;
        let channel = plain(server.health.unwrap()).await;
        for service in ["", "keyward.v1.KeyAdmin", "keyward.v1.Introspect"] {
            let request = HealthCheckRequest { service: service.to_owned() };
            let answer = HealthClient::new(channel.clone()).check(request).await.unwrap();
            assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{service}");
        }
        let bearer = format!("Bearer {}", server.root);
        let refused = ask(&channel, Some(&bearer)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented);
    }
}

#[tokio::test]
async fn health_is_told_from_the_first_moment_on() {
    let mut settings = Settings::default();
    settings.server.listen = "127.0.0.1:0".parse().unwrap();
    settings.health.listen.0 = Some("127.0.0.1:0".parse().unwrap());
    // Nothing serves yet: its database may be waited for.
    let listener = keyward::app::listen(&settings).await.unwrap();
    let channel = plain(listener.health_addr().unwrap()).await;
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn who_watches_hears_of_the_end_and_connections_are_closed_in_time() {
    let place = Place::new();
    let server = with_health(Some(&place)).await;
    let watched = plain(server.health.unwrap()).await;
    let watch = HealthClient::new(watched).watch(HealthCheckRequest::default()).await;
    let mut watch = watch.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    let channel = Client::new(&place.authority.pem).channel(server.address).await.unwrap();
    assert!(serves(channel.clone()).await);
    server.stop();
    let then = tokio::time::timeout(LONG, watch.message()).await.unwrap();
    assert_eq!(then.unwrap().unwrap().status(), ServingStatus::NotServing);
    let drained = tokio::time::timeout(LONG, server.end()).await.unwrap();
    assert_eq!(drained, Drained::All);
    assert!(!serves(channel).await);
}

fn health(place: &Place, arguments: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = program(place, &[&["health"], arguments].concat(), settings).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_speaks_tls_as_the_settings_or_its_options_say() {
    let place = Place::new();
    let server = with_health(Some(&place)).await;
    let (address, port) = (server.address.to_string(), server.health.unwrap().to_string());
    place.write("authority.crt", &place.authority.pem);
    place.write("stranger.crt", &place.clients.pem);
    let [certificate, key, authority, stranger] =
        ["tls.crt", "tls.key", "authority.crt", "stranger.crt"].map(|name| place.text(name));
    let own = [
        ("tls.certificate_file", &*certificate),
        ("tls.private_key_file", &*key),
        ("server.listen", &*address),
    ];
    let serving = (Some(0), "SERVING\n".to_owned());
    // By the settings of the server: its certificate is taken for its own, whatever the address.
    assert_eq!(health(&place, &[], &own), serving);
    let with_port = [&own[..], &[("health.listen", &*port)]].concat();
    assert_eq!(health(&place, &[], &with_port), serving);
    assert_eq!(health(&place, &["--address", &port], &with_port), serving);
    // By options alone, for the name in the certificate.
    let trusted = ["--address", &address, "--ca-file", &authority, "--server-name", "localhost"];
    assert_eq!(health(&place, &trusted, &[]), serving);
    for (arguments, expected) in [
        (&["--address", &*address][..], "ask with --tls"),
        (&["--address", &address, "--ca-file", &authority], "--server-name"),
        (
            &["--address", &address, "--ca-file", &stranger, "--server-name", "localhost"],
            "--ca-file",
        ),
        (&["--address", &address, "--ca-file", "none.crt"], "--ca-file: cannot read none.crt"),
        (&["--address", &port, "--tls"], "no encrypted connection"),
    ] {
        let (status, said) = health(&place, arguments, &[]);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(expected), "{expected:?} is not in {said}");
    }
    // A certificate that the server does not have is another's, as far as anybody can tell.
    let issued = place.authority.server();
    place.write("copy.crt", &issued.certificate);
    place.write("copy.key", &issued.key);
    let [copy, copy_key] = ["copy.crt", "copy.key"].map(|name| place.text(name));
    let other = [
        ("tls.certificate_file", &*copy),
        ("tls.private_key_file", &*copy_key),
        ("server.listen", &*address),
    ];
    let (status, said) = health(&place, &[], &other);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("no encrypted connection"), "{said}");
    place.swap(&issued);
    until("it is read", async || server.counted().certificate.applied >= 1).await;
    assert_eq!(health(&place, &[], &own), serving);
    assert_eq!(health(&place, &[], &other), serving);
}

/// As many connections as the port has room for.
const CROWD: usize = 256;

#[tokio::test]
async fn a_probe_is_answered_however_many_hold_connections_to_the_port_for_health() {
    let server = with_health(None).await;
    let port = server.health.unwrap();
    let mut silent = Vec::new();
    let mut idle = Vec::new();
    for _ in 0..CROWD {
        silent.push(TcpStream::connect(port).await.unwrap());
    }
    for _ in 0..CROWD {
        idle.push(plain(port).await);
    }
    for _ in 0..3 {
        let probe = async { serves(plain(port).await).await };
        // Far sooner than the others become too old.
        assert!(tokio::time::timeout(LONG / 2, probe).await.unwrap());
    }
    // The oldest went, and those that came last are there.
    let mut first = silent.swap_remove(0);
    let read = tokio::time::timeout(LONG, first.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert!(serves(idle.pop().unwrap()).await);
}

#[tokio::test]
async fn the_port_for_health_takes_small_questions_and_few_at_once() {
    let server = with_health(None).await;
    let channel = plain(server.health.unwrap()).await;
    let large = HealthCheckRequest { service: "x".repeat(5_000) };
    let refused = HealthClient::new(channel.clone()).check(large).await.unwrap_err();
    assert!(
        matches!(
            refused.code(),
            Code::OutOfRange | Code::ResourceExhausted | Code::InvalidArgument
        ),
        "{refused:?}"
    );
    let mut stream = TcpStream::connect(server.health.unwrap()).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut said = vec![0; 64];
    let count = stream.read(&mut said).await.unwrap();
    // SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113, section 6.5.2).
    let most = [0, 3, 0, 0, 0, 8];
    assert!(said[..count].windows(6).any(|window| window == most), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_shows_a_certificate_where_it_is_given_one() {
    let place = Place::new();
    let server = Server::start(|settings| place.ask_clients(settings)).await;
    let address = server.address.to_string();
    let issued = place.clients.client(&["probe.example"]);
    place.write("probe.crt", &issued.certificate);
    place.write("probe.key", &issued.key);
    let (certificate, key) = (place.text("tls.crt"), place.text("tls.key"));
    let own = [
        ("tls.certificate_file", &*certificate),
        ("tls.private_key_file", &*key),
        ("server.listen", &*address),
    ];
    let (status, said) = health(&place, &[], &own);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("give one with --certificate-file and --private-key-file"), "{said}");
    let (certificate, key) = (place.text("probe.crt"), place.text("probe.key"));
    let shown = ["--certificate-file", &certificate, "--private-key-file", &key];
    assert_eq!(health(&place, &shown, &own), (Some(0), "SERVING\n".to_owned()));
}
