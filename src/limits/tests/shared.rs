//! Counting for all replicas, over a counter that is simulated.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use tracing::Instrument as _;

use super::{CI, SECOND, counter::Case, limit};
use crate::domain::{
    limit::{CannotTell, Rate, Verdict, Wait},
    policy::RateLimit,
    replica::Stopwatch as _,
};

const TICK: Duration = Duration::from_millis(5);

/// No span may see more than the burst and what comes back in it.
#[track_caller]
fn within(limit: &RateLimit, passed: &[Duration]) {
    let rate = Rate::from(limit);
    for (first, begin) in passed.iter().enumerate() {
        for (count, end) in (1..).zip(passed.iter().skip(first)) {
            let most = rate.burst() + rate.comes_back_in(*end - *begin);
            assert!(count <= most, "{count} of {most} from {begin:?} to {end:?}: {limit:?}");
        }
    }
}

#[tokio::test]
async fn replicas_together_let_no_more_through_than_the_limit_and_hardly_less() {
    for (quota, window, burst) in
        [(100, 1, 0), (5, 1, 0), (300, 1, 20), (60, 1, 200), (1_000, 60, 0)]
    {
        let window = Duration::from_secs(window);
        let limit = RateLimit { window, burst, ..limit("a", quota) };
        for replicas in [1, 3] {
            let case = Case::new(replicas);
            let (begun, mut passed) = (case.dial.now(), Vec::new());
            for _ in 0..400 {
                for replica in 0..replicas {
                    while case.passes(replica, &limit).await {
                        passed.push(case.dial.now().since(begun));
                    }
                }
                case.turn(TICK);
            }
            within(&limit, &passed);
            let rate = Rate::from(&limit);
            let most = rate.burst() + rate.comes_back_in(TICK * 399);
            let least = most * 95 / 100;
            assert!(passed.len() as u64 >= least, "{} of {most}: {limit:?}", passed.len());
        }
    }
}

#[tokio::test]
async fn no_span_sees_more_than_the_limit_also_when_demand_comes_and_goes() {
    let limit = RateLimit { burst: 40, ..limit("a", 200) };
    let case = Case::new(3);
    let (mut passed, mut seed) = (Vec::new(), 88_172_645_463_325_252_u64);
    for _ in 0..2_000 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        case.turn(Duration::from_millis(seed % 40) * u32::from(seed % 7 < 5));
        let replica = usize::try_from(seed >> 20).unwrap() % 3;
        for _ in 0..(seed >> 40) % 4 * 10 {
            if case.passes(replica, &limit).await {
                passed.push(case.dial.now().since_start());
            }
        }
    }
    assert!(passed.len() > 1_000);
    within(&limit, &passed);
}

#[tokio::test]
async fn a_key_that_is_used_much_does_not_cost_a_round_trip_for_each_question() {
    let (case, limit) = (Case::new(1), limit("a", 100_000));
    for _ in 0..1_000 {
        for _ in 0..20 {
            assert!(case.passes(0, &limit).await);
        }
        case.turn(Duration::from_millis(1));
    }
    assert!(case.orders() < 200, "{} orders for 20,000 questions", case.orders());
}

#[tokio::test]
async fn a_key_that_is_refused_again_and_again_costs_no_round_trip() {
    let (case, limit) = (Case::new(1), limit("a", 5));
    for _ in 0..1_000 {
        case.passes(0, &limit).await;
    }
    assert_eq!(case.orders(), 5);
    let verdict = case.take(0, CI, (&[limit], &[]), 1).await.unwrap();
    assert_eq!(verdict.wait, Some(Wait::For(SECOND / 5)));
}

#[tokio::test]
async fn a_limit_refuses_too_early_by_no_more_than_what_the_others_hold_and_a_batch() {
    let limit = limit("a", 1_000);
    let case = Case::new(3);
    // Two get used to 50 in 100 ms, together what comes back, and are not asked any more.
    for _ in 0..10 {
        for _ in 0..50 {
            assert!(case.passes(0, &limit).await && case.passes(1, &limit).await);
        }
        case.turn(Duration::from_millis(100));
    }
    let mut passed = 0;
    while case.passes(2, &limit).await {
        passed += 1;
    }
    let batch = 100;
    assert!((1_000 - 2 * batch - batch - 1..=1_000).contains(&passed), "{passed}");
    // What they held has lapsed, and is back in time by itself.
    case.turn(SECOND);
    let mut passed = 0;
    while case.passes(2, &limit).await {
        passed += 1;
    }
    assert!((1_000 - batch - 1..=1_000).contains(&passed), "{passed}");
}

#[tokio::test]
async fn a_cost_is_taken_of_every_limit_or_of_none_here_too() {
    let case = Case::new(1);
    let (own, common) = ([limit("a", 10), limit("b", 4)], [limit("a", 7)]);
    let take = |cost| case.take(0, CI, (&own, &common), cost);
    let left = |verdict: &Verdict| -> Vec<u64> {
        verdict.limits.iter().map(|limit| limit.remaining).collect()
    };
    let verdict = take(3).await.unwrap();
    assert_eq!((left(&verdict), verdict.wait), (vec![7, 1, 4], None));
    let verdict = take(2).await.unwrap();
    assert_eq!((left(&verdict), verdict.wait), (vec![7, 1, 4], Some(Wait::For(SECOND / 4))));
    let verdict = take(5).await.unwrap();
    assert_eq!((left(&verdict), verdict.wait), (vec![7, 1, 4], Some(Wait::Forever)));
    let verdict = take(1).await.unwrap();
    assert_eq!((left(&verdict), verdict.wait), (vec![6, 0, 3], None));
    let shared: Vec<_> = verdict.limits.iter().map(|limit| limit.shared).collect();
    assert_eq!(shared, [false, false, true]);
}

