//! Who may call without a key: clients with a certificate, by a list in a file. One list is in force at a time, for all
//! connections alike, and another takes its place whole.

mod file;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::domain::{
    caller::Caller,
    identity::{Identity, Presented, Standing},
    live::LiveKey,
    ports::Clock,
};

pub use file::{BYTES_MAX, Fault, InvalidCallers};

/// A list of callers, each with what it may do.
#[derive(Debug, Default)]
pub struct Callers {
    of: HashMap<Identity, Listed>,
}

/// A place on the list.
#[derive(Debug, Clone)]
struct Listed {
    like: Arc<LiveKey>,
    /// Withdrawn when another list has the identity no more, or lets it do something else.
    standing: Standing,
}

impl Listed {
    fn new(like: LiveKey) -> Self {
        Self { like: Arc::new(like), standing: Standing::default() }
    }

    fn is_like(&self, other: &Self) -> bool {
        let key = |listed: &Self| listed.like.key();
        key(self) == key(other)
    }
}

impl Callers {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.of.len()
    }

    /// The first of the certificate's identities that is on the list.
    fn find(&self, presented: &Presented) -> Option<Caller> {
        let known = |identity: &Identity| {
            let Listed { like, standing } = self.of.get(identity)?.clone();
            let certificate = presented.standing.clone();
            Some(Caller::certified(identity.clone(), like, standing, certificate))
        };
        presented.identities.iter().find_map(known)
    }

    /// Withdraws what these say otherwise, or not at all; what they say alike goes on in them.
    fn follow(&mut self, before: &Self) {
        for (identity, old) in &before.of {
            match self.of.get_mut(identity) {
                Some(new) if new.is_like(old) => *new = old.clone(),
                Some(_) | None => old.standing.withdraw(),
            }
        }
    }
}

/// Why nobody is known by a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKnown {
    /// None of its identities is on the list.
    #[error("no identity of the certificate is on the list of callers")]
    NotListed,
    /// It was good when the connection was opened, and has ended since.
    #[error("the certificate has ended")]
    Ended,
    /// It was good when the connection was opened, and no authority vouches for it any more.
    #[error("no authority vouches for the certificate any more")]
    NotTrusted,
}

/// The list in force. What it says counts for the next call of every connection.
pub struct InForce {
    callers: RwLock<Arc<Callers>>,
    clock: Arc<dyn Clock>,
}

impl InForce {
    /// This list.
    pub fn new(callers: Callers, clock: Arc<dyn Clock>) -> Self {
        Self { callers: RwLock::new(Arc::new(callers)), clock }
    }

    /// This list in place of the one before. Whoever it takes something from makes no change any more that is not in
    /// the database's hands.
    pub fn replace(&self, mut callers: Callers) {
        let mut in_force = self.callers.write().unwrap_or_else(PoisonError::into_inner);
        callers.follow(&in_force);
        *in_force = Arc::new(callers);
    }

    /// Who calls now by this certificate.
    ///
    /// # Errors
    ///
    /// [`NotKnown`].
    pub fn caller(&self, presented: &Presented) -> Result<Caller, NotKnown> {
        if self.clock.latest() > presented.end {
            return Err(NotKnown::Ended);
        }
        if presented.standing.is_withdrawn() {
            return Err(NotKnown::NotTrusted);
        }
        let callers = Arc::clone(&self.callers.read().unwrap_or_else(PoisonError::into_inner));
        callers.find(presented).ok_or(NotKnown::NotListed)
    }
}

#[cfg(test)]
mod tests;
