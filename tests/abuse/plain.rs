//! The other ports, for metrics and for health: whoever holds them up holds up nobody who calls.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    hpack::Head,
    paths::calls,
    stage::{Bounds, Ended, Stage, note},
    wire::{Abuser, LONG, headers},
};

/// Connections that hold a port: many more than that for metrics answers at once, and no more than the system lets wait.
const SLOW: usize = 100;

/// What is answered to these bytes, to its end.
async fn said(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // What is refused may be so before all of it was sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("it answers or hangs up");
    String::from_utf8_lossy(&answer).lines().next().unwrap_or("closed").trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_port_for_metrics_does_not_know_is_refused() {
    let stage = Stage::new(&[]).await;
    let address = stage.serving.metrics;
    let abuse = async || {
        let mut ended = Ended::new();
        let huge = "x".repeat(1 << 20);
        let many = "x: y\r\n".repeat(200_000);
        let request = |line: &str, more: &str| format!("{line}\r\nhost: a\r\n{more}\r\n");
        for (bytes, due) in [
            (request("GET /metrics HTTP/1.1", ""), "HTTP/1.1 200 OK"),
            (request("GET /status?x=1 HTTP/1.1", ""), "HTTP/1.1 200 OK"),
            (request("POST /metrics HTTP/1.1", "content-length: 9999999999\r\n"), "HTTP/1.1 405 "),
            (request("DELETE /status HTTP/1.1", ""), "HTTP/1.1 405 "),
            (request("GET /metrics/ HTTP/1.1", ""), "HTTP/1.1 404 "),
            (request("GET //metrics HTTP/1.1", ""), "HTTP/1.1 404 "),
            (request("GET /METRICS HTTP/1.1", ""), "HTTP/1.1 404 "),
            (request("GET /../metrics HTTP/1.1", ""), "HTTP/1.1 404 "),
            (request("GET /keyward.v1.KeyAdmin/ListKeys HTTP/1.1", ""), "HTTP/1.1 404 "),
            (request("OPTIONS * HTTP/1.1", ""), "HTTP/1.1 404 "),
            (request("CONNECT a:1 HTTP/1.1", ""), "HTTP/1.1 404 "),
            (request(&format!("GET /{huge} HTTP/1.1"), ""), "HTTP/1.1 4"),
            (request("GET /status HTTP/1.1", &format!("x: {huge}\r\n")), "HTTP/1.1 431 "),
            (request("GET /status HTTP/1.1", &many), "HTTP/1.1 431 "),
            (request("GET /status HTTP/9.9", ""), ""),
            (request("GET /status", ""), ""),
            ("\0\0\0\0\r\n\r\n".to_owned(), ""),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
        ] {
            let answer = said(address, bytes.as_bytes()).await;
            let shown = &bytes[..bytes.len().min(60)];
            match due {
                "" => assert!(!answer.starts_with("HTTP/1.1 200"), "{shown:?}: {answer}"),
                // Who is refused while it still sends may hear of nothing but the end.
                _ => assert!(
                    answer.starts_with(due) || bytes.len() > 10_000 && answer == "closed",
                    "{shown:?}: {answer}"
                ),
            }
            note(&mut ended, answer);
        }
        ended
    };
    stage.abused("odd requests for metrics", Bounds::USUAL, abuse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_the_port_for_metrics_holds_up_no_caller_and_is_hung_up_on() {
    let stage = Stage::new(&[]).await;
    let address = stage.serving.metrics;
    let abuse = async || {
        let mut ended = Ended::new();
        let mut slow = Vec::new();
        for number in 0..SLOW {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let begun = &b"GET /metrics HTTP/1.1\r\nx: y"[..number % 27];
            stream.write_all(begun).await.unwrap();
            slow.push(stream);
        }
        // Those of the first that it answers at once are hung up on: it has places again, and goes on.
        for stream in slow.iter_mut().take(16) {
            let mut answer = Vec::new();
            let read = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await;
            assert!(read.is_ok(), "it waits without end");
            note(&mut ended, "closed");
        }
        ended
    };
    stage.abused("slow requests for metrics", Bounds::USUAL, abuse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_for_health_serves_health_alone_and_whoever_floods_it_harms_no_caller() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let health = port.local_addr().unwrap();
    drop(port);
    let stage = Stage::new(&[("health.listen", &health.to_string())]).await;
    let abuse = async || {
        let mut ended = Ended::new();
        let calls = calls(&stage.root);
        let mut open = Vec::new();
        for _ in 0..SLOW {
            let mut abuser = Abuser::silent(health).await;
            abuser.send(&crate::wire::hello(&[])).await;
            for (path, _) in &calls {
                let stream = abuser.stream();
                let block = Head::call(path, &stage.root).block();
                abuser.send(&headers(stream, 0, &block)).await;
            }
            open.push(abuser);
            // A probe finds its way in all the same, and nothing else is there.
            let mut probe = Abuser::connect(health).await;
            let (path, body) = &calls[4];
            let (answer, heard) = probe.ask(&Head::call(path, ""), body).await;
            assert_eq!(answer.grpc, Some(0), "{heard:?}");
            note(&mut ended, "probes answered");
            let (path, body) = &calls[open.len() % 4];
            let (answer, heard) = probe.ask(&Head::call(path, &stage.root), body).await;
            assert_eq!(answer.grpc, Some(12), "{heard:?}");
        }
        ended
    };
    stage.abused("a flooded port for health", Bounds::USUAL, abuse).await;
}
