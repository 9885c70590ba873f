//! What this replica need not be told of its own changes, and who evicts others.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::script::{Dial, Script};
use crate::{
    domain::{
        event::Revision,
        replica::{Member, Row, Stopwatch as _, Terms},
    },
    replica::barrier::Barrier,
};

const TERMS: Terms = Terms { lease: Duration::from_secs(4), stale: Duration::ZERO };

/// Rows, none of which has applied anything.
fn barrier(others: &[&str]) -> Barrier {
    let dial = Arc::<Dial>::default();
    dial.set(Duration::from_secs(1));
    barrier_of(others, &Arc::default(), dial)
}

fn barrier_of(others: &[&str], script: &Arc<Script>, dial: Arc<Dial>) -> Barrier {
    let row = |name: &&str| Row {
        member: Member { id: name.parse().unwrap(), incarnation: 1 },
        applied: Revision(0),
        lease_seq: 0,
        terms: TERMS,
    };
    script.rows.lock().unwrap().extend(others.iter().map(row));
    Barrier::new(Arc::clone(script) as _, dial, "own".parse().unwrap(), TERMS)
}

/// Whether a change is in force at a look at the rows.
async fn is_in_force(barrier: &Barrier, revision: i64) -> bool {
    let looked =
        async { tokio::join!(barrier.wait(Revision(revision), None), barrier.read_once()) };
    let Ok((outcome, ())) = timeout(Duration::from_secs(1), looked).await else { return false };
    outcome.unwrap();
    true
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_this_replica_to_be_told_of_what_it_has_done() {
    let own = barrier(&["own"]);
    own.note(Revision(5));
    assert!(!is_in_force(&own, 4).await, "another change");
    assert!(is_in_force(&own, 5).await);
    assert!(!is_in_force(&own, 5).await, "asked for again, it may be of another history");
    let others = barrier(&["own", "other"]);
    others.note(Revision(5));
    assert!(!is_in_force(&others, 5).await);
}

#[tokio::test(start_paused = true)]
async fn no_more_changes_are_remembered_than_may_be_on_their_way() {
    let own = barrier(&["own"]);
    for revision in 1..=1_025 {
        own.note(Revision(revision));
    }
    assert!(!is_in_force(&own, 1).await);
    assert!(is_in_force(&own, 2).await && is_in_force(&own, 1_025).await);
}

/// Or each change would be late for as long as nobody is patient.
#[tokio::test(start_paused = true)]
async fn a_silent_replica_is_evicted_also_where_everybody_gives_up_before_its_lease_ends() {
    const PATIENCE: Duration = Duration::from_secs(1);
    for is_dropped in [false, true] {
        let (script, dial) = (Arc::<Script>::default(), Arc::<Dial>::default());
        dial.set(Duration::from_secs(1));
        let barrier = barrier_of(&["other"], &script, Arc::clone(&dial));
        let asking = async {
            for revision in 1..=8 {
                let until = (!is_dropped).then(|| dial.now().after(PATIENCE));
                let asked = async {
                    // As one who goes away without a word.
                    timeout(PATIENCE / 2, barrier.wait(Revision(revision), until)).await
                };
                let passing = async {
                    tokio::time::sleep(PATIENCE / 4).await;
                    dial.turn(PATIENCE);
                };
                let (outcome, ()) = tokio::join!(asked, passing);
                assert_eq!(outcome.is_err(), is_dropped);
                assert!(outcome.is_err() || outcome.is_ok_and(|it| it.is_err()));
            }
            // It takes a second.
            tokio::time::sleep(2 * PATIENCE).await;
        };
        tokio::select! {
            () = barrier.read(CancellationToken::new()) => {}
            () = asking => {}
        }
        assert!(script.evictions.load(SeqCst) > 0, "{is_dropped}");
    }
}

/// There are few connections, and the lease is renewed over one of them.
#[tokio::test(start_paused = true)]
async fn of_many_that_waited_for_a_silent_replica_one_evicts_it() {
    let (script, dial) = (Arc::<Script>::default(), Arc::<Dial>::default());
    dial.set(Duration::from_secs(1));
    let barrier = barrier_of(&["other"], &script, Arc::clone(&dial));
    let waiting = join_all((1..=64).map(|revision| barrier.wait(Revision(revision), None)));
    let (outcomes, ()) = tokio::join!(waiting, async {
        for _ in 0..2 {
            barrier.read_once().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            dial.turn(TERMS.wait());
        }
        barrier.read_once().await;
    });
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(script.evictions.load(SeqCst), 1);
}
