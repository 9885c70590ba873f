#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, stream};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::codec::{Codec as _, EncodeBody};
use tonic_prost::ProstCodec;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use super::*;
use crate::{
    grpc::introspect::shares::Shares,
    proto::{StreamIntrospectRequest, StreamIntrospectResponse},
    telemetry::{
        Identity,
        context::{Sampler, current},
    },
};

mod ends;

/// The number of a question that there is no answer to.
const PANICS: i64 = 0;
/// That of one that is large.
const LARGE: i64 = i64::MAX;
/// That of what is no question.
const NONE: i64 = i64::MIN;

/// Questions with numbers below zero are answered when they are let, others before anything else
/// happens.
struct Slow {
    /// Of the others, which have their answer at once: all from this number.
    at_once: i64,
    asked: AtomicUsize,
    /// How many of them were part of a trace.
    traced: AtomicUsize,
    /// How many were to be brought near together, each time.
    near: Mutex<Vec<usize>>,
    gate: Semaphore,
    refused: Mutex<Option<Status>>,
}

impl Answers for Slow {
    type Question = StreamIntrospectRequest;
    type Answer = StreamIntrospectResponse;

    fn bring_near(&self, questions: &mut [StreamIntrospectRequest]) {
        self.near.lock().unwrap().push(questions.len());
    }

    fn is_large(&self, question: &StreamIntrospectRequest) -> bool {
        question.id == LARGE
    }

    fn answer_at_once(
        &self,
        question: &StreamIntrospectRequest,
    ) -> Option<StreamIntrospectResponse> {
        let &StreamIntrospectRequest { id, .. } = question;
        if id < self.at_once {
            return None;
        }
        self.asked.fetch_add(1, SeqCst);
        assert_ne!(id, PANICS);
        Some(StreamIntrospectResponse { id, outcome: None })
    }

    fn answer(
        self: Arc<Self>,
        question: StreamIntrospectRequest,
    ) -> Result<Saying<StreamIntrospectResponse>, Status> {
        if question.id == NONE {
            return Err(Status::internal("no question"));
        }
        self.asked.fetch_add(1, SeqCst);
        Ok(Box::pin(async move {
            self.traced.fetch_add(usize::from(current().is_some()), SeqCst);
            if question.id < 0 {
                self.gate.acquire().await.unwrap().forget();
            }
            assert_ne!(question.id, PANICS);
            Ok(StreamIntrospectResponse { id: question.id, outcome: None })
        }))
    }

    fn check(self: Arc<Self>) -> BoxFuture<'static, Result<(), Status>> {
        Box::pin(async move { self.refused.lock().unwrap().take().map_or(Ok(()), Err) })
    }
}

fn slow() -> Arc<Slow> {
    quick_from(i64::MAX)
}

fn quick_from(at_once: i64) -> Arc<Slow> {
    let [asked, traced] = [(); 2].map(|()| AtomicUsize::new(0));
    let (near, gate) = (Mutex::default(), Semaphore::new(0));
    Arc::new(Slow { at_once, asked, traced, near, gate, refused: Mutex::default() })
}

type Talking = Answered<StreamIntrospectResponse>;

type Questions = Vec<Result<StreamIntrospectRequest, Status>>;

fn questions(ids: impl IntoIterator<Item = i64>) -> Questions {
    ids.into_iter().map(|id| Ok(StreamIntrospectRequest { id, request: None })).collect()
}

/// Of a stream that may go on for ever.
fn terms() -> StreamTerms {
    let (stop, over) = (CancellationToken::new(), CancellationToken::new());
    StreamTerms { whole: None, question: Duration::MAX, stop, over }
}

fn share() -> Share {
    Shares::default().take("caller".to_owned()).unwrap()
}

/// The answers to these questions, after which there are no more.
fn asked(questions: Questions, slow: &Arc<Slow>) -> Talking {
    answers(stream::iter(questions), Arc::clone(slow), terms(), share())
}

/// The answers to these questions, after which more may come.
fn open(questions: Questions, slow: &Arc<Slow>, terms: StreamTerms) -> Talking {
    let questions = stream::iter(questions).chain(stream::pending());
    answers(questions, Arc::clone(slow), terms, share())
}

