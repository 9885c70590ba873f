//! Judges calls by the spans of time in which they were made.

use std::time::Duration;

/// A call that was let through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    /// When it began, since the first.
    pub(crate) begun: Duration,
    pub(crate) ended: Duration,
}

/// How much a limit lets through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) burst: u64,
    pub(crate) quota: u64,
    pub(crate) window: Duration,
}

impl Rate {
    /// In so long, in parts of which one call is as many as a window has nanoseconds.
    fn most(self, span: Duration) -> u128 {
        u128::from(self.burst) * self.window.as_nanos() + u128::from(self.quota) * span.as_nanos()
    }

    /// How long the burst takes to come back.
    pub(crate) fn refill(self) -> Duration {
        self.window.mul_f64(self.burst as f64 / self.quota as f64)
    }

    fn units(self, calls: u64) -> u128 {
        u128::from(calls) * self.window.as_nanos()
    }

    /// Sees to it that between no two moments more calls began and ended than the limit lets
    /// through.
    pub(crate) fn holds(self, passed: &[Passed]) -> Result<(), String> {
        let mut passed = passed.to_vec();
        passed.sort_by_key(|call| call.ended);
        for first in &passed {
            let calls = passed.iter().filter(|call| call.begun >= first.begun);
            for (count, Passed { ended, .. }) in (1..).zip(calls) {
                let most = self.most(*ended - first.begun);
                if self.units(count) > most {
                    let from = first.begun;
                    return Err(format!("{count} from {from:?} to {ended:?}, {self:?}"));
                }
            }
        }
        Ok(())
    }

    /// Sees to it that no less than 95 of 100 were let through that could be, in so long.
    pub(crate) fn is_used(self, passed: &[Passed], elapsed: Duration) -> Result<(), String> {
        let (count, most) = (passed.len() as u64, self.most(elapsed));
        if 100 * self.units(count) < 95 * most {
            let most = most / self.window.as_nanos();
            return Err(format!("{count} of {most} in {elapsed:?}, {self:?}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 2, quota: 1, window: Duration::from_secs(1) };

    /// Calls that last for a tenth of a second, by the tenths at which they begin.
    fn calls(begun: &[u64]) -> Vec<Passed> {
        let tenths = |tenths| Duration::from_millis(100 * tenths);
        begun.iter().map(|at| Passed { begun: tenths(*at), ended: tenths(at + 1) }).collect()
    }

    #[test]
    fn what_is_too_much_in_any_span_is_seen() {
        assert_eq!(RATE.holds(&calls(&[0, 0, 9, 19])), Ok(()));
        RATE.holds(&calls(&[0, 0, 8])).unwrap_err();
        // Little before and after does not make up for it.
        RATE.holds(&calls(&[0, 50, 50, 58, 90])).unwrap_err();
        assert_eq!(RATE.holds(&calls(&[0, 50, 50, 59, 90])), Ok(()));
    }

    #[test]
    fn what_is_too_little_is_seen() {
        let elapsed = Duration::from_secs(98);
        assert_eq!(RATE.is_used(&calls(&[0; 95]), elapsed), Ok(()));
        RATE.is_used(&calls(&[0; 94]), elapsed).unwrap_err();
    }
}
