//! The connection that is in use now.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::SeqCst},
};

/// Connections after each other, each with a number: whoever used one that broke later than others
/// knew of it does not throw away the next.
pub(super) struct Current<C> {
    place: Mutex<Place<C>>,
    /// The same as in there, for those who ask with every call.
    is_here: AtomicBool,
}

struct Place<C> {
    number: u64,
    connection: Option<C>,
}

impl<C> Default for Current<C> {
    fn default() -> Self {
        let place = Place { number: 0, connection: None };
        Self { place: Mutex::new(place), is_here: AtomicBool::new(false) }
    }
}

impl<C: Clone> Current<C> {
    fn lock(&self) -> MutexGuard<'_, Place<C>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is one.
    pub(super) fn is_here(&self) -> bool {
        self.is_here.load(SeqCst)
    }

    /// The connection and its number.
    pub(super) fn get(&self) -> Option<(u64, C)> {
        let place = self.lock();
        place.connection.clone().map(|connection| (place.number, connection))
    }

    /// Uses this one from now on.
    pub(super) fn set(&self, connection: C) {
        let mut place = self.lock();
        *place = Place { number: place.number + 1, connection: Some(connection) };
        self.is_here.store(true, SeqCst);
    }

    /// The one of this number is broken. Whether it was in use until now.
    pub(super) fn drop_one(&self, number: u64) -> bool {
        let mut place = self.lock();
        let is_current = place.number == number && place.connection.take().is_some();
        if is_current {
            self.is_here.store(false, SeqCst);
        }
        is_current
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{sync::mpsc, thread, time::Duration};

    use super::Current;

    #[test]
    fn who_learns_late_that_a_connection_broke_keeps_the_next_one() {
        let current = Current::default();
        assert!(!current.is_here() && current.get().is_none());
        current.set("one");
        let (first, _) = current.get().unwrap();
        assert!(current.drop_one(first) && !current.is_here());
        assert!(!current.drop_one(first));
        current.set("two");
        assert!(!current.drop_one(first) && current.is_here());
        let (second, connection) = current.get().unwrap();
        assert_eq!(connection, "two");
        assert!(current.drop_one(second) && current.get().is_none());
    }

    #[test]
    fn whoever_asks_whether_there_is_one_waits_for_nobody() {
        let current = Current::default();
        current.set(());
        let held = current.lock();
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| tell.send(current.is_here()));
            let is_here = told.recv_timeout(Duration::from_secs(60));
            drop(held);
            assert!(is_here.unwrap());
        });
    }
}
