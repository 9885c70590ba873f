//! HTTP/1.1, for scrapers and people: few connections at once, one request each.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use super::pages::Pages;

/// How long accepting rests when the system refuses, for want of descriptors above all.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a request's head.
const HEAD_MAX: usize = 8 * 1024;

/// What whoever asks can claim.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at once; more wait.
    connections: usize,
    /// What a connection may take from its first byte to its last.
    time: Duration,
}

/// Of a process that serves.
pub(super) const LIMITS: Limits = Limits { connections: 16, time: Duration::from_secs(5) };

/// Answers at the listener until `stop`.
pub(super) async fn serve(
    listener: TcpListener,
    pages: Pages,
    limits: Limits,
    stop: CancellationToken,
) {
    let pages = Arc::new(pages);
    let places = Arc::new(Semaphore::new(limits.connections));
    let accepting = async {
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (pages, stop) = (Arc::clone(&pages), stop.clone());
                    tokio::spawn(async move {
                        let _until_the_end = place;
                        let answering = tokio::time::timeout(limits.time, answer(stream, pages));
                        stop.run_until_cancelled(answering).await
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "no connection can be accepted for metrics");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
}

async fn answer(stream: TcpStream, pages: Arc<Pages>) {
    let service = service_fn(|request| {
        let response = pages.answer(request.method(), request.uri().path());
        async { Ok::<_, Infallible>(response) }
    });
    let served = Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a request for metrics broke");
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::OnceLock;

    use opentelemetry_sdk::metrics::SdkMeterProvider;
    use prometheus::Registry;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// More than anything takes, even on a machine that is busy.
    const LONG: Duration = Duration::from_secs(60);

    /// Where it answers with these limits.
    async fn start(limits: Limits, stop: &CancellationToken) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let meters = SdkMeterProvider::builder().build();
        let pages = Pages::new(Registry::new(), meters, Arc::new(OnceLock::new()));
        tokio::spawn(serve(listener, pages, limits, stop.clone()));
        address
    }

    async fn ask(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // What is refused may be so before it was sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    const STATUS: &str = "GET /status HTTP/1.1\r\nhost: a\r\n\r\n";

    #[tokio::test]
    async fn who_says_nothing_gives_the_place_to_others() {
        let limits = Limits { connections: 2, time: Duration::from_millis(50) };
        let address = start(limits, &CancellationToken::new()).await;
        let mut silent = Vec::new();
        for _ in 0..2 * limits.connections {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        assert!(ask(address, STATUS).await.starts_with("HTTP/1.1 200 "));
        for mut stream in silent {
            assert_eq!(
                tokio::time::timeout(LONG, stream.read(&mut [0])).await.unwrap().unwrap(),
                0
            );
        }
    }

    #[tokio::test]
    async fn one_too_many_waits() {
        let limits = Limits { connections: 1, time: LONG };
        let address = start(limits, &CancellationToken::new()).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"GET /status HTTP/1.1\r\n").await.unwrap();
        let second = tokio::spawn(ask(address, STATUS));
        let waited = tokio::time::timeout(Duration::from_millis(200), async {
            while !second.is_finished() {
                tokio::task::yield_now().await;
            }
        });
        assert!(waited.await.is_err(), "two at once");
        first.write_all(b"host: a\r\n\r\n").await.unwrap();
        assert!(second.await.unwrap().starts_with("HTTP/1.1 200 "));
    }

    #[tokio::test]
    async fn a_request_is_short_and_the_only_one() {
        let address = start(LIMITS, &CancellationToken::new()).await;
        let twice = ask(address, &STATUS.repeat(2)).await;
        assert_eq!(twice.matches("HTTP/1.1 ").count(), 1, "{twice}");
        assert!(twice.contains("connection: close\r\n"), "{twice}");
        let long = format!("GET /status HTTP/1.1\r\nhost: {}\r\n\r\n", "a".repeat(2 * HEAD_MAX));
        let answer = ask(address, &long).await;
        assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    #[tokio::test]
    async fn it_ends_with_whoever_asks() {
        let stop = CancellationToken::new();
        let address = start(Limits { connections: 2, time: LONG }, &stop).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert!(ask(address, STATUS).await.starts_with("HTTP/1.1 200 "));
        stop.cancel();
        let end = tokio::time::timeout(LONG, silent.read(&mut [0])).await.unwrap();
        assert!(!end.is_ok_and(|read| read > 0));
        let refused = async { while TcpStream::connect(address).await.is_ok() {} };
        tokio::time::timeout(LONG, refused).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_not_there_or_cannot_be_done_is_told() {
        let address = start(LIMITS, &CancellationToken::new()).await;
        let nowhere = ask(address, "GET /metric HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(nowhere.starts_with("HTTP/1.1 404 "), "{nowhere}");
        assert!(nowhere.contains("/metrics") && nowhere.contains("/status"), "{nowhere}");
        let written = ask(address, "POST /status HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(written.starts_with("HTTP/1.1 405 "), "{written}");
        assert!(written.contains("allow: GET, HEAD\r\n"), "{written}");
        let head = ask(address, "HEAD /status HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let (head, body) = head.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 ") && body.is_empty(), "{head} {body}");
    }

    #[tokio::test]
    async fn before_there_is_a_database_the_status_says_so() {
        let address = start(LIMITS, &CancellationToken::new()).await;
        let answer = ask(address, STATUS).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let status: serde_json::Value = serde_json::from_str(body).unwrap();
        let expected = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"), "ready": false, "replica": null, "cache": null,
        });
        assert_eq!(status, expected);
    }
}
