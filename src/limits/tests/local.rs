//! Counting in one process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use super::{CI, Dial, SECOND, charge, limit};
use crate::{
    domain::{
        limit::{CannotTell, Population, Verdict, Wait},
        name::KeyName,
        policy::RateLimit,
    },
    limits::Local,
};

/// So many replicas.
struct Several(AtomicUsize);

impl Population for Several {
    fn replicas(&self) -> usize {
        self.0.load(SeqCst)
    }
}

struct Case {
    dial: Arc<Dial>,
    population: Arc<Several>,
    local: Local,
}

impl Case {
    fn new() -> Self {
        let (dial, population) = (Arc::<Dial>::default(), Arc::new(Several(AtomicUsize::new(1))));
        let local = Local::new(Arc::clone(&dial) as _, Arc::clone(&population) as _);
        Self { dial, population, local }
    }

    fn take(&self, key: &str, own: &[RateLimit], common: &[RateLimit], cost: u64) -> Verdict {
        self.local.charge(&charge(&key.parse().unwrap(), (own, common), cost)).unwrap()
    }

    fn passes(&self, key: &str, own: &[RateLimit], common: &[RateLimit]) -> bool {
        self.take(key, own, common, 1).wait.is_none()
    }
}

fn left(verdict: &Verdict) -> Vec<(&str, u64, bool)> {
    let limits = verdict.limits.iter();
    limits.map(|limit| (limit.name.as_str(), limit.remaining, limit.shared)).collect()
}

#[test]
fn a_cost_is_taken_of_every_limit_or_of_none() {
    let case = Case::new();
    let (own, common) = ([limit("a", 10), limit("b", 4)], [limit("a", 7)]);
    let verdict = case.take(CI, &own, &common, 3);
    assert_eq!(
        (left(&verdict), verdict.wait),
        (vec![("a", 7, false), ("b", 1, false), ("a", 4, true)], None)
    );
    let verdict = case.take(CI, &own, &common, 2);
    assert_eq!(left(&verdict), [("a", 7, false), ("b", 1, false), ("a", 4, true)]);
    assert_eq!(verdict.wait, Some(Wait::For(SECOND / 4)));
    // The ceiling refuses, and the key keeps what it has.
    let verdict = case.take(CI, &own[..1], &common, 5);
    assert_eq!(left(&verdict), [("a", 7, false), ("a", 4, true)]);
    assert_eq!(verdict.wait, Some(Wait::For((SECOND / 7) + Duration::from_nanos(1))));
}

#[test]
fn of_several_waits_the_longest_is_told() {
    let case = Case::new();
    let own = [limit("slow", 1), limit("fast", 10)];
    assert!(case.passes(CI, &own, &[]));
    assert_eq!(case.take(CI, &own, &[], 1).wait, Some(Wait::For(SECOND)));
    assert_eq!(case.take(CI, &own, &[], 2).wait, Some(Wait::Forever));
}

#[test]
fn the_ceiling_is_of_one_workspace_and_all_its_keys() {
    let case = Case::new();
    let ceiling = [limit("all", 1_000)];
    let passed =
        (0..1_500).filter(|at| case.passes(&format!("workspaces/acme/keys/k{at}"), &[], &ceiling));
    assert_eq!(passed.count(), 1_000);
    assert!(case.passes("workspaces/other/keys/k1", &[], &ceiling));
}

#[test]
fn keys_of_one_name_in_two_workspaces_have_nothing_to_do_with_each_other() {
    let case = Case::new();
    let own = [limit("a", 1)];
    for key in ["workspaces/a/keys/b", "workspaces/b/keys/a", "workspaces/a/keys/a"] {
        assert!(case.passes(key, &own, &[]) && !case.passes(key, &own, &[]), "{key}");
    }
    // Nor has a key with its workspace.
    assert!(case.passes("workspaces/a/keys/c", &[], &own));
}

#[test]
fn a_limit_that_is_changed_goes_on_from_what_was_taken() {
    let case = Case::new();
    assert_eq!(case.take(CI, &[limit("a", 10)], &[], 6).wait, None);
    assert_eq!(left(&case.take(CI, &[limit("a", 100)], &[], 1)), [("a", 93, false)]);
    assert_eq!(left(&case.take(CI, &[limit("a", 5)], &[], 1)), [("a", 0, false)]);
    assert_eq!(left(&case.take(CI, &[limit("new", 5)], &[], 1)), [("new", 4, false)]);
}

#[test]
fn who_is_refused_by_a_limit_that_was_changed_passes_after_the_wait_that_was_told() {
    let case = Case::new();
    let day = RateLimit { window: 86_400 * SECOND, ..limit("a", 1_000) };
    assert_eq!(case.take(CI, &[day], &[], 1_000).wait, None);
    let fast = [limit("a", 100)];
    let Some(Wait::For(wait)) = case.take(CI, &fast, &[], 1).wait else { panic!("it passed") };
    assert!(wait < 10 * SECOND, "{wait:?}");
    case.dial.turn(wait / 2);
    assert!(!case.passes(CI, &fast, &[]));
    case.dial.turn(wait - wait / 2);
    assert!(case.passes(CI, &fast, &[]));
}

#[test]
fn what_is_idle_is_forgotten() {
    let case = Case::new();
    let own = [limit("a", 10)];
    for round in 0..20 {
        for at in 0..2_000 {
            let key = format!("workspaces/acme/keys/k{round}-{at}");
            assert!(case.passes(&key, &own, &[]));
        }
        let holders = case.local.holders();
        assert!((2_000..=3 * 2_000 + 16 * 256).contains(&holders), "{holders} are remembered");
        case.dial.turn(SECOND);
    }
}

#[test]
fn what_is_not_all_back_is_not_forgotten() {
    let case = Case::new();
    let slow = RateLimit { window: 1_000 * SECOND, ..limit("a", 1) };
    assert!(case.passes(CI, std::slice::from_ref(&slow), &[]));
    for at in 0..20_000 {
        case.dial.turn(SECOND / 100);
        assert!(case.passes(&format!("workspaces/acme/keys/k{at}"), &[limit("a", 1)], &[]));
    }
    assert!(!case.passes(CI, &[slow], &[]));
    assert!(case.local.holders() < 10_000);
}

#[test]
fn of_several_replicas_each_has_its_part() {
    let own = [limit("a", 10)];
    for (replicas, passes) in [(3, 3), (4, 2), (10, 1), (11, 0)] {
        let case = Case::new();
        case.population.0.store(replicas, SeqCst);
        let passed = (0..20).filter(|_| case.passes(CI, &own, &[])).count();
        assert_eq!(passed, passes, "{replicas}");
    }
}

#[test]
fn where_nobody_knows_how_many_share_a_limit_nothing_is_let_through() {
    let case = Case::new();
    case.population.0.store(0, SeqCst);
    let key: KeyName = CI.parse().unwrap();
    let own = [limit("a", 10)];
    assert_eq!(case.local.charge(&charge(&key, (&own, &[]), 1)), Err(CannotTell));
}

#[test]
fn threads_together_get_no_more_than_there_is() {
    let case = Case::new();
    let (own, ceiling) = ([limit("a", 700)], [limit("all", 1_000)]);
    let passed = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..8 {
            let (case, own, ceiling, passed) = (&case, &own, &ceiling, &passed);
            scope.spawn(move || {
                for at in 0..1_000 {
                    let key = format!("workspaces/acme/keys/k{}", (at + thread) % 2);
                    passed.fetch_add(u64::from(case.passes(&key, own, ceiling)), SeqCst);
                }
            });
        }
    });
    assert_eq!(passed.load(SeqCst), 1_000);
}
