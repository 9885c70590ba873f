//! Reads of the store that are under way: one for each secret, however many ask.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::entries::Entry;
use crate::domain::{live::LiveKey, ports::StoreError, secret::Digest};

type Outcome = Option<Result<Entry, Arc<StoreError>>>;
type Place = [u8; Digest::LEN];

/// The reads under way.
#[derive(Default)]
pub(super) struct Loads(Mutex<HashMap<Place, watch::Receiver<Outcome>>>);

/// How a question about a secret goes on.
pub(super) enum Begun {
    /// It is known by now: the key, or that there is none.
    Known(Option<Arc<LiveKey>>),
    /// With a read that another question began.
    Joined(Waiting),
    /// With a read that is now to be made.
    First(Waiting, Load),
}

/// The end of a read, awaited.
pub(super) struct Waiting(watch::Receiver<Outcome>);

/// A read to be made. Where it is dropped instead, who waits for it is told so.
pub(super) struct Load {
    loads: Arc<Loads>,
    place: Place,
    tell: watch::Sender<Outcome>,
}

/// Why a read has no result.
#[derive(Debug, thiserror::Error)]
#[error("the look-up was cut off")]
struct CutOff;

impl Loads {
    /// Joins the read of this secret, or makes place for one. What was put in by a read that
    /// has ended since the question was asked is `known`: no second read is made for it.
    pub(super) fn begin(
        self: &Arc<Self>,
        digest: &Digest,
        known: impl FnOnce() -> Option<Option<Arc<LiveKey>>>,
    ) -> Begun {
        let place = *digest.as_bytes();
        let mut open = self.open();
        if let Some(running) = open.get(&place) {
            return Begun::Joined(Waiting(running.clone()));
        }
        if let Some(key) = known() {
            return Begun::Known(key);
        }
        let (tell, told) = watch::channel(None);
        open.insert(place, told.clone());
        Begun::First(Waiting(told), Load { loads: Arc::clone(self), place, tell })
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open().len()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Place, watch::Receiver<Outcome>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Load {
    /// Itself, unless nobody waits for it any more: then it is over before it has begun.
    pub(super) fn if_wanted(self) -> Option<Self> {
        let mut open = self.loads.open();
        // One receiver is in the table, from which others join.
        let is_wanted = self.tell.receiver_count() > 1;
        if !is_wanted {
            open.remove(&self.place);
            // It has ended: what comes to its place from now on is a successor.
            self.tell.send_replace(Some(Err(Arc::new(StoreError::Overloaded))));
        }
        drop(open);
        is_wanted.then_some(self)
    }

    /// Tells everybody who waits. Nobody joins any more from before that on: who learns the
    /// result and asks again is not told it again.
    pub(super) fn end(self, outcome: Result<Entry, StoreError>) {
        self.loads.open().remove(&self.place);
        self.tell.send_replace(Some(outcome.map_err(Arc::new)));
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // One that has ended is not there any more, and may have a successor.
        if self.tell.borrow().is_none() {
            self.loads.open().remove(&self.place);
        }
    }
}

impl Waiting {
    /// What the read found, or why it found nothing.
    pub(super) async fn end(mut self) -> Result<Entry, StoreError> {
        let outcome = self.0.wait_for(Option::is_some).await;
        match outcome.as_deref() {
            Ok(Some(Ok(entry))) => Ok(entry.clone()),
            Ok(Some(Err(error))) => Err(again(error)),
            Ok(None) | Err(_) => Err(StoreError::Unavailable(CutOff.into())),
        }
    }
}

/// The error of a read, for one more who waited for it.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Conflict => StoreError::Conflict,
        StoreError::Exists => StoreError::Exists,
        StoreError::Overloaded => StoreError::Overloaded,
        StoreError::NoLease => StoreError::NoLease,
        StoreError::Unavailable(source) => StoreError::Unavailable(source.to_string().into()),
        StoreError::Corrupt(what) => StoreError::Corrupt(what.clone()),
        StoreError::NotInForce { revision, within } => {
            StoreError::NotInForce { revision: *revision, within: *within }
        }
    }
}
