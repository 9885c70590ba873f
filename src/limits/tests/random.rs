//! Whatever happens and however long it takes: in no span of time do replicas together let more
//! through than the limit.

use std::{
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    time::Duration,
};

use proptest::{collection::vec, prelude::*};

use super::{
    Dial,
    counter::{Simulated, sharing, take},
    limit,
};
use crate::domain::{limit::Rate, policy::RateLimit, replica::Stopwatch};

const TICK: Duration = Duration::from_millis(1);

/// Calls that come at once.
#[derive(Clone, Debug)]
struct Calls {
    /// So long after those before.
    gap: Duration,
    replica: usize,
    key: usize,
    count: usize,
    cost: u64,
    /// They wait no longer than this.
    patience: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Schedule {
    replicas: usize,
    /// Of each key, and of all of them together.
    limits: [Option<RateLimit>; 2],
    calls: Vec<Calls>,
    delays: Vec<[Duration; 2]>,
}

/// A call that was let through.
#[derive(Clone, Copy, Debug)]
struct Passed {
    key: usize,
    begun: Duration,
    ended: Duration,
    cost: u64,
}

fn millis(from: &'static [u64]) -> impl Strategy<Value = Duration> + Clone {
    prop::sample::select(from).prop_map(Duration::from_millis)
}

fn rates() -> impl Strategy<Value = RateLimit> {
    let burst = prop_oneof![3 => Just(0_u64), 3 => 8_u64..200];
    (prop::sample::select(&[5_u64, 40, 100, 100, 300, 1_000][..]), burst)
        .prop_map(|(quota, burst)| RateLimit { burst, ..limit("a", quota) })
}

fn calls() -> impl Strategy<Value = Calls> {
    let gap = millis(&[0, 0, 0, 1, 1, 2, 5, 10, 30, 95, 100, 200, 1_000]);
    let cost = prop_oneof![5 => Just(1_u64), 1 => 1_u64..30, 1 => 60_u64..101];
    let patience = prop::option::weighted(0.2, millis(&[0, 1, 3, 50, 120]));
    (gap, 0_usize..3, 0_usize..2, 1_usize..30, cost, patience).prop_map(
        |(gap, replica, key, count, cost, patience)| {
            let count = if cost > 1 { 1 + count / 10 } else { count };
            Calls { gap, replica, key, count, cost, patience }
        },
    )
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let limits = prop_oneof![
        2 => rates().prop_map(|limit| [Some(limit), None]),
        1 => rates().prop_map(|limit| [None, Some(limit)]),
        1 => (rates(), rates()).prop_map(|(own, all)| [Some(own), Some(all)]),
    ];
    let way = || millis(&[0, 0, 0, 1, 1, 3, 40, 130]);
    let delays = vec((way(), way()).prop_map(|(there, back)| [there, back]), 0..150);
    (1_usize..4, limits, vec(calls(), 1..50), delays)
        .prop_map(|(replicas, limits, calls, delays)| Schedule { replicas, limits, calls, delays })
}

/// Some use a limit a while; then little of it, so that one replica holds what it does not use, and
/// what was given comes back; shortly before that lapses, all of them want as much as they can get.
fn floods() -> impl Strategy<Value = Schedule> {
    let rate = prop::sample::select(&[0_u64, 40][..])
        .prop_map(|burst| RateLimit { burst, ..limit("a", 100) });
    let calls = |count, gap| {
        (count, 0_usize..3, gap).prop_map(|(count, replica, gap)| {
            let gap = Duration::from_millis(gap);
            Calls { gap, replica, key: 0, count, cost: 1, patience: None }
        })
    };
    let all = (0_usize..3).map(|replica| Calls {
        gap: Duration::ZERO,
        replica,
        key: 0,
        count: 110,
        cost: 1,
        patience: None,
    });
    let parts = (calls(8_usize..16, 0..1_u64), calls(1_usize..3, 90..220_u64), 85..102_u64);
    (1_usize..4, rate, parts).prop_map(move |(replicas, rate, (first, second, gap))| {
        let second = Calls { replica: first.replica, ..second };
        let mut calls = vec![first, second];
        calls.extend(all.clone());
        if let Some(flood) = calls.get_mut(2) {
            flood.gap = Duration::from_millis(gap);
        }
        Schedule { replicas, limits: [Some(rate), None], calls, delays: vec![] }
    })
}

/// What was let through, and how much was given for it.
fn run(schedule: &Schedule) -> (Vec<Passed>, u64) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let dial = Arc::<Dial>::default();
        let clock = Arc::clone(&dial) as Arc<dyn Stopwatch>;
        // The time of the runtime goes on when nobody has anything to do, and this clock with it.
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                dial.turn(TICK);
            }
        });
        let counter = Arc::new(Simulated::new(Arc::clone(&clock)));
        counter.delays.lock().unwrap().extend(&schedule.delays);
        let replicas = sharing(&counter, schedule.replicas, &clock);
        let (passed, mut tasks) = (Arc::<Mutex<Vec<Passed>>>::default(), Vec::new());
        for calls in &schedule.calls {
            tokio::time::sleep(calls.gap).await;
            for _ in 0..calls.count {
                let replica = replicas.get(calls.replica % replicas.len()).unwrap().clone();
                let (calls, clock) = (calls.clone(), Arc::clone(&clock));
                let (passed, limits) = (Arc::clone(&passed), schedule.limits.clone());
                tasks.push(tokio::spawn(async move {
                    let (key, cost, begun) = (calls.key, calls.cost, clock.now().since_start());
                    let name = format!("workspaces/acme/keys/key-{key}");
                    let (own, all) = (limits[0].as_slice(), limits[1].as_slice());
                    let taking = take(&replica, &name, (own, all), cost);
                    let patience = calls.patience.unwrap_or(Duration::MAX);
                    let Ok(verdict) = tokio::time::timeout(patience, taking).await else { return };
                    if verdict.unwrap().wait.is_none() {
                        let ended = clock.now().since_start();
                        passed.lock().unwrap().push(Passed { key, begun, ended, cost });
                    }
                }));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        let passed = passed.lock().unwrap().clone();
        (passed, counter.given.load(SeqCst))
    })
}

