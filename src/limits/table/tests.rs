#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::domain::{limit::Marks, name::KeyName};

fn marks(number: usize) -> Marks {
    let key: KeyName = format!("workspaces/acme/keys/k{number}").parse().unwrap();
    Marks::of(&key)
}

fn shard(holders: usize, limits: usize) -> Shard<usize> {
    let mut shard = Shard::default();
    for holder in 0..holders {
        for limit in 0..limits {
            shard.insert(marks(holder).key, &format!("limit-{limit}"), limit, |_| false);
        }
    }
    shard
}

#[test]
fn the_name_of_a_limit_is_kept_once_for_all_holders() {
    let mut shard = shard(10, 3);
    assert_eq!(shard.names.len(), 3);
    let names: HashSet<_> = (0..10)
        .map(|holder| shard.limits_mut(marks(holder).key).unwrap().first().unwrap().0.as_ptr())
        .collect();
    assert_eq!(names.len(), 1);
    assert_eq!(shard.get_mut(marks(3).key, "limit-2"), Some(&mut 2));
    assert_eq!(shard.get_mut(marks(3).key, "limit-3"), None);
    assert_eq!(shard.get_mut(marks(10).key, "limit-2"), None);
}

/// Or a policy that is saved again and again with other names would fill the memory of a replica
/// whose keys are never idle.
#[test]
fn limits_that_a_holder_had_are_forgotten_while_it_goes_on_with_their_names() {
    let mut shard = Shard::default();
    let mark = marks(0).key;
    for round in 0..1_000_usize {
        shard.insert(mark, &format!("limit-{round}"), round, |of| *of + 2 < round);
        assert_eq!(shard.get_mut(mark, &format!("limit-{round}")), Some(&mut round.clone()));
    }
    assert!(shard.limits_mut(mark).unwrap().len() <= 2 * LIMITS_SWEPT_MIN);
    assert!(shard.names.len() <= 2 * SWEPT_MIN + 2 * LIMITS_SWEPT_MIN, "{}", shard.names.len());
}

#[test]
fn a_workspace_is_locked_only_where_it_has_a_ceiling_for_the_class() {
    use crate::domain::policy::RateLimit;
    let table = Table::<usize>::default();
    let key: KeyName = "workspaces/acme/keys/ci".parse().unwrap();
    let limit = |class: &str| [RateLimit { class: class.into(), ..RateLimit::default() }];
    let (all, write) = (limit(""), limit("write"));
    let check = |own: &[RateLimit], common: &[RateLimit], expected: [bool; 2]| {
        let (marks, class) = (Marks::of(&key), "read");
        let charge = Charge {
            key: &key,
            marks,
            key_limits: own,
            workspace_limits: common,
            class,
            cost: 1,
            tells: false,
        };
        let _pair = table.pair(&charge);
        let is_locked = |parts: &Parts<usize>, mark: Mark| {
            let other = mark.part(PARTS).checked_sub(1).and_then(|place| parts.others.get(place));
            other.unwrap_or(&parts.first).0.try_lock().is_err()
        };
        let locked =
            [is_locked(&table.keys, marks.key), is_locked(&table.workspaces, marks.workspace)];
        assert_eq!(locked, expected, "{own:?} {common:?}");
    };
    check(&all, &all, [true, true]);
    check(&all, &write, [true, false]);
    check(&write, &all, [false, true]);
}

#[test]
fn holders_are_spread_over_the_parts() {
    let mut parts = HashSet::new();
    for number in 0..10_000 {
        parts.insert(marks(number).key.part(PARTS));
    }
    assert_eq!(parts.len(), PARTS);
    assert_eq!(marks(0).key.part(0), 0);
}
