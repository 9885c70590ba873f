//! The calls of one connection, each of which can be cut.
//!
//! HTTP/2 lets a client take an answer as slowly as it likes, and nothing is asked of an answer
//! while its client takes none: whatever is to end then must be ended from outside.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio_util::task::TaskTracker;

/// What a client may take, after the server was told to end, to read answers that are complete.
const READ_WITHIN: Duration = Duration::from_secs(3);

tokio::task_local! {
    static CUT: Cell<Option<Cut>>;
}

/// When a call is cut that its client has not read to its end: it is reset (RST_STREAM).
pub enum Cut {
    /// At this time.
    At(Instant),
    /// When this is done.
    When(BoxFuture<'static, ()>),
}

impl Cut {
    fn done(self) -> BoxFuture<'static, ()> {
        match self {
            Self::At(time) => Box::pin(tokio::time::sleep_until(time.into())),
            Self::When(done) => done,
        }
    }
}

/// Has the call in which this is called be cut then, unless it has ended. The last such word counts.
/// Outside a call of a connection nothing happens.
pub fn cut(cut: Cut) {
    // An error says that this is no call.
    let _ = CUT.try_with(|cell| cell.set(Some(cut)));
}

/// The calls of one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    /// Those that wait for something.
    waiting: TaskTracker,
    /// How many have begun.
    begun: Arc<AtomicU64>,
}

impl Calls {
    /// Waits until all have ended and their client had time to read. Only when no more are to come.
    pub(super) async fn over(self) {
        self.waiting.close();
        loop {
            self.waiting.wait().await;
            let begun = self.begun.load(Relaxed);
            tokio::time::sleep(READ_WITHIN).await;
            // Until the client has heard of the end it may have opened another.
            if self.waiting.is_empty() && self.begun.load(Relaxed) == begun {
                return;
            }
        }
    }
}

impl Calls {
    /// Begins a call in the task of its connection. Where it has to wait it goes on in one of its own. None of the
    /// others ends with one that panics: it alone is reset.
    pub(super) fn begin<C: Call>(&self, mut call: C, context: &mut Context<'_>) {
        self.begun.fetch_add(1, Relaxed);
        let poll = || {
            let polled = Pin::new(&mut call).poll(context);
            (polled, CUT.with(Cell::take))
        };
        match catch_unwind(AssertUnwindSafe(|| CUT.sync_scope(Cell::default(), poll))) {
            Ok((Poll::Ready(()), _)) => {}
            Ok((Poll::Pending, cut)) => self.go_on(call, cut),
            Err(_) => call.fail(),
        }
    }

    /// Whether none goes on in a task.
    #[cfg(test)]
    pub(super) fn are_none(&self) -> bool {
        self.waiting.is_empty()
    }

    fn go_on(&self, call: impl Call, cut: Option<Cut>) {
        self.waiting.spawn(CUT.scope(Cell::new(cut), until_cut(call)));
    }
}

/// A call and its answer.
pub(super) trait Call: Future<Output = ()> + Send + Unpin + 'static {
    /// Ends it, for it has panicked.
    fn fail(&mut self);
}

/// Does `call` to its end, or until it is cut or panics. Who reads its answer at once costs no timer.
async fn until_cut(mut call: impl Call) {
    let mut done: Option<BoxFuture<'static, ()>> = None;
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut call).poll(context)));
        if polled.is_err() {
            call.fail();
        }
        if !matches!(polled, Ok(Poll::Pending)) {
            return Poll::Ready(());
        }
        if let Some(cut) = CUT.with(Cell::take) {
            done = Some(cut.done());
        }
        done.as_mut().map_or(Poll::Pending, |done| done.as_mut().poll(context))
    })
    .await;
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant as Moment;

    use super::*;

    struct Plain(BoxFuture<'static, ()>);

    impl Future for Plain {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            self.0.as_mut().poll(context)
        }
    }

    impl Call for Plain {
        fn fail(&mut self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_over_with_the_last_one_also_where_it_came_late() {
        let (calls, begun) = (Calls::default(), Moment::now());
        let whole = Duration::from_secs(60);
        let late = async {
            tokio::time::sleep(READ_WITHIN / 2).await;
            calls.go_on(Plain(Box::pin(tokio::time::sleep(whole))), None);
        };
        tokio::join!(calls.clone().over(), late);
        let expected = READ_WITHIN / 2 + whole + READ_WITHIN;
        let passed = begun.elapsed();
        assert!(passed >= expected && passed < expected + READ_WITHIN, "{passed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_cut_at_its_time_unless_it_has_ended() {
        let (calls, begun) = (Calls::default(), Moment::now());
        let at = begun + Duration::from_secs(7);
        let cut_later = async move {
            cut(Cut::At(at.into_std()));
            std::future::pending::<()>().await;
        };
        calls.go_on(Plain(Box::pin(cut_later)), None);
        let at_once = async { cut(Cut::When(Box::pin(std::future::ready(())))) };
        calls.go_on(Plain(Box::pin(at_once)), None);
        assert!(tokio::time::timeout(Duration::from_secs(60), calls.over()).await.is_ok());
        assert_eq!((begun.elapsed() - READ_WITHIN).as_secs(), 7);
    }

    #[test]
    fn outside_a_call_nothing_is_cut() {
        cut(Cut::At(Instant::now()));
    }
}
