//! How often keys are used, and when their secrets were used last.
//!
//! It is counted beside the records: no event tells of it, and no revision moves.

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;

use super::{
    decision::Denial,
    name::{Id, KeyName, WorkspaceName},
    ports::StoreError,
    secret::Digest,
    time::Timestamp,
};

/// Microseconds in an hour.
const HOUR: i64 = 3_600_000_000;

macro_rules! outcomes {
    ($($(#[$doc:meta])* $outcome:ident = $name:literal,)+) => {
        /// How a call of a key ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Outcome {
            $($(#[$doc])* $outcome,)+
        }

        impl Outcome {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$outcome),+];

            /// Its name where it is kept.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$outcome => $name,)+
                }
            }
        }
    };
}

outcomes! {
    /// It was allowed.
    Allowed = "allowed",
    /// A newer secret had replaced the one that was sent.
    InvalidKey = "invalid_key",
    /// The key was ended.
    Revoked = "revoked",
    /// The key's time was over.
    Expired = "expired",
    /// The workspace was suspended or the principal disabled.
    Disabled = "disabled",
    /// The client's address was not among the key's.
    IpNotAllowed = "ip_not_allowed",
    /// A rate limit was spent.
    RateLimited = "rate_limited",
    /// The resource was outside the key's bounds, which was not said.
    NotFound = "not_found",
    /// The resource was outside the key's bounds.
    OutsideConstraint = "outside_constraint",
    /// A required scope was missing.
    InsufficientScope = "insufficient_scope",
}

impl Outcome {
    /// The outcome that is kept under this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|outcome| outcome.as_str() == name)
    }
}

impl From<Option<Denial>> for Outcome {
    fn from(denial: Option<Denial>) -> Self {
        match denial {
            None => Self::Allowed,
            Some(Denial::InvalidKey) => Self::InvalidKey,
            Some(Denial::Revoked) => Self::Revoked,
            Some(Denial::Expired) => Self::Expired,
            Some(Denial::Disabled) => Self::Disabled,
            Some(Denial::IpNotAllowed) => Self::IpNotAllowed,
            Some(Denial::RateLimited) => Self::RateLimited,
            Some(Denial::NotFound) => Self::NotFound,
            Some(Denial::OutsideConstraint) => Self::OutsideConstraint,
            Some(Denial::InsufficientScope) => Self::InsufficientScope,
        }
    }
}

/// An hour of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    /// The hour that a moment is in.
    pub fn of(moment: Timestamp) -> Self {
        Self(moment.micros().div_euclid(HOUR))
    }

    /// The first hour that begins at a moment or later.
    pub fn from(moment: Timestamp) -> Self {
        let hour = Self::of(moment);
        if hour.start() == moment { hour } else { hour.next() }
    }

    /// The hour after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many hours later than another it is; negative where it is earlier.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// When it begins.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_micros(self.0.saturating_mul(HOUR))
    }
}

/// When and from where something was used last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub time: Timestamp,
    /// The client's address. None: it was not told.
    pub address: Option<IpAddr>,
}

impl LastUse {
    /// The later of two.
    pub fn later(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if other.time > one.time { other } else { one }),
            (one, other) => one.or(other),
        }
    }
}

/// One use of a key.
#[derive(Clone, Copy)]
pub struct Use<'a> {
    /// Of which key.
    pub key: &'a KeyName,
    /// By which of its secrets.
    pub digest: &'a Digest,
    /// How it ended.
    pub outcome: Outcome,
    /// When, and from where.
    pub at: LastUse,
}

/// Takes note of uses.
pub trait CountUses: Send + Sync {
    /// Takes note of one. Never waits for anything that takes long, and never fails.
    fn count(&self, used: Use<'_>);

    /// Takes note of several, in their order.
    fn count_all(&self, uses: &[Use<'_>]) {
        uses.iter().for_each(|used| self.count(*used));
    }

    /// Told of which secrets uses will come next: the processor is to fetch what is written to of all
    /// of them together, rather than of one after the other. It changes nothing.
    fn bring_near(&self, _: &[Option<Digest>]) {}
}

/// How many calls of a key, or of all keys of a workspace, ended in one way within an hour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Calls {
    /// The workspace.
    pub workspace: Id,
    /// When.
    pub hour: Hour,
    /// The key. None: all of the workspace together.
    pub key: Option<Id>,
    /// How they ended.
    pub outcome: Outcome,
    /// How many.
    pub calls: u64,
}

/// When a secret was used last.
pub struct SecretUse {
    /// The key that has it.
    pub key: KeyName,
    /// The secret.
    pub digest: Digest,
    /// When, and from where.
    pub last: LastUse,
}

/// What was counted, to be added to what is kept: all of it, once, or nothing.
pub struct UsageBatch {
    /// Who counted: one process, of which there is no other, ever.
    pub source: Id,
    /// Which batch of that process it is, from 1 on.
    pub number: i64,
    /// When it is added.
    pub time: Timestamp,
    /// Calls, without two of the same: those of keys and then those of workspaces, which many
    /// wait for and which so are held the shortest, each in their order. Whoever adds the same rows
    /// at the same time takes them in the same order.
    pub calls: Vec<Calls>,
    /// Last uses, in the order of keys and digests and without two of the same. They are taken
    /// before the calls.
    pub last: Vec<SecretUse>,
}

/// Why a batch was not added.
#[derive(Debug, thiserror::Error)]
pub enum NotAdded {
    /// The database could not be asked, or it is not known whether it did. The same batch may be
    /// tried again, and only that.
    #[error(transparent)]
    InDoubt(StoreError),
    /// It was not, for it would have taken too long; of fewer rows it may not.
    #[error("it took too long")]
    TooMuch(#[source] StoreError),
    /// It was not, and would not be another time: something in it is refused.
    #[error("the database refuses what is in it")]
    Refused(#[source] StoreError),
}

/// What need not be kept any more.
#[derive(Clone, Copy, Debug)]
pub struct Outdated {
    /// The moment.
    pub now: Timestamp,
    /// For how long calls are kept after the end of their hour. None: for ever.
    pub retention: Option<Duration>,
    /// The most rows to be forgotten at once.
    pub rows_max: u64,
}

/// Keeps what was counted.
#[async_trait]
pub trait KeepUsage: Send + Sync {
    /// Adds a batch to what is kept. One that was added before, as its source and number tell, is
    /// not added again.
    ///
    /// # Errors
    ///
    /// [`NotAdded`].
    async fn add_usage(&self, batch: &UsageBatch) -> Result<(), NotAdded>;

    /// Forgets some of what is outdated; whether there may be more. Nothing is, where another
    /// process is at it. Of two clocks that differ the one that is behind counts.
    ///
    /// # Errors
    ///
    /// Where it was not done, or where that is not known.
    async fn forget_usage(&self, outdated: Outdated) -> Result<bool, StoreError>;
}

/// The width of the steps of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An hour of UTC.
    Hour,
    /// A day of UTC.
    Day,
}

impl Step {
    /// How many hours it has.
    pub const fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
        }
    }

