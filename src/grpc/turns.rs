//! Turns: so many calls are carried out at once, and others wait for theirs, though not for long.
//!
//! First come, first served, and nobody waits longer than a bound that is far less than what callers wait: so the ones
//! whose turn comes are still there to hear the answer, however many come. Without the bound, a queue that grows is as
//! long as its callers' patience, and every answer comes a little too late (Nichols and Jacobson, "Controlling Queue
//! Delay", ACM Queue 2012). The bound is fixed: callers who each wait for their answer keep a short queue standing for
//! as long as they work, which is no overload.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::status::{info, stopped, with_details};
use crate::{back::Stopped, proto::ErrorReason};

/// Places among those that are carried out.
pub(super) struct Turns {
    places: Arc<Semaphore>,
    wait_max: Duration,
}

impl Turns {
    /// So many at once, for which others wait so long at the most.
    pub(super) fn new(at_once: usize, wait_max: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(at_once)), wait_max }
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
        let wait = left.map_or(self.wait_max, |left| self.wait_max.min(left / 2));
        match tokio::time::timeout(wait, Arc::clone(&self.places).acquire_owned()).await {
            Ok(place) => place.map_err(|_| stopped(Stopped::Ending)),
            Err(_) => Err(self.waited_too_long(wait)),
        }
    }

    fn waited_too_long(&self, wait: Duration) -> Status {
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

    /// How long it is waited in vain, and what is said then.
    async fn refused(turns: &Turns, left: Option<Duration>) -> (Duration, Status) {
        let begun = Instant::now();
        let status = turns.take(left).await.unwrap_err();
        (begun.elapsed(), status)
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_when_to_come_again() {
        let turns = Turns::new(1, WAIT);
        let _taken = turns.take(None).await.unwrap();
        let (waited, status) = refused(&turns, None).await;
        assert_eq!(waited.as_millis(), 500);
        assert_eq!(status.code(), Status::resource_exhausted("").code());
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "TOO_MANY_IN_FLIGHT");
        assert_eq!(info.metadata.get("waited_ms").map(String::as_str), Some("500"));
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(WAIT));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_begins_with_less_than_half_of_its_time() {
        let turns = Turns::new(1, WAIT);
        let _taken = turns.take(None).await.unwrap();
        let (waited, _) = refused(&turns, Some(Duration::from_millis(300))).await;
        assert_eq!(waited.as_millis(), 150);
        let (waited, _) = refused(&turns, Some(Duration::from_secs(30))).await;
        assert_eq!(waited.as_millis(), 500);
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_order_and_who_has_left_takes_none() {
        let turns = Turns::new(1, WAIT);
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
    }

    /// Five come where one is done: those that are done have waited no longer than the bound, and none in vain.
    #[tokio::test(start_paused = true)]
    async fn however_many_come_as_many_are_done_in_time_as_can_be() {
        const WORK: Duration = Duration::from_millis(10);
        let turns = Arc::new(Turns::new(1, WAIT));
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
