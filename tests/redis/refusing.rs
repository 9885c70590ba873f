//! A Redis server that answers, but does not do what it is asked for.

use std::{cell::RefCell, io, sync::Once};

use keyward::{domain::limit::CannotTell, limits::Counter as _};

use super::{HOUR, LONG, Replica, Server, key, limit};

thread_local! {
    /// What was told on this thread, on which one test runs.
    static TOLD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

static LISTENING: Once = Once::new();

struct Told;

impl io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TOLD.with_borrow_mut(|told| told.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what is told from now on. For all threads at once: one that came later could miss what
/// others told before.
pub(super) fn listen() {
    LISTENING.call_once(|| {
        let told =
            tracing_subscriber::fmt().with_writer(|| Told).with_ansi(false).without_time().finish();
        tracing::subscriber::set_global_default(told).unwrap();
    });
}

/// The levels of what was told of Redis.
fn levels() -> Vec<String> {
    let text = TOLD.with_borrow(|told| String::from_utf8(told.clone()).unwrap());
    let level = |line: &str| line.split_whitespace().next().map(ToOwned::to_owned);
    text.lines().filter(|line| line.contains("Redis")).filter_map(level).collect()
}

/// A server, a replica that uses it, and a connection to the server beside that.
struct Case {
    replica: Replica,
    beside: redis::aio::MultiplexedConnection,
    _server: Server,
}

impl Case {
    async fn start() -> Self {
        let server = Server::new();
        let url = server.ctl("start");
        let beside = redis::Client::open(&*url).unwrap();
        // On a busy machine it may take longer than is usual.
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(LONG))
            .set_response_timeout(Some(LONG));
        let beside = beside.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        Self { replica: Replica::start(&url, LONG).await, beside, _server: server }
    }

    async fn tell(&mut self, name: &str, words: &[&str]) {
        let mut command = redis::cmd(name);
        command.arg(words);
        let answer: String = command.query_async(&mut self.beside).await.unwrap();
        assert_eq!(answer, "OK");
    }

    /// How many connections were ever made to the server.
    async fn connections(&mut self) -> u64 {
        let info: String = redis::cmd("INFO").query_async(&mut self.beside).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        line.unwrap().trim().parse().unwrap()
    }
}

#[tokio::test]
async fn a_server_that_has_no_memory_left_keeps_its_connection_and_is_told_of_once() {
    let mut case = Case::start().await;
    let hour = limit(2, HOUR, 0);
    let before = case.connections().await;
    case.tell("CONFIG", &["SET", "maxmemory", "1"]).await;
    for _ in 0..5 {
        assert_eq!(case.replica.take(&key(), &hour).await, Err(CannotTell));
        assert!(case.replica.redis.is_here());
    }
    assert_eq!(case.connections().await, before);
    assert_eq!(levels(), ["INFO", "WARN"]);
    case.tell("CONFIG", &["SET", "maxmemory", "0"]).await;
    for _ in 0..5 {
        assert_eq!(case.replica.take(&key(), &hour).await.unwrap().wait, None);
    }
    assert_eq!(case.connections().await, before);
    assert_eq!(levels(), ["INFO", "WARN", "INFO"]);
}

#[tokio::test]
async fn a_server_that_may_not_be_written_is_looked_for_anew_and_told_of_once() {
    let mut case = Case::start().await;
    let hour = limit(2, HOUR, 0);
    let before = case.connections().await;
    case.tell("REPLICAOF", &["127.0.0.1", "1"]).await;
    for _ in 0..3 {
        case.replica.until(true).await;
        assert_eq!(case.replica.take(&key(), &hour).await, Err(CannotTell));
        assert!(!case.replica.redis.is_here());
    }
    case.replica.until(true).await;
    assert_eq!(case.connections().await, before + 3);
    case.tell("REPLICAOF", &["NO", "ONE"]).await;
    assert_eq!(case.replica.take(&key(), &hour).await.unwrap().wait, None);
    assert_eq!(levels(), ["INFO", "WARN", "INFO"]);
}
