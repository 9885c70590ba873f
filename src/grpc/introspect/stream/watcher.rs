//! What ends a stream from outside, also where nobody reads its answers: its time is over, its
//! caller may ask no more, or the server ends.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    task::Waker,
    time::Duration,
};

use futures_util::{FutureExt as _, task::AtomicWaker};
use tokio::time::MissedTickBehavior;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::Status;

use super::Answers;
use crate::{
    back::Stopped,
    grpc::{
        layers::{StreamTerms, exceeded},
        status::{panicked, stopped},
    },
};

/// How long an answer waits for its caller to read others once the server ends.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(1);
/// How often it is asked whether the caller still may, also of one that asks nothing.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Watches over a stream, in a task of its own, until this is dropped or the stream must end. Then
/// `terms.over` is cancelled, whether or not anybody reads that.
pub(super) struct Watcher {
    signs: Arc<Signs>,
    _task: AbortOnDropHandle<()>,
}

/// What the stream is told.
#[derive(Default)]
struct Signs {
    /// With what it ends now.
    end: OnceLock<Status>,
    /// Whether no more questions are to be read.
    stops: AtomicBool,
    /// Whether it has looked since it was woken to see that: somebody reads it.
    is_read: AtomicBool,
    waker: AtomicWaker,
}

impl Watcher {
    pub(super) fn begin<A: Answers>(answers: Arc<A>, terms: StreamTerms) -> Self {
        // What has ended already is not waited for: nothing is read then.
        let stops = AtomicBool::new(terms.stop.is_cancelled());
        let signs = Arc::new(Signs { stops, ..Signs::default() });
        let StreamTerms { whole, question: _, stop, over } = terms;
        // Also where it is dropped before it has begun.
        let over = over.drop_guard();
        let told = Arc::clone(&signs);
        let task = tokio::spawn(async move {
            let _over = over;
            watch(&told, answers, whole, &stop).await;
        });
        Self { signs, _task: AbortOnDropHandle::new(task) }
    }

    /// With what the stream ends now. None: it goes on.
    pub(super) fn end(&self) -> Option<&Status> {
        self.signs.end.get()
    }

    /// Whether no more questions are to be read.
    pub(super) fn stops(&self) -> bool {
        let stops = self.signs.stops.load(Acquire);
        if stops {
            self.signs.is_read.store(true, Release);
        }
        stops
    }

    /// Wakes this one when the answer to either is another: it is to ask both again after this.
    pub(super) fn wake(&self, waker: &Waker) {
        self.signs.waker.register(waker);
    }
}

async fn watch<A: Answers>(
    signs: &Signs,
    answers: Arc<A>,
    whole: Option<Duration>,
    stop: &CancellationToken,
) {
    let end = async {
        tokio::select! {
            biased;
            whole = passed(whole) => exceeded(whole),
            refused = refused(answers) => refused,
            () = unread(stop, signs) => stopped(Stopped::Ending),
        }
    };
    let end = AssertUnwindSafe(end).catch_unwind().await.unwrap_or_else(|_| panicked());
    // It is set here alone, once.
    _ = signs.end.set(end);
    signs.waker.wake();
}

/// Waits until the time is over, and tells how long it was.
async fn passed(whole: Option<Duration>) -> Duration {
    match whole {
        Some(whole) => {
            tokio::time::sleep(whole).await;
            whole
        }
        None => std::future::pending().await,
    }
}

/// Waits until the caller may ask no more, and tells why.
async fn refused<A: Answers>(answers: Arc<A>) -> Status {
    let mut check = tokio::time::interval(CHECK_INTERVAL);
    // The first tick is at once, when the caller was just asked for.
    check.reset();
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        check.tick().await;
        if let Err(status) = Arc::clone(&answers).check().await {
            return status;
        }
    }
}

/// Has the stream read no more questions when the server ends, and waits until it is not read any
/// more itself. One whose answers are awaited looks whenever it is woken; one that its caller does
/// not read is not asked for anything, and so does not.
async fn unread(stop: &CancellationToken, signs: &Signs) {
    stop.cancelled().await;
    signs.stops.store(true, Release);
    loop {
        signs.is_read.store(false, Release);
        signs.waker.wake();
        tokio::time::sleep(READ_WITHIN).await;
        if !signs.is_read.load(Acquire) {
            return;
        }
    }
}
