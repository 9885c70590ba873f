//! Time: ticks that every process counts at the same rate, and no wall clock.
//!
//! Nothing here says what time it is. A process knows how long ago something was (a [`Stopwatch`])
//! and for how long something still holds (a [`Lease`]); no two processes ever compare an instant.

/// L_r: how long a lease lasts, counted from before its renewal was sent.
pub(crate) const LEASE: u8 = 2;

/// L_m: how long a mutation waits at most, counted from its commit. At least L_r (M8).
///
/// The real wait is a quarter longer, for clocks whose rates differ. Here the rates are alike, so
/// the bound is tight: one tick less and the protocol is wrong.
pub(crate) const WAIT: u8 = 2;

/// The time since something, in ticks. It stops at the longest time that anybody asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stopwatch(u8);

impl Stopwatch {
    pub(crate) fn tick(&mut self) {
        self.0 = (self.0 + 1).min(LEASE).min(WAIT);
    }

    /// Whether at least that many ticks have passed.
    pub(crate) fn reached(self, ticks: u8) -> bool {
        self.0 >= ticks
    }
}

/// For how many more ticks a replica may answer. It counts down, and nothing else ends it but its
/// owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lease(u8);

impl Lease {
    /// No lease: nothing may be answered.
    pub(crate) const OVER: Self = Self(0);

    /// A whole lease, from this moment.
    pub(crate) const FULL: Self = Self(LEASE);

    /// What is left of a lease that began when this watch was started.
    pub(crate) fn begun(since: Stopwatch) -> Self {
        Self(LEASE - since.0)
    }

    pub(crate) fn tick(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    /// Valid before the deadline, and not at it.
    pub(crate) fn is_valid(self) -> bool {
        self.0 > 0
    }
}
