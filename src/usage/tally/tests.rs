#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::IpAddr;

use super::*;
use crate::domain::{secret::Digest, time::Timestamp};

const HOUR: i64 = 3_600_000_000;

fn key(workspace: &str, key: &str) -> KeyName {
    format!("workspaces/{workspace}/keys/{key}").parse().unwrap()
}

fn digest(number: u8) -> Digest {
    Digest::from_bytes([number; Digest::LEN])
}

fn at(time: i64, last: u8) -> LastUse {
    let address: IpAddr = [192, 0, 2, last].into();
    LastUse { time: Timestamp::from_micros(time), address: Some(address) }
}

fn limits(secrets: usize, workspaces: usize) -> Limits {
    Limits::new(secrets, workspaces)
}

/// Counts a use of the only secret of a key of `acme`.
fn count(tally: &mut Tally, limits: &Limits, number: u8, outcome: Outcome, at: LastUse) {
    let (key, digest) = (key("acme", &format!("k{number}")), digest(number));
    tally.count(&Use { key: &key, digest: &digest, outcome, at }, limits);
}

/// What was taken out: its rows, and how much room is free once they are written.
struct Taken {
    calls: Vec<Calls>,
    last: Vec<SecretUse>,
    of_secrets: usize,
    of_workspaces: usize,
}

fn take(tally: &mut Tally, limits: &Limits, most: usize) -> Taken {
    let taken = tally.take(most).unwrap_or_default();
    let held = || (limits.secrets.taken(), limits.workspaces.taken());
    let before = held();
    taken.give_back(limits);
    let after = held();
    let Rows { calls, last } = taken.rows();
    let keys: u64 = calls.iter().filter(|row| row.key.is_none()).map(|row| row.calls).sum();
    assert_eq!(keys, taken.calls());
    Taken { calls, last, of_secrets: before.0 - after.0, of_workspaces: before.1 - after.1 }
}

/// The rows as texts: key, hour, outcome, calls.
fn rows(taken: &Taken) -> Vec<String> {
    let row = |row: &Calls| {
        let key = row.key.as_ref().map_or("*", Id::as_str);
        let hour = row.hour.start().micros() / HOUR;
        format!("{}/{key} {hour} {} {}", row.workspace, row.outcome.as_str(), row.calls)
    };
    taken.calls.iter().map(row).collect()
}

fn beyond(limits: &Limits) -> (u64, u64) {
    (limits.coarsened.load(Ordering::Relaxed), limits.dropped.load(Ordering::Relaxed))
}

#[test]
fn calls_are_counted_by_key_and_workspace_and_hour_and_outcome() {
    let (mut tally, limits) = (Tally::default(), limits(100, 0));
    for (number, outcome, time) in [
        (1, Outcome::Allowed, 0),
        (1, Outcome::Allowed, HOUR - 1),
        (1, Outcome::Allowed, HOUR),
        (1, Outcome::NotFound, HOUR),
        (2, Outcome::Allowed, 7),
    ] {
        count(&mut tally, &limits, number, outcome, at(time, 1));
    }
    let taken = take(&mut tally, &limits, 10);
    assert_eq!(
        rows(&taken),
        [
            "acme/k1 0 allowed 2",
            "acme/k2 0 allowed 1",
            "acme/k1 1 allowed 1",
            "acme/k1 1 not_found 1",
            "acme/* 0 allowed 3",
            "acme/* 1 allowed 1",
            "acme/* 1 not_found 1",
        ]
    );
    assert_eq!((taken.of_secrets, taken.of_workspaces, beyond(&limits)), (4, 0, (0, 0)));
    assert!(tally.is_empty());
}

#[test]
fn two_secrets_of_a_key_are_one_row_and_two_last_uses() {
    let (mut tally, limits) = (Tally::default(), limits(100, 0));
    let name = key("acme", "k");
    for number in [2, 1] {
        let (digest, at) = (digest(number), at(i64::from(number), number));
        tally.count(&Use { key: &name, digest: &digest, outcome: Outcome::Allowed, at }, &limits);
    }
    let taken = take(&mut tally, &limits, 10);
    assert_eq!(rows(&taken), ["acme/k 0 allowed 2", "acme/* 0 allowed 2"]);
    let last: Vec<_> =
        taken.last.iter().map(|last| (last.digest.as_bytes()[0], last.last)).collect();
    assert_eq!(last, [(1, at(1, 1)), (2, at(2, 2))]);
}

