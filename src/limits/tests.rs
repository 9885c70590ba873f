#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod counter;
mod local;
mod random;
mod shared;
mod stock;

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use crate::domain::{policy::RateLimit, replica::Stopwatch, time::Moment};

const SECOND: Duration = Duration::from_secs(1);
const CI: &str = "workspaces/acme/keys/ci";

/// A clock that is set, in nanoseconds.
#[derive(Default)]
struct Dial(AtomicU64);

impl Dial {
    fn turn(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_nanos()).unwrap(), SeqCst);
    }
}

impl Stopwatch for Dial {
    fn now(&self) -> Moment {
        Moment::from_start(Duration::from_nanos(self.0.load(SeqCst)))
    }
}

fn limit(name: &str, quota: u64) -> RateLimit {
    RateLimit { name: name.to_owned(), quota, window: SECOND, ..RateLimit::default() }
}
