//! Who goes where there is no room for all.
//!
//! What waits for its client alone, and may do so for as long as the client likes, must not keep out those who have
//! something to say: the oldest of it goes.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use tokio_util::sync::CancellationToken;

/// What may be told to go, the oldest first.
#[derive(Debug)]
pub struct Oldest {
    open: VecDeque<Weak<CancellationToken>>,
    /// About how many there are at once.
    max: usize,
}

impl Oldest {
    /// Of about `max` at once.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self { open: VecDeque::new(), max }
    }

    /// Takes note of one more. As long as what this gives is kept it may be told to go, by being cancelled.
    pub fn enter(&mut self) -> Arc<CancellationToken> {
        if self.open.len() >= self.max.saturating_mul(2) {
            self.open.retain(|one| one.strong_count() > 0);
        }
        let one = Arc::default();
        self.open.push_back(Arc::downgrade(&one));
        one
    }

    /// Tells the oldest to go; whether there was one.
    pub fn oust(&mut self) -> bool {
        while let Some(oldest) = self.open.pop_front() {
            if let Some(oldest) = oldest.upgrade() {
                oldest.cancel();
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_those_that_are_there_goes_and_each_once() {
        let mut oldest = Oldest::new(3);
        let [first, second, third] = [(); 3].map(|()| oldest.enter());
        drop(first);
        assert!(oldest.oust());
        assert!(second.is_cancelled() && !third.is_cancelled());
        assert!(oldest.oust() && third.is_cancelled());
        assert!(!oldest.oust());
    }

    #[test]
    fn those_that_have_gone_take_no_room() {
        let mut oldest = Oldest::new(3);
        let kept = oldest.enter();
        for _ in 0..1_000 {
            oldest.enter();
        }
        assert!(oldest.open.len() <= 6);
        assert!(oldest.oust() && kept.is_cancelled());
    }
}
