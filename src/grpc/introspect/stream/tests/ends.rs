//! How a stream ends, read or unread.

use super::{
    super::watcher::{CHECK_INTERVAL, READ_WITHIN},
    *,
};

#[tokio::test(start_paused = true)]
async fn what_is_no_question_ends_them_after_those_before_it_are_answered() {
    let slow = slow();
    let mut talk = asked(questions([-1, NONE, 2]), &slow);
    assert!(ready(&mut talk).await.is_empty());
    slow.gate.add_permits(1);
    let (ids, status) = end(&mut talk).await;
    assert_eq!((ids, status.message()), (vec![-1], "no question"));
    assert_eq!(slow.asked.load(SeqCst), 1);
}

/// The end of a stream whose answers are read.
async fn end(talk: &mut Talking) -> (Vec<i64>, Status) {
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

/// While it looks for a question, on another thread: nobody else would wake it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stream_whose_time_is_over_while_it_is_asked_ends_with_that() {
    let terms = StreamTerms { whole: Some(Duration::from_millis(1)), ..terms() };
    let over = terms.over.clone();
    let questions = stream::poll_fn(move |_| {
        while !over.is_cancelled() {
            std::thread::yield_now();
        }
        Poll::Pending
    });
    let mut talk = answers(questions, slow(), terms, share());
    let (_, status) = end(&mut talk).await;
    assert_eq!(status.code(), Status::deadline_exceeded("").code());
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
    assert!(ready(&mut talk).await.is_empty());
    stop.cancel();
    settle().await;
    slow.gate.add_permits(2);
    let (ids, status) = end(&mut talk).await;
    assert_eq!(ids, [-1, -2]);
    assert_eq!(status.code(), Status::unavailable("").code());
    let mut late = open(questions([1]), &slow, StreamTerms { stop, ..self::terms() });
    assert!(end(&mut late).await.0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn when_the_server_ends_what_came_together_is_answered() {
    let (quick, terms) = (quick_from(1), terms());
    let stop = terms.stop.clone();
    let mut talk = open(questions(1..=1_000), &quick, terms);
    assert_eq!(talk.next().await.unwrap().unwrap().id, 1);
    stop.cancel();
    settle().await;
    let (ids, status) = end(&mut talk).await;
    let read = i64::try_from(TOGETHER_MAX).unwrap();
    assert_eq!(ids, (2..=read).collect::<Vec<_>>());
    assert_eq!(status.code(), Status::unavailable("").code());
}

/// However long they take: somebody waits for them.
#[tokio::test(start_paused = true)]
async fn when_the_server_ends_who_waits_for_answers_gets_them() {
    let (slow, terms) = (slow(), terms());
    let stop = terms.stop.clone();
    let mut talk = open(questions([-1]), &slow, terms);
    assert!(ready(&mut talk).await.is_empty());
    stop.cancel();
    assert!(tokio::time::timeout(10 * READ_WITHIN, talk.next()).await.is_err());
    slow.gate.add_permits(1);
    assert_eq!(end(&mut talk).await.0, [-1]);
}

/// How long it takes until a stream is over that has more answers than anybody reads.
async fn over_unread(slow: &Arc<Slow>, terms: StreamTerms, then: impl FnOnce()) -> Duration {
    let over = terms.over.clone();
    let mut unread = open(questions(1..=1_000), slow, terms);
    assert_eq!(unread.next().await.unwrap().unwrap().id, 1);
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
    for slow in [slow(), quick_from(0)] {
        let mut talk = open(questions([1, PANICS, 2]), &slow, terms());
        let (ids, status) = end(&mut talk).await;
        assert_eq!(ids, [1]);
        assert_eq!(status.code(), Status::internal("").code());
    }
}
