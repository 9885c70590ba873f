//! The clocks: of the wall, and since the machine was started.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::domain::{
    ports::Clock,
    replica::Stopwatch,
    time::{Moment, Timestamp},
};

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros)
            }
        };
        Timestamp::from_micros(micros)
    }

    fn both(&self) -> (Timestamp, Timestamp) {
        let now = self.now();
        (now, now)
    }
}

/// Counts the time since the machine was started, and while it slept: the time of `Instant` stands
/// still then, and a lease would last too long.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemStopwatch;

impl Stopwatch for SystemStopwatch {
    fn now(&self) -> Moment {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const CLOCK: ClockId = ClockId::Boottime;
        // Elsewhere this one counts sleep, too.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const CLOCK: ClockId = ClockId::Monotonic;
        let now = clock_gettime(CLOCK);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
        Moment::from_start(Duration::new(seconds, nanos))
    }
}

/// Whole seconds of a clock that nobody sets, for the age of what is kept: it stands still while
/// the machine sleeps, as that of `Instant` does, and is read for a fifth of its price.
pub(crate) fn seconds() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::MonotonicCoarse;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: ClockId = ClockId::Monotonic;
    u64::try_from(clock_gettime(CLOCK).tv_sec).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn seconds_are_those_of_instants() {
        let (begun, first) = (std::time::Instant::now(), seconds());
        while seconds() == first {}
        // One tick of the coarse clock may be missing.
        let second = seconds();
        while seconds() == second {}
        assert_eq!(seconds(), second + 1);
        assert!(second == first + 1 && begun.elapsed().as_millis() >= 980);
    }

    #[test]
    fn the_stopwatch_goes_on() {
        let first = SystemStopwatch.now();
        assert!(first > Moment::default());
        while SystemStopwatch.now() <= first {}
    }

    /// The kernel tells the same time, sleep included, to a hundredth of a second.
    #[test]
    #[cfg(target_os = "linux")]
    fn the_stopwatch_tells_how_long_the_machine_has_run() {
        let read = || -> f64 {
            let text = std::fs::read_to_string("/proc/uptime").unwrap();
            text.split(' ').next().unwrap().parse().unwrap()
        };
        let (before, now) = (read(), SystemStopwatch.now().since_start().as_secs_f64());
        assert!(before <= now + 0.01 && now <= read() + 0.02);
    }
}