#[tokio::test]
async fn while_the_counter_is_gone_another_counts_and_then_it_again() {
    let (case, limit) = (Case::new(1), limit("a", 10));
    assert!(case.passes(0, &limit).await);
    let limits = [limit.clone()];
    case.counter.is_gone.store(true, SeqCst);
    for _ in 0..3 {
        assert_eq!(case.take(0, CI, (&limits, &[]), 1).await, Err(CannotTell));
    }
    case.counter.is_gone.store(false, SeqCst);
    assert!(case.passes(0, &limit).await);
}

#[tokio::test]
async fn a_counter_that_goes_while_it_is_asked_lets_nothing_through() {
    let (case, limit) = (Case::new(1), [limit("a", 2)]);
    case.counter.is_mute.store(true, SeqCst);
    assert_eq!(case.take(0, CI, (&limit, &[]), 1).await, Err(CannotTell));
}

/// Or the span of a call would go on for as long as what was ordered in it.
#[tokio::test]
async fn an_order_has_a_span_of_its_own() {
    let _spans = tracing::subscriber::set_default(tracing_subscriber::registry());
    let (case, limit) = (Case::new(1), limit("a", 10));
    let call = tracing::info_span!("call");
    assert!(case.passes(0, &limit).instrument(call).await);
    assert_eq!(*case.counter.spans.lock().unwrap(), ["limits.order"]);
}

#[tokio::test]
async fn what_is_idle_is_forgotten_by_a_replica() {
    let (case, limit) = (Case::new(1), [limit("a", 10)]);
    for round in 0..10 {
        for at in 0..1_000 {
            let key = format!("workspaces/acme/keys/k{round}-{at}");
            assert_eq!(case.take(0, &key, (&limit, &[]), 1).await.unwrap().wait, None);
        }
        case.turn(SECOND);
        let holders = case.replicas.first().unwrap().holders();
        assert!(holders <= 3 * 1_000 + 16 * 256, "{holders} are remembered");
    }
}

#[tokio::test]
async fn who_comes_at_once_shares_a_round_trip_also_of_a_limit_of_which_nothing_is_held() {
    for (quota, window, passes) in [(10_000, 1, 50), (60, 60, 50), (20, 60, 20)] {
        at_once(RateLimit { window: window * SECOND, ..limit("a", quota) }, passes).await;
    }
}

async fn at_once(limit: RateLimit, passes: usize) {
    let case = Arc::new(Case::new(1));
    let ask = |_| {
        let (case, limit) = (Arc::clone(&case), limit.clone());
        tokio::spawn(async move { case.passes(0, &limit).await })
    };
    let tasks: Vec<_> = (0..50).map(ask).collect();
    let mut passed = 0;
    for task in tasks {
        passed += usize::from(task.await.unwrap());
    }
    assert_eq!(passed, passes);
    assert!(case.orders() <= 3, "{}", case.orders());
}

#[tokio::test]
async fn under_a_steady_load_hardly_anything_lapses() {
    let (case, limit) = (Case::new(3), limit("a", 1_000));
    let mut passed = 0;
    for tick in 0..2_000_u64 {
        for replica in 0..3 {
            // Each is asked for a fifth of the limit, evenly.
            if (tick + replica as u64).is_multiple_of(5) {
                passed += u64::from(case.passes(replica, &limit).await);
            }
        }
        case.turn(Duration::from_millis(1));
    }
    assert_eq!(passed, 1_200);
    assert!(case.given() < passed * 108 / 100, "{passed} of {}", case.given());
}

#[tokio::test]
async fn a_limit_that_is_changed_is_in_force_at_once_whatever_is_in_hand() {
    let (case, first) = (Case::new(1), limit("a", 1_000));
    for _ in 0..100 {
        assert!(case.passes(0, &first).await);
    }
    let second = RateLimit { burst: 50, ..limit("a", 1_000) };
    assert!(!case.passes(0, &second).await);
}

#[tokio::test]
async fn what_one_limit_grants_and_another_refuses_is_not_lost() {
    let case = Case::new(2);
    let (own, common) = ([limit("a", 100)], [limit("b", 5)]);
    // The other replica knows nothing of it.
    for _ in 0..5 {
        assert_eq!(case.take(0, CI, (&[], &common), 1).await.unwrap().wait, None);
    }
    let refused = case.take(1, CI, (&own, &common), 4).await.unwrap();
    assert_eq!(refused.wait, Some(Wait::For(SECOND * 4 / 5)));
    let orders = case.orders();
    assert_eq!(case.take(1, CI, (&own, &[]), 4).await.unwrap().wait, None);
    assert_eq!(case.orders(), orders);
}

#[tokio::test]
async fn what_cannot_be_held_is_not_taken_where_a_limit_that_can_refuses() {
    let case = Case::new(2);
    let (own, common) = ([limit("a", 5)], [limit("b", 100)]);
    assert_eq!(case.take(0, CI, (&[], &common), 100).await.unwrap().wait, None);
    let refused = case.take(1, CI, (&own, &common), 4).await.unwrap();
    assert_eq!(refused.wait, Some(Wait::For(SECOND * 4 / 100)));
    assert_eq!(case.take(1, CI, (&own, &[]), 5).await.unwrap().wait, None);
}
