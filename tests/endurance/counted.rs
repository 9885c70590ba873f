//! What is kept of the use of keys, beside the calls that were made.

use std::time::Duration;

use crate::{limited::Call, load::World, readings::used, until::until};

/// What was counted so long before a replica was struck that then died may be lost with it: ten
/// times what a write takes, which on a machine that is busy is a second or two.
const UNWRITTEN: Duration = Duration::from_secs(20);
/// How long what was counted takes to be written at the most.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);

/// A replica that ended without a word: when it was struck, and when it was gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Killed {
    pub(crate) replica: usize,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

/// Calls about one key: how many are kept, and how many may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) kept: i64,
    pub(crate) least: i64,
    pub(crate) most: i64,
}

impl Counted {
    pub(crate) fn is_right(&self) -> bool {
        (self.least..=self.most).contains(&self.kept)
    }
}

/// What must be kept of the calls about a key at the least, and what may be at the most.
fn bounds(calls: &[Call], killed: &[Killed], key: usize) -> (i64, i64) {
    let of_key = calls.iter().filter(|call| call.key == key);
    let most = of_key.clone().count();
    let may_be_lost = |call: &&Call| {
        let is_hit = |it: &&Killed| {
            let from = it.from.saturating_sub(UNWRITTEN);
            it.replica == call.replica && call.ended >= from && call.begun <= it.to
        };
        killed.iter().any(|killed| is_hit(&killed))
    };
    let least = of_key.filter(|call| call.passed.is_some()).filter(|call| !may_be_lost(call));
    (least.count() as i64, most as i64)
}

/// Reads what is kept, once everything is written.
pub(crate) async fn counted(world: &World, killed: &[Killed]) -> Vec<Counted> {
    let is_written = || {
        (0..crate::cluster::REPLICAS)
            .all(|replica| world.metric(replica, "keyward_usage_entries") == Some(0.0))
    };
    until(WRITTEN_WITHIN, is_written).await;
    let calls = world.limited.calls.lock().unwrap().clone();
    let mut caller = world.cluster.caller(0).unwrap();
    let mut counted = Vec::new();
    for (number, (name, _)) in world.limited.keys.iter().enumerate() {
        let (least, most) = bounds(&calls, killed, number);
        let kept = used(&mut caller, name.clone()).await.unwrap();
        counted.push(Counted { kept, least, most });
    }
    counted
}

#[test]
fn calls_that_are_not_kept_are_seen_but_for_those_that_went_with_a_replica() {
    let second = Duration::from_secs;
    let call = |replica, at, passed| Call {
        key: 0,
        replica,
        begun: second(at),
        ended: second(at),
        passed,
    };
    let calls = [
        call(0, 1, Some(true)),
        call(1, 1, Some(false)),
        call(0, 40, None),
        call(0, 37, Some(true)),
        call(1, 37, Some(true)),
    ];
    assert_eq!(bounds(&calls, &[], 0), (4, 5));
    let killed = [Killed { replica: 0, from: second(40), to: second(41) }];
    assert_eq!(bounds(&calls, &killed, 0), (3, 5));
    assert_eq!(bounds(&calls, &killed, 1), (0, 0));
    let counted = |kept| Counted { kept, least: 3, most: 5 }.is_right();
    assert_eq!([2, 3, 5, 6].map(counted), [false, true, true, false]);
}
