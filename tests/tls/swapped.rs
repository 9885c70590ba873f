//! Certificates that are swapped while calls are made.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use keyward::{
    config::ClientCertificates,
    tls::{Counted, Reloads},
};
use rustls::ClientConfig;
use tonic::transport::Channel;

use crate::{
    authority::Authority,
    client::{self, Client, ask, serves},
    place::Place,
    server::Server,
    until,
};

/// How often the certificate is swapped.
const SWAPS: u64 = 6;
/// Connections that are open from the first to the last moment.
const OPEN: usize = 4;
/// Clients that open one connection after the other.
const NEW: usize = 4;

/// What was counted.
#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    failed: AtomicU64,
    connected: AtomicU64,
    not_connected: AtomicU64,
}

const OPS: &str = "dns:ops.acme.example";
const CHECKOUT: &str = "spiffe://acme.example/checkout";

async fn calls(channel: &Channel, counts: &Counts) {
    // Who calls is known by its certificate alone.
    let asked = ask(channel, None).await.is_ok() && serves(channel.clone()).await;
    let count = if asked { &counts.answered } else { &counts.failed };
    count.fetch_add(1, SeqCst);
}

/// The list, in this or the other order.
fn list(place: &Place, round: u64) {
    let mut callers = [(OPS, "[\"introspect\"]", ""), (CHECKOUT, "[\"introspect\"]", "[\"acme\"]")];
    callers.rotate_left(usize::from(round.is_multiple_of(2)));
    place.list(&callers);
}

#[expect(clippy::print_stdout, reason = "what was counted is a result, too")]
#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_certificates_authorities_and_callers_are_swapped_or_half_swapped() {
    let place = Place::new();
    list(&place, 1);
    let required = ClientCertificates::Required;
    let server = Server::start(|settings| {
        place.know_callers(settings, required);
        settings.server.front_threads = 2;
    })
    .await;
    // One of each, by the authority that is in every bundle. No session is resumed where certificates are shown.
    let issued = ["ops.acme.example", CHECKOUT].map(|name| place.clients.client(&[name]));
    let configs =
        issued.each_ref().map(|issued| Client::with(&place.authority.pem, issued).config());
    let (counts, over) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
    let address = server.address;
    let mut clients = Vec::new();
    for number in 0..OPEN {
        let (counts, over) = (Arc::clone(&counts), Arc::clone(&over));
        let open = client::channel(&configs[number % 2], address).await.unwrap();
        clients.push(tokio::spawn(async move {
            while !over.load(SeqCst) {
                calls(&open, &counts).await;
            }
        }));
    }
    for number in 0..NEW {
        let (counts, over) = (Arc::clone(&counts), Arc::clone(&over));
        let config = Arc::clone(&configs[number % 2]);
        clients.push(tokio::spawn(async move {
            while !over.load(SeqCst) {
                match client::channel(&config, address).await {
                    Ok(channel) => {
                        counts.connected.fetch_add(1, SeqCst);
                        calls(&channel, &counts).await;
                    }
                    Err(_) => _ = counts.not_connected.fetch_add(1, SeqCst),
                }
            }
        }));
    }
    for round in 1..=SWAPS {
        // Its certificate without its key: refused, and the one before is used until both are there.
        let issued = place.authority.server();
        place.write("tls.crt", &issued.certificate);
        until("half of it is refused", async || server.counted().certificate.refused >= round)
            .await;
        let before = counts.connected.load(SeqCst);
        until("connections are made with the one before", async || {
            counts.connected.load(SeqCst) > before
        })
        .await;
        place.write("tls.key", &issued.key);
        list(&place, round + 1);
        let bundle = place.clients.pem.clone() + &Authority::new("newer").pem;
        place.write("ca.crt", &bundle);
        until("all of it is used", async || {
            let Counted { certificate, client_ca, callers, .. } = server.counted();
            [certificate, client_ca, callers].iter().all(|reloads| reloads.applied >= round)
        })
        .await;
        shows(&configs[0], address, &issued.certificate).await;
    }
    let before = counts.answered.load(SeqCst);
    until("calls are still answered", async || counts.answered.load(SeqCst) > before + 100).await;
    over.store(true, SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let read = |count: &AtomicU64| count.load(SeqCst);
    let [failed, not_connected] = [&counts.failed, &counts.not_connected].map(read);
    let [answered, connected] = [&counts.answered, &counts.connected].map(read);
    println!(
        "{SWAPS} swaps: {answered} calls answered, {failed} failed; {connected} new connections, {not_connected} failed"
    );
    assert_eq!((failed, not_connected), (0, 0), "of {answered} and {connected}");
    assert!(connected >= SWAPS && answered > connected);
    let Counted { certificate, client_ca, callers, .. } = server.counted();
    assert_eq!(certificate, Reloads { applied: SWAPS, refused: SWAPS, is_stale: false });
    for reloads in [client_ca, callers] {
        assert_eq!(reloads, Reloads { applied: SWAPS, refused: 0, is_stale: false });
    }
}

/// Sees to it that new connections are shown this certificate.
async fn shows(config: &Arc<ClientConfig>, address: SocketAddr, expected: &str) {
    let stream = client::handshake(config, address).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap();
    assert_eq!(crate::authority::pem("CERTIFICATE", &shown[0]), expected);
}
