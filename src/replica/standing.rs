//! What a replica knows and may do: read on every question, from every thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use super::status::Lease;
use crate::{
    cache::{Coherence, Minimums, Permit, Shard, Stamp, Subjects},
    domain::{
        event::Revision,
        ports::Clock,
        replica::{Noted, Stopwatch, Terms},
        time::{Moment, Timestamp},
    },
    mutants::{self, Mutant},
};

/// No lease.
const NEVER: u64 = 0;
/// The time of the database is not known yet.
const UNKNOWN: i64 = i64::MIN;

/// What a replica knows and may do.
pub struct Standing {
    stopwatch: Arc<dyn Stopwatch>,
    terms: Terms,
    /// Until when the lease lasts, in nanoseconds since the start of the machine.
    deadline: AtomicU64,
    incarnation: AtomicU32,
    applied: AtomicI64,
    minimums: Minimums,
    /// By how many microseconds the time of the database is ahead of the stopwatch: at least, and
    /// at the most.
    ahead: AtomicI64,
    ahead_most: AtomicI64,
    /// For as long as the database has not told its own.
    clock: Arc<dyn Clock>,
}

impl Standing {
    /// Outside, without a lease.
    pub(super) fn new(stopwatch: Arc<dyn Stopwatch>, clock: Arc<dyn Clock>, terms: Terms) -> Self {
        Self {
            stopwatch,
            terms,
            deadline: AtomicU64::new(NEVER),
            incarnation: AtomicU32::new(0),
            applied: AtomicI64::new(0),
            minimums: Minimums::default(),
            ahead: AtomicI64::new(UNKNOWN),
            ahead_most: AtomicI64::new(UNKNOWN),
            clock,
        }
    }

    pub(super) fn stopwatch(&self) -> &dyn Stopwatch {
        &*self.stopwatch
    }

    pub(super) fn terms(&self) -> Terms {
        self.terms
    }

    /// The newest change that this replica knows of.
    pub fn applied(&self) -> Revision {
        Revision(self.applied.load(SeqCst))
    }

    /// How long the lease still lasts; zero where there is none.
    pub fn lease_left(&self) -> Duration {
        self.deadline().since(self.stopwatch.now())
    }

    /// How long it may still answer, staleness included; zero where it may not.
    pub(super) fn permit_left(&self) -> Duration {
        match self.permit() {
            Permit::Always => Duration::MAX,
            Permit::Until(moment) => moment.since(self.stopwatch.now()),
        }
    }

    /// What it may do.
    pub fn lease(&self) -> Lease {
        match (self.lease_left().is_zero(), self.permit_left().is_zero()) {
            (false, _) => Lease::Valid,
            (true, false) => Lease::Stale,
            (true, true) => Lease::None,
        }
    }

    fn deadline(&self) -> Moment {
        Moment::from_start(Duration::from_nanos(self.deadline.load(SeqCst)))
    }

    /// A life is over: no lease, and nothing that was loaded counts any more (M13, M15), not even
    /// what is loaded from now on until the next life begins (M16).
    pub(super) fn end_life(&self) {
        self.deadline.store(NEVER, SeqCst);
        if !mutants::on(Mutant::KeepCache) {
            self.incarnation.fetch_add(1, SeqCst);
        }
    }

    /// A life begins, with every change up to this one applied, and without a lease (M17).
    pub(super) fn begin_life(&self, applied: Revision) {
        // In another history, numbers may be lower than what was noted of this one. Nobody is
        // misled meanwhile: no stamp of before counts since the last life has ended.
        self.minimums.clear();
        self.applied.store(applied.0, SeqCst);
        if !mutants::on(Mutant::KeepCache) {
            self.incarnation.fetch_add(1, SeqCst);
        }
    }

    /// Notes changes, oldest first; afterwards they may be acknowledged (M5).
    pub(super) fn apply(&self, changes: &[Noted]) {
        for Noted { position, subject } in changes {
            self.note(position.revision, subject);
            self.applied.store(position.revision.0, SeqCst);
        }
    }

    /// Notes a change of this subject, whether or not those before it are known.
    pub(super) fn note(&self, revision: Revision, subject: &str) {
        self.minimums.raise(Shard::of_name(subject), revision);
    }

    /// Lets the lease last as long as one that was asked for at this moment does. Changes must
    /// have been applied before.
    pub(super) fn extend(&self, asked: Moment) {
        let until = asked.after(self.terms.lease).since_start().as_nanos();
        self.deadline.fetch_max(u64::try_from(until).unwrap_or(u64::MAX), SeqCst);
    }

    /// Notes the time that the database told in answer to a question.
    pub(super) fn set_time(&self, told: Timestamp, asked: Moment, answered: Moment) {
        // It was that time somewhere between the question and the answer.
        let most = told.micros().saturating_sub(micros(asked.since_start()));
        let half = micros(answered.since(asked)) / 2;
        self.ahead.store(most.saturating_sub(half), SeqCst);
        self.ahead_most.store(most, SeqCst);
    }

    fn time(&self, ahead: &AtomicI64) -> Option<Timestamp> {
        let ahead = ahead.load(SeqCst);
        let now = micros(self.stopwatch.now().since_start());
        (ahead != UNKNOWN).then(|| Timestamp::from_micros(now.saturating_add(ahead)))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Coherence for Standing {
    fn stamp(&self) -> Stamp {
        // In this order: a number of another life then comes with the incarnation of that.
        let incarnation = self.incarnation.load(SeqCst);
        Stamp { incarnation, revision: self.applied() }
    }

    fn usable(&self, stamp: Stamp, subjects: &Subjects) -> bool {
        // In this order: minimums are cleared only after the incarnation has changed.
        self.minimums.admit(stamp.revision, subjects)
            && self.incarnation.load(SeqCst) == stamp.incarnation
    }

    fn permit(&self) -> Permit {
        match self.deadline() {
            none if none == Moment::default() => Permit::Until(none),
            lease => Permit::Until(lease.after(self.terms.stale)),
        }
    }

    fn holds(&self, permit: Permit) -> bool {
        match permit {
            Permit::Always => true,
            Permit::Until(moment) => {
                self.stopwatch.now() < moment || mutants::on(Mutant::NoLeaseCheck)
            }
        }
    }

    fn stale_since(&self) -> Option<Timestamp> {
        if self.terms.stale.is_zero() {
            return None;
        }
        let over = self.stopwatch.now().since(self.deadline());
        let since = self.now().micros().saturating_sub(micros(over));
        (!over.is_zero()).then(|| Timestamp::from_micros(since))
    }
}

/// The time of the database, so that all replicas judge by one clock.
impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.time(&self.ahead).unwrap_or_else(|| self.clock.now())
    }

    fn latest(&self) -> Timestamp {
        self.time(&self.ahead_most).unwrap_or_else(|| self.clock.latest())
    }
}
