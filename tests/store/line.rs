//! A line to the server that can be watched and cut, and what becomes of a store at its end.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use keyward::{
    domain::ports::{FindKey as _, Records as _, StoreError},
    store::{PostgresOptions, Store},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};

use crate::{
    database::{Database as _, Postgres},
    groups::{begin, hold},
    groups_on_a_server::until_it_waits,
    sample::{digest, furnish, new_workspace},
};

/// More than anything takes, even on a machine that is busy.
const LONG: Duration = Duration::from_secs(30);

/// Passes on what the two ends say, until it is cut: then what is on its way stays there for ever,
/// and nobody is told, as where a machine dies. Who connects afterwards is on another line.
struct Line {
    address: SocketAddr,
    /// How often it was cut.
    cut: watch::Sender<usize>,
    /// What the store said, in pieces, each of which waits for an answer.
    asked: Arc<AtomicUsize>,
    /// Whether it is cut before the next try of a connection gets through.
    is_cut_by_try: Arc<AtomicBool>,
}

/// `Sync` alone: what a connection is tried with.
const TRY: [u8; 5] = *b"S\0\0\0\x04";

impl Line {
    async fn to(server: (String, u16)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Self {
            address: listener.local_addr().unwrap(),
            cut: watch::Sender::new(0),
            asked: Arc::default(),
            is_cut_by_try: Arc::default(),
        };
        let (cut, asked) = (line.cut.clone(), Arc::clone(&line.asked));
        let is_cut_by_try = Arc::clone(&line.is_cut_by_try);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect((&*server.0, server.1)).await.unwrap();
                far.set_nodelay(true).unwrap();
                near.set_nodelay(true).unwrap();
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                let whole = *cut.borrow();
                let (own, asked, by_try) =
                    (cut.clone(), Arc::clone(&asked), Arc::clone(&is_cut_by_try));
                let listen = move |said: &[u8]| {
                    if said == TRY && by_try.swap(false, SeqCst) {
                        own.send_modify(|times| *times += 1);
                    }
                    asked.fetch_add(1, SeqCst);
                };
                tokio::spawn(pass(near_in, far_out, cut.subscribe(), whole, listen));
                tokio::spawn(pass(far_in, near_out, cut.subscribe(), whole, |_| ()));
            }
        });
        line
    }

    /// Asks, and cuts the line when the connection is given back afterwards.
    async fn is_cut_after<T>(&self, question: impl Future<Output = T>) -> T {
        let mut cut = self.cut.subscribe();
        self.is_cut_by_try.store(true, SeqCst);
        let answer = question.await;
        tokio::time::timeout(LONG, cut.changed()).await.unwrap().unwrap();
        answer
    }
}

async fn pass(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut cut: watch::Receiver<usize>,
    whole: usize,
    listen: impl Fn(&[u8]),
) {
    let mut bytes = [0; 16 * 1024];
    loop {
        let read = tokio::select! {
            biased;
            _ = cut.wait_for(|times| *times > whole) => break,
            read = from.read(&mut bytes) => read,
        };
        let count = read.unwrap_or(0);
        listen(&bytes[..count]);
        if *cut.borrow() > whole {
            break;
        }
        if count == 0 || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    // Both ends stay open, and hear nothing.
    let _held = (from, to);
    std::future::pending::<()>().await;
}

/// A store with one connection for reading, on a line of its own. The database goes last.
async fn lined() -> (Line, Store, Postgres) {
    let limit = Duration::from_secs(2);
    lined_within(limit, limit).await
}

/// The same with these limits: for a connection, and for a statement.
async fn lined_within(
    acquire_timeout: Duration,
    statement_timeout: Duration,
) -> (Line, Store, Postgres) {
    let database = Postgres::new().await;
    let store = database.store().await;
    furnish(&store).await;
    store.close().await;
    let options = database.options();
    let line = Line::to((options.host.clone(), options.port)).await;
    let options = PostgresOptions {
        host: line.address.ip().to_string(),
        port: line.address.port(),
        read_connections: 1,
        acquire_timeout,
        statement_timeout,
        ..options
    };
    let store = Store::connect(&options).await.unwrap();
    (line, store, database)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_is_one_question_and_one_try_of_the_connection() {
    let (line, store, _database) = lined_within(LONG, LONG).await;
    store.find_key(&digest(1)).await.unwrap();
    let before = line.asked.load(SeqCst);
    for _ in 0..100 {
        store.find_key(&digest(1)).await.unwrap();
    }
    let asked = line.asked.load(SeqCst) - before;
    // The first and the last try may be of one time or the other; who waits is tried once more.
    assert!((198..240).contains(&asked), "{asked} for 100 look-ups");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_dies_while_it_is_given_back_takes_no_place() {
    let (line, store, _database) = lined().await;
    for _ in 0..3 {
        // Or by the try that the question before left behind: then this one fails.
        _ = line.is_cut_after(store.find_key(&digest(1))).await;
        let healed = async {
            while let Err(error) = store.find_key(&digest(1)).await {
                assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            }
        };
        tokio::time::timeout(LONG, healed).await.unwrap();
    }
    for name in ["a", "b", "c"] {
        _ = line.is_cut_after(store.commit(new_workspace(name))).await;
        let healed = async {
            while let Err(error) = store.commit(new_workspace(&format!("{name}2"))).await {
                assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            }
        };
        tokio::time::timeout(LONG, healed).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_does_not_wait_for_the_connection_of_the_one_before() {
    let (line, store, _database) = lined_within(LONG, LONG).await;
    // It is not given back, as long as nobody gives it up.
    line.is_cut_after(store.commit(new_workspace("a"))).await.unwrap();
    let next = tokio::time::timeout(LONG / 2, store.commit(new_workspace("b"))).await;
    next.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_a_dead_line_is_given_up_once() {
    let limit = Duration::from_secs(4);
    let (line, store, database) = lined_within(LONG, limit).await;
    let held = hold(&database).await;
    let mut asked = begin(&Arc::new(store), [new_workspace("a")]);
    until_it_waits(&database.connect().await).await;
    let begun = Instant::now();
    line.cut.send_modify(|times| *times += 1);
    let outcome = asked.remove(0).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert!(begun.elapsed() < 2 * limit, "{:?}", begun.elapsed());
    held.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_closed_in_time_although_the_server_is_gone() {
    let (line, store, _database) = lined().await;
    line.is_cut_after(store.find_key(&digest(1))).await.unwrap();
    tokio::time::timeout(LONG, store.close()).await.unwrap();
    let error = store.find_key(&digest(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}
