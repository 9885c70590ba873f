//! Certificates that are swapped while calls are made.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

use keyward::tls::Reloads;
use tonic::transport::Channel;

use crate::{
    client::{self, Client, serves},
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

async fn calls(channel: Channel, counts: &Counts) {
    let count = if serves(channel).await { &counts.answered } else { &counts.failed };
    count.fetch_add(1, SeqCst);
}

#[expect(clippy::print_stdout, reason = "what was counted is a result, too")]
#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_certificates_are_swapped_or_half_swapped() {
    let place = Place::new();
    let server = Server::encrypted(&place).await;
    let config = Client::new(&place.authority.pem).config();
    let (counts, over) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
    let address = server.address;
    let mut clients = Vec::new();
    for _ in 0..OPEN {
        let (counts, over) = (Arc::clone(&counts), Arc::clone(&over));
        let open = client::channel(&config, address).await.unwrap();
        clients.push(tokio::spawn(async move {
            while !over.load(SeqCst) {
                calls(open.clone(), &counts).await;
            }
        }));
    }
    for _ in 0..NEW {
        let (counts, over, config) = (Arc::clone(&counts), Arc::clone(&over), Arc::clone(&config));
        clients.push(tokio::spawn(async move {
            while !over.load(SeqCst) {
                match client::channel(&config, address).await {
                    Ok(channel) => {
                        counts.connected.fetch_add(1, SeqCst);
                        calls(channel, &counts).await;
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
        until("all of it is used", async || server.counted().certificate.applied >= round).await;
        shows(&place, address, &issued.certificate).await;
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
    assert_eq!(server.counted().certificate, Reloads { applied: SWAPS, refused: SWAPS });
}

/// Sees to it that new connections are shown this certificate.
async fn shows(place: &Place, address: std::net::SocketAddr, expected: &str) {
    let config = Client::new(&place.authority.pem).config();
    let stream = client::handshake(&config, address).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap();
    assert_eq!(crate::authority::pem("CERTIFICATE", &shown[0]), expected);
}
