//! The protocol by which a change is in force on every replica when its call returns, while
//! questions are answered from memory (leases: Gray and Cheriton, 1989).
//!
//! - Every change is an event of one log; commit order is revision order, without gaps.
//! - A replica has a **lease** while it answers. One statement acknowledges what it has applied,
//!   renews its row and reads the log on. The lease lasts a while from the moment **before**
//!   that statement was sent, and only if all that its snapshot held has been applied.
//! - Whoever has made a change waits until every row acknowledges it, or so long that every
//!   lease is over whose renewal did not show the change: one that was sent before its commit.
//!
//! So nobody waits for a network to answer a question, and no clock is compared with another:
//! only their rates matter, and a quarter is allowed for those.
//!
//! - An entry of the cache counts as long as no newer change of what it rests on is known
//!   ([`Standing`]). What was read in another life of the replica never counts.
//! - A replica whose row is gone, or whose database has lost changes, starts a new life.
//! - Rows of replicas that are silent for longer than their lease are taken away, so that one
//!   change waits for a crashed process and the next does not.
//!
//! The mistakes that can be made here are numbered (M1 to M22) and told at `tests/protocol`,
//! where a model checker finds what comes of each.

mod barrier;
mod doorbell;
mod follow;
mod standing;
mod status;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::MissedTickBehavior,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cache::Coordinator,
    domain::{
        event::Revision,
        limit::Population,
        name::Id,
        ports::{Change, Clock, Records, StoreError},
        replica::{Durability, Member, SharedLog, Stopwatch, Terms},
        time::Moment,
    },
    measure::Histogram,
};
use barrier::Barrier;
use follow::Follower;
pub use standing::Standing;
use status::Seen;
pub use status::{Lease, Status};

/// Why the log could not be asked.
fn cause(error: &StoreError) -> &(dyn std::error::Error + 'static) {
    error
}

/// How a replica follows the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Following {
    /// For how long it answers.
    pub terms: Terms,
    /// How often it looks without being rung.
    pub interval: Duration,
    /// Whether it has a doorbell.
    pub doorbell: bool,
}

/// What a replica is made of.
pub struct Parts {
    /// The log and the rows.
    pub log: Arc<dyn SharedLog>,
    /// How it counts time.
    pub stopwatch: Arc<dyn Stopwatch>,
    /// The wall clock, for as long as the database has not told its own.
    pub clock: Arc<dyn Clock>,
    /// Its name, of which there is no other, ever.
    pub id: Id,
}

/// One of the processes that answer from memory what one database holds.
pub struct Replica {
    id: Id,
    log: Arc<dyn SharedLog>,
    standing: Arc<Standing>,
    barrier: Arc<Barrier>,
    /// Has it look at the log for its own changes, where there is no doorbell. Where there is one
    /// it rings for these, too, and whether it does is to be seen.
    rung: Option<Arc<Notify>>,
    seen: watch::Receiver<Seen>,
    durability: watch::Sender<Option<Durability>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Replica {
    /// Begins to follow the others, in tasks on this runtime.
    pub fn start(parts: Parts, following: Following, back: &Handle) -> Arc<Self> {
        let Parts { log, stopwatch, clock, id } = parts;
        let Following { terms, interval, doorbell } = following;
        let standing = Arc::new(Standing::new(Arc::clone(&stopwatch), clock, terms));
        let barrier = Arc::new(Barrier::new(Arc::clone(&log), stopwatch, id.clone(), terms));
        let (rung, unrung) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, seen) = watch::channel(Seen::default());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let follower = Follower {
            log: Arc::clone(&log),
            standing: Arc::clone(&standing),
            member: Member { id: id.clone(), incarnation: 1 },
            position: None,
            rung: Arc::clone(&rung),
            unrung: Arc::clone(&unrung),
            interval,
            seen: tell,
        };
        tasks.spawn_on(follower.run(stop.clone()), back);
        let rung = if doorbell {
            let log = Arc::clone(&log);
            tasks.spawn_on(doorbell::listen(log, rung, unrung, stop.clone()), back);
            None
        } else {
            Some(rung)
        };
        let (reader, stopped) = (Arc::clone(&barrier), stop.clone());
        tasks.spawn_on(async move { reader.read(stopped).await }, back);
        let durability = watch::Sender::default();
        Arc::new(Self { id, log, standing, barrier, rung, seen, durability, stop, tasks })
    }

    /// What questions are answered by.
    pub fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// Looks around: how many replicas there are, and how safe commits are.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn look(&self) -> Result<Durability, StoreError> {
        self.barrier.read_once().await;
        let durability = self.log.durability().await?;
        self.durability.send_replace(Some(durability.clone()));
        Ok(durability)
    }

    /// Looks again and again how many replicas there are, in a task on this runtime, until it
    /// leaves.
    pub fn keep_count(&self, interval: Duration, back: &Handle) {
        let (barrier, stop) = (Arc::clone(&self.barrier), self.stop.clone());
        let count = async move {
            let mut interval = tokio::time::interval(interval);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                barrier.read_once().await;
            }
        };
        self.tasks.spawn_on(async move { stop.run_until_cancelled(count).await }, back);
    }

    /// How it is.
    pub fn status(&self) -> Status {
        let seen = *self.seen.borrow();
        Status {
            id: self.id.clone(),
            lease: self.standing.lease(),
            lease_left: self.standing.lease_left(),
            applied: self.standing.applied(),
            head: seen.head,
            replicas: self.barrier.replicas(),
            durability: self.durability.borrow().clone(),
        }
    }

    /// How long changes waited until they were in force.
    pub fn waits(&self) -> &Histogram {
        self.barrier.waits()
    }

    /// Waits until it may answer, or may no longer.
    pub async fn until(&self, may_answer: bool) {
        let mut seen = self.seen.clone();
        while (self.standing.lease() != Lease::None) != may_answer {
            // A lease ends without a word.
            let left = self.standing.permit_left();
            let pause = if left.is_zero() { Duration::from_millis(100) } else { left };
            tokio::select! {
                changed = seen.changed() => if changed.is_err() {
                    // Nobody follows any more; what is left of the lease goes by.
                    tokio::time::sleep(pause).await;
                },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Ends the lease, and then takes away the row, so that nobody waits for this replica.
    pub async fn leave(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Whoever drops it without a word, as where the process cannot start after all, does not leave a
/// replica behind that nobody asks, and that all others wait for when the process ends.
impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Population for Replica {
    fn replicas(&self) -> usize {
        self.barrier.replicas()
    }
}

#[async_trait]
impl Coordinator for Replica {
    async fn commit_all(
        self: Arc<Self>,
        records: Arc<dyn Records>,
        changes: Vec<Change>,
    ) -> Result<Revision, StoreError> {
        let subjects: Vec<String> = changes.iter().map(|change| change.write.subject()).collect();
        let last = records.commit_all(changes).await?;
        // This replica need not be told by the log, nor be waited for. Who sees one of the changes
        // sees all of them.
        for subject in subjects {
            self.standing.note(last, &subject);
        }
        self.barrier.note(last);
        // Until the log has brought it, what is read of its subject does not count, and is read
        // for every question.
        if let Some(rung) = &self.rung {
            rung.notify_one();
        }
        Ok(last)
    }

    async fn in_force(&self, revision: Revision, until: Option<Moment>) -> Result<(), StoreError> {
        self.barrier.wait(revision, until).await
    }
}
