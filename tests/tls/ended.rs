//! Certificates that end while their connection is open, and servers that end while a call is in flight.

use std::{convert::Infallible, sync::Arc, time::Duration};

use keyward::{
    back::Drained,
    clock::SystemClock,
    config::{ClientCertificates, Settings},
    domain::identity::Presented,
    server::{self, Entry},
    tls::Tls,
};
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::CancellationToken;

use crate::{
    LONG,
    client::{Client, ask, reason, serves},
    place::Place,
    server::Server,
    until,
};

#[tokio::test]
async fn a_caller_whose_certificate_has_ended_is_refused_on_its_open_connection() {
    let place = Place::new();
    place.list(&[("dns:ops.acme.example", "[\"introspect\"]", "")]);
    let required = ClientCertificates::Required;
    let server = Server::start(|settings| place.know_callers(settings, required)).await;
    // A server and a handshake are not so slow, whatever else the machine does.
    let issued = place.clients.client_for(&["ops.acme.example"], Duration::from_secs(20));
    let client = Client::with(&place.authority.pem, &issued);
    let channel = client.channel(server.address).await.unwrap();
    ask(&channel, None).await.unwrap();
    until("the certificate ends", async || ask(&channel, None).await.is_err()).await;
    assert_eq!(reason(ask(&channel, None).await), "CREDENTIALS_INVALID");
    // The connection is as good as ever for whoever has a key, and no new one is.
    ask(&channel, Some(&format!("Bearer {}", server.root))).await.unwrap();
    assert!(serves(channel).await);
    assert!(!client.is_served(server.address).await);
}

#[tokio::test]
async fn a_call_in_flight_is_finished_when_the_server_ends() {
    let place = Place::new();
    let mut settings = Settings::default();
    place.ask_clients(&mut settings);
    let tls = Tls::open(&settings.tls, Arc::new(SystemClock)).await.unwrap().unwrap();
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, released) = (Arc::clone(&begun), Arc::clone(&release));
    let service = tower::service_fn(move |request: http::Request<keyward::server::Received>| {
        let (begins, released) = (Arc::clone(&begins), Arc::clone(&released));
        async move {
            let presented = request.extensions().get::<Arc<Presented>>().unwrap();
            assert_eq!(presented.identities[0].as_str(), "dns:a.example");
            begins.notify_one();
            released.notified().await;
            Ok::<_, Infallible>(tonic::Status::not_found("it waited").into_http())
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let entry = Entry { handshakes: Some(tls.handshakes()), ..Entry::default() };
    let (stopped, server) = (stop.clone(), settings.server);
    let running =
        tokio::spawn(async move { server::run(listener, service, &server, entry, stopped).await });
    let issued = place.clients.client(&["a.example"]);
    let client = Client::with(&place.authority.pem, &issued);
    let channel = client.channel(address).await.unwrap();
    let call = tokio::spawn(async move { ask(&channel, None).await });
    begun.notified().await;
    stop.cancel();
    release.notify_one();
    let answer = tokio::time::timeout(LONG, call).await.unwrap().unwrap();
    assert_eq!(answer.unwrap_err().message(), "it waited");
    assert_eq!(running.await.unwrap().unwrap(), Drained::All);
}
