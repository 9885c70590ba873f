//! When a checkpoint is due.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// After each interval, and once more at the end.
pub(super) struct Schedule {
    ticks: Interval,
    stop: CancellationToken,
}

impl Schedule {
    /// `interval` is not zero. The first is due after one, or at once.
    pub(super) fn new(at_once: bool, interval: Duration, stop: CancellationToken) -> Self {
        let first = Instant::now() + if at_once { Duration::ZERO } else { interval };
        let mut ticks = tokio::time::interval_at(first, interval);
        // Who is late does not sign twice for it.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, stop }
    }

    /// Waits until one is due, and says whether it is the last.
    pub(super) async fn due(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => true,
            _ = self.ticks.tick() => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    async fn waited(schedule: &mut Schedule) -> (Duration, bool) {
        let begun = Instant::now();
        let is_last = schedule.due().await;
        // A timer may be late by what it counts in.
        (Duration::from_secs(begun.elapsed().as_secs()), is_last)
    }

    #[tokio::test(start_paused = true)]
    async fn one_is_due_after_each_interval() {
        let mut schedule = Schedule::new(false, HOUR, CancellationToken::new());
        for _ in 0..3 {
            assert_eq!(waited(&mut schedule).await, (HOUR, false));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_may_be_due_at_once() {
        let mut schedule = Schedule::new(true, HOUR, CancellationToken::new());
        for expected in [Duration::ZERO, HOUR, HOUR] {
            assert_eq!(waited(&mut schedule).await, (expected, false));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_late_is_not_due_twice_for_it() {
        let mut schedule = Schedule::new(true, HOUR, CancellationToken::new());
        schedule.due().await;
        tokio::time::advance(5 * HOUR / 2).await;
        for expected in [Duration::ZERO, HOUR, HOUR] {
            assert_eq!(waited(&mut schedule).await, (expected, false));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_is_due_when_it_is_to_stop_and_not_later() {
        let stop = CancellationToken::new();
        let mut schedule = Schedule::new(false, HOUR, stop.clone());
        let ending = async {
            tokio::time::sleep(HOUR / 2).await;
            stop.cancel();
        };
        let (waited, ()) = tokio::join!(waited(&mut schedule), ending);
        assert_eq!(waited, (HOUR / 2, true));
        // Also where the next would be due, too.
        tokio::time::advance(HOUR).await;
        assert!(schedule.due().await);
    }
}