/// The numbers of the answers that come at once, in the time that does not go on by itself.
async fn ready(talk: &mut Talking) -> Vec<i64> {
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
async fn who_reads_no_answer_is_asked_for_nothing() {
    for slow in [slow(), quick_from(1)] {
        let mut talk = asked(questions(1..=1_000), &slow);
        settle().await;
        assert_eq!(slow.asked.load(SeqCst), 0);
        assert_eq!(talk.next().await.unwrap().unwrap().id, 1);
        settle().await;
        assert_eq!(slow.asked.load(SeqCst), 1);
    }
}

#[tokio::test]
async fn questions_that_came_together_are_answered_together_with_nothing_between() {
    const COUNT: i64 = 100;
    let talk = open(questions(1..=COUNT), &quick_from(1), terms());
    let mut codec = ProstCodec::<StreamIntrospectResponse, StreamIntrospectRequest>::default();
    let together = Default::default();
    let body = EncodeBody::new_server(codec.encoder(), talk, None, together, None);
    let mut body = tonic::body::Body::new(body);
    let frame = body.frame().now_or_never().unwrap().unwrap().unwrap();
    // Each is a number of two bytes, with what gRPC puts before it.
    assert_eq!(frame.into_data().unwrap().len(), 7 * 100);
    assert!(body.frame().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn questions_that_came_together_are_brought_near_together_as_far_as_they_may_be_open() {
    let quick = quick_from(1);
    let half = TOGETHER_MAX / 2;
    let mut talk = asked(questions((1..).take(5 * half)), &quick);
    assert_eq!(ready(&mut talk).await.len(), 5 * half);
    assert_eq!(*quick.near.lock().unwrap(), [TOGETHER_MAX, TOGETHER_MAX, half]);
    let slow = slow();
    let mut talk = asked(questions((1..=1_000).map(|id| -id)), &slow);
    assert!(ready(&mut talk).await.is_empty());
    slow.gate.add_permits(1);
    assert_eq!(ready(&mut talk).await.len(), 1);
    let near = std::mem::take(&mut *slow.near.lock().unwrap());
    assert_eq!(near, [TOGETHER_MAX; OPEN_MAX / TOGETHER_MAX], "one alone is not");
    let mut talk = asked(questions([1, LARGE, 2, LARGE, LARGE, 3, 4]), &quick);
    quick.near.lock().unwrap().clear();
    assert_eq!(ready(&mut talk).await.len(), 7);
    assert_eq!(*quick.near.lock().unwrap(), [2, 2, 2], "none after a large one; one alone is not");
}

/// Until its task has had its turn again, however often it is asked meanwhile: whoever encodes asks
/// once more after what it was told last.
#[tokio::test]
async fn a_stream_that_has_an_answer_to_everything_leaves_turns_to_others() {
    const TURN: usize = 128;
    // Where three more than these may be open, a turn is over between questions that came together.
    for open in [0, OPEN_MAX - 3] {
        let slow = quick_from(1);
        let ids = (1..).take(open).map(|id: i64| -id).chain(1..=1_000);
        let mut talk = asked(questions(ids), &slow);
        let mut answered = 0;
        while answered < 1_000 {
            let (mut now, before) = (0, answered);
            let turn = std::future::poll_fn(|context| {
                while let Poll::Ready(Some(Ok(_))) = talk.as_mut().poll_next(context) {
                    now += 1;
                }
                assert!(talk.as_mut().poll_next(context).is_pending() || before + now == 1_000);
                Poll::Ready(())
            });
            turn.await;
            assert!(now > 0 && now <= TURN, "{now}");
            answered += now;
            tokio::task::yield_now().await;
        }
        slow.gate.add_permits(open);
        assert_eq!(talk.count().await, open);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_at_once_is_told_before_those_that_are_open() {
    let slow = quick_from(2);
    let mut talk = asked(questions([-1, 2, 1, 3]), &slow);
    assert_eq!(ready(&mut talk).await, [2, 1, 3]);
    slow.gate.add_permits(1);
    assert_eq!(ready(&mut talk).await, [-1]);
    assert!(talk.next().await.is_none());
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
