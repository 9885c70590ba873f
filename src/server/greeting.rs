//! The beginning of a connection: encryption where there is some, and what an HTTP/2 client says first.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep};

use super::seldom::Seldom;
use crate::tls::{Encrypted, Handshakes};

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Steps of handshakes that a thread does between two looks at its connections. A handshake has some three, one of
/// which signs: 50 µs by ECDSA on P-256, a millisecond by RSA of 2048 bits.
const TURNS: usize = 4;

/// How connections begin.
#[derive(Clone)]
pub(super) struct Greeting {
    /// None: connections are not encrypted.
    handshakes: Option<Handshakes>,
    /// Handshakes that failed, of all threads.
    failed: Arc<Mutex<Seldom>>,
    /// The right to compute a step of a handshake on a thread.
    turns: Arc<Semaphore>,
}

impl Greeting {
    pub(super) fn new(handshakes: Option<Handshakes>) -> Self {
        Self { handshakes, failed: Arc::default(), turns: Arc::new(Semaphore::new(TURNS)) }
    }

    /// The same for another thread, which takes turns of its own.
    #[must_use]
    pub(super) fn for_thread(&self) -> Self {
        Self { turns: Arc::new(Semaphore::new(TURNS)), ..self.clone() }
    }

    /// Whether connections are encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.handshakes.is_some()
    }

    /// Agrees on encryption. Who fails is told of seldom, for anybody can: at once, and once a second with how many.
    pub(super) async fn encrypt(&self, stream: TcpStream) -> io::Result<Encrypted> {
        let Some(handshakes) = &self.handshakes else {
            return Err(io::Error::other("connections are not encrypted"));
        };
        let outcome = in_turn(&self.turns, handshakes.accept(stream)).await;
        if let Err(error) = &outcome {
            // The guard is gone when the line is written: a log that is slow holds up no other thread.
            let due =
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).tell(Instant::now());
            if let Some(count) = due {
                tracing::warn!(count, %error, "TLS handshakes failed");
            }
        }
        outcome
    }
}

/// Does `work` a step at a time. Of all work that shares `turns` so many steps are done as there are turns; then the
/// thread looks at its connections and does what they ask for, before the next: signatures for any number of new
/// connections hold up a call by a few of them. Whoever waits for its client holds no turn.
async fn in_turn<F: Future>(turns: &Arc<Semaphore>, work: F) -> F::Output {
    let mut work = pin!(work);
    loop {
        // It is never closed, so there is no other outcome than a turn.
        let turn = Arc::clone(turns).acquire_owned().await;
        let step = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        tokio::spawn(async move {
            // Goes on once it was looked what has come by the connections.
            tokio::task::yield_now().await;
            drop(turn);
        });
        match step {
            Poll::Ready(output) => return output,
            Poll::Pending => woken().await,
        }
    }
}

/// Waits until something wakes the task.
async fn woken() {
    let mut is_first = true;
    poll_fn(|_| match std::mem::take(&mut is_first) {
        true => Poll::Pending,
        false => Poll::Ready(()),
    })
    .await;
}

/// Reads the preface, which h2 would wait for without end. It is put back for h2 to read. Whoever then takes nothing
/// of what is written for so long is hung up on.
pub(super) async fn greet<S>(mut stream: S, patience: Duration) -> io::Result<Greeted<S>>
where
    S: AsyncRead + Unpin,
{
    let mut preface = *PREFACE;
    stream.read_exact(&mut preface).await?;
    if preface != *PREFACE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no HTTP/2 preface"));
    }
    Ok(Greeted { unread: PREFACE, stream, patience, stuck: None })
}

