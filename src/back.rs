//! The back: one multi-thread runtime for everything that must not run on a front thread.
//!
//! A front thread serves thousands of calls and must never wait for a database, a file or a lock. It hands such work to
//! [`Back`] and awaits the answer.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// Work in hand at once. More waits with its callers, and is never begun for those that go away first: callers with
/// short deadlines cannot pile it up.
const TASKS_MAX: usize = 1_024;

/// What became of the work in hand when something stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Drained {
    /// All of it ended by itself.
    All,
    /// Time ran out: this many tasks or connections were cut off.
    CutOff(usize),
}

impl Drained {
    /// The outcome where `left` remained when time ran out.
    pub const fn with_left(left: usize) -> Self {
        if left == 0 { Self::All } else { Self::CutOff(left) }
    }

    /// The outcome of both together.
    pub const fn and(self, other: Self) -> Self {
        Self::with_left(self.left() + other.left())
    }

    const fn left(self) -> usize {
        match self {
            Self::All => 0,
            Self::CutOff(left) => left,
        }
    }
}

/// The work was not done, or not to its end: it panicked, or the back is stopping. Nothing is known of its effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The work panicked.
    #[error("the work panicked on the back of the process")]
    Panicked,
    /// The back is stopping.
    #[error("the back of the process is ending")]
    Ending,
}

/// Hands work to the back runtime, from any thread and any runtime. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Back {
    handle: Handle,
    tasks: TaskTracker,
    /// Closed when the back is stopping.
    places: Arc<Semaphore>,
}

impl Back {
    /// Starts the runtime with `threads` worker threads (at least 1), named `back-0`, `back-1`, …
    ///
    /// # Errors
    /// When the system refuses threads or descriptors.
    pub fn start(threads: usize) -> io::Result<(BackRuntime, Self)> {
        let next = AtomicUsize::new(0);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name_fn(move || format!("back-{}", next.fetch_add(1, Ordering::Relaxed)))
            .enable_all()
            .build()?;
        let tasks = TaskTracker::new();
        let places = Arc::new(Semaphore::new(TASKS_MAX));
        let back = Self {
            handle: runtime.handle().clone(),
            tasks: tasks.clone(),
            places: Arc::clone(&places),
        };
        Ok((BackRuntime { runtime, tasks, places }, back))
    }

    /// The runtime, for work that is bounded by who begins it, and that may be cut off when the back stops.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs `future` on the back and awaits its output.
    ///
    /// While `TASKS_MAX` others are in hand, `future` waits for its turn, first come first served, and is dropped if
    /// the caller goes away. Once begun, it runs to its end even if the caller goes away: a mutation is never cut in
    /// half by a client that hangs up or whose deadline passes.
    ///
    /// Not to be called by what runs on the back itself, which would wait for a place while it holds one: where all do,
    /// none ever gets it. The front and the commands call this, the use cases and the store do not know of it.
    ///
    /// # Errors
    /// [`Stopped`] when `future` panics, and when the back is stopping.
    pub async fn run<F>(&self, future: F) -> Result<F::Output, Stopped>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Stopped::Ending)?;
        let work = async move {
            let _until_the_end = place;
            future.await
        };
        // What is done for a call that is traced is part of the trace, here as there.
        self.tasks
            .spawn_on(work.in_current_span(), &self.handle)
            .await
            .map_err(|error| if error.is_panic() { Stopped::Panicked } else { Stopped::Ending })
    }
}

/// Owns the back runtime: whoever holds it decides when the back stops.
#[derive(Debug)]
pub struct BackRuntime {
    runtime: Runtime,
    tasks: TaskTracker,
    places: Arc<Semaphore>,
}