    /// How many microseconds it has.
    pub const fn micros(self) -> i64 {
        self.hours() * HOUR
    }

    /// How many of them there are from one hour to before a later one, also those in part.
    pub fn number(self, from: Hour, until: Hour) -> i64 {
        let place = |hour: i64| hour.div_euclid(self.hours());
        place(until.0.saturating_sub(1)).saturating_sub(place(from.0)).saturating_add(1)
    }
}

/// Whose usage, and when.
#[derive(Clone, Debug)]
pub struct UsageQuery {
    /// Of this workspace.
    pub workspace: WorkspaceName,
    /// Of this key. None: of all together.
    pub key: Option<Id>,
    /// From this hour on.
    pub from: Hour,
    /// Before this hour.
    pub until: Hour,
    /// In steps of this width.
    pub step: Step,
}

/// The calls in a step that ended in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// When the step begins.
    pub start: Timestamp,
    /// How they ended.
    pub outcome: Outcome,
    /// How many.
    pub calls: u64,
}

/// The most used keys of a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MostUsed {
    /// The first hour that was looked at: later than what was asked for where there was more to
    /// add up than one question may cost.
    pub from: Hour,
    /// The keys and how many calls they had, most first; equal ones by their identifiers.
    pub keys: Vec<(Id, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn an_hour_begins_at_its_first_tick() {
        let second = Hour::of(at(HOUR));
        assert_eq!(second.start(), at(HOUR));
        assert_eq!(Hour::of(at(HOUR - 1)).next(), second);
        assert_eq!(Hour::of(at(2 * HOUR - 1)), second);
        assert_eq!(Hour::of(at(-1)).next(), Hour::of(at(0)));
        assert_eq!(Hour::of(at(5 * HOUR)).since(second), 4);
    }

    #[test]
    fn a_range_ends_with_the_hour_that_it_ends_in() {
        assert_eq!(Hour::from(at(HOUR)), Hour::of(at(HOUR)));
        assert_eq!(Hour::from(at(HOUR + 1)), Hour::of(at(2 * HOUR)));
        assert_eq!(Hour::from(at(HOUR - 1)), Hour::of(at(HOUR)));
    }

    #[test]
    fn steps_are_counted_that_a_range_touches() {
        let hour = |number| Hour::of(at(number * HOUR));
        let check = |step: Step, from, until, expected| {
            assert_eq!(step.number(hour(from), hour(until)), expected, "{from} to {until}");
        };
        check(Step::Hour, 3, 4, 1);
        check(Step::Hour, -1, 4, 5);
        check(Step::Day, 0, 24, 1);
        check(Step::Day, 23, 25, 2);
        check(Step::Day, 0, 25, 2);
        check(Step::Day, -1, 1, 2);
        assert!(Step::Hour.number(Hour::of(Timestamp::MIN), hour(1)) > 2_000_000_000);
    }

    #[test]
    fn every_outcome_is_found_by_its_name() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::find(outcome.as_str()), Some(*outcome));
        }
        assert_eq!(Outcome::find("Allowed"), None);
    }

    #[test]
    fn the_later_use_counts_and_the_first_of_two_at_once() {
        let used =
            |time, last| Some(LastUse { time: at(time), address: Some([192, 0, 2, last].into()) });
        let check = |one, other, later| assert_eq!(LastUse::later(one, other), later);
        check(used(1, 1), used(2, 2), used(2, 2));
        check(used(2, 2), used(1, 1), used(2, 2));
        check(used(1, 1), used(1, 2), used(1, 1));
        check(None, used(1, 1), used(1, 1));
        check(used(1, 1), None, used(1, 1));
        check(None, None, None);
    }
}
