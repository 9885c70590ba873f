//! The questions of one stream, and their answers as they come.
//!
//! As many questions as may be open at once are read, and no more: whoever sends faster than it
//! is answered, or does not read its answers, finds that HTTP/2 takes no more of it.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{
    Stream,
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt as _, unfold},
};
use tokio::time::{Interval, MissedTickBehavior, Sleep};
use tonic::Status;

use crate::{
    grpc::layers::exceeded,
    proto::{StreamIntrospectRequest, StreamIntrospectResponse},
};

/// After so many answers in a row others get their turn on this thread.
const IN_A_ROW_MAX: usize = 32;
/// Questions of one stream that are open at once.
const OPEN_MAX: usize = 64;
/// How often it is asked whether the caller still may, also of one that asks nothing.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What came of a question, or of a check that was passed. An error ends the stream.
pub(super) type Said = Result<Option<StreamIntrospectResponse>, Status>;

/// Answers the questions of one stream.
pub(super) trait Answers: Send + Sync + 'static {
    /// Answers one.
    fn answer(self: Arc<Self>, question: StreamIntrospectRequest) -> BoxFuture<'static, Said>;
    /// Whether the caller may still ask.
    fn check(self: Arc<Self>) -> BoxFuture<'static, Said>;
}

/// The answers to these questions, in the order in which they are known. They end after the
/// last question was answered, with the error that the questions ended with; at once when the
/// caller may ask no more; and when `whole` is over.
pub(super) fn answers<Q, A>(
    questions: Q,
    answers: Arc<A>,
    whole: Option<Duration>,
) -> impl Stream<Item = Result<StreamIntrospectResponse, Status>> + Send
where
    Q: Stream<Item = Result<StreamIntrospectRequest, Status>> + Send + Unpin,
    A: Answers,
{
    let mut check = tokio::time::interval(CHECK_INTERVAL);
    // The first tick is at once, when the caller was just asked for.
    check.reset();
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let whole = whole.map(|whole| (whole, Box::pin(tokio::time::sleep(whole))));
    let open = FuturesUnordered::new();
    let talk = Talk {
        questions,
        answers,
        open,
        check,
        is_checking: false,
        whole,
        end: None,
        is_over: false,
        in_a_row: 0,
    };
    unfold(talk, |mut talk| async move { Some((talk.next().await?, talk)) })
}

struct Talk<Q, A> {
    questions: Q,
    answers: Arc<A>,
    open: FuturesUnordered<BoxFuture<'static, Said>>,
    check: Interval,
    is_checking: bool,
    /// The time it has, and the end of that.
    whole: Option<(Duration, Pin<Box<Sleep>>)>,
    /// How the questions ended, once they have.
    end: Option<Result<(), Status>>,
    is_over: bool,
    in_a_row: usize,
}

impl<Q, A> Talk<Q, A>
where
    Q: Stream<Item = Result<StreamIntrospectRequest, Status>> + Unpin,
    A: Answers,
{
    async fn next(&mut self) -> Option<Result<StreamIntrospectResponse, Status>> {
        if self.in_a_row >= IN_A_ROW_MAX {
            self.in_a_row = 0;
            tokio::task::yield_now().await;
        }
        self.in_a_row += 1;
        while !self.is_over {
            if self.open.is_empty()
                && let Some(end) = self.end.take()
            {
                self.is_over = true;
                return end.err().map(Err);
            }
            let asks = self.end.is_none();
            tokio::select! {
                biased;
                whole = over(&mut self.whole) => return self.cut(exceeded(whole)),
                Some(said) = self.open.next(), if !self.open.is_empty() => match said {
                    Ok(Some(answer)) => return Some(Ok(answer)),
                    Ok(None) => self.is_checking = false,
                    Err(status) => return self.cut(status),
                },
                _ = self.check.tick(), if asks && !self.is_checking => {
                    self.is_checking = true;
                    self.open.push(Arc::clone(&self.answers).check());
                }
                question = self.questions.next(), if asks && self.open.len() < OPEN_MAX => {
                    match question {
                        Some(Ok(question)) => {
                            self.open.push(Arc::clone(&self.answers).answer(question));
                        }
                        Some(Err(status)) => self.end = Some(Err(status)),
                        None => self.end = Some(Ok(())),
                    }
                }
            }
        }
        None
    }

    /// Ends it, whatever is still open.
    fn cut(&mut self, status: Status) -> Option<Result<StreamIntrospectResponse, Status>> {
        self.is_over = true;
        self.open.clear();
        Some(Err(status))
    }
}

/// Waits until the time is over, and tells how long it was.
async fn over(whole: &mut Option<(Duration, Pin<Box<Sleep>>)>) -> Duration {
    match whole {
        Some((whole, end)) => {
            end.as_mut().await;
            *whole
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
