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
    let digests: Vec<_> =
        of.iter().map(|(_, digest)| Some(Digest::from_bytes(*digest.as_bytes()))).collect();
    meter.bring_near(&digests);
    meter.count_all(&uses);
}

/// Also where there is no room for all, and of uses at one moment the first is the last use.
#[test]
fn several_uses_are_counted_as_one_after_the_other() {
    let of: Vec<_> = [1, 2, 1, 1, 3, 2].map(|number| (key(number), digest(number))).into();
    let uses: Vec<_> = of
        .iter()
        .zip(0..)
        .map(|((key, digest), place)| {
            let (time, address) = (Timestamp::from_micros(1), Some([192, 0, 2, place].into()));
            Use { at: LastUse { time, address }, ..used(key, digest) }
        })
        .collect();
    for secrets in [0, 1, 2, 3] {
        let rows = |count: &dyn Fn(&Meter)| {
            let meter = Meter::new(secrets, 1);
            count(&meter);
            let counted: Vec<_> = meter.drain().map(|tally| tally.rows()).collect();
            let calls: Vec<_> = counted.iter().flat_map(|rows| rows.calls.clone()).collect();
            let last = counted.iter().flat_map(|rows| &rows.last);
            let last: Vec<_> = last.map(|used| (used.key.to_string(), used.last)).collect();
            (calls, last, meter.counted())
        };
        let told = rows(&|meter| uses.iter().for_each(|used| meter.count(*used)));
        assert_eq!(rows(&|meter| meter.count_all(&uses)), told);
        let (calls, last, _) = told;
        assert_eq!(
            calls.iter().filter(|row| row.key.is_none()).map(|row| row.calls).sum::<u64>(),
            6
        );
        let first = last.iter().map(|(_, last)| last.address);
        let expected = [0, 1, 4].map(|place: u8| Some([192, 0, 2, place].into()));
        assert!(first.eq(expected.into_iter().take(secrets)));
    }
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
