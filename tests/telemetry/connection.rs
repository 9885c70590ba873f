//! The connection to the collector: what it is encrypted with, and what becomes of one that is dead.

use std::{fs, net::SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{
    LONG, World,
    authority::Authority,
    metrics_reader::Metrics,
    question,
    receiver::{Received, Receiver},
};

fn settings(url: &str) -> [(&str, &str); 2] {
    [("telemetry.otlp_endpoint", url), ("telemetry.sample_ratio", "1")]
}

async fn ask(world: &World) {
    world.caller().await.introspect.introspect(question(&world.secret)).await.unwrap();
}

fn asked(received: &Received) -> usize {
    received.spans.iter().filter(|span| span.name == "keyward.v1.Introspect/Introspect").count()
}

/// A world whose spans go to a collector of this authority, and that trusts that one.
async fn encrypted(issues: &Authority, trusted: &Authority) -> (Receiver, World) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.crt");
    fs::write(&file, &trusted.pem).unwrap();
    let receiver = Receiver::start_tls(&issues.server()).await;
    let path = file.display().to_string();
    // They are read at the start.
    let world = World::with(&settings(&receiver.url), &[("SSL_CERT_FILE", &path)]).await;
    ask(&world).await;
    (receiver, world)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_with_a_certificate_of_an_authority_that_is_named_is_told() {
    let ours = Authority::new("ours");
    let (receiver, _world) = encrypted(&ours, &ours).await;
    receiver.until(|received| asked(received) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_with_a_certificate_of_somebody_else_is_told_nothing() {
    let (receiver, world) = encrypted(&Authority::new("theirs"), &Authority::new("ours")).await;
    world.logs("does not take telemetry", 1).await;
    let log = world.deployment.log();
    assert!(log.contains("UnknownIssuer"), "{log}");
    assert!(receiver.now().spans.is_empty());
}

/// Passes on what comes, on connections made before the path is cut, until then; those made later
/// go on.
async fn path(to: SocketAddr, cut: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(to).await.unwrap();
            let mut cut = cut.clone();
            let is_later = *cut.borrow();
            tokio::spawn(async move {
                let passing = copy_bidirectional(&mut client, &mut server);
                tokio::select! {
                    _ = passing => return,
                    _ = cut.changed(), if !is_later => {}
                }
                // Neither side hears of it.
                std::future::pending::<()>().await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_went_without_a_word_is_looked_for_anew() {
    let receiver = Receiver::start().await;
    let (cut, is_cut) = watch::channel(false);
    let direct = receiver.url.trim_start_matches("http://").parse().unwrap();
    let url = format!("http://{}", path(direct, is_cut).await);
    let world = World::new(&settings(&url)).await;
    ask(&world).await;
    receiver.until(|received| asked(received) == 1).await;
    cut.send(true).unwrap();
    // What is sent until it is noticed is lost; far less than the quarter of an hour that a system
    // sends it again.
    let coming = async {
        while asked(&receiver.now()) == 1 {
            ask(&world).await;
        }
    };
    tokio::time::timeout(LONG, coming).await.unwrap();
    let failed = "keyward_telemetry_spans_total{outcome=\"failed\"}";
    assert!(Metrics::of(world.serving.metrics).value(failed) >= 1.0);
}
