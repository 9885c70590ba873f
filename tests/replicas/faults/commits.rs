//! F4, F8, F13: what the database answers comes late, or never.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{Effect, Place, SHOWN_WITHIN, Stage, ask_later, effect, other_than};
use crate::{
    asking::ask,
    calls::{Call, Reply},
    proxy::Held,
    until::until,
    world::{Key, Own},
};

const COMMITS: Held = Held {
    up: false,
    down: false,
    only_listeners: false,
    commits: true,
    look_ups: false,
    late: None,
};
/// How many ask while a look-up is under way.
const LATE: u64 = 3;

/// Revokes a key at a replica whose commits are not answered. Once this very change is in the
/// database, does what is to be done then; the caller goes on elsewhere where it must.
async fn revoked_meanwhile<F: Future<Output = ()>>(
    place: Place<'_>,
    stage: &mut Stage,
    replica: usize,
    key: &Arc<Key>,
    then: impl FnOnce() -> F,
) -> (usize, bool) {
    let Place { cluster, .. } = place;
    let proxy = &cluster.proxies[replica];
    let (before, request_id) = (proxy.counted().commits, stage.changer.request_id());
    let call = Call::revoke(key, request_id.clone());
    let database = cluster.database().await;
    proxy.hold(COMMITS);
    let committed = async {
        let mut interval = tokio::time::interval(Duration::from_millis(10));
        let begun = Instant::now();
        let mut is_there = false;
        while !is_there && begun.elapsed() < SHOWN_WITHIN {
            interval.tick().await;
            let sql = "SELECT count(*) FROM events WHERE request_id = $1";
            let events = database.number(sql, vec![request_id.clone().into()]).await;
            is_there = events > 0;
        }
        let is_held = until(SHOWN_WITHIN, || proxy.counted().commits > before).await;
        then().await;
        is_there && is_held
    };
    let settling = stage.changer.settle("revoke", call, Some(replica));
    let (settled, is_committed) = tokio::join!(settling, committed);
    let Reply { revision, .. } = settled.reply;
    key.own.changed(revision, Own { is_revoked: true, ..key.own.now() });
    let secret = key.newest_secret();
    for replica in 0..crate::cluster::REPLICAS {
        ask(cluster, place.tally, replica, key, &secret).await;
    }
    (settled.attempts, is_committed)
}

/// The database says late that it has committed.
pub(super) async fn delayed(place: Place<'_>, stage: &mut Stage, replica: usize) -> Effect {
    let Place { pace, cluster, .. } = place;
    let keys = stage.warm(place).await;
    let proxy = &cluster.proxies[replica];
    let (_, is_committed) = revoked_meanwhile(place, stage, replica, &keys[0], || async {
        tokio::time::sleep(pace.commit_delay).await;
        proxy.release();
    })
    .await;
    effect(is_committed, "the change was not committed meanwhile")
}

/// The database commits, and its connections are gone before it can say so.
pub(super) async fn cut(place: Place<'_>, stage: &mut Stage, replica: usize) -> Effect {
    let Place { pace, cluster, .. } = place;
    let keys = stage.warm(place).await;
    let proxy = &cluster.proxies[replica];
    let (attempts, is_committed) = revoked_meanwhile(place, stage, replica, &keys[0], || async {
        tokio::time::sleep(pace.commit_delay).await;
        proxy.reset();
        proxy.release();
    })
    .await;
    effect(is_committed, "the change was not committed meanwhile")?;
    effect(attempts > 1, "the change was answered although its commit was not")
}

/// A replica is killed when its change is committed and nobody was told.
pub(super) async fn writer_killed(place: Place<'_>, stage: &mut Stage, replica: usize) -> Effect {
    let Place { cluster, .. } = place;
    let keys = stage.warm(place).await;
    let proxy = &cluster.proxies[replica];
    let (attempts, is_committed) = revoked_meanwhile(place, stage, replica, &keys[0], || async {
        cluster.kill(replica);
        proxy.reset();
        proxy.release();
    })
    .await;
    cluster.serve(replica).await;
    effect(is_committed, "the change was not committed meanwhile")?;
    effect(attempts > 1, "the change was answered by the one who was killed")
}

/// A replica reads a key, and has the answer only when the key is revoked elsewhere. Who asked
/// before may be told what was; who asks afterwards may not, be it while that look-up
/// is still under way or when it has come back.
pub(super) async fn fill_delayed(place: Place<'_>, stage: &mut Stage, replica: usize) -> Effect {
    let Place { cluster, .. } = place;
    let proxy = &cluster.proxies[replica];
    let key = stage.changer.create(Some(other_than(replica))).await;
    let before = proxy.counted().look_ups;
    proxy.hold(Held { look_ups: true, ..Held::default() });
    let mut asking = JoinSet::new();
    ask_later(place, &mut asking, replica, &key);
    let is_held = until(SHOWN_WITHIN, || proxy.counted().look_ups > before).await;
    stage.changer.revoke(&key, Some(other_than(replica))).await;
    let joined = cluster.joined(replica);
    for _ in 0..LATE {
        ask_later(place, &mut asking, replica, &key);
    }
    let are_late = until(SHOWN_WITHIN, || cluster.joined(replica) >= joined + LATE).await;
    proxy.release();
    while asking.join_next().await.is_some() {}
    let secret = key.newest_secret();
    for _ in 0..LATE {
        ask(cluster, place.tally, replica, &key, &secret).await;
    }
    effect(is_held, "nothing was looked up")?;
    effect(are_late, "nobody asked while it was looked up")
}
