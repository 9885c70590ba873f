#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use futures_util::stream;
use tokio::sync::Semaphore;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use super::*;
use crate::telemetry::{
    Identity,
    context::{Sampler, current},
};

/// The number of a question that there is no answer to.
const PANICS: i64 = 0;

/// Questions with numbers below zero are answered when they are let, others at once.
struct Slow {
    asked: AtomicUsize,
    /// How many of them were part of a trace.
    traced: AtomicUsize,
    gate: Semaphore,
    refused: Mutex<Option<Status>>,
}

impl Answers for Slow {
    fn answer_at_once(&self, _: &StreamIntrospectRequest) -> Option<StreamIntrospectResponse> {
        None
    }

    fn answer(self: Arc<Self>, question: StreamIntrospectRequest) -> BoxFuture<'static, Said> {
        self.asked.fetch_add(1, SeqCst);
        Box::pin(async move {
            self.traced.fetch_add(usize::from(current().is_some()), SeqCst);
            if question.id < 0 {
                self.gate.acquire().await.unwrap().forget();
            }
            assert_ne!(question.id, PANICS);
            Ok(StreamIntrospectResponse { id: question.id, outcome: None })
        })
    }

    fn check(self: Arc<Self>) -> BoxFuture<'static, Result<(), Status>> {
        Box::pin(async move { self.refused.lock().unwrap().take().map_or(Ok(()), Err) })
    }
}

fn slow() -> Arc<Slow> {
    let [asked, traced] = [(); 2].map(|()| AtomicUsize::new(0));
    Arc::new(Slow { asked, traced, gate: Semaphore::new(0), refused: Mutex::default() })
}

type Questions = Vec<Result<StreamIntrospectRequest, Status>>;

fn questions(ids: impl IntoIterator<Item = i64>) -> Questions {
    ids.into_iter().map(|id| Ok(StreamIntrospectRequest { id, request: None })).collect()
}

/// Of a stream that may go on for ever.
fn terms() -> StreamTerms {
    let (stop, over) = (CancellationToken::new(), CancellationToken::new());
    StreamTerms { whole: None, question: Duration::MAX, stop, over }
}

/// The answers to these questions, after which there are no more.
fn asked(questions: Questions, slow: &Arc<Slow>) -> Answered {
    Box::pin(answers(stream::iter(questions), Arc::clone(slow), terms()).fuse())
}

/// The answers to these questions, after which more may come.
fn open(questions: Questions, slow: &Arc<Slow>, terms: StreamTerms) -> Answered {
    let questions = stream::iter(questions).chain(stream::pending());
    answers(questions, Arc::clone(slow), terms)
}

/// The numbers of the answers that come at once, in the time that does not go on by itself.
async fn ready(talk: &mut Answered) -> Vec<i64> {
    let mut ids = Vec::new();
    let moment = Duration::from_millis(1);
    while let Ok(Some(Ok(answer))) = tokio::time::timeout(moment, talk.next()).await {
        ids.push(answer.id);
    }
    ids
}

/// Lets everything happen that waits for nothing.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn as_many_questions_are_read_as_may_be_open_and_no_more() {
    let slow = slow();
    let mut talk = asked(questions((1..=1_000).map(|id| -id)), &slow);
    assert!(ready(&mut talk).await.is_empty());
    assert_eq!(slow.asked.load(SeqCst), OPEN_MAX);
    slow.gate.add_permits(3);
    assert_eq!(ready(&mut talk).await.len(), 3);
    assert_eq!(slow.asked.load(SeqCst), OPEN_MAX + 3);
}

