//! Encrypted connections: servers with certificates that are made for the test, and clients with and without.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod authority;
mod callers;
mod client;
mod ended;
mod handshakes;
mod health;
mod mended;
#[path = "../metrics/reader.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod metrics_reader;
mod place;
mod refused;
mod resumed;
mod server;
mod streams;
mod swapped;
mod told;
mod withdrawn;

use std::time::Duration;

/// More than anything takes, even on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);
/// Between two looks at what takes its time.
const INTERVAL: Duration = Duration::from_millis(20);

/// Waits until it holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            if holds().await {
                return;
            }
        }
    };
    assert!(tokio::time::timeout(LONG, waiting).await.is_ok(), "it never came to be so: {what}");
}