/// No span may see more than the burst and what comes back in it: of the calls that begin and end
/// in it.
fn within(limit: &RateLimit, mut passed: Vec<Passed>) -> Result<(), TestCaseError> {
    let rate = Rate::from(limit);
    let (quota, window) = rate.parts();
    passed.sort_by_key(|call| call.ended);
    for first in &passed {
        let mut used = 0;
        for call in passed.iter().filter(|call| call.begun >= first.begun) {
            used += u128::from(call.cost);
            let span = call.ended - first.begun;
            let most =
                u128::from(rate.burst()) * window.as_nanos() + u128::from(quota) * span.as_nanos();
            prop_assert!(
                used * window.as_nanos() <= most,
                "{used} from {:?} to {:?}, of {limit:?}",
                first.begun,
                call.ended
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn in_no_span_of_time_more_is_let_through_than_the_limit(
        schedule in prop_oneof![2 => schedules(), 1 => floods()],
    ) {
        let (passed, _) = run(&schedule);
        let [own, all] = &schedule.limits;
        if let Some(limit) = own {
            for key in 0..2 {
                within(limit, passed.iter().copied().filter(|call| call.key == key).collect())?;
            }
        }
        if let Some(limit) = all {
            within(limit, passed)?;
        }
    }

    #[test]
    fn at_least_half_of_what_was_given_is_used_however_unsteadily_calls_come(
        schedule in schedules(),
    ) {
        let calls = schedule.calls.iter().cloned();
        let calls = calls.map(|calls| Calls { cost: 1, patience: None, ..calls }).collect();
        let limits = match schedule.limits.clone() {
            [Some(limit), _] | [None, Some(limit)] => [Some(limit), None],
            none => none,
        };
        let (passed, given) = run(&Schedule { limits, calls, ..schedule });
        let used = passed.len() as u64;
        prop_assert!(given <= 2 * used, "{used} of {given} that were given");
    }
}
