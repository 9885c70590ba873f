//! The port for health, the end of a server that speaks TLS, and `keyward health`.

use std::net::SocketAddr;

use keyward::{back::Drained, config::Settings};
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
    place.swap(&place.authority.server());
    let (status, said) = health(&place, &["--address", &address], &own);
    // Until the server has read it: it is another's, as far as anybody can tell.
    assert!(status == Some(0) || said.contains("no encrypted connection"), "{said}");
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
