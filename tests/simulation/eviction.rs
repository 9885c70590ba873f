//! When a row may be taken away: not while the lease may last that it stands for.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    dice::Dice,
    link::{LIMIT, Server, Weather},
    node::{FAST, INTERVAL, LEASE, Node, SLOW, Setup},
    subject::{Subject, versions},
};

/// In the memory of the reader, and not touched by the first change.
const KEY: Subject = Subject::Key(1);
const OTHER: Subject = Subject::Key(2);
/// Long enough for a test to see what was applied before it is acknowledged.
const HELD: Weather = Weather {
    hold: Duration::from_millis(20),
    lag: 0,
    lost_there: 0,
    lost_back: 0,
    late: 0,
    rings_lost: 0,
};

/// A writer whose clock goes fast, another one, and a reader whose clock goes slow.
struct Trio {
    writer: Arc<Node>,
    other: Arc<Node>,
    reader: Arc<Node>,
}

impl Trio {
    async fn new() -> Self {
        let (server, dice) = (Server::new(), Dice::new(1));
        let start = |name, rate| {
            let setup = Setup { doorbell: false, rate, ..Setup::PLAIN };
            Node::start(&server, name, setup, dice.fork())
        };
        let trio =
            Self { writer: start("w", FAST), other: start("o", FAST), reader: start("r", SLOW) };
        trio.weather(HELD);
        for node in [&trio.writer, &trio.other, &trio.reader] {
            node.replica.until(true).await;
            node.ask(1).await.unwrap();
        }
        trio
    }

    /// That of the reader.
    fn weather(&self, weather: Weather) {
        *self.reader.link.weather.lock().unwrap() = weather;
    }

    /// Cuts the reader off when it has applied the change, and not acknowledged it.
    async fn applied_and_cut_off(&self) {
        while self.reader.replica.status().applied.0 < 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.weather(Weather { lost_there: 100, ..HELD });
    }

    /// Makes a second change elsewhere, and sees to it that the reader is never behind it.
    async fn changes_again(&self) {
        self.other.change(KEY, 2, None).await.unwrap();
        let end = Instant::now() + 2 * LEASE;
        while Instant::now() < end {
            if let Ok((found, _)) = self.reader.ask(1).await {
                assert_eq!(versions(&found)[0].1, 2);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_counted_from_when_the_row_was_read_and_not_from_the_commit() {
    let trio = Trio::new().await;
    let (wrote, ()) = tokio::join!(trio.writer.change(OTHER, 1, None), async {
        // It is made, and the rows are read much later: after the reader has renewed its lease.
        while trio.other.link.server.database.lock().unwrap().head().revision.0 < 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let held = Weather { hold: INTERVAL + INTERVAL / 2, ..HELD };
        *trio.writer.link.weather.lock().unwrap() = held;
        trio.applied_and_cut_off().await;
        tokio::time::sleep(INTERVAL).await;
        *trio.writer.link.weather.lock().unwrap() = Weather::default();
    });
    wrote.unwrap();
    trio.changes_again().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_was_heard_of_meanwhile_is_not_evicted() {
    let trio = Trio::new().await;
    trio.weather(Weather { lost_back: 100, ..HELD });
    let (wrote, ()) = tokio::join!(trio.writer.change(OTHER, 1, None), async {
        // What it asks first is answered in vain; what it asks when that is given up, is heard.
        tokio::time::sleep(LIMIT + INTERVAL + INTERVAL / 8).await;
        trio.weather(HELD);
        trio.applied_and_cut_off().await;
    });
    wrote.unwrap();
    trio.changes_again().await;
}
