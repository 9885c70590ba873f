//! Answers that nobody reads: what they hold comes back all the same.

use std::time::{Duration, Instant};

use keyward::back::Drained;
use tonic::Status;

use crate::frames::{DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, RESET, head};
use crate::support::{
    CHECK, EMPTY_MESSAGE, LONG, NEVER_MS, QUICK, Running, STREAM, TRAILERS, WATCH, start,
};

const DEADLINE: Duration = Duration::from_secs(5);
/// What the server gives whoever reads the end of a stream.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// All checks of health that are taken at once.
const CHECKS: u32 = 1_000;

impl Frames {
    async fn call(&mut self, stream: u32, path: &str) {
        self.send(HEADERS, END_HEADERS, stream, &head(path, &[])).await;
        self.send(DATA, END_STREAM, stream, EMPTY_MESSAGE).await;
    }
}

/// A server whose calls have little time, and one of them at once.
async fn brief() -> Running {
    start(|settings| {
        settings.deadline_max_ms = DEADLINE.as_millis().try_into().unwrap();
        settings.max_in_flight = 1;
    })
    .await
}

#[track_caller]
fn ok(status: &Status) {
    assert_eq!(status.code(), Status::ok("").code(), "{status:?}");
}

#[tokio::test]
async fn a_call_whose_answer_is_not_read_ends_at_its_deadline() {
    let server = brief().await;
    let client = server.client().await;
    // A message and what goes on without end.
    for path in [TRAILERS, STREAM] {
        let mut unread = Frames::reading(server.address, 0).await;
        let begun = Instant::now();
        unread.call(1, path).await;
        unread.until(HEADERS, END_HEADERS, 1).await;
        let status = client.call(QUICK, EMPTY_MESSAGE).await;
        assert_eq!(status.code(), Status::resource_exhausted("").code(), "it is in flight");
        unread.until(RESET, 0, 1).await;
        assert!(begun.elapsed() >= DEADLINE);
        ok(&client.call(QUICK, EMPTY_MESSAGE).await);
    }
}

#[tokio::test]
async fn strangers_who_read_nothing_keep_nobody_from_asking_for_health() {
    let server = brief().await;
    let mut unread = Frames::reading(server.address, 0).await;
    for call in 0..CHECKS {
        unread.call(2 * call + 1, CHECK).await;
    }
    for _ in 0..CHECKS {
        while unread.receive().await.kind != RESET {}
    }
    ok(&server.client().await.call(CHECK, EMPTY_MESSAGE).await);
}

#[tokio::test]
async fn what_is_not_read_does_not_hold_the_end() {
    // Nothing at all; or of a whole answer a part.
    for (path, window) in [(WATCH, 0), (TRAILERS, 1)] {
        let server = start(|settings| {
            settings.deadline_max_ms = NEVER_MS;
            settings.drain_timeout_ms = LONG.as_millis().try_into().unwrap();
        })
        .await;
        let mut unread = Frames::reading(server.address, window).await;
        unread.call(1, path).await;
        let kind = if window == 0 { HEADERS } else { DATA };
        unread.until(kind, 0, 1).await;
        server.stop.cancel();
        assert_eq!(server.end().await.unwrap(), Drained::All, "{path}");
    }
}

/// Whether the end of a stream is there for who reads it when the stream is over. Not where that took longer than the
/// server waits.
async fn end_is_read() -> bool {
    let server = start(|_| {}).await;
    let mut slow = Frames::reading(server.address, 0).await;
    slow.call(1, WATCH).await;
    slow.until(HEADERS, END_HEADERS, 1).await;
    let begun = Instant::now();
    server.stop.cancel();
    // By now the stream is over.
    slow.until(GOAWAY, 0, 0).await;
    slow.read(1, 1_000).await;
    loop {
        let frame = slow.receive().await;
        match frame.kind {
            HEADERS if frame.stream == 1 && frame.flags & END_STREAM != 0 => return true,
            RESET => {
                assert!(begun.elapsed() >= READ_WITHIN, "it does not wait");
                return false;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_end_of_a_stream_waits_a_moment_to_be_read() {
    // On a busy machine the moment may be over before it is read.
    for _ in 0..3 {
        if end_is_read().await {
            return;
        }
    }
    panic!("it is never there");
}
