#![expect(clippy::unwrap_used, reason = "tests")]

use futures_util::future::BoxFuture;
use tokio::{runtime, sync::Semaphore};

use super::*;

/// Can only be the first of a group.
const FIRST: usize = 1;
/// The group that has it panics.
const PANIC: usize = 2;
/// From here on, a number is a size.
const PLAIN: usize = 10;
const PATIENT: Duration = Duration::from_secs(600);

/// Doubles numbers, when it is let.
struct Doubler {
    groups: Mutex<Vec<Vec<usize>>>,
    gate: Semaphore,
}

impl Make for Doubler {
    type Work = usize;
    type Answer = usize;

    fn size(work: &usize) -> usize {
        *work
    }

    fn is_first(work: &usize) -> bool {
        *work == FIRST
    }

    async fn make(&self, group: Vec<usize>) -> Vec<usize> {
        self.groups.lock().unwrap().push(group.clone());
        _ = self.gate.acquire().await.unwrap();
        assert!(!group.contains(&PANIC), "deliberate");
        group.into_iter().map(|number| 2 * number).collect()
    }
}

fn queue(patience: Duration) -> Arc<Queue<Doubler>> {
    let gate = Semaphore::new(0);
    Arc::new(Queue::new(Doubler { groups: Mutex::default(), gate }, patience))
}

type Asked = BoxFuture<'static, Result<usize, NoAnswer>>;

impl Queue<Doubler> {
    /// Asks, in this order, and goes on without the answer.
    fn begin(self: &Arc<Self>, works: impl IntoIterator<Item = usize>) -> Vec<Asked> {
        let ask = |work| {
            let queue = Arc::clone(self);
            let mut asked: Asked = Box::pin(async move { queue.ask(work).await });
            assert!((&mut asked).now_or_never().is_none());
            asked
        };
        works.into_iter().map(ask).collect()
    }

    fn groups(&self) -> Vec<Vec<usize>> {
        self.maker().groups.lock().unwrap().clone()
    }

    async fn until_begun(&self, groups: usize) {
        while self.groups().len() < groups {
            tokio::task::yield_now().await;
        }
    }

    fn open(&self) {
        self.maker().gate.add_permits(1);
    }
}

async fn answers(asked: Vec<Asked>) -> Vec<Result<usize, NoAnswer>> {
    futures_util::future::join_all(asked).await
}

#[tokio::test]
async fn what_waits_is_done_together_in_order_and_bounded_in_number() {
    let queue = queue(PATIENT);
    let asked = queue.begin(PLAIN..PLAIN + 300);
    queue.open();
    let expected: Vec<_> = (PLAIN..PLAIN + 300).map(|number| Ok(2 * number)).collect();
    assert_eq!(answers(asked).await, expected);
    let sizes: Vec<usize> = queue.groups().iter().map(Vec::len).collect();
    assert_eq!(sizes, [128, 128, 44]);
    assert_eq!(queue.groups().concat(), (PLAIN..PLAIN + 300).collect::<Vec<_>>());
}

#[tokio::test]
async fn while_one_group_is_done_the_next_one_gathers() {
    let queue = queue(PATIENT);
    let mut asked = queue.begin([10]);
    queue.until_begun(1).await;
    asked.extend(queue.begin([20, 30]));
    queue.open();
    assert_eq!(answers(asked).await, [Ok(20), Ok(40), Ok(60)]);
    assert_eq!(queue.groups(), [vec![10], vec![20, 30]]);
    assert_eq!(answers(queue.begin([40])).await, [Ok(80)], "and so on, when nothing waits");
}

#[tokio::test]
async fn a_group_is_bounded_in_bytes_but_for_one_that_is_larger() {
    let (queue, half) = (queue(PATIENT), BYTES_MAX / 2);
    let asked = queue.begin([half, half, PLAIN, 2 * BYTES_MAX, PLAIN]);
    queue.open();
    assert!(answers(asked).await.iter().all(Result::is_ok));
    let groups = queue.groups();
    assert_eq!(groups, [vec![half, half], vec![PLAIN], vec![2 * BYTES_MAX], vec![PLAIN]]);
}

