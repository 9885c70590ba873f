#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use futures_util::{FutureExt as _, stream};
use tokio::sync::Semaphore;

use super::*;

/// Questions with numbers below zero are answered when they are let, others at once.
struct Slow {
    asked: AtomicUsize,
    gate: Semaphore,
    refused: Mutex<Option<Status>>,
}

impl Answers for Slow {
    fn answer(self: Arc<Self>, question: StreamIntrospectRequest) -> BoxFuture<'static, Said> {
        self.asked.fetch_add(1, SeqCst);
        Box::pin(async move {
            if question.id < 0 {
                self.gate.acquire().await.unwrap().forget();
            }
            Ok(Some(StreamIntrospectResponse { id: question.id, outcome: None }))
        })
    }

    fn check(self: Arc<Self>) -> BoxFuture<'static, Said> {
        Box::pin(async move { self.refused.lock().unwrap().take().map_or(Ok(None), Err) })
    }
}

fn slow() -> Arc<Slow> {
    let (asked, gate) = (AtomicUsize::new(0), Semaphore::new(0));
    Arc::new(Slow { asked, gate, refused: Mutex::default() })
}

type Questions = Vec<Result<StreamIntrospectRequest, Status>>;

fn questions(ids: impl IntoIterator<Item = i64>) -> Questions {
    ids.into_iter().map(|id| Ok(StreamIntrospectRequest { id, request: None })).collect()
}

type Talking = Pin<Box<dyn Stream<Item = Result<StreamIntrospectResponse, Status>> + Send>>;

/// The answers to these questions, after which there are no more.
fn asked(questions: Questions, slow: &Arc<Slow>) -> Talking {
    Box::pin(answers(stream::iter(questions), Arc::clone(slow), None).fuse())
}

/// The answers to these questions, after which more may come.
fn open(questions: Questions, slow: &Arc<Slow>, whole: Option<Duration>) -> Talking {
    let questions = stream::iter(questions).chain(stream::pending());
    Box::pin(answers(questions, Arc::clone(slow), whole))
}

/// The numbers of the answers that are there without waiting.
fn ready(talk: &mut Talking) -> Vec<i64> {
    let mut ids = Vec::new();
    while let Some(Some(Ok(answer))) = talk.next().now_or_never() {
        ids.push(answer.id);
    }
    ids
}

#[tokio::test]
async fn as_many_questions_are_read_as_may_be_open_and_no_more() {
    let slow = slow();
    let mut talk = asked(questions((1..=1_000).map(|id| -id)), &slow);
    assert!(ready(&mut talk).is_empty());
    assert_eq!(slow.asked.load(SeqCst), OPEN_MAX);
    slow.gate.add_permits(3);
    assert_eq!(ready(&mut talk).len(), 3);
    assert_eq!(slow.asked.load(SeqCst), OPEN_MAX + 3);
}

#[tokio::test]
async fn who_reads_no_answers_is_asked_for_no_questions() {
    let slow = slow();
    let mut talk = asked(questions(1..=1_000), &slow);
    assert_eq!(talk.next().await.unwrap().unwrap().id, 1);
    assert_eq!(slow.asked.load(SeqCst), 1);
}

#[tokio::test]
async fn an_answer_does_not_wait_for_those_before_it() {
    let slow = slow();
    let mut talk = asked(questions([-1, 2, -3, 4]), &slow);
    assert_eq!(ready(&mut talk), [2, 4]);
    slow.gate.add_permits(2);
    assert_eq!(ready(&mut talk), [-1, -3]);
    assert!(talk.next().await.is_none());
}

#[tokio::test]
async fn what_was_read_is_answered_before_the_stream_ends_as_the_questions_did() {
    let slow = slow();
    let mut all = questions([-1, 2]);
    all.push(Err(Status::unavailable("the server ends")));
    all.extend(questions([3]));
    let mut talk = asked(all, &slow);
    assert_eq!(ready(&mut talk), [2]);
    slow.gate.add_permits(1);
    assert_eq!(talk.next().await.unwrap().unwrap().id, -1);
    assert_eq!(talk.next().await.unwrap().unwrap_err().message(), "the server ends");
    assert!(talk.next().await.is_none());
    assert_eq!(slow.asked.load(SeqCst), 2, "what came after the end is not asked");
}

#[tokio::test]
async fn after_many_answers_in_a_row_others_get_their_turn() {
    let slow = slow();
    let mut talk = asked(questions(1..=100), &slow);
    assert_eq!(ready(&mut talk), (1..=32).collect::<Vec<_>>());
    assert_eq!(ready(&mut talk), (33..=64).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_time_is_over_whatever_is_open() {
    let (slow, begun) = (slow(), tokio::time::Instant::now());
    let whole = Duration::from_secs(7);
    let mut talk = open(questions([-1]), &slow, Some(whole));
    let status = talk.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Status::deadline_exceeded("").code());
    assert!(begun.elapsed() >= whole && begun.elapsed() < whole + Duration::from_millis(10));
    assert!(talk.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_goes_on_as_long_as_its_caller_may_ask() {
    let slow = slow();
    let mut talk = open(questions([-1]), &slow, None);
    let next = tokio::time::timeout(Duration::from_secs(3_600), talk.next()).await;
    assert!(next.is_err(), "nothing is said for an hour");
    *slow.refused.lock().unwrap() = Some(Status::unauthenticated("revoked"));
    let begun = tokio::time::Instant::now();
    assert_eq!(talk.next().await.unwrap().unwrap_err().message(), "revoked");
    assert!(begun.elapsed() <= CHECK_INTERVAL + Duration::from_millis(10));
    assert!(talk.next().await.is_none());
}
