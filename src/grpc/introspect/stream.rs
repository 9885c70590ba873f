//! The questions of one stream, and their answers as they come.
//!
//! As many questions as may be open at once are read, and no more: whoever sends faster than it
//! is answered, or does not read its answers, finds that HTTP/2 takes no more of it. A stream has a
//! task of its own, which ends it also where nobody reads its answers.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{
    Stream,
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt as _, unfold},
};
use tokio::{
    sync::mpsc::{Permit, Sender, channel, error::TrySendError},
    time::MissedTickBehavior,
};
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFutureOwned},
    task::AbortOnDropHandle,
};
use tonic::Status;
use tracing::{Instrument as _, Span, instrument::Instrumented};

use crate::{
    back::Stopped,
    grpc::{
        layers::{StreamTerms, exceeded},
        status::{panicked, stopped},
    },
    proto::{StreamIntrospectRequest, StreamIntrospectResponse},
};

/// Questions of one stream that are open at once.
const OPEN_MAX: usize = 64;
/// Answers of one stream that wait for their caller to read them. After so many in a row others get
/// their turn on this thread.
const UNREAD_MAX: usize = 8;
/// How long an answer waits for its caller to read others once the server ends.
const READ_WITHIN: Duration = Duration::from_secs(1);
/// How often it is asked whether the caller still may, also of one that asks nothing.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Questions of a traced stream whose work is part of its trace, the first ones: a stream may go on
/// for days, and a trace must end.
const TRACED_MAX: usize = 100;

/// What came of a question. An error ends the stream.
pub(super) type Said = Result<StreamIntrospectResponse, Status>;

/// Answers the questions of one stream.
pub(super) trait Answers: Send + Sync + 'static {
    /// The answer to a question that has one at once. None: it is to be asked for, and nothing was
    /// done.
    fn answer_at_once(
        &self,
        question: &StreamIntrospectRequest,
    ) -> Option<StreamIntrospectResponse>;

    /// Answers one.
    fn answer(self: Arc<Self>, question: StreamIntrospectRequest) -> BoxFuture<'static, Said>;
    /// Whether the caller may still ask. An error ends the stream.
    fn check(self: Arc<Self>) -> BoxFuture<'static, Result<(), Status>>;
}

/// The answers to these questions, in the order in which they are known. They end after the
/// last question was answered, with the error that the questions ended with; at once when the
/// caller may ask no more, and when their time is over; and when the server ends, after those that
/// were read are answered. Then `terms.over` is cancelled, whether or not anybody reads that.
pub(super) fn answers<Q, A>(questions: Q, answers: Arc<A>, terms: StreamTerms) -> Answered
where
    Q: Stream<Item = Result<StreamIntrospectRequest, Status>> + Send + Unpin + 'static,
    A: Answers,
{
    let (known, told) = channel(UNREAD_MAX);
    let StreamTerms { whole, question: _, stop, over } = terms;
    let over = over.drop_guard();
    let stopping = Box::pin(stop.clone().cancelled_owned());
    let talk = Talk {
        questions,
        answers,
        open: FuturesUnordered::new(),
        stop,
        stopping,
        end: None,
        trace: Trace { span: Span::current(), left: TRACED_MAX },
    };
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        let _over = over;
        talk.within(whole, &known).await
    }));
    Box::pin(unfold(Some((told, task)), async |state| {
        let (mut told, task) = state?;
        if let Some(answer) = told.recv().await {
            return Some((Ok(answer), Some((told, task))));
        }
        let end = task.await.unwrap_or_else(|_| Err(panicked()));
        end.err().map(|status| (Err(status), None))
    }))
}

/// Answers of a stream, and how it ends.
pub(super) type Answered = Pin<Box<dyn Stream<Item = Said> + Send>>;

struct Talk<Q, A> {
    questions: Q,
    answers: Arc<A>,
    open: FuturesUnordered<Instrumented<BoxFuture<'static, Said>>>,
    stop: CancellationToken,
    /// The same, to be waited for.
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
    /// How the questions ended, once they have.
    end: Option<Result<(), Status>>,
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

impl<Q, A> Talk<Q, A>
where
    Q: Stream<Item = Result<StreamIntrospectRequest, Status>> + Unpin,
    A: Answers,
{
    /// All of it, for as long as it may go on.
    async fn within(
        mut self,
        whole: Option<Duration>,
        known: &Sender<StreamIntrospectResponse>,
    ) -> Result<(), Status> {
        let answers = Arc::clone(&self.answers);
        tokio::select! {
            biased;
            whole = over(whole) => Err(exceeded(whole)),
            refused = refused(answers) => Err(refused),
            end = self.talk(known) => end,
        }
    }

    async fn talk(&mut self, known: &Sender<StreamIntrospectResponse>) -> Result<(), Status> {
        // Without room nothing is asked: its answer could not be told.
        while let Some(room) = room(&self.stop, known).await? {
            match self.next().await? {
                Some(answer) => room.send(answer),
                None => break,
            }
        }
        Ok(())
    }

    /// The next answer that is known. None: that was the last.
    async fn next(&mut self) -> Result<Option<StreamIntrospectResponse>, Status> {
        loop {
            if self.open.is_empty()
                && let Some(end) = self.end.take()
            {
                return end.map(|()| None);
            }
            let asks = self.end.is_none();
            tokio::select! {
                biased;
                () = self.stopping.as_mut(), if asks => {
                    self.end = Some(Err(stopped(Stopped::Ending)));
                }
                Some(said) = self.open.next(), if !self.open.is_empty() => return said.map(Some),
                question = self.questions.next(), if asks && self.open.len() < OPEN_MAX => {
                    match question {
                        Some(Ok(question)) => {
                            let span = self.trace.next();
                            if span.is_disabled()
                                && let Some(answer) = self.answers.answer_at_once(&question)
                            {
                                return Ok(Some(answer));
                            }
                            let answer = Arc::clone(&self.answers).answer(question);
                            self.open.push(answer.instrument(span));
                        }
                        Some(Err(status)) => self.end = Some(Err(status)),
                        None => self.end = Some(Ok(())),
                    }
                }
            }
        }
    }
}

/// Waits for room for one more answer. None: nobody wants one.
async fn room<'a>(
    stop: &CancellationToken,
    known: &'a Sender<StreamIntrospectResponse>,
) -> Result<Option<Permit<'a, StreamIntrospectResponse>>, Status> {
    match known.try_reserve() {
        Ok(room) => return Ok(Some(room)),
        Err(TrySendError::Closed(())) => return Ok(None),
        Err(TrySendError::Full(())) => {}
    }
    if let Some(room) = stop.run_until_cancelled(known.reserve()).await {
        return Ok(room.ok());
    }
    let room = tokio::time::timeout(READ_WITHIN, known.reserve()).await;
    room.map(Result::ok).map_err(|_| stopped(Stopped::Ending))
}

/// Waits until the time is over, and tells how long it was.
async fn over(whole: Option<Duration>) -> Duration {
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

#[cfg(test)]
mod tests;
