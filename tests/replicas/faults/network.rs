//! F3: what stands between a replica and the database fails.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{Effect, Fault, Place, SHOWN_WITHIN, Stage, ask_later, effect, other_than};
use crate::{proxy::Held, until::until};

/// How often the replica is asked while it is cut off.
const INTERVAL: Duration = Duration::from_millis(50);
/// The same where it matters when exactly.
const OFTEN: Duration = Duration::from_millis(10);
/// By how much an answer is late.
const LATE: Duration = Duration::from_millis(60);
/// How often the replica is asked at once after a change.
const AFTERWARDS: usize = 4;

/// Something does not come through for a while: keys that the replica knows are revoked
/// elsewhere, and it is asked about them all the time.
pub(super) async fn held(
    fault: Fault,
    place: Place<'_>,
    stage: &mut Stage,
    replica: usize,
) -> Effect {
    let Place { pace, cluster, .. } = place;
    let held = match fault {
        Fault::Deaf => Held { down: true, ..Held::default() },
        Fault::Mute => Held { up: true, ..Held::default() },
        Fault::HalfOpenListener => {
            Held { up: true, down: true, only_listeners: true, ..Held::default() }
        }
        _ => Held { up: true, down: true, ..Held::default() },
    };
    let proxy = &cluster.proxies[replica];
    let keys = stage.warm(place).await;
    let before = proxy.counted();
    let begun = Instant::now();
    proxy.hold(held);
    let mut asking = JoinSet::new();
    for key in &keys {
        stage.changer.revoke(key, Some(other_than(replica))).await;
        ask_later(place, &mut asking, replica, key);
    }
    let mut interval = tokio::time::interval(INTERVAL);
    while begun.elapsed() < pace.outage {
        interval.tick().await;
        for key in &keys {
            ask_later(place, &mut asking, replica, key);
        }
    }
    let was_held = until(SHOWN_WITHIN, || proxy.counted().all > before.all).await;
    proxy.release();
    // After this nothing of what was held comes through: that of the others does, late.
    if fault == Fault::CutOff {
        proxy.reset();
    }
    for key in &keys {
        ask_later(place, &mut asking, replica, key);
    }
    while asking.join_next().await.is_some() {}
    effect(was_held, "there was nothing to hold")
}

/// Every answer comes late, on a connection that works otherwise: between the moment that the
/// database knows something of the replica and the moment that the replica knows that, there is
/// time to be asked.
pub(super) async fn slow(place: Place<'_>, stage: &mut Stage, replica: usize) -> Effect {
    let Place { cluster, .. } = place;
    let proxy = &cluster.proxies[replica];
    let keys = stage.warm(place).await;
    let before = proxy.counted();
    proxy.hold(Held { late: Some(LATE), ..Held::default() });
    let mut asking = JoinSet::new();
    for key in &keys {
        stage.changer.revoke(key, Some(other_than(replica))).await;
        for _ in 0..AFTERWARDS {
            ask_later(place, &mut asking, replica, key);
        }
    }
    proxy.release();
    while asking.join_next().await.is_some() {}
    effect(proxy.counted().all > before.all, "there was no answer")
}

/// The last answer that a replica has comes late, and knows nothing of a change that was made
/// since it was asked for: the lease that it brings must end before the change returns, however
/// late it came.
pub(super) async fn last_late(place: Place<'_>, stage: &mut Stage, replica: usize) -> Effect {
    let Place { pace, cluster, .. } = place;
    let proxy = &cluster.proxies[replica];
    let key = stage.warm(place).await.remove(0);
    let lease = Duration::from_millis(pace.lease_ms);
    let before = proxy.counted();
    let begun = Instant::now();
    proxy.hold(Held { down: true, ..Held::default() });
    // By then it has asked: it does at every change, of which there are many.
    tokio::time::sleep(lease / 10).await;
    let was_held = until(SHOWN_WITHIN, || proxy.counted().all > before.all).await;
    let changer = &mut stage.changer;
    let mut asking = JoinSet::new();
    let lately = async {
        tokio::time::sleep((lease * 11 / 20).saturating_sub(begun.elapsed())).await;
        // What was answered comes through, and no question more.
        proxy.hold(Held { up: true, ..Held::default() });
        let mut interval = tokio::time::interval(OFTEN);
        while begun.elapsed() < lease * 2 {
            interval.tick().await;
            ask_later(place, &mut asking, replica, &key);
        }
    };
    tokio::join!(changer.revoke(&key, Some(other_than(replica))), lately);
    proxy.release();
    while asking.join_next().await.is_some() {}
    effect(was_held, "there was no answer to come late")
}

/// All connections of a replica end, again and again.
pub(super) async fn reset(place: Place<'_>, stage: &mut Stage, replica: usize) -> Effect {
    let Place { cluster, .. } = place;
    let keys = stage.warm(place).await;
    let proxy = &cluster.proxies[replica];
    let mut ended = 0;
    for key in &keys {
        ended += proxy.open();
        proxy.reset();
        stage.changer.revoke(key, Some(replica)).await;
    }
    effect(ended > 0, "there was no connection")
}
