//! Who may call without a key: clients with a certificate, by a list in a file. One list is in force at a time, for all
//! connections alike, and another takes its place whole.

mod file;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::domain::{
    caller::Caller,
    identity::{Identity, Presented},
    live::LiveKey,
    ports::Clock,
};

pub use file::{BYTES_MAX, Fault, InvalidCallers};

/// A list of callers, each with what it may do.
#[derive(Debug, Default)]
pub struct Callers {
    of: HashMap<Identity, Arc<LiveKey>>,
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
            let like = Arc::clone(self.of.get(identity)?);
            Some(Caller::certified(identity.clone(), like))
        };
        presented.identities.iter().find_map(known)
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

    /// This list in place of the one before.
    pub fn replace(&self, callers: Callers) {
        *self.callers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(callers);
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
        let callers = Arc::clone(&self.callers.read().unwrap_or_else(PoisonError::into_inner));
        callers.find(presented).ok_or(NotKnown::NotListed)
    }
}

#[cfg(test)]
mod tests;
