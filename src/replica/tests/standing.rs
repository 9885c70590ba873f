//! What a replica knows and may do, a step at a time.

use std::{sync::Arc, time::Duration};

use super::script::{Dial, position};
use crate::{
    cache::{Coherence as _, Permit, Stamp, Subjects},
    domain::{
        event::Revision,
        ports::Clock,
        replica::{Noted, Stopwatch as _, Terms},
        secret::Digest,
        time::{Moment, Timestamp},
    },
    replica::{Lease, Standing},
};

const LEASE: Duration = Duration::from_secs(4);
const STALE: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_nanos(1);

struct Wall;

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(5)
    }

    fn latest(&self) -> Timestamp {
        Timestamp::from_micros(7)
    }
}

fn standing(stale: Duration) -> (Arc<Dial>, Standing) {
    let dial = Arc::<Dial>::default();
    dial.set(Duration::from_secs(1_000));
    let terms = Terms { lease: LEASE, stale };
    (Arc::clone(&dial), Standing::new(dial, Arc::new(Wall), terms))
}

fn subject() -> Subjects {
    Subjects::of_digest(&Digest::from_bytes([1; Digest::LEN]))
}

fn stamp(incarnation: u32, revision: i64) -> Stamp {
    Stamp { incarnation, revision: Revision(revision) }
}

#[test]
fn nobody_waits_for_less_than_five_quarters_of_what_a_replica_may_answer() {
    assert_eq!(Terms { lease: LEASE, stale: Duration::ZERO }.wait(), Duration::from_secs(5));
    assert_eq!(Terms { lease: LEASE, stale: STALE }.wait(), Duration::from_millis(8_750));
}

#[test]
fn a_lease_ends_at_its_moment_and_not_a_tick_later() {
    let (dial, standing) = standing(Duration::ZERO);
    assert_eq!(standing.lease(), Lease::None);
    assert!(!standing.holds(standing.permit()));
    let asked = dial.now();
    dial.turn(Duration::from_secs(1));
    standing.extend(asked);
    assert_eq!(standing.lease_left(), LEASE - Duration::from_secs(1));
    assert_eq!(standing.permit_left(), standing.lease_left());
    for (at, valid) in [(LEASE - TICK, true), (LEASE, false), (LEASE + TICK, false)] {
        dial.set(asked.since_start() + at);
        assert_eq!(standing.holds(standing.permit()), valid, "{at:?}");
        assert_eq!(standing.lease(), if valid { Lease::Valid } else { Lease::None });
        assert_eq!(standing.stale_since(), None);
    }
}

#[test]
fn an_older_answer_shortens_no_lease() {
    let (dial, standing) = standing(Duration::ZERO);
    let asked = dial.now();
    standing.extend(asked.after(LEASE));
    standing.extend(asked);
    assert_eq!(standing.lease_left(), 2 * LEASE);
}

#[test]
fn a_stale_replica_says_since_when_and_then_stops() {
    let (dial, standing) = standing(STALE);
    let asked = dial.now();
    standing.set_time(Timestamp::from_micros(1_000_000_000), asked, asked);
    standing.extend(asked);
    let ended = Timestamp::from_micros(1_004_000_000);
    for (at, lease, since) in [
        (LEASE - TICK, Lease::Valid, None),
        (LEASE, Lease::Stale, None),
        (LEASE + Duration::from_secs(1), Lease::Stale, Some(ended)),
        (LEASE + STALE - TICK, Lease::Stale, Some(ended)),
        (LEASE + STALE, Lease::None, Some(ended)),
    ] {
        dial.set(asked.since_start() + at);
        assert_eq!(standing.lease(), lease, "{at:?}");
        let told = standing.stale_since();
        assert_eq!(told.is_some(), since.is_some(), "{at:?}");
        let away = told.zip(since).map_or(0, |(told, since)| told.micros() - since.micros());
        assert!(away.abs() <= 1, "{at:?} {told:?}");
        assert_eq!(standing.holds(standing.permit()), lease != Lease::None);
        assert_eq!(standing.permit(), Permit::Until(asked.after(LEASE + STALE)));
    }
}

#[test]
fn a_life_that_is_over_has_no_lease_and_leaves_no_entry() {
    let (dial, standing) = standing(STALE);
    let first = standing.stamp();
    standing.begin_life(Revision(4));
    assert!(!standing.usable(first, &subject()), "loaded before it had begun");
    let inside = standing.stamp();
    assert_eq!((inside.revision, standing.applied()), (Revision(4), Revision(4)));
    standing.extend(dial.now());
    assert!(standing.usable(inside, &subject()));
    standing.end_life();
    assert_eq!(
        (standing.lease(), standing.permit()),
        (Lease::None, Permit::Until(Moment::default()))
    );
    assert!(!standing.usable(inside, &subject()));
    let between = standing.stamp();
    standing.begin_life(Revision(3));
    assert_eq!(standing.lease(), Lease::None, "that comes with a renewal");
    assert!(!standing.usable(inside, &subject()) && !standing.usable(between, &subject()));
    assert_eq!(standing.stamp().revision, Revision(3));
}

#[test]
fn an_entry_counts_if_it_has_seen_the_changes_of_its_subject() {
    let (_dial, standing) = standing(Duration::ZERO);
    standing.begin_life(Revision(4));
    let life = standing.stamp().incarnation;
    let key = "workspaces/acme/keys/a".to_owned();
    let rests_on = |revision| {
        let subjects = Subjects::of_key(&super::script::live("a"));
        standing.usable(stamp(life, revision), &subjects)
    };
    assert!(rests_on(0), "nothing has changed");
    let change = |revision, subject: &str| Noted {
        position: position(revision),
        subject: subject.to_owned(),
    };
    standing.apply(&[change(5, &key), change(6, "policies/other")]);
    assert_eq!(standing.applied(), Revision(6));
    for (revision, counts) in [(4, false), (5, true), (6, true)] {
        assert_eq!(rests_on(revision), counts, "{revision}");
    }
    // Of this process: it is known before those that came before it are.
    standing.note(Revision(9), &key);
    assert_eq!(standing.applied(), Revision(6));
    assert!(!rests_on(8) && rests_on(9));
    standing.note(Revision(7), &key);
    assert!(!rests_on(8), "an older one takes nothing back");
    // The next life may be of another history.
    standing.end_life();
    standing.begin_life(Revision(2));
    let life = standing.stamp().incarnation;
    assert!(standing.usable(stamp(life, 2), &Subjects::of_key(&super::script::live("a"))));
}

#[test]
fn time_is_that_of_the_database_however_long_its_answer_took() {
    let (dial, standing) = standing(Duration::ZERO);
    let read = || (standing.now().micros(), standing.latest().micros());
    assert_eq!(read(), (5, 7), "the wall clock, until the database has told its own");
    let asked = dial.now();
    let told = Timestamp::from_micros(50_000);
    // It was that time at any moment of the round trip.
    for trip in [0, 10, 2_000] {
        dial.set(asked.since_start());
        let answered = asked.after(Duration::from_micros(trip));
        standing.set_time(told, asked, answered);
        dial.set(answered.since_start());
        let trip = i64::try_from(trip).unwrap();
        assert_eq!(read(), (50_000 + trip / 2, 50_000 + trip));
        dial.turn(Duration::from_millis(1));
        assert_eq!(read(), (51_000 + trip / 2, 51_000 + trip), "it goes on with the stopwatch");
    }
    // Before the machine was started, as the database has it.
    standing.set_time(Timestamp::from_micros(-50), asked, asked);
    dial.set(asked.since_start());
    assert_eq!(read(), (-50, -50));
}
