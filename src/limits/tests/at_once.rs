//! What can be told without waiting: the same as is told by who may wait, or nothing.

use std::{
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use proptest::{collection::vec, prelude::*};
use tokio::runtime::Handle;

use super::{
    CI, Dial, SECOND, charge,
    counter::{Case, Simulated, sharing},
    limit,
};
use crate::{
    domain::{
        limit::{CannotTell, Charge, Limiter, Verdict, Wait},
        name::KeyName,
        policy::RateLimit,
        replica::Stopwatch,
    },
    limits::{Alone, Local, Refuse, Shared, Tally},
};

fn key() -> KeyName {
    CI.parse().unwrap()
}

fn local(dial: &Arc<Dial>) -> Local {
    Local::new(Arc::clone(dial) as _, Arc::new(Alone))
}

/// Time goes on, and then a key asks.
#[derive(Clone, Debug)]
struct Step {
    gap: Duration,
    key: usize,
    class: &'static str,
    cost: u64,
    tells: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let gap = prop::sample::select(&[0_u64, 0, 0, 1, 5, 20, 99, 100, 400][..]);
    let class = prop::sample::select(&["", "read", "write"][..]);
    let cost = prop_oneof![4 => 1_u64..4, 1 => 4_u64..40];
    let step = (gap, 0_usize..3, class, cost, any::<bool>());
    let step = step.prop_map(|(gap, key, class, cost, tells)| Step {
        gap: Duration::from_millis(gap),
        key,
        class,
        cost,
        tells,
    });
    vec(step, 1..200)
}

/// Limits of a key and of its workspace, of classes and of none.
fn limits() -> impl Strategy<Value = [Vec<RateLimit>; 2]> {
    let one = |name: &'static str| {
        let class = prop::sample::select(&["", "", "read", "write"][..]);
        let quota = prop::sample::select(&[3_u64, 20, 40, 100, 1_000][..]);
        (class, quota)
            .prop_map(move |(class, quota)| RateLimit { class: class.into(), ..limit(name, quota) })
    };
    let own = (one("a"), one("b"), 0_usize..3)
        .prop_map(|(a, b, count)| vec![a, b].into_iter().take(count).collect());
    let common = (one("a"), any::<bool>())
        .prop_map(|(a, is_there)| vec![a].into_iter().filter(|_| is_there).collect());
    (own, common).prop_map(|(own, common)| [own, common])
}

fn keys() -> Vec<KeyName> {
    ["acme/keys/a", "acme/keys/b", "other/keys/a"]
        .map(|name| format!("workspaces/{name}").parse().unwrap())
        .to_vec()
}

/// Asks once as who tries first and waits if it must, as the hot path does.
async fn tried(limiter: &dyn Limiter, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
    match limiter.take_now(charge) {
        Some(verdict) => verdict,
        None => limiter.take(charge).await,
    }
}