#[test]
fn the_last_use_is_the_latest_whatever_the_order_and_not_that_of_a_replaced_secret() {
    let (mut tally, limits) = (Tally::default(), limits(100, 0));
    count(&mut tally, &limits, 1, Outcome::Allowed, at(5, 1));
    count(&mut tally, &limits, 1, Outcome::Revoked, at(9, 2));
    count(&mut tally, &limits, 1, Outcome::Allowed, at(7, 3));
    count(&mut tally, &limits, 1, Outcome::InvalidKey, at(11, 4));
    count(&mut tally, &limits, 2, Outcome::InvalidKey, at(11, 4));
    let taken = take(&mut tally, &limits, 10);
    assert_eq!(taken.last.iter().map(|last| last.last).collect::<Vec<_>>(), [at(9, 2)]);
}

#[tokio::test]
async fn what_two_tallies_counted_is_one_when_they_are_merged_and_frees_its_room() {
    let limits = limits(5, 2);
    let [mut one, mut other] = [Tally::default(), Tally::default()];
    count(&mut one, &limits, 1, Outcome::Allowed, at(1, 1));
    count(&mut other, &limits, 1, Outcome::Allowed, at(2, 2));
    count(&mut other, &limits, 1, Outcome::Expired, at(1, 3));
    count(&mut other, &limits, 2, Outcome::Allowed, at(1, 1));
    count(&mut one, &limits, 3, Outcome::Allowed, at(1, 1));
    // There is no room any more: of the workspace alone.
    count(&mut one, &limits, 4, Outcome::Allowed, at(1, 1));
    count(&mut other, &limits, 4, Outcome::Allowed, at(1, 1));
    assert_eq!((limits.secrets.taken(), limits.workspaces.taken()), (5, 2));
    one.merge(other, &limits).await;
    assert_eq!((limits.secrets.taken(), limits.workspaces.taken()), (4, 1));

    let taken = take(&mut one, &limits, 10);
    assert_eq!(
        rows(&taken),
        [
            "acme/k1 0 allowed 2",
            "acme/k1 0 expired 1",
            "acme/k2 0 allowed 1",
            "acme/k3 0 allowed 1",
            "acme/* 0 allowed 4",
            "acme/* 0 expired 1",
        ]
    );
    assert_eq!(taken.last.first().map(|last| last.last), Some(at(2, 2)));
    assert_eq!((taken.of_secrets, taken.of_workspaces), (4, 0));
    let rest = take(&mut one, &limits, 10);
    assert_eq!(rows(&rest), ["acme/* 0 allowed 2"]);
    assert_eq!((rest.of_secrets, rest.of_workspaces, one.is_empty()), (0, 1, true));
    assert_eq!(beyond(&limits), (2, 0));
}

#[test]
fn without_room_the_key_is_dropped_first_and_the_workspace_last() {
    let (mut tally, limits) = (Tally::default(), limits(1, 1));
    count(&mut tally, &limits, 1, Outcome::Allowed, at(1, 1));
    // Known, and so counted on; but another hour is another entry.
    count(&mut tally, &limits, 1, Outcome::Allowed, at(2, 2));
    assert_eq!(beyond(&limits), (0, 0));
    count(&mut tally, &limits, 1, Outcome::Allowed, at(HOUR, 3));
    count(&mut tally, &limits, 2, Outcome::Allowed, at(HOUR, 3));
    assert_eq!(beyond(&limits), (2, 0));
    // The workspace has one entry, for one hour and outcome.
    count(&mut tally, &limits, 2, Outcome::Allowed, at(0, 3));
    count(&mut tally, &limits, 2, Outcome::Expired, at(HOUR, 3));
    assert_eq!(beyond(&limits), (2, 2));

    let taken = take(&mut tally, &limits, 10);
    assert_eq!(rows(&taken), ["acme/k1 0 allowed 2", "acme/* 0 allowed 2"]);
    // When it was used last is told of a secret that has a place, whatever became of the call.
    assert_eq!(taken.last.first().map(|last| last.last), Some(at(HOUR, 3)));
    assert_eq!(rows(&take(&mut tally, &limits, 10)), ["acme/* 1 allowed 2"]);
}

