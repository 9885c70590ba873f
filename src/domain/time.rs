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
}
