//! The questions of one stream, and their answers as they come.
//!
//! Questions are read when answers are asked for, those that came together some at a time, and no more
//! than may be open at once: whoever sends faster than it is answered, or does not read its answers,
//! finds that HTTP/2 takes no more of it. Nearly every question has its answer at once: then no task
//! and no channel is between the two, and as many answers are sent together as questions
//! came together. A [`Watcher`] ends the stream also where nobody reads its answers.

mod watcher;

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{
    Stream,
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt as _},
};
use tokio::task::coop::poll_proceed;
use tonic::Status;
use tracing::{Instrument as _, Span, instrument::Instrumented};

use super::shares::Share;
use crate::{
    back::Stopped,
    grpc::{
        layers::StreamTerms,
        status::{panicked, stopped},
    },
};
use watcher::Watcher;

/// Questions of one stream that are open at once.
const OPEN_MAX: usize = 64;
/// Questions that are read before the first of them is asked, where they came together: the processor
/// fetches what they need of memory at the same time.
const TOGETHER_MAX: usize = 16;

/// Questions of a traced stream whose work is part of its trace, the first ones: a stream may go on
/// for days, and a trace must end.
const TRACED_MAX: usize = 100;

/// What came of a question. An error ends the stream.
pub(super) type Said<T> = Result<T, Status>;

/// What is to come of one.
pub(super) type Saying<T> = BoxFuture<'static, Said<T>>;

/// Answers the questions of one stream.
pub(super) trait Answers: Send + Sync + 'static {
    /// A question.
    type Question: Send + Unpin;
    /// An answer.
    type Answer: Send + 'static;

    /// Told of questions that came together, before the first of them is answered.
    fn bring_near(&self, _: &mut [Self::Question]) {}

    /// Whether no more is to be read after this one before it is asked: nobody may read its answer.
    fn is_large(&self, _: &Self::Question) -> bool {
        false
    }

    /// The answer to a question that has one at once. None: it is to be asked for, and nothing was
    /// done.
    fn answer_at_once(&self, question: &Self::Question) -> Option<Self::Answer>;

    /// Answers one. An error: it is none, and the questions end with that.
    fn answer(self: Arc<Self>, question: Self::Question) -> Result<Saying<Self::Answer>, Status>;

    /// Whether the caller may still ask. An error ends the stream.
    fn check(self: Arc<Self>) -> BoxFuture<'static, Result<(), Status>>;
}

/// Answers of a stream, and how it ends.
pub(super) type Answered<T> = Pin<Box<dyn Stream<Item = Said<T>> + Send>>;

/// The answers to these questions, in the order in which they are known. They end after the
/// last question was answered, with the error that the questions ended with; at once when the
/// caller may ask no more, and when their time is over; and when the server ends, after those that
/// were read are answered. Then `terms.over` is cancelled, whether or not anybody reads that.
/// The share is given back when this is dropped.
pub(super) fn answers<Q, A>(
    questions: Q,
    answers: Arc<A>,
    terms: StreamTerms,
    share: Share,
) -> Answered<A::Answer>
where
    Q: Stream<Item = Result<A::Question, Status>> + Send + Unpin + 'static,
    A: Answers,
{
    let going = Going {
        questions,
        watcher: Watcher::begin(Arc::clone(&answers), terms),
        answers,
        came: VecDeque::new(),
        open: FuturesUnordered::new(),
        end: None,
        trace: Trace { span: Span::current(), left: TRACED_MAX },
    };
    Box::pin(Talk { going: Some(going), _until_the_end: share })
}

struct Talk<Q, A: Answers> {
    /// None: it is over.
    going: Option<Going<Q, A>>,
    _until_the_end: Share,
}

impl<Q, A> Stream for Talk<Q, A>
where
    Q: Stream<Item = Result<A::Question, Status>> + Unpin,
    A: Answers,
{
    type Item = Said<A::Answer>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(going) = &mut self.going else { return Poll::Ready(None) };
        // What was answered before a panic is told all the same.
        let polled = catch_unwind(AssertUnwindSafe(|| going.poll_answer(context)))
            .unwrap_or_else(|_| Poll::Ready(Err(panicked())));
        let said = ready!(polled).transpose();
        if !matches!(said, Some(Ok(_))) {
            self.going = None;
        }
        Poll::Ready(said)
    }
}