#[tokio::test]
async fn what_can_only_be_first_begins_a_group() {
    let queue = queue(PATIENT);
    let asked = queue.begin([FIRST, 10, FIRST, 20]);
    queue.open();
    assert_eq!(answers(asked).await, [Ok(2), Ok(20), Ok(2), Ok(40)]);
    assert_eq!(queue.groups(), [[FIRST, 10], [FIRST, 20]]);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_done_all_the_same() {
    let queue = queue(PATIENT);
    drop(queue.begin([10]));
    queue.until_begun(1).await;
    drop(queue.begin([20]));
    queue.open();
    queue.until_begun(2).await;
    assert_eq!(queue.groups(), [[10], [20]]);
}

#[tokio::test]
async fn what_waited_too_long_is_refused_and_not_done() {
    let patience = Duration::from_secs(1);
    let queue = queue(patience);
    let mut asked = queue.begin([10]);
    queue.until_begun(1).await;
    asked.extend(queue.begin([20]));
    tokio::time::sleep(patience + Duration::from_millis(1)).await;
    asked.extend(queue.begin([30]));
    queue.open();
    assert_eq!(answers(asked).await, [Ok(20), Err(NoAnswer::WaitedTooLong), Ok(60)]);
    assert_eq!(queue.groups(), [[10], [30]]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_before_the_group_that_is_waited_for_is_done() {
    let queue = queue(Duration::from_secs(1));
    let mut first = queue.begin([10]);
    queue.until_begun(1).await;
    let told = tokio::time::timeout(PATIENT, answers(queue.begin([20, 30]))).await.unwrap();
    assert_eq!(told, [Err(NoAnswer::WaitedTooLong); 2]);
    let next = queue.begin([40]);
    queue.open();
    first.extend(next);
    assert_eq!(answers(first).await, [Ok(20), Ok(80)]);
    assert_eq!(queue.groups(), [[10], [40]]);
}

#[tokio::test]
async fn a_panic_is_one_of_each_of_the_group_and_the_next_is_done() {
    let queue = queue(PATIENT);
    let asked = queue.begin([10, PANIC]);
    queue.until_begun(1).await;
    let next = queue.begin([20]);
    queue.open();
    for asked in asked {
        let panic = AssertUnwindSafe(asked).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"deliberate"));
    }
    assert_eq!(answers(next).await, [Ok(40)]);
}

#[test]
fn a_panic_is_repeated_with_its_text() {
    assert_eq!(again(&"static").downcast_ref(), Some(&"static"));
    assert_eq!(again(&"owned".to_owned()).downcast_ref(), Some(&"owned".to_owned()));
    assert_eq!(again(&7).downcast_ref(), Some(&"a change panicked"));
}

#[test]
fn what_a_runtime_cuts_off_is_told_and_another_goes_on() {
    let runtime = || runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let queue = queue(PATIENT);
    let ended = runtime();
    let asked = ended.block_on(async {
        let mut asked = queue.begin([10]);
        queue.until_begun(1).await;
        asked.extend(queue.begin([20]));
        asked
    });
    drop(ended);
    queue.open();
    let cut_off = runtime().block_on(answers(asked));
    assert_eq!(cut_off, [Err(NoAnswer::CutOff), Err(NoAnswer::CutOff)]);
    let next = async { tokio::time::timeout(PATIENT / 10, answers(queue.begin([30]))).await };
    assert_eq!(runtime().block_on(next).unwrap(), [Ok(60)]);
    assert_eq!(queue.groups(), [[10], [30]]);
}

#[test]
fn who_has_the_last_answer_finds_nothing_held_any_more() {
    /// Notes how many hold the queue when the answer is there.
    struct Witness(std::sync::Weak<Inner<Doubler>>, Mutex<Vec<usize>>);
    impl std::task::Wake for Witness {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0.strong_count());
        }
    }
    let queue = queue(PATIENT);
    queue.open();
    let witness = Arc::new(Witness(Arc::downgrade(&queue.0), Mutex::default()));
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut asked = Box::pin(queue.ask(10));
        let waker = std::task::Waker::from(Arc::clone(&witness));
        assert!(asked.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        while witness.1.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(asked.await, Ok(20));
    });
    assert_eq!(*witness.1.lock().unwrap(), [1], "the queue itself");
}
