//! Gathers what waits, so that it is done together.
//!
//! While one group is done the next one gathers; nothing is held back for it: what meets nobody
//! is done at once, alone. One task does it, and is there only as long as there is work, so that
//! nothing need be ended. First come, first served.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{sync::oneshot, time::Instant};
use tracing::{Instrument as _, Span};

/// At most this many are done together.
const GROUP_MAX: usize = 128;
/// At most this many bytes are done together, or one that is larger.
const BYTES_MAX: usize = 4 << 20;

/// Does what is asked, a group at a time.
pub(in crate::store) trait Make: Send + Sync + 'static {
    type Work: Send + 'static;
    type Answer: Send + 'static;

    /// Bytes, about.
    fn size(work: &Self::Work) -> usize;
    /// Whether it can only be the first of a group.
    fn is_first(work: &Self::Work) -> bool;
    /// Gives an answer to each, in order. What it does must survive that it is cut off anywhere.
    fn make(&self, group: Vec<Self::Work>) -> impl Future<Output = Vec<Self::Answer>> + Send;
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::store) enum NoAnswer {
    /// Nothing was done.
    #[error("the change waited too long for its turn")]
    WaitedTooLong,
    /// It was possibly done.
    #[error("the change was cut off")]
    CutOff,
}

/// What waits.
pub(in crate::store) struct Queue<M: Make>(Arc<Inner<M>>);

struct Inner<M: Make> {
    maker: M,
    /// What waited longer is not begun.
    patience: Duration,
    waiting: Mutex<Waiting<M>>,
}

struct Waiting<M: Make> {
    /// Whether there is a task that takes from here.
    is_taken: bool,
    entries: VecDeque<Entry<M>>,
    /// How many were ever asked for.
    asked: u64,
}

struct Entry<M: Make> {
    number: u64,
    work: M::Work,
    answer: oneshot::Sender<Said<M::Answer>>,
    since: Instant,
    /// That of whoever asked, who waits.
    span: Span,
}

enum Said<A> {
    Answer(A),
    WaitedTooLong,
    Panic(Box<dyn Any + Send>),
}

impl<M: Make> Queue<M> {
    /// What waits longer than `patience` for its turn is refused, and not begun any more.
    pub(in crate::store) fn new(maker: M, patience: Duration) -> Self {
        let waiting = Waiting { is_taken: false, entries: VecDeque::new(), asked: 0 };
        let waiting = Mutex::new(waiting);
        Self(Arc::new(Inner { maker, patience, waiting }))
    }

    pub(in crate::store) fn maker(&self) -> &M {
        &self.0.maker
    }

    /// Has it done. Whoever asked may leave: it is done all the same. A panic amid a group is one
    /// of each that asked for a part of it.
    pub(in crate::store) async fn ask(&self, work: M::Work) -> Result<M::Answer, NoAnswer> {
        let span = tracing::info_span!("commit");
        self.wait(work, span.clone()).instrument(span).await
    }

    async fn wait(&self, work: M::Work, span: Span) -> Result<M::Answer, NoAnswer> {
        let (answer, mut answered) = oneshot::channel();
        let (number, is_taken) = self.0.push(work, answer, span);
        if !is_taken {
            tokio::spawn(Turn(Some(Arc::clone(&self.0))).run());
        }
        let said = match tokio::time::timeout(self.0.patience, &mut answered).await {
            Ok(said) => said,
            Err(_) if self.0.withdraw(number) => return Err(NoAnswer::WaitedTooLong),
            Err(_) => answered.await,
        };
        match said {
            Ok(Said::Answer(answer)) => Ok(answer),
            Ok(Said::WaitedTooLong) => Err(NoAnswer::WaitedTooLong),
            Ok(Said::Panic(panic)) => resume_unwind(panic),
            Err(_) => Err(NoAnswer::CutOff),
        }
    }
}

