//! Turns: so many calls are carried out at once, and others wait for theirs, though not for long.
//!
//! First come, first served, and nobody waits longer than a bound that is far less than what callers wait: so the ones
//! whose turn comes are still there to hear the answer, however many come. Without the bound, a queue that grows is as
//! long as its callers' patience, and every answer comes a little too late (Nichols and Jacobson, "Controlling Queue
//! Delay", ACM Queue 2012). The bound is fixed: callers who each wait for their answer keep a short queue standing for
//! as long as they work, which is no overload.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tonic::Status;

use super::status::{info, stopped, with_details};
use crate::{back::Stopped, measure::Calls, proto::ErrorReason};

/// Places among those that are carried out.
pub(super) struct Turns {
    places: Arc<Semaphore>,
    at_once: usize,
    wait_max: Duration,
    /// Where it is counted who waited too long.
    calls: Arc<Calls>,
    waiting: AtomicUsize,
    /// By how much a wait is longer for each that waits in front, of late, in nanoseconds.
    step: AtomicU64,
}

/// The part by which one wait changes what is thought of the next.
const LEARNT_PART: u64 = 16;

/// One that waits, until it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Turns {
    /// So many at once, for which others wait so long at the most.
    pub(super) fn new(at_once: usize, wait_max: Duration, calls: Arc<Calls>) -> Self {
        let places = Arc::new(Semaphore::new(at_once));
        let (waiting, step) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { places, at_once, wait_max, calls, waiting, step }
    }

    /// Waits for a turn, which is over when the permit is dropped. Whoever leaves meanwhile waits no more.
    ///
    /// `left`: how long the caller waits for its answer. It never begins with less than half of that.
    ///
    /// # Errors
    ///
    /// RESOURCE_EXHAUSTED where the wait was too long: nothing was done.
    pub(super) async fn take(
        &self,
        left: Option<Duration>,
    ) -> Result<OwnedSemaphorePermit, Status> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let (wait, begun) = (self.wait(left), Instant::now());
        let ahead = self.waiting.fetch_add(1, Relaxed);
        let _waits = Waits(&self.waiting);
        match tokio::time::timeout(wait, Arc::clone(&self.places).acquire_owned()).await {
            Ok(place) => {
                let places = u32::try_from(ahead).unwrap_or(u32::MAX).saturating_add(1);
                self.learn(begun.elapsed() / places);
                place.map_err(|_| stopped(Stopped::Ending))
            }
            Err(_) => Err(self.waited_too_long(wait)),
        }
    }

    fn wait(&self, left: Option<Duration>) -> Duration {
        left.map_or(self.wait_max, |left| self.wait_max.min(left / 2))
    }

    /// A turn came after a wait of so long for each that was in front. Only waits that had their turn tell: whoever is
    /// not known never waits here, and so says nothing of how long it takes.
    pub(super) fn learn(&self, step: Duration) {
        let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX);
        // Two that do this at once lose one of them, which is no harm.
        let known = self.step.load(Relaxed);
        let learnt =
            if known == 0 { step } else { known - known / LEARNT_PART + step / LEARNT_PART };
        self.step.store(learnt, Relaxed);
    }

    /// How long a call would wait that comes now and whose turn, by what the last ones waited, would come later than
    /// three quarters of that: the rest is for what is wrong with the guess. None: it may wait.
    ///
    /// While no more wait than are carried out at once, each may: so a guess that is too high is soon a better one.
    pub(super) fn comes_too_late(&self, left: Option<Duration>) -> Option<Duration> {
        let wait = self.wait(left);
        let waiting = self.waiting.load(Relaxed);
        let step = Duration::from_nanos(self.step.load(Relaxed));
        let expected = step.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX));
        (waiting >= self.at_once && expected > wait * 3 / 4).then_some(wait)
    }

    /// Refuses a call that waited so long in vain, and counts it.
    pub(super) fn waited_too_long(&self, wait: Duration) -> Status {
        self.calls.count_waited_too_long();
        let waited = ("waited_ms", wait.as_millis().to_string());
        let mut details = info(ErrorReason::TooManyInFlight, [waited]);
        // Those in front of it are done by then, or were refused as well.
        details.set_retry_info(Some(self.wait_max));
        let message = "more calls wait for their turn than the server can carry out in time; nothing was done: try again later, with the same request_id";
        with_details(&Status::resource_exhausted(message), details)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures_util::FutureExt as _;
    use tokio::time::Instant;
    use tonic_types::StatusExt as _;

    use super::*;

    const WAIT: Duration = Duration::from_millis(500);

    fn turns() -> Turns {
        Turns::new(1, WAIT, Arc::default())
    }

    /// How many were told that they waited too long.
    fn counted(turns: &Turns) -> u64 {
        turns.calls.refused().map(|(_, count)| count).sum()
    }

    /// How long it is waited in vain, and what is said then.
    async fn refused(turns: &Turns, left: Option<Duration>) -> (Duration, Status) {
        let begun = Instant::now();
        let status = turns.take(left).await.unwrap_err();
        (begun.elapsed(), status)
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_when_to_come_again() {
        let turns = turns();
        let _taken = turns.take(None).await.unwrap();
        let (waited, status) = refused(&turns, None).await;
        assert_eq!(waited.as_millis(), 500);
        assert_eq!(status.code(), Status::resource_exhausted("").code());
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "TOO_MANY_IN_FLIGHT");
        assert_eq!(info.metadata.get("waited_ms").map(String::as_str), Some("500"));
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(WAIT));
        assert_eq!(counted(&turns), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_begins_with_less_than_half_of_its_time() {
        let turns = turns();
        let _taken = turns.take(None).await.unwrap();
        let (waited, _) = refused(&turns, Some(Duration::from_millis(300))).await;
        assert_eq!(waited.as_millis(), 150);
        let (waited, _) = refused(&turns, Some(Duration::from_secs(30))).await;
        assert_eq!(waited.as_millis(), 500);
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_order_and_who_has_left_takes_none() {
        let turns = turns();
        let first = turns.take(None).await.unwrap();
        let mut left = Box::pin(turns.take(None));
        let mut second = Box::pin(turns.take(None));
        let mut third = Box::pin(turns.take(None));
        for waiting in [&mut left, &mut second, &mut third] {
            assert!(waiting.now_or_never().is_none());
        }
        drop(left);
        drop(first);
        let second = second.await.unwrap();
        assert!((&mut third).now_or_never().is_none());
        drop(second);
        _ = third.await.unwrap();
        assert_eq!(counted(&turns), 0);
    }

    /// However long the last ones waited: a guess that is too high would never be a better one.
    #[tokio::test(start_paused = true)]
    async fn while_no_more_wait_than_are_carried_out_at_once_each_may_wait() {
        let turns = Turns::new(3, WAIT, Arc::default());
        turns.learn(Duration::from_secs(60));
        let taken = [turns.take(None).await, turns.take(None).await, turns.take(None).await];
        assert!(taken.iter().all(Result::is_ok));
        let mut waiting = Vec::new();
        for _ in 0..3 {
            assert_eq!(turns.comes_too_late(None), None);
            let mut waits = Box::pin(turns.take(None));
            assert!((&mut waits).now_or_never().is_none());
            waiting.push(waits);
        }
        assert_eq!(turns.comes_too_late(None), Some(WAIT));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_last_ones_waited_tells_who_would_come_too_late() {
        const STEP: Duration = Duration::from_millis(100);
        let turns = turns();
        let first = turns.take(None).await.unwrap();
        let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(turns.take(None))).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        // Nothing is known yet.
        assert_eq!(turns.comes_too_late(None), None);
        tokio::time::advance(STEP).await;
        drop(first);
        let second = waiting.remove(0).await.unwrap();
        // Three wait, 300 ms together.
        assert_eq!(turns.comes_too_late(None), None);
        let mut fourth = Box::pin(turns.take(None));
        assert!((&mut fourth).now_or_never().is_none());
        assert_eq!(turns.comes_too_late(None), Some(WAIT));
        let hurried = Duration::from_millis(400);
        assert_eq!(turns.comes_too_late(Some(hurried)), Some(hurried / 2));
        // Whoever leaves waits no more, and where nobody waits there is nothing to be late for.
        drop((waiting, fourth));
        assert_eq!(turns.comes_too_late(Some(Duration::ZERO)), None);
        drop(second);
    }

    /// Five come where one is done: those that are done have waited no longer than the bound, and none in vain.
    #[tokio::test(start_paused = true)]
    async fn however_many_come_as_many_are_done_in_time_as_can_be() {
        const WORK: Duration = Duration::from_millis(10);
        let turns = Arc::new(turns());
        let mut calls = tokio::task::JoinSet::new();
        for call in 0..5_000_u32 {
            let turns = Arc::clone(&turns);
            calls.spawn(async move {
                tokio::time::sleep(call * WORK / 5).await;
                let begun = Instant::now();
                let place = turns.take(Some(2 * WAIT)).await.ok()?;
                tokio::time::sleep(WORK).await;
                drop(place);
                Some(begun.elapsed())
            });
        }
        let done: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
        assert!(done.len() >= 1_000, "{}", done.len());
        let longest = done.into_iter().max().unwrap();
        assert!(longest <= WAIT + 2 * WORK, "{longest:?}");
    }
}
