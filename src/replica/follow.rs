//! A replica follows the log: it joins, and then fetches, acknowledges and renews, over and over.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{cause, standing::Standing, status::Seen};
use crate::{
    domain::{
        ports::StoreError,
        replica::{Member, Noted, Position, Renewal, SharedLog, Tail},
    },
    mutants::{self, Mutant},
};

/// After a failure it is tried again after this part of the interval between two renewals.
const RETRY_PART: u32 = 4;

/// The one task that follows the log.
pub(super) struct Follower {
    pub(super) log: Arc<dyn SharedLog>,
    pub(super) standing: Arc<Standing>,
    pub(super) member: Member,
    /// What has been applied in this life. None: it has not begun.
    pub(super) position: Option<Position>,
    /// Rung by the doorbell.
    pub(super) rung: Arc<Notify>,
    /// A change was found that nobody rang for.
    pub(super) unrung: Arc<Notify>,
    /// How long to wait for a ring.
    pub(super) interval: Duration,
    /// What others in this process are told.
    pub(super) seen: watch::Sender<Seen>,
}

/// What a step showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There is nothing more, and the lease was renewed.
    UpToDate,
    /// There is more to be done at once: what was applied is to be acknowledged, a life to begin.
    Again,
    /// A life is over. Another one begins after a moment, so that whatever makes lives short does
    /// not keep everybody busy.
    Over,
}

impl Follower {
    /// Follows until `stop`; then the lease ends, and after that the row goes, so that nobody
    /// waits for this replica (M19).
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut is_rung = true;
        while !stop.is_cancelled() {
            // It is not cut off: a join that is still on its way when the row goes would bring it
            // back. The log answers in time, or fails.
            let pause = match self.step(is_rung).await {
                Ok(Step::Again) => {
                    // Whatever comes now, nobody need ring for it.
                    is_rung = true;
                    continue;
                }
                Ok(Step::UpToDate) => self.interval,
                Ok(Step::Over) => self.interval / RETRY_PART,
                Err(error) => {
                    self.failed(&error);
                    self.interval / RETRY_PART
                }
            };
            is_rung = tokio::select! {
                () = self.rung.notified() => true,
                () = tokio::time::sleep(pause) => false,
                () = stop.cancelled() => false,
            };
        }
        self.standing.end_life();
        self.seen.send_modify(|seen| seen.is_member = false);
        if let Err(error) = self.log.leave(&self.member).await {
            let error = cause(&error);
            tracing::warn!(error, "left without a word: the next change waits for this replica");
        }
    }

    async fn step(&mut self, is_rung: bool) -> Result<Step, StoreError> {
        let Some(position) = self.position else { return self.join().await };
        let stopwatch = self.standing.stopwatch();
        // Before it is sent: what is committed after this moment may be missing in the answer (M3).
        let mut asked = stopwatch.now();
        let renewal = self.log.renew(&self.member, position).await?;
        let answered = stopwatch.now();
        let Tail { head, time, changes } = match renewal {
            Renewal::Done(tail) => tail,
            Renewal::Outside => {
                self.end_life("the row of this replica is gone: others waited for it in vain");
                return Ok(Step::Over);
            }
            Renewal::HistoryLost => {
                self.end_life("the database has lost changes that were made: it was set back");
                return Ok(Step::Over);
            }
        };
        if mutants::on(Mutant::LeaseFromReceipt) {
            asked = answered;
        }
        self.standing.set_time(time, asked, answered);
        // A ring that came meanwhile was for these: they are followed up at once anyhow.
        let is_late = !changes.is_empty() && self.rung.notified().now_or_never().is_some();
        if !is_rung && !is_late && !changes.is_empty() {
            self.unrung.notify_one();
        }
        self.apply(&changes).await;
        // Changes that this snapshot holds are known now, be it all of them (M20).
        let applied = self.position.unwrap_or(position).revision;
        if applied == head {
            self.standing.extend(asked);
        }
        self.seen.send_replace(Seen { is_member: true, applied, head, failures: 0 });
        Ok(if changes.is_empty() { Step::UpToDate } else { Step::Again })
    }

    async fn apply(&mut self, changes: &[Noted]) {
        let Some(last) = changes.last() else { return };
        if mutants::on(Mutant::AckBeforeApply) {
            _ = self.log.renew(&self.member, last.position).await;
        }
        self.standing.apply(changes);
        self.position = Some(last.position);
    }

    async fn join(&mut self) -> Result<Step, StoreError> {
        let joined = self.log.join(&self.member, self.standing.terms()).await;
        if joined.is_err() {
            // It may still be carried out. Where that came after a change which this life is asked
            // to acknowledge, the row would say that it had.
            self.member.incarnation += 1;
        }
        let joined = joined?;
        self.standing.begin_life(joined.revision);
        self.position = Some(joined);
        let Member { id, incarnation } = &self.member;
        tracing::info!(replica = %id, incarnation, revision = %joined.revision, "joined");
        Ok(Step::Again)
    }

    /// Everything that is known is of the past.
    fn end_life(&mut self, why: &str) {
        self.standing.end_life();
        let Member { id, incarnation } = &mut self.member;
        tracing::warn!(replica = %id, incarnation, "starting anew: {why}");
        // The row of the last life may still be on its way out; it is never mistaken for this (M22).
        *incarnation += 1;
        self.position = None;
        self.seen.send_modify(|seen| seen.is_member = false);
    }

    fn failed(&self, error: &StoreError) {
        let left = self.standing.lease_left();
        if self.seen.borrow().failures == 0 {
            tracing::warn!(error = cause(error), ?left, "the lease could not be renewed");
        }
        self.seen.send_modify(|seen| seen.failures = seen.failures.saturating_add(1));
    }
}
