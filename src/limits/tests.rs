#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod at_once;
mod counter;
mod local;
mod random;
mod shared;
mod stock;

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use crate::domain::{
    limit::{Charge, Marks},
    name::KeyName,
    policy::RateLimit,
    replica::Stopwatch,
    time::Moment,
};

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

/// A charge of limits of a key and of its workspace, of which is told what is left.
fn charge<'a>(
    key: &'a KeyName,
    (key_limits, workspace_limits): (&'a [RateLimit], &'a [RateLimit]),
    cost: u64,
) -> Charge<'a> {
    let marks = Marks::of(key);
    Charge { key, marks, key_limits, workspace_limits, class: "", cost, tells: true }
}