/// A connection whose preface is still to be read.
pub(super) struct Greeted<S> {
    unread: &'static [u8],
    stream: S,
    patience: Duration,
    /// When who takes nothing is hung up on. None: it takes what is written.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Greeted<S> {
    /// What became of writing. What h2 does when a connection ends waits for room to write, without end.
    fn in_time<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let (now, later) = self.unread.split_at(self.unread.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

/// Nothing is written of several places at once: h2 would send each answer of more than 256 bytes by a write of its own,
/// and puts those of up to 1,024 together otherwise.
impl<S: AsyncWrite + Unpin> AsyncWrite for Greeted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.in_time(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = Pin::new(&mut self.stream).poll_flush(context);
        self.in_time(written, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = Pin::new(&mut self.stream).poll_shutdown(context);
        self.in_time(written, context)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::string_slice, reason = "tests")]

    use tokio::{io::AsyncWriteExt as _, time::Instant as Moment};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(7);

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_hung_up_on_and_who_takes_something_is_not() {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(PREFACE).await.unwrap();
        let mut greeted = greet(server, PATIENCE).await.unwrap();
        // One byte each time, shortly before its patience ends.
        let taking = async {
            for _ in 0..10 {
                sleep(PATIENCE - Duration::from_millis(2)).await;
                client.read_u8().await.unwrap();
            }
        };
        let begun = Moment::now();
        let (written, ()) = tokio::join!(greeted.write_all(&[0; 128]), taking);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let passed = begun.elapsed();
        assert!(passed > 10 * PATIENCE && passed < 12 * PATIENCE, "{passed:?}");
    }

    #[tokio::test]
    async fn all_that_came_is_read_in_pieces_of_any_size() {
        for size in [1, 7, 24, 64] {
            let sent = [PREFACE.as_slice(), b"and more"].concat();
            let mut greeted = greet(&*sent, PATIENCE).await.unwrap();
            let (mut read, mut piece) = (Vec::new(), vec![0; size]);
            loop {
                match greeted.read(&mut piece).await.unwrap() {
                    0 => break,
                    count => read.extend_from_slice(piece.get(..count).unwrap()),
                }
            }
            assert_eq!(read, sent);
        }
    }

    /// Has its thread compute `steps` times, as often as it is woken, which it is at once.
    async fn compute(steps: u32, log: &Mutex<Vec<char>>) {
        for _ in 0..steps {
            log.lock().unwrap().push('h');
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_call_waits_for_a_few_steps_of_handshakes_however_many_there_are() {
        let (turns, log) = (Arc::new(Semaphore::new(TURNS)), Arc::new(Mutex::new(Vec::new())));
        let mut tasks = Vec::new();
        for _ in 0..100 {
            let (turns, log) = (Arc::clone(&turns), Arc::clone(&log));
            tasks.push(tokio::spawn(async move { in_turn(&turns, compute(3, &log)).await }));
        }
        let calls = Arc::clone(&log);
        tasks.push(tokio::spawn(async move {
            for _ in 0..100 {
                calls.lock().unwrap().push('c');
                tokio::task::yield_now().await;
            }
        }));
        for task in tasks {
            task.await.unwrap();
        }
        let log: String = log.lock().unwrap().iter().collect();
        assert_eq!((log.matches('h').count(), log.matches('c').count()), (300, 100));
        let (first, last) = (log.find('c').unwrap(), log.rfind('c').unwrap());
        let between = &log[first..=last];
        assert!(!between.contains(&"h".repeat(2 * TURNS + 1)), "{log}");
        // None is left over that was not between them, but for those of the last look.
        assert!(log.len() - between.len() <= 4 * TURNS, "{log}");
        assert!(between.contains('h'), "{log}");
    }

    #[tokio::test]
    async fn who_waits_for_its_client_keeps_nobody_from_a_handshake() {
        let turns = Arc::new(Semaphore::new(1));
        let silent = in_turn(&turns, std::future::pending::<()>());
        let good = in_turn(&turns, compute_once());
        tokio::select! {
            biased;
            () = silent => unreachable!("it never speaks"),
            said = good => assert_eq!(said, 7),
        }
    }

    async fn compute_once() -> u32 {
        tokio::task::yield_now().await;
        7
    }

    #[tokio::test]
    async fn who_says_something_else_first_is_refused() {
        for sent in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"PRI * HTTP/2.0", b""] {
            assert!(greet(sent, PATIENCE).await.is_err());
        }
    }
}