#[tokio::test(start_paused = true)]
async fn who_reads_no_answers_is_asked_for_few_questions() {
    let slow = slow();
    let mut talk = asked(questions(1..=1_000), &slow);
    settle().await;
    assert_eq!(slow.asked.load(SeqCst), UNREAD_MAX);
    assert_eq!(talk.next().await.unwrap().unwrap().id, 1);
    settle().await;
    assert_eq!(slow.asked.load(SeqCst), UNREAD_MAX + 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_does_not_wait_for_those_before_it() {
    let slow = slow();
    let mut talk = asked(questions([-1, 2, -3, 4]), &slow);
    assert_eq!(ready(&mut talk).await, [2, 4]);
    slow.gate.add_permits(2);
    assert_eq!(ready(&mut talk).await, [-1, -3]);
    assert!(talk.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_answered_before_the_stream_ends_as_the_questions_did() {
    let slow = slow();
    let mut all = questions([-1, 2]);
    all.push(Err(Status::unavailable("the questions end")));
    all.extend(questions([3]));
    let mut talk = asked(all, &slow);
    assert_eq!(ready(&mut talk).await, [2]);
    slow.gate.add_permits(1);
    assert_eq!(talk.next().await.unwrap().unwrap().id, -1);
    assert_eq!(talk.next().await.unwrap().unwrap_err().message(), "the questions end");
    assert!(talk.next().await.is_none());
    assert_eq!(slow.asked.load(SeqCst), 2, "what came after the end is not asked");
}

/// The end of a stream whose answers are read.
async fn end(talk: &mut Answered) -> (Vec<i64>, Status) {
    let mut ids = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(60), talk.next()).await;
        match next.unwrap().unwrap() {
            Ok(answer) => ids.push(answer.id),
            Err(status) => {
                assert!(talk.next().await.is_none());
                return (ids, status);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_time_is_over_whatever_is_open() {
    let (slow, begun) = (slow(), tokio::time::Instant::now());
    let whole = Duration::from_secs(7);
    let mut talk = open(questions([-1]), &slow, StreamTerms { whole: Some(whole), ..terms() });
    let (_, status) = end(&mut talk).await;
    assert_eq!(status.code(), Status::deadline_exceeded("").code());
    assert!(begun.elapsed() >= whole && begun.elapsed() < whole + Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_goes_on_as_long_as_its_caller_may_ask() {
    let slow = slow();
    let mut talk = open(questions([-1]), &slow, terms());
    let next = tokio::time::timeout(Duration::from_secs(3_600), talk.next()).await;
    assert!(next.is_err(), "nothing is said for an hour");
    *slow.refused.lock().unwrap() = Some(Status::unauthenticated("revoked"));
    let begun = tokio::time::Instant::now();
    let (_, status) = end(&mut talk).await;
    assert_eq!(status.message(), "revoked");
    assert!(begun.elapsed() <= CHECK_INTERVAL + Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn when_the_server_ends_what_was_read_is_answered_and_no_more_is_read() {
    let (slow, terms) = (slow(), terms());
    let stop = terms.stop.clone();
    let mut talk = open(questions([-1, -2]), &slow, terms);
    settle().await;
    stop.cancel();
    settle().await;
    slow.gate.add_permits(2);
    let (ids, status) = end(&mut talk).await;
    assert_eq!(ids, [-1, -2]);
    assert_eq!(status.code(), Status::unavailable("").code());
    let mut late = open(questions([1]), &slow, StreamTerms { stop, ..self::terms() });
    assert!(end(&mut late).await.0.is_empty());
}

/// How long it takes until a stream is over that has more answers than anybody reads.
async fn over_unread(slow: &Arc<Slow>, terms: StreamTerms, then: impl FnOnce()) -> Duration {
    let over = terms.over.clone();
    let _unread = open(questions(1..=1_000), slow, terms);
    settle().await;
    assert!(!over.is_cancelled());
    let begun = tokio::time::Instant::now();
    then();
    tokio::time::timeout(Duration::from_secs(60), over.cancelled()).await.unwrap();
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_keeps_no_stream_beyond_its_time() {
    let whole = Duration::from_secs(7);
    let terms = StreamTerms { whole: Some(whole), ..terms() };
    assert!(over_unread(&slow(), terms, || {}).await <= whole);
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_keeps_no_stream_that_it_may_not_have() {
    let slow = slow();
    let revoke = || *slow.refused.lock().unwrap() = Some(Status::unauthenticated("revoked"));
    assert!(over_unread(&slow, terms(), revoke).await <= CHECK_INTERVAL);
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_holds_the_end_of_the_server_for_a_moment_only() {
    let terms = terms();
    let stop = terms.stop.clone();
    let passed = over_unread(&slow(), terms, || stop.cancel()).await;
    assert!(passed <= READ_WITHIN + Duration::from_millis(10), "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_has_any_more_asks_nothing() {
    let (slow, terms) = (slow(), terms());
    let over = terms.over.clone();
    drop(open(questions(1..=1_000), &slow, terms));
    tokio::time::timeout(Duration::from_secs(60), over.cancelled()).await.unwrap();
    assert_eq!(slow.asked.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_stream_with_an_internal_error() {
    let mut talk = open(questions([1, PANICS]), &slow(), terms());
    let (_, status) = end(&mut talk).await;
    assert_eq!(status.code(), Status::internal("").code());
}

#[tokio::test]
async fn what_the_first_questions_of_a_traced_stream_wait_for_is_part_of_its_trace() {
    let (spans, _traces) = Identity::new("a".to_owned()).traces();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::sink).boxed();
    let _gathering =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(lines).with(spans));
    let many = i64::try_from(TRACED_MAX).unwrap() + 7;
    for (ratio, expected) in [(0.0, 0), (1.0, TRACED_MAX)] {
        let slow = slow();
        let call =
            Sampler::new(ratio, 0).begin(&http::HeaderMap::new(), "keyward.v1.A/B", || false);
        let answers = call.in_scope(|| asked(questions(1..=many), &slow));
        assert_eq!(answers.count().await, TRACED_MAX + 7);
        assert_eq!(slow.traced.load(SeqCst), expected);
    }
}
