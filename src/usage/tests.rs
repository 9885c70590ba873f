#![expect(clippy::unwrap_used, reason = "tests")]

mod flushing;
mod forgetting;
mod telling;

use std::sync::Arc;

use super::*;
use crate::domain::{
    name::{Id, KeyName},
    secret::Digest,
    time::Timestamp,
    usage::{LastUse, Outcome},
};

fn key(number: u64) -> KeyName {
    format!("workspaces/acme/keys/k{number}").parse().unwrap()
}

fn digest(number: u64) -> Digest {
    let mut bytes = [0; Digest::LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Digest::from_bytes(bytes)
}

/// A use that was allowed, at moment 1.
fn used<'a>(key: &'a KeyName, digest: &'a Digest) -> Use<'a> {
    let at = LastUse { time: Timestamp::from_micros(1), address: None };
    Use { key, digest, outcome: Outcome::Allowed, at }
}

fn count(meter: &Meter, number: u64) {
    meter.count(used(&key(number), &digest(number)));
}

fn count_together(meter: &Meter, numbers: impl Iterator<Item = u64>) {
    let of: Vec<_> = numbers.map(|number| (key(number), digest(number))).collect();
    let uses: Vec<_> = of.iter().map(|(key, digest)| used(key, digest)).collect();
    meter.count_all(&uses);
}

#[tokio::test]
async fn threads_that_count_while_parts_are_taken_away_lose_nothing() {
    const THREADS: u64 = 40;
    const CALLS: u64 = 5_000;
    const TOGETHER: u64 = 50;
    let meter = Arc::new(Meter::default());
    let counting: Vec<_> = (0..THREADS)
        .map(|thread| {
            let meter = Arc::clone(&meter);
            std::thread::spawn(move || {
                let of = |call: u64| if call.is_multiple_of(2) { 0 } else { thread };
                // Half of them one by one, half of them some at a time.
                if thread < THREADS / 2 {
                    (0..CALLS).for_each(|call| count(&meter, of(call)));
                } else {
                    let batch = || count_together(&meter, (0..TOGETHER).map(of));
                    (0..CALLS / TOGETHER).for_each(|_| batch());
                }
            })
        })
        .collect();
    let mut pending = Tally::default();
    let mut drain = async || {
        for counted in meter.drain() {
            pending.merge(counted, &meter.limits).await;
        }
    };
    while !counting.iter().all(std::thread::JoinHandle::is_finished) {
        drain().await;
    }
    counting.into_iter().for_each(|thread| thread.join().unwrap());
    drain().await;

    assert_eq!(meter.counted().entries, THREADS, "one for each secret");
    let taken = pending.take(usize::MAX).unwrap();
    let rows = taken.rows();
    let of = |key: Option<&str>| {
        let rows = rows.calls.iter();
        let row = rows.filter(|row| row.key.as_ref().map(Id::as_str) == key);
        row.map(|row| row.calls).collect::<Vec<_>>()
    };
    assert_eq!(of(None), [THREADS * CALLS]);
    assert_eq!(of(Some("k0")), [THREADS * CALLS / 2 + CALLS / 2]);
    assert_eq!(of(Some("k7")), [CALLS / 2]);
    assert_eq!(of(Some("k27")), [CALLS / 2]);
    taken.give_back(&meter.limits);
    assert_eq!(meter.counted().entries, 0);
}