impl<M: Make> Inner<M> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<M>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its number, and whether there is a task that takes it; else one must be begun.
    fn push(
        &self,
        work: M::Work,
        answer: oneshot::Sender<Said<M::Answer>>,
        span: Span,
    ) -> (u64, bool) {
        let mut waiting = self.waiting();
        let number = waiting.asked;
        waiting.asked += 1;
        waiting.entries.push_back(Entry { number, work, answer, since: Instant::now(), span });
        (number, std::mem::replace(&mut waiting.is_taken, true))
    }

    /// Whether it still waited; then it does no longer.
    fn withdraw(&self, number: u64) -> bool {
        let mut waiting = self.waiting();
        let place = waiting.entries.binary_search_by_key(&number, |entry| entry.number);
        place.is_ok_and(|place| waiting.entries.remove(place).is_some())
    }

    /// Whether nothing waits. Then whoever asks next begins a new task.
    fn has_ended(&self) -> bool {
        let mut waiting = self.waiting();
        waiting.is_taken = !waiting.entries.is_empty();
        !waiting.is_taken
    }

    /// The next group. None: nothing waits, and whoever asks next begins a new task.
    fn next(&self) -> Option<Vec<Entry<M>>> {
        let mut waiting = self.waiting();
        let (mut group, mut bytes) = (Vec::new(), 0_usize);
        while group.len() < GROUP_MAX {
            let fits = |next: &mut Entry<M>| {
                bytes = bytes.saturating_add(M::size(&next.work));
                group.is_empty() || bytes <= BYTES_MAX && !M::is_first(&next.work)
            };
            let Some(next) = waiting.entries.pop_front_if(fits) else { break };
            if next.since.elapsed() > self.patience {
                _ = next.answer.send(Said::WaitedTooLong);
            } else {
                group.push(next);
            }
        }
        waiting.is_taken = !group.is_empty();
        waiting.is_taken.then_some(group)
    }
}

/// The turn of the one task that takes what waits; over when it has nothing.
struct Turn<M: Make>(Option<Arc<Inner<M>>>);

impl<M: Make> Turn<M> {
    async fn run(mut self) {
        while let Some(inner) = &self.0 {
            let Some(group) = inner.next() else {
                self.0 = None;
                return;
            };
            let span = span_of(&group);
            let (works, answers): (Vec<_>, Vec<_>) =
                group.into_iter().map(|entry| (entry.work, entry.answer)).unzip();
            let made = AssertUnwindSafe(inner.maker.make(works)).catch_unwind();
            let made = made.instrument(span).await;
            if inner.has_ended() {
                // Who gets the last answer finds nothing held any more.
                self.0 = None;
            }
            let said: Vec<_> = match made {
                Ok(made) => made.into_iter().map(Said::Answer).collect(),
                Err(panic) => answers.iter().map(|_| Said::Panic(again(&*panic))).collect(),
            };
            for (answer, said) in answers.into_iter().zip(said) {
                // Who left needs none.
                _ = answer.send(said);
            }
        }
    }
}

/// The span of what is done for a group. It is in the trace of the first who is traced, and it and
/// those of the others who wait for it are linked, each to the other.
fn span_of<M: Make>(group: &[Entry<M>]) -> Span {
    let mut traced = group.iter().map(|entry| &entry.span).filter(|span| !span.is_disabled());
    let Some(first) = traced.next() else { return Span::none() };
    let size = u64::try_from(group.len()).unwrap_or(u64::MAX);
    let span = first.in_scope(|| tracing::info_span!("commit.group", keyward.commit.size = size));
    for other in traced {
        span.follows_from(other);
        other.follows_from(&span);
    }
    span
}

/// Where the runtime ends amid the work, whoever asks next, on another, must not wait for it.
impl<M: Make> Drop for Turn<M> {
    fn drop(&mut self) {
        if let Some(inner) = &self.0 {
            let mut waiting = inner.waiting();
            waiting.is_taken = false;
            waiting.entries.clear();
        }
    }
}

/// The same panic once more.
fn again(panic: &(dyn Any + Send)) -> Box<dyn Any + Send> {
    if let Some(text) = panic.downcast_ref::<&'static str>() {
        return Box::new(*text);
    }
    match panic.downcast_ref::<String>() {
        Some(text) => Box::new(text.clone()),
        None => Box::new("a change panicked"),
    }
}

#[cfg(test)]
mod tests;
