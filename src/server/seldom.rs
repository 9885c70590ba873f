//! Log lines about what a stranger can cause at will.

use std::time::{Duration, Instant};

/// Time between two lines about the same thing.
const PERIOD: Duration = Duration::from_secs(1);

/// Counts occurrences and lets one line per [`PERIOD`] tell how many there were.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    told: Option<Instant>,
    untold: u64,
}

impl Seldom {
    /// Counts one occurrence. `Some(count)` where a line is due: `count` occurrences since the last one, this included.
    pub(super) fn tell(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < PERIOD) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_rest_of_the_second_together() {
        let (mut seldom, start) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.tell(start), Some(1));
        assert_eq!(seldom.tell(start), None);
        assert_eq!(seldom.tell(start + PERIOD - Duration::from_nanos(1)), None);
        assert_eq!(seldom.tell(start + PERIOD), Some(3));
    }
}