impl BackRuntime {
    /// Runs `future` on the calling thread, in the back runtime. Must not be called from within a runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Refuses new work and what waits for its turn, waits at most `timeout` for what [`Back::run`] has begun, then cuts off the rest. Must not be
    /// called from within a runtime.
    pub fn shutdown(self, timeout: Duration) -> Drained {
        self.places.close();
        self.tasks.close();
        let ended = self
            .runtime
            .block_on(async { tokio::time::timeout(timeout, self.tasks.wait()).await.is_ok() });
        let drained = if ended { Drained::All } else { Drained::with_left(self.tasks.len()) };
        self.runtime.shutdown_background();
        drained
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use std::future::pending;
    use std::sync::mpsc;

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn front() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn work_from_another_runtime_runs_on_a_back_thread() {
        let (runtime, back) = Back::start(1).unwrap();
        let name =
            front().block_on(back.run(async { std::thread::current().name().map(str::to_owned) }));
        assert_eq!(name, Ok(Some("back-0".to_owned())));
        assert_eq!(runtime.shutdown(LONG), Drained::All);
    }

    #[test]
    fn work_goes_on_when_its_caller_goes_away() {
        let (runtime, back) = Back::start(1).unwrap();
        let (begin, begun) = oneshot::channel::<()>();
        let (done, is_done) = mpsc::channel();
        front().block_on(async {
            let work = back.run(async move {
                begun.await.unwrap();
                done.send("whole").unwrap();
            });
            tokio::select! {
                biased;
                _ = work => panic!("nobody let it begin"),
                () = std::future::ready(()) => {}
            }
        });
        begin.send(()).unwrap();
        assert_eq!(is_done.recv_timeout(LONG), Ok("whole"));
        assert_eq!(runtime.shutdown(LONG), Drained::All);
    }

    #[test]
    fn a_panic_is_an_error_of_that_work_alone() {
        let (runtime, back) = Back::start(1).unwrap();
        let outcome: Result<(), _> = runtime.block_on(back.run(async { panic!("deliberate") }));
        assert_eq!(outcome, Err(Stopped::Panicked));
        assert_eq!(runtime.block_on(back.run(async { 7 })), Ok(7));
    }

    #[test]
    fn shutdown_waits_for_work_in_hand() {
        let (runtime, back) = Back::start(1).unwrap();
        let (begin, begun) = oneshot::channel::<()>();
        let (started, is_started) = oneshot::channel();
        let caller = std::thread::spawn(move || {
            front().block_on(back.run(async move {
                started.send(()).unwrap();
                begun.await.is_ok()
            }))
        });
        runtime.block_on(is_started).unwrap();
        let stopper = std::thread::spawn(move || runtime.shutdown(LONG));
        begin.send(()).unwrap();
        assert_eq!(stopper.join().unwrap(), Drained::All);
        assert_eq!(caller.join().unwrap(), Ok(true));
    }

    #[test]
    fn shutdown_is_bounded_and_says_what_it_cut_off() {
        let (runtime, back) = Back::start(1).unwrap();
        let (started, is_started) = oneshot::channel();
        let caller = std::thread::spawn(move || {
            front().block_on(back.run(async move {
                started.send(()).unwrap();
                pending::<()>().await;
            }))
        });
        runtime.block_on(is_started).unwrap();
        assert_eq!(runtime.shutdown(Duration::from_millis(10)), Drained::CutOff(1));
        assert_eq!(caller.join().unwrap(), Err(Stopped::Ending));
    }

    #[test]
    fn nothing_is_begun_after_shutdown() {
        let (runtime, back) = Back::start(1).unwrap();
        assert_eq!(runtime.shutdown(LONG), Drained::All);
        assert_eq!(front().block_on(back.run(async { 7 })), Err(Stopped::Ending));
    }

    /// Takes every place with work that goes on until `end`, for callers that have gone away.
    fn fill(back: &Back, end: &CancellationToken) {
        for _ in 0..TASKS_MAX {
            assert_eq!(back.run(end.clone().cancelled_owned()).now_or_never(), None);
        }
    }

    #[test]
    fn one_too_many_waits_and_is_not_begun_for_a_caller_that_goes_away() {
        let (runtime, back) = Back::start(1).unwrap();
        let end = CancellationToken::new();
        fill(&back, &end);
        let (begin, begun) = mpsc::channel();
        assert_eq!(back.run(async move { begin.send(()) }).now_or_never(), None);
        assert_eq!(begun.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected));

        let mut waiting = Box::pin(back.run(async { 7 }));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        end.cancel();
        assert_eq!(front().block_on(waiting), Ok(7));
        assert_eq!(runtime.shutdown(LONG), Drained::All);
    }

    #[test]
    fn work_that_panics_leaves_its_place() {
        let (runtime, back) = Back::start(1).unwrap();
        for _ in 0..=TASKS_MAX {
            let outcome: Result<(), _> =
                runtime.block_on(back.run(async { std::panic::resume_unwind(Box::new(())) }));
            assert_eq!(outcome, Err(Stopped::Panicked));
        }
        assert_eq!(runtime.shutdown(LONG), Drained::All);
    }

    #[test]
    fn who_waits_for_a_turn_is_told_of_the_end() {
        let (runtime, back) = Back::start(1).unwrap();
        fill(&back, &CancellationToken::new());
        let mut waiting = Box::pin(back.run(async { 7 }));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        assert_eq!(runtime.shutdown(Duration::from_millis(10)), Drained::CutOff(TASKS_MAX));
        assert_eq!(waiting.now_or_never(), Some(Err(Stopped::Ending)));
    }
}
