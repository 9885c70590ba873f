//! How many streams each caller has open.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tonic::Status;

use crate::grpc::layers::too_many_in_flight;

/// Streams of one caller that are open at once: a caller that forgets its streams leaves most places
/// to others.
const STREAMS_OF_CALLER_MAX: usize = 250;

type Open = HashMap<String, usize>;

/// The streams that are open, by their callers' names.
#[derive(Clone, Default)]
pub(super) struct Shares(Arc<Mutex<Open>>);

/// One open stream, until it is dropped.
pub(super) struct Share {
    shares: Shares,
    name: String,
}

impl Shares {
    /// Takes a share for one more stream of the caller of this name.
    ///
    /// # Errors
    ///
    /// RESOURCE_EXHAUSTED where it has as many as it may.
    pub(super) fn take(&self, name: String) -> Result<Share, Status> {
        let mut open = self.open();
        let count = open.entry(name.clone()).or_default();
        if *count >= STREAMS_OF_CALLER_MAX {
            return Err(too_many_in_flight(STREAMS_OF_CALLER_MAX));
        }
        *count += 1;
        Ok(Share { shares: self.clone(), name })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Each change of it is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.shares.open();
        if let Some(count) = open.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_caller_has_its_share_and_takes_none_of_others() {
        let shares = Shares::default();
        let take = |id: &str| shares.take(id.to_owned()).ok();
        let mut taken: Vec<_> = (0..STREAMS_OF_CALLER_MAX).map_while(|_| take("one")).collect();
        assert_eq!(taken.len(), STREAMS_OF_CALLER_MAX);
        let refused = shares.take("one".to_owned()).err().unwrap();
        assert_eq!(refused.code(), Status::resource_exhausted("").code());
        assert!(take("two").is_some());
        taken.pop();
        taken.extend(take("one"));
        assert_eq!(taken.len(), STREAMS_OF_CALLER_MAX);
        assert!(take("one").is_none());
        drop(taken);
        assert!(shares.open().is_empty(), "nothing is kept of who has no stream");
    }
}
