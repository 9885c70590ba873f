//! Whether an answer is one that the promise allows.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use keyward::proto::DenyReason;

use crate::world::{Key, Own, Secret};

/// How much earlier than its end a key may be called expired: in doubt it is denied, and what
/// is known of the database's time is half as old as the answer that it came with.
const EARLY: Duration = Duration::from_secs(5);
/// How much later than its end a key may still work: the clock's own grain, and what passes
/// between looking at it and answering.
const LATE: Duration = Duration::from_millis(250);

/// One answer.
#[derive(Clone)]
pub(crate) struct Observation {
    pub(crate) replica: usize,
    pub(crate) key: Arc<Key>,
    pub(crate) secret: Arc<Secret>,
    /// Before the question was sent, and after it was answered.
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
    /// The newest change that had returned before the question was sent, of all that the key
    /// rests on.
    pub(crate) returned: i64,
    pub(crate) revision: i64,
    pub(crate) reason: DenyReason,
    /// What the answer says of the key itself. None: it was asked for the decision alone.
    pub(crate) said: Option<Said>,
}

impl fmt::Debug for Observation {
    /// What of it shows what is wrong.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replica, key, secret, asked, answered, returned, revision, reason, said } = self;
        formatter
            .debug_struct("Observation")
            .field("replica", replica)
            .field("key", &key.name())
            .field("secret", secret)
            .field("took", &answered.duration_since(*asked))
            .field("asked_ago", &asked.elapsed())
            .field("returned", returned)
            .field("revision", revision)
            .field("reason", reason)
            .field("said", said)
            .finish()
    }
}

/// What an answer says of the key itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) may_write: bool,
    pub(crate) is_bound: bool,
    pub(crate) expire: Option<i64>,
}

/// One clock beside the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    instant: Instant,
    /// In microseconds since 1970.
    wall: i64,
}

impl Clocks {
    pub(crate) fn now() -> Self {
        Self { instant: Instant::now(), wall: wall() }
    }

    /// A moment in microseconds since 1970.
    fn of(&self, moment: Instant) -> i64 {
        let since = moment.saturating_duration_since(self.instant).as_micros();
        self.wall + i64::try_from(since).unwrap()
    }
}

/// Microseconds since 1970.
pub(crate) fn wall() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_micros()).unwrap()
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap()
}

impl From<Own> for Said {
    fn from(own: Own) -> Self {
        let Own { may_write, constraint, expire, .. } = own;
        Self { may_write, is_bound: constraint != crate::world::Bound::Anywhere, expire }
    }
}

/// What is wrong with an answer. Every change that was begun must have returned by now, so
/// that each revision which an answer may carry is known.
pub(crate) fn fault(seen: &Observation, clocks: Clocks) -> Option<String> {
    let replaced = *seen.secret.replaced.lock().unwrap();
    if seen.reason == DenyReason::InvalidKey {
        let is_early = replaced.is_none_or(|replaced| replaced.begun > seen.answered);
        return is_early.then(|| format!("called invalid before it was replaced: {seen:?}"));
    }
    if let Some((returned, revision)) = replaced.and_then(|replaced| replaced.returned) {
        if returned < seen.asked {
            return Some(format!("a replaced secret was known: {seen:?}"));
        }
        if revision <= seen.revision {
            return Some(format!("the secret was replaced by this revision: {seen:?}"));
        }
    }
    if seen.revision < seen.returned {
        return Some(format!("answered from an older state: {seen:?}"));
    }
    let Some(state) = seen.key.at(seen.revision) else {
        return Some(format!("there is no such revision of the key: {seen:?}"));
    };
    let may_be = |is_expired: bool| match state.own.expire {
        Some(end) if is_expired => end <= clocks.of(seen.answered) + micros(EARLY),
        Some(end) => clocks.of(seen.asked) <= end + micros(LATE),
        None => !is_expired,
    };
    let is_right =
        [false, true].into_iter().any(|over| may_be(over) && state.expected(over) == seen.reason);
    if !is_right {
        return Some(format!("the answer is not that of its revision, {state:?}: {seen:?}"));
    }
    let is_told = seen.said.is_none_or(|said| said == Said::from(state.own));
    (!is_told).then(|| format!("the key is not as of its revision, {state:?}: {seen:?}"))
}

#[path = "history/tests.rs"]
mod tests;
