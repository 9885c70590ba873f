//! F1, F2, F10: processes that stop, die and are replaced.

use std::time::Instant;

use tokio::task::JoinSet;

use super::{Effect, Place, SHOWN_WITHIN, Stage, ask_later, effect, other_than};
use crate::{cluster::REPLICAS, until::until};

/// A replica is stopped while keys that it knows are revoked, and asked about them: the
/// questions wait where it will find them first when it goes on.
pub(super) async fn stopped(place: Place<'_>, stage: &mut Stage, replica: usize) -> Effect {
    let Place { pace, cluster, .. } = place;
    let keys = stage.warm(place).await;
    let begun = Instant::now();
    cluster.signal(replica, "STOP");
    effect(until(SHOWN_WITHIN, || cluster.is_stopped(replica)).await, "it does not stop")?;
    let mut asking = JoinSet::new();
    for key in &keys {
        stage.changer.revoke(key, Some(other_than(replica))).await;
        ask_later(place, &mut asking, replica, key);
    }
    tokio::time::sleep(pace.outage.saturating_sub(begun.elapsed())).await;
    let was_stopped = cluster.is_stopped(replica);
    let waited = asking.len();
    cluster.signal(replica, "CONT");
    for key in &keys {
        ask_later(place, &mut asking, replica, key);
    }
    while asking.join_next().await.is_some() {}
    effect(was_stopped && waited == keys.len(), "it went on by itself")
}

/// A replica is killed; changes go on, and another takes its place.
pub(super) async fn killed(place: Place<'_>, stage: &mut Stage, replica: usize) -> Effect {
    let Place { cluster, .. } = place;
    let keys = stage.warm(place).await;
    let before = cluster.process(replica);
    cluster.kill(replica);
    for key in &keys {
        stage.changer.revoke(key, Some(other_than(replica))).await;
    }
    cluster.serve(replica).await;
    effect(cluster.process(replica) != before, "the same process is there")
}

/// All replicas are replaced, one after another; who calls them goes elsewhere meanwhile.
pub(super) async fn rolling(place: Place<'_>) -> Effect {
    let Place { cluster, tally, .. } = place;
    let failed = || {
        let figures = tally.figures();
        let of = |counts: &std::collections::BTreeMap<String, u64>| -> u64 {
            let failures = ["unavailable", "deadline", "lost"];
            failures.iter().filter_map(|name| counts.get(*name)).sum()
        };
        of(&figures.answered) + of(&figures.changed)
    };
    let before = failed();
    for replica in 0..REPLICAS {
        let process = cluster.process(replica);
        cluster.leave(replica);
        cluster.signal(replica, "TERM");
        cluster.ended(replica).await;
        cluster.serve(replica).await;
        effect(cluster.process(replica) != process, "the same process is there")?;
    }
    let during = failed() - before;
    tally.note(|figures| figures.rolling_failed += during);
    Ok(())
}
