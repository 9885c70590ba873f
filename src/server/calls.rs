//! The calls of one connection, each of which can be cut.
//!
//! HTTP/2 lets a client take an answer as slowly as it likes, and hyper asks nothing of an answer
//! while its client takes none: whatever is to end then must be ended from outside.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use hyper::rt::Executor;
use tokio_util::task::TaskTracker;

/// What a client may take, after the server was told to end, to read answers that are complete.
const READ_WITHIN: Duration = Duration::from_secs(3);

tokio::task_local! {
    static CUT: Cell<Option<Cut>>;
    static LOOK: Cell<bool>;
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

/// Ends at once, but not in a call that its client has reset: that is over, and nothing after this is done. hyper looks
/// for a reset only when a call waits for something, and a call that waited long for its turn would else be worked on
/// for nobody.
pub(super) async fn unless_reset() {
    let mut looked = false;
    poll_fn(|_| {
        let waits = !looked && LOOK.try_with(|look| look.set(true)).is_ok();
        looked = true;
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

/// The calls of one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls(TaskTracker);

impl Calls {
    /// Waits until all have ended and their client had time to read. Only when no more are to come.
    pub(super) async fn over(self) {
        self.0.close();
        loop {
            self.0.wait().await;
            tokio::time::sleep(READ_WITHIN).await;
            // Until the client has heard of the end it may have opened another.
            if self.0.is_empty() {
                return;
            }
        }
    }
}

impl<F> Executor<F> for Calls
where
    F: Future<Output: Send> + Send + 'static,
{
    /// Also what is done at once has a turn of its own: answers that are there before all that came is taken are sent
    /// each by itself, which costs twice as much.
    fn execute(&self, call: F) {
        let call = LOOK.scope(Cell::default(), until_cut(call));
        self.0.spawn(CUT.scope(Cell::default(), call));
    }
}

/// Does `call` to its end, or until it is cut. Who reads its answer at once costs no timer.
async fn until_cut(call: impl Future) {
    let mut call = pin!(call);
    let mut done: Option<BoxFuture<'static, ()>> = None;
    poll_fn(|context| {
        let mut polled = call.as_mut().poll(context).map(drop);
        if polled.is_pending() && LOOK.with(Cell::take) {
            polled = call.as_mut().poll(context).map(drop);
        }
        if polled.is_ready() {
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

    #[tokio::test(start_paused = true)]
    async fn calls_are_over_with_the_last_one_also_where_it_came_late() {
        let (calls, begun) = (Calls::default(), Moment::now());
        let whole = Duration::from_secs(60);
        let late = async {
            tokio::time::sleep(READ_WITHIN / 2).await;
            calls.execute(tokio::time::sleep(whole));
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
        calls.execute(async move {
            cut(Cut::At(at.into_std()));
            std::future::pending::<()>().await;
        });
        calls.execute(async {
            cut(Cut::When(Box::pin(std::future::ready(()))));
        });
        assert!(tokio::time::timeout(Duration::from_secs(60), calls.over()).await.is_ok());
        assert_eq!((begun.elapsed() - READ_WITHIN).as_secs(), 7);
    }

    #[test]
    fn outside_a_call_nothing_is_cut() {
        cut(Cut::At(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn looking_for_a_reset_costs_a_call_no_second_turn() {
        let (calls, turns) = (Calls::default(), std::sync::Arc::new(tokio::sync::Notify::new()));
        let told = std::sync::Arc::clone(&turns);
        calls.execute(async move {
            unless_reset().await;
            told.notify_one();
        });
        turns.notified().await;
        unless_reset().await;
        assert!(tokio::time::timeout(Duration::from_secs(60), calls.over()).await.is_ok());
    }
}