#[test]
fn so_many_secrets_are_taken_at_a_time_and_workspaces_when_none_is_left() {
    let (mut tally, limits) = (Tally::default(), limits(3, 1));
    for number in 1..=4 {
        count(&mut tally, &limits, number, Outcome::Allowed, at(1, 1));
    }
    let sizes: Vec<_> = std::iter::repeat_with(|| take(&mut tally, &limits, 2))
        .map(|taken| (taken.last.len(), taken.of_secrets, taken.of_workspaces))
        .take(3)
        .collect();
    assert_eq!(sizes, [(2, 2, 0), (1, 1, 0), (0, 0, 1)]);
    assert!(tally.is_empty());
}

#[test]
fn halves_have_all_of_it_and_one_entry_has_none() {
    let (mut tally, limits) = (Tally::default(), limits(5, 0));
    for number in [1, 1, 2, 3, 4, 5] {
        count(&mut tally, &limits, number, Outcome::Allowed, at(1, 1));
    }
    let Halves::Two([one, mut other]) = tally.halves() else { panic!("it has five entries") };
    assert_eq!((one.secrets(), other.secrets(), one.calls() + other.calls()), (3, 2, 6));
    let Halves::One(single) = other.take(1).unwrap().halves() else { panic!("it has one entry") };
    assert_eq!(single.secrets(), 1);
    assert!(matches!(Tally::default().halves(), Halves::One(_)));

    let (mut tally, limits) = (Tally::default(), self::limits(0, 2));
    for workspace in ["a", "b"] {
        let (key, digest) = (key(workspace, "k"), digest(1));
        let outcome = Outcome::Allowed;
        tally.count(&Use { key: &key, digest: &digest, outcome, at: at(1, 1) }, &limits);
    }
    let Halves::Two(halves) = tally.halves() else { panic!("it has two workspaces") };
    assert_eq!(halves.map(|half| half.calls()), [1, 1]);
}

#[tokio::test]
async fn there_is_room_for_all_of_another_before_the_first_is_moved() {
    let count = u32::try_from(2 * IN_A_ROW_MAX).unwrap();
    let limits = limits(usize::MAX, 0);
    let [mut one, mut other] = [Tally::default(), Tally::default()];
    let name = key("acme", "k");
    let used = |tally: &mut Tally, number: u32| {
        let mut bytes = [0; Digest::LEN];
        let spread = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bytes[..8].copy_from_slice(&spread.to_le_bytes());
        let (digest, outcome) = (Digest::from_bytes(bytes), Outcome::Allowed);
        tally.count(&Use { key: &name, digest: &digest, outcome, at: at(1, 1) }, &limits);
    };
    used(&mut one, 0);
    (1..=count).for_each(|number| used(&mut other, number));
    {
        let mut merge = std::pin::pin!(one.merge(other, &limits));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(merge.as_mut().poll(&mut context).is_pending(), "others have their turn");
    }
    assert_eq!(one.secrets(), 1 + IN_A_ROW_MAX);
    assert!(one.secrets.capacity() > 2 * IN_A_ROW_MAX, "{}", one.secrets.capacity());
}

#[tokio::test]
async fn secrets_are_taken_in_the_order_of_their_keys_and_what_came_later_after_them() {
    let (mut tally, limits) = (Tally::default(), limits(usize::MAX, 0));
    let used = |tally: &mut Tally, workspace: &str, number: u8| {
        let (key, digest) = (key(workspace, &format!("k{number:03}")), digest(number));
        let outcome = Outcome::Allowed;
        tally.count(&Use { key: &key, digest: &digest, outcome, at: at(1, 1) }, &limits);
    };
    for number in (0..100).rev() {
        used(&mut tally, if number < 60 { "first" } else { "second" }, number);
    }
    let mut order = Order::of(&tally).await;
    used(&mut tally, "a-later-one", 200);
    let mut keys = Vec::new();
    while let Some(taken) = tally.take_in_order(&mut order, 30) {
        let Rows { calls, last } = taken.rows();
        assert!(last.is_sorted_by_key(|used| &used.key), "a batch is in order, too");
        keys.push(calls.iter().filter_map(|row| row.key.as_ref()).count());
        let numbers = last.iter().map(|used| usize::from(used.digest.as_bytes()[0]));
        let begin: usize = keys.iter().rev().skip(1).sum();
        let expected = if begin < 100 { begin..begin + last.len() } else { 200..201 };
        assert_eq!(numbers.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
    assert_eq!(keys, [30, 30, 30, 10, 1]);
    assert!(tally.is_empty());
}