proptest! {
    #[test]
    fn one_process_tells_at_once_what_it_tells_who_may_wait(
        steps in steps(),
        [own, common] in limits(),
    ) {
        let (dial, keys) = (Arc::<Dial>::default(), keys());
        let (one, other) = (local(&dial), local(&dial));
        for Step { gap, key, class, cost, tells } in steps {
            dial.turn(gap);
            let charge = charge(keys.get(key).unwrap(), (&own, &common), cost);
            let now = one.take_now(&Charge { class, tells, ..charge }).unwrap().unwrap();
            let waited = other.take(&Charge { class, ..charge }).now_or_never().unwrap().unwrap();
            prop_assert_eq!(now.wait, waited.wait);
            let expected = if tells { waited.limits } else { Vec::new() };
            prop_assert_eq!(now.limits, expected);
        }
    }

    /// Where it gave nothing, the one who waits gets what it would have got, and the counter is
    /// asked for no more.
    #[test]
    fn who_tries_first_gets_of_many_replicas_what_he_gets_who_waits(
        steps in steps(),
        [own, common] in limits(),
    ) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (dial, keys) = (Arc::<Dial>::default(), keys());
            let clock = Arc::clone(&dial) as Arc<dyn Stopwatch>;
            let counters = [(); 2].map(|()| Arc::new(Simulated::new(Arc::clone(&clock))));
            let mut replicas = counters.iter().flat_map(|counter| sharing(counter, 1, &clock));
            let (first, second) = (replicas.next().unwrap(), replicas.next().unwrap());
            for Step { gap, key, class, cost, tells } in steps {
                dial.turn(gap);
                let charge = charge(keys.get(key).unwrap(), (&own, &common), cost);
                let charge = Charge { class, ..charge };
                let tried = tried(&first, &Charge { tells, ..charge }).await.unwrap();
                let waited = second.take(&charge).await.unwrap();
                prop_assert_eq!(tried.wait, waited.wait);
                let expected = if tells { waited.limits } else { Vec::new() };
                prop_assert_eq!(tried.limits, expected);
                // What was ordered ahead arrives.
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                let [one, other] = counters.each_ref().map(|counter| counter.given.load(SeqCst));
                prop_assert_eq!(one, other);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn where_a_replica_would_have_to_wait_nothing_is_taken_and_nothing_is_ordered() {
    let (case, key) = (Case::new(1), key());
    let (own, common) = ([limit("a", 1_000)], [limit("b", 5)]);
    let replica = case.replicas.first().unwrap();
    let both = charge(&key, (&own, &common), 1);
    // Of the key's limit some is in hand, of the workspace's nothing can be.
    let left = |verdict: &Verdict| verdict.limits.first().unwrap().remaining;
    let alone = charge(&key, (&own, &[]), 1);
    // Until there is more in hand than a few calls take.
    for _ in 0..100 {
        if [(); 5].iter().all(|()| replica.take_now(&alone).is_some()) {
            break;
        }
        assert_eq!(replica.take(&alone).await.unwrap().wait, None);
    }
    // What was ordered ahead arrives.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let orders = case.orders();
    for _ in 0..50 {
        assert_eq!(replica.take_now(&both), None);
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(case.orders(), orders);
    let before = left(&replica.take_now(&alone).unwrap().unwrap());
    assert_eq!(replica.take_now(&both), None);
    assert_eq!(left(&replica.take_now(&alone).unwrap().unwrap()), before - 1);
    assert_eq!(replica.take(&both).await.unwrap().wait, None);
}

#[tokio::test]
async fn what_is_in_hand_is_taken_at_once_and_more_is_ordered_before_it_is_gone() {
    let (case, key) = (Case::new(1), key());
    let own = [limit("a", 10_000)];
    let replica = case.replicas.first().unwrap();
    let charge = charge(&key, (&own, &[]), 1);
    assert_eq!(replica.take_now(&charge), None);
    let (mut at_once, mut waited) = (0, 0);
    for _ in 0..1_000 {
        match replica.take_now(&charge) {
            Some(verdict) => {
                assert_eq!(verdict.unwrap().wait, None);
                at_once += 1;
            }
            None => {
                assert_eq!(replica.take(&charge).await.unwrap().wait, None);
                waited += 1;
            }
        }
        // The order that was sent is served meanwhile.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        case.turn(Duration::from_micros(100));
    }
    assert!(at_once > 950 && waited > 0, "{at_once} at once, {waited} not");
}

#[tokio::test]
async fn while_the_counter_is_gone_the_other_way_is_tried_at_once() {
    let case = Case::new(1);
    let (key, own) = (key(), [limit("a", 3)]);
    let counter = Arc::clone(&case.counter);
    let dial = Arc::clone(&case.dial);
    let otherwise = Arc::new(local(&dial));
    let shared = Shared::new(
        Arc::clone(&counter) as _,
        otherwise,
        Arc::clone(&dial) as _,
        Handle::current(),
    );
    let charge = charge(&key, (&own, &[]), 2);
    assert_eq!(shared.take_now(&charge), None);
    counter.is_gone.store(true, SeqCst);
    assert_eq!(shared.take_now(&charge).unwrap().unwrap().wait, None);
    assert_eq!(shared.take_now(&charge).unwrap().unwrap().wait, Some(Wait::For(SECOND / 3 + NANO)));
    // One that refuses says so at once.
    let refusing = case.replicas.first().unwrap();
    assert_eq!(refusing.take_now(&charge), Some(Err(CannotTell)));
    assert_eq!(Refuse.take_now(&charge), Some(Err(CannotTell)));
}

const NANO: Duration = Duration::from_nanos(1);

/// Says what it is told to, the first at once.
struct Script(Mutex<Vec<Option<Result<Verdict, CannotTell>>>>);

#[async_trait]
impl Limiter for Script {
    async fn take(&self, charge: &Charge<'_>) -> Result<Verdict, CannotTell> {
        self.take_now(charge).unwrap()
    }

    fn take_now(&self, _: &Charge<'_>) -> Option<Result<Verdict, CannotTell>> {
        self.0.lock().unwrap().pop().unwrap()
    }
}

#[tokio::test]
async fn each_call_is_tallied_once_whether_it_is_told_at_once_or_waits() {
    let passed = || Some(Ok(Verdict::default()));
    let refused = || Some(Ok(Verdict { wait: Some(Wait::Forever), ..Verdict::default() }));
    let unknown = || Some(Err(CannotTell));
    // The last is said first. Each None is followed by what is said to who waits.
    let script = vec![
        unknown(),
        None,
        refused(),
        None,
        passed(),
        None,
        // Of what cannot be told at once who waits is told.
        unknown(),
        unknown(),
        refused(),
        refused(),
        passed(),
        passed(),
        passed(),
    ];
    let tally = Tally::new(Arc::new(Script(Mutex::new(script))), None, None);
    let key = key();
    for _ in 0..9 {
        _ = tried(&tally, &charge(&key, (&[], &[]), 1)).await;
    }
    let tallied = tally.tallied();
    assert_eq!((tallied.passed, tallied.refused, tallied.unknown), (4, 3, 2));
}

#[test]
fn only_limits_of_the_class_are_taken_and_those_of_none() {
    let (dial, key) = (Arc::<Dial>::default(), key());
    let local = local(&dial);
    let of = |class: &str, name, quota| RateLimit { class: class.into(), ..limit(name, quota) };
    let own = [of("read", "reads", 2), of("", "all", 10), of("write", "writes", 1)];
    let common = [of("write", "ceiling", 5)];
    let told = |class| {
        let charge = Charge { class, ..charge(&key, (&own, &common), 1) };
        let verdict = local.take_now(&charge).unwrap().unwrap();
        let limits = verdict.limits.into_iter();
        let limits: Vec<_> = limits.map(|limit| (limit.name, limit.remaining)).collect();
        (limits, verdict.wait.is_none())
    };
    let left = |limits: &[(&str, u64)]| -> Vec<(String, u64)> {
        limits.iter().map(|(name, left)| ((*name).to_owned(), *left)).collect()
    };
    assert_eq!(told("read"), (left(&[("reads", 1), ("all", 9)]), true));
    assert_eq!(told("write"), (left(&[("all", 8), ("writes", 0), ("ceiling", 4)]), true));
    assert_eq!(told("write"), (left(&[("all", 8), ("writes", 0), ("ceiling", 4)]), false));
    assert_eq!(told(""), (left(&[("all", 7)]), true));
    assert_eq!(told("other"), (left(&[("all", 6)]), true));
}