struct Going<Q, A: Answers> {
    questions: Q,
    answers: Arc<A>,
    /// What was read and not asked yet.
    came: VecDeque<A::Question>,
    open: FuturesUnordered<Instrumented<Saying<A::Answer>>>,
    /// How the questions ended, once they have.
    end: Option<Result<(), Status>>,
    watcher: Watcher,
    trace: Trace,
}

/// What the work for questions is a part of.
struct Trace {
    /// The stream's, disabled where it is not traced.
    span: Span,
    /// For how many more.
    left: usize,
}

impl Trace {
    /// That of the next question.
    fn next(&mut self) -> Span {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.span = Span::none(),
        }
        self.span.clone()
    }
}

/// The next answer. None: that was the last.
type Next<T> = Result<Option<T>, Status>;

impl<Q, A> Going<Q, A>
where
    Q: Stream<Item = Result<A::Question, Status>> + Unpin,
    A: Answers,
{
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Next<A::Answer>> {
        let polled = self.poll_known(context);
        if polled.is_ready() {
            return polled;
        }
        self.watcher.wake(context.waker());
        // What it had to tell meanwhile woke nobody.
        if self.watcher.end().is_some() || self.watcher.stops() && self.end.is_none() {
            return self.poll_known(context);
        }
        Poll::Pending
    }

    fn poll_known(&mut self, context: &mut Context<'_>) -> Poll<Next<A::Answer>> {
        if let Some(status) = self.watcher.end() {
            return Poll::Ready(Err(status.clone()));
        }
        if self.watcher.stops() && self.end.is_none() {
            self.end = Some(Err(stopped(Stopped::Ending)));
        }
        loop {
            if !self.open.is_empty()
                && let Poll::Ready(Some(said)) = self.open.poll_next_unpin(context)
            {
                return Poll::Ready(said.map(Some));
            }
            if let Some(question) = self.came.pop_front() {
                match self.ask(question) {
                    Some(answer) => return Poll::Ready(Ok(Some(answer))),
                    None => continue,
                }
            }
            if self.end.is_some() && self.open.is_empty() {
                let end = self.end.take().unwrap_or(Ok(()));
                return Poll::Ready(end.map(|()| None));
            }
            if self.end.is_some() || self.open.len() >= OPEN_MAX {
                return Poll::Pending;
            }
            ready!(self.poll_came(context));
        }
    }

    /// Reads what has come, up to as many as are brought near together, or how it ended.
    fn poll_came(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let most = TOGETHER_MAX.min(OPEN_MAX - self.open.len());
        while self.came.len() < most && self.end.is_none() {
            // After as many questions as tokio has a task do things in a row, others get their turn on
            // this thread; until then no more is read, however often it is asked.
            let Poll::Ready(turn) = poll_proceed(context) else { break };
            let Poll::Ready(question) = self.questions.poll_next_unpin(context) else { break };
            turn.made_progress();
            match question {
                Some(Ok(question)) => {
                    let is_large = self.answers.is_large(&question);
                    self.came.push_back(question);
                    if is_large {
                        break;
                    }
                }
                Some(Err(status)) => self.end = Some(Err(status)),
                None => self.end = Some(Ok(())),
            }
        }
        if self.came.is_empty() && self.end.is_none() {
            return Poll::Pending;
        }
        if self.came.len() > 1 {
            self.answers.bring_near(self.came.make_contiguous());
        }
        Poll::Ready(())
    }

    /// The answer to a question, where it has one at once. It is open otherwise.
    fn ask(&mut self, question: A::Question) -> Option<A::Answer> {
        let span = self.trace.next();
        if span.is_disabled()
            && let Some(answer) = self.answers.answer_at_once(&question)
        {
            return Some(answer);
        }
        match Arc::clone(&self.answers).answer(question) {
            Ok(answer) => self.open.push(answer.instrument(span)),
            Err(status) => {
                self.end = Some(Err(status));
                self.came.clear();
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
