//! The one task that follows the log: what it asks, in which order, and how often.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::script::{INTERVAL, Script, follow, position, tail};
use crate::{
    domain::{event::Revision, replica::Renewal},
    replica::Lease,
};

fn script(renewals: impl IntoIterator<Item = Result<Renewal, ()>>) -> Arc<Script> {
    let script = Script::default();
    script.renewals.lock().unwrap().extend(renewals);
    Arc::new(script)
}

#[tokio::test(start_paused = true)]
async fn a_lease_comes_with_the_last_part_of_what_there_is_and_not_before() {
    let script = script([Ok(tail(3, [1, 2])), Err(())]);
    let mut followed = follow(&script);
    let (stop, follower) = (CancellationToken::new(), followed.follower.take().unwrap());
    let task = tokio::spawn(follower.run(stop.clone()));
    // The failure comes after the first part, at once; and then a pause.
    tokio::time::sleep(INTERVAL / 8).await;
    assert_eq!(*script.renewed.lock().unwrap(), [(1, position(0)), (1, position(2))]);
    let seen = *followed.seen.borrow();
    assert_eq!((seen.applied, seen.head, seen.failures), (Revision(2), Revision(3), 1));
    assert_eq!(followed.standing.lease(), Lease::None);
    script.renewals.lock().unwrap().push_back(Ok(tail(3, [3])));
    tokio::time::sleep(INTERVAL / 4).await;
    // It is acknowledged at once.
    assert_eq!(script.renewed.lock().unwrap()[2..], [(1, position(2)), (1, position(3))]);
    assert_eq!(followed.standing.lease(), Lease::Valid);
    let seen = *followed.seen.borrow();
    assert_eq!((seen.applied, seen.head, seen.failures), (Revision(3), Revision(3), 0));
    assert!(seen.is_member);
    stop.cancel();
    task.await.unwrap();
    assert_eq!(followed.standing.lease(), Lease::None);
    assert_eq!(*script.left.lock().unwrap(), [1]);
    assert!(!followed.seen.borrow().is_member);
}

#[tokio::test(start_paused = true)]
async fn it_looks_when_it_is_rung_and_else_after_a_while() {
    let script = script([]);
    let mut followed = follow(&script);
    let stop = CancellationToken::new();
    let task = tokio::spawn(followed.follower.take().unwrap().run(stop.clone()));
    let renewed = || script.renewed.lock().unwrap().len();
    tokio::time::sleep(INTERVAL / 2).await;
    assert_eq!(renewed(), 1);
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(renewed(), 2);
    followed.rung.notify_one();
    tokio::time::sleep(INTERVAL / 8).await;
    assert_eq!(renewed(), 3);
    stop.cancel();
    task.await.unwrap();
    assert_eq!(renewed(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_life_that_ends_is_followed_by_another_after_a_pause() {
    for end in [Renewal::Outside, Renewal::HistoryLost] {
        // Also where each of them ends at once.
        let script = script(std::iter::repeat_n(Ok(end), 1_000));
        let mut followed = follow(&script);
        let stop = CancellationToken::new();
        let task = tokio::spawn(followed.follower.take().unwrap().run(stop.clone()));
        let before = followed.standing.lease_left();
        tokio::time::sleep(INTERVAL * 5 / 2 + INTERVAL / 8).await;
        assert_eq!(*script.joined.lock().unwrap(), (1..=11).collect::<Vec<_>>());
        assert_eq!((before, followed.standing.lease()), (Duration::ZERO, Lease::None));
        assert!(!followed.seen.borrow().is_member);
        script.renewals.lock().unwrap().clear();
        tokio::time::sleep(INTERVAL).await;
        assert_eq!(followed.standing.lease(), Lease::Valid);
        assert_eq!(script.joined.lock().unwrap().len(), 12);
        stop.cancel();
        task.await.unwrap();
        assert_eq!(*script.left.lock().unwrap(), [12]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_to_join_is_a_life_of_its_own() {
    let script = script([]);
    script.joins.lock().unwrap().extend([Err(()), Err(()), Ok(7)]);
    let mut followed = follow(&script);
    let stop = CancellationToken::new();
    let task = tokio::spawn(followed.follower.take().unwrap().run(stop.clone()));
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(*script.joined.lock().unwrap(), [1, 2, 3]);
    assert_eq!(script.renewed.lock().unwrap()[0], (3, position(7)));
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_change_that_nobody_rang_for_is_told_and_no_other() {
    for (is_rung, rings_meanwhile, told) in
        [(false, false, true), (true, false, false), (false, true, false)]
    {
        let script = script([]);
        let mut followed = follow(&script);
        let stop = CancellationToken::new();
        let task = tokio::spawn(followed.follower.take().unwrap().run(stop.clone()));
        tokio::time::sleep(INTERVAL / 2).await;
        script.renewals.lock().unwrap().extend([Ok(tail(1, [1])), Ok(tail(2, [2]))]);
        if is_rung {
            followed.rung.notify_one();
        }
        if rings_meanwhile {
            *script.during.lock().unwrap() = Some(Arc::clone(&followed.rung));
        }
        tokio::time::sleep(INTERVAL).await;
        assert_eq!(followed.standing.applied(), Revision(2));
        let notified = tokio::time::timeout(INTERVAL, followed.unrung.notified()).await;
        assert_eq!(notified.is_ok(), told);
        stop.cancel();
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_counted_from_before_the_question_however_long_the_answer_takes() {
    let script = script([]);
    let mut followed = follow(&script);
    let trip = Duration::from_secs(1);
    *script.slow.lock().unwrap() = Some((Arc::clone(&followed.dial), trip));
    let stop = CancellationToken::new();
    let task = tokio::spawn(followed.follower.take().unwrap().run(stop.clone()));
    tokio::time::sleep(INTERVAL / 2).await;
    assert_eq!(followed.standing.lease_left(), Duration::from_secs(4) - trip);
    stop.cancel();
    task.await.unwrap();
}
