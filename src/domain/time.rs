//! Moments, as the database keeps them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last moment that the API can say: 9999-12-31T23:59:59Z.
    pub const MAX: Self = Self(253_402_300_799_000_000);

    /// Before any moment that a clock tells.
    pub const MIN: Self = Self(i64::MIN);

    /// The moment so many microseconds after 1970-01-01T00:00:00Z.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The microseconds since 1970-01-01T00:00:00Z.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The moment `duration` later; nothing where that is after [`Self::MAX`].
    pub fn after(self, duration: Duration) -> Option<Self> {
        let micros = i64::try_from(duration.as_micros()).ok()?;
        self.0.checked_add(micros).map(Self).filter(|later| *later <= Self::MAX)
    }

    /// The moment `duration` earlier; nothing where no number says it.
    pub fn before(self, duration: Duration) -> Option<Self> {
        let micros = i64::try_from(duration.as_micros()).ok()?;
        self.0.checked_sub(micros).map(Self)
    }
}

/// A moment by a clock that nobody sets: the time since the machine was started. Moments of two
/// machines have nothing to do with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// So long after the start.
    pub const fn from_start(since: Duration) -> Self {
        Self(since)
    }

    /// How long after the start.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The moment so much later.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// How much later than another it is; zero where it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_after_the_last_moment() {
        let second = Duration::from_secs(1);
        assert_eq!(Timestamp::MAX.after(second), None);
        assert_eq!(Timestamp::from_micros(5).after(Duration::MAX), None);
        assert_eq!(
            Timestamp::from_micros(5).after(second),
            Some(Timestamp::from_micros(1_000_005))
        );
    }

    #[test]
    fn a_moment_before_is_as_far_away_as_one_after() {
        let second = Duration::from_secs(1);
        let late = Timestamp::from_micros(1_000_005);
        assert_eq!(late.before(second), Some(Timestamp::from_micros(5)));
        assert_eq!(Timestamp::MIN.before(second), None);
        assert_eq!(late.before(Duration::MAX), None);
    }

    #[test]
    fn moments_are_apart_and_never_less_than_nothing() {
        let [one, three] = [1, 3].map(Duration::from_secs);
        let (early, late) = (Moment::from_start(one), Moment::from_start(three));
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.after(Duration::from_secs(2)), late);
        assert_eq!(late.after(Duration::MAX).since_start(), Duration::MAX);
    }
}
